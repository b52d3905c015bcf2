"""What a run is made of: its directory, profile, messages, memory check and resume."""
