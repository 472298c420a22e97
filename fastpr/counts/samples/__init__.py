"""Scores, labels and weights of an update; `read` is the gate."""
