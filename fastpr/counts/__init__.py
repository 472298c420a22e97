"""Precision and recall at thresholds: samples become a table, a table a state."""
