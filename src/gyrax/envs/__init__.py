"""Worlds to act in and to record."""
