"""Sorting scores, for exact curves."""
