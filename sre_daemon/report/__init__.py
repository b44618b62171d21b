"""What is written down at the end of an incident."""
