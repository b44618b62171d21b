"""The outside systems that the tools look at, one per file."""
