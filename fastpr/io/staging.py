"""Writing several files so that a failure leaves every old one as it was."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_output(path: Path) -> None:
    """Find out early whether a file could be written, without touching it.

    Parameters
    ----------
    path : path

    Raises
    ------
    OSError
        If its folder is missing or not writable, or the path is there and not a regular file.
        The message names the path.
    """
    folder = path.resolve().parent  # links are followed, so the link itself stays
    if not folder.is_dir():
        raise OSError(f"cannot write {path}: there is no folder {folder}")
    if path.exists() and not path.is_file():
        raise OSError(f"cannot write {path}: it is there already and is not a regular file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(f"cannot write {path}: no permission to write in {folder}")


@contextmanager
def staged(*paths: Path) -> Iterator[list[Path]]:
    """Lend a temporary path for each file, and put them all in place at the end.

    On an exception inside the block, or when a temporary file was not written, nothing is put
    in place. Each replacement is atomic; only a crash between two of them can leave one done
    and the other not.

    Parameters
    ----------
    *paths : path
        Where the files are to be.

    Yields
    ------
    list of path
        Where to write them: beside the final places, hidden.

    Raises
    ------
    OSError
        If a file cannot be put in place.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     final = Path(folder, "result.json")
    ...     with staged(final) as (temporary,):
    ...         _ = temporary.write_text("{}")
    ...         print(final.exists())
    ...     print(final.exists())
    False
    True
    """
    finals = [path.resolve() for path in paths]
    # The suffix stays, as a writer may look at it.
    temporaries = [
        final.with_name(f".fastpr-{secrets.token_hex(8)}{final.suffix}") for final in finals
    ]
    try:
        yield temporaries
        for temporary, final in zip(temporaries, finals, strict=True):
            if final.exists():
                temporary.chmod(final.stat().st_mode & 0o777)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        for temporary, final in zip(temporaries, finals, strict=True):
            os.replace(temporary, final)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)
