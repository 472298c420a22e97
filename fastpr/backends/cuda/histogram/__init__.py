"""Counting samples into bins, on a device."""
