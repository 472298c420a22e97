"""Rows become ranks, on the host or on a device; `ranking` knows which."""
