"""From the records of a run to what its phases cost."""
