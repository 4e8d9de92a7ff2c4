"""A simulated AWS in virtual time, for tests and benchmarks: stated limits, no waiting."""
