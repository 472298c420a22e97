"""What the commands say of input that they could read, but not use."""

from __future__ import annotations


class BadData(Exception):  # noqa: N818 - a state of the data
    """Scores, labels or weights that cannot be counted; the message names the file."""
