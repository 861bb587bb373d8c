"""Drills that are too long, and need too much of a machine, for the test suite."""
