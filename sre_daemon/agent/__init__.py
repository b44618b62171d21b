"""Investigators: from an incident to a diagnosis, with read-only tools."""
