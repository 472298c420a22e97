"""The ways in which input files can be wrong."""

from __future__ import annotations

from pathlib import Path


class UnreadableFile(Exception):  # noqa: N818 - a state of the file
    """A file that cannot be read as scores or labels.

    Parameters
    ----------
    path : path
        The file.
    why : str
        What is wrong with it, and what to do where that is known.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class UnpairedFiles(Exception):  # noqa: N818 - a state of the folders
    """Predictions and labels of which some have no partner, or more than one.

    Parameters
    ----------
    why : str
        What is wrong, naming the files.
    """


class BadData(Exception):  # noqa: N818 - a state of the data
    """Scores, labels or weights of files that cannot be counted; the message names the file."""
