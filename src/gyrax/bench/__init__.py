"""Measure speed, compile time and memory, beside yardsticks timed in the same run."""
