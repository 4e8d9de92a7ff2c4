"""One discovery run."""
