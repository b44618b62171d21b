"""The stages an incident passes, and the worker that drives them."""
