"""Counting the classes that come before labels, on a device."""
