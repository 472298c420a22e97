"""Counting the classes that come before labels."""
