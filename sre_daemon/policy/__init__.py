"""The policy: which effects may be applied for which alert, decided by pure functions."""
