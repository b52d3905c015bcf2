"""From the records of a run to what its phases cost, and to a page that shows it."""
