"""Where incidents live: one contract (`base`), implementations that pass one test suite."""
