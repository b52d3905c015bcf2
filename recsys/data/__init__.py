"""From files, a catalogue name or a DataFrame to blocks of rating arrays, split into training, validation and test."""
