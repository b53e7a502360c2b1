"""Trying faults on a daemon from outside, as `volant selftest --faults` does: a room of its own, which no other imports."""
