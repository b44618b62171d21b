"""The demo system: a small shop on one machine, made to be broken and brought back."""
