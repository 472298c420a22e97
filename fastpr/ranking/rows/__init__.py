"""Rows of scores and their labels; `read` is the gate."""
