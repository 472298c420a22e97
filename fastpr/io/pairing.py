"""Finding the label file of each prediction file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from fastpr.io.arrays import SUFFIXES
from fastpr.io.errors import UnpairedFiles, UnreadableFile


class Pairing(NamedTuple):
    """Files that belong together.

    Parameters
    ----------
    pairs : list of (path, path)
        Predictions and labels, sorted by stem.
    skipped_files : int
        Files of other suffixes in the two folders.
    skipped_folders : int
        Folders in the two folders; they are not entered.
    """

    pairs: list[tuple[Path, Path]]
    skipped_files: int
    skipped_folders: int


def pair_files(predictions: Path, labels: Path) -> Pairing:
    """Pair two files, or the files of two folders by their names without suffix.

    Hidden files are ignored. The case of a suffix does not matter, that of a stem does.

    Parameters
    ----------
    predictions : path
        A file or a folder.
    labels : path
        The same.

    Returns
    -------
    Pairing

    Raises
    ------
    UnreadableFile
        If a path does not exist, or a folder cannot be listed.
    UnpairedFiles
        If one is a file and the other a folder, a folder holds nothing to read, a stem occurs
        twice in a folder, or a file has no partner.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as first, TemporaryDirectory() as second:
    ...     for folder, name in ((first, "a.npy"), (second, "a.png"), (second, "notes.txt")):
    ...         Path(folder, name).touch()
    ...     pairing = pair_files(Path(first), Path(second))
    >>> [(scores.name, labels.name) for scores, labels in pairing.pairs]
    [('a.npy', 'a.png')]
    >>> pairing.skipped_files
    1
    """
    for path in (predictions, labels):
        if not path.exists():
            raise UnreadableFile(path, "there is no such file or folder")
    if predictions.is_dir() != labels.is_dir():
        folder, file = (predictions, labels) if predictions.is_dir() else (labels, predictions)
        raise UnpairedFiles(
            f"{folder} is a folder and {file} is a file; give two files or two folders"
        )
    if not predictions.is_dir():
        return Pairing([(predictions, labels)], 0, 0)

    by_stem, *skipped = _scan(predictions)
    labels_by_stem, *labels_skipped = _scan(labels)
    _check_partners(by_stem, labels_by_stem, labels)
    _check_partners(labels_by_stem, by_stem, predictions)
    pairs = [(by_stem[stem], labels_by_stem[stem]) for stem in sorted(by_stem)]
    files, folders = (a + b for a, b in zip(skipped, labels_skipped, strict=True))
    return Pairing(pairs, files, folders)


def _scan(folder: Path) -> tuple[dict[str, Path], int, int]:
    by_stem: dict[str, Path] = {}
    skipped_files = skipped_folders = 0
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableFile(folder, f"cannot be listed ({error.strerror})") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        # A dangling link is no folder: it goes on, and fails as a missing file.
        if entry.is_dir():
            skipped_folders += 1
        elif path.suffix.lower() not in SUFFIXES:
            skipped_files += 1
        elif path.stem in by_stem:
            raise UnpairedFiles(
                f"{by_stem[path.stem]} and {path} have the same stem; keep one of them"
            )
        else:
            by_stem[path.stem] = path
    if not by_stem:
        raise UnpairedFiles(f"{folder} holds no file of the kinds {', '.join(SUFFIXES)}")
    return by_stem, skipped_files, skipped_folders


def _check_partners(ours: dict[str, Path], theirs: dict[str, Path], folder: Path) -> None:
    alone = sorted(ours.keys() - theirs.keys())
    if alone:
        others = f" (nor have {len(alone) - 1} other files)" if len(alone) > 1 else ""
        raise UnpairedFiles(f"{ours[alone[0]]} has no partner in {folder}{others}")
