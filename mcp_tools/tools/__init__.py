"""The tools, one file per group: validate, call, trim."""
