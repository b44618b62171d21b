"""Measures the daemon beside the least that could do the same work, in one run: ratios, not records."""
