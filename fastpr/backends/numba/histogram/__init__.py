"""Counting samples into bins."""
