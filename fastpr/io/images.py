"""Reading PNG and TIFF images without changing a value."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fastpr.io.archives import Array
from fastpr.io.errors import UnreadableFile

_GREY, _PALETTE = 0, 3
_CHANNELS = {2: "3 channels (RGB)", 4: "2 channels (grey, alpha)", 6: "4 channels (RGBA)"}
_INSTALL = 'pip install "fastpr[cli]"'


def read_png(path: Path, *, scores: bool) -> Array:
    """Read a PNG image of one channel.

    Parameters
    ----------
    path : path
    scores : bool
        Scores are greyscale of 8 or 16 bits. Labels may be a palette image too (the index is
        the label) or have 1, 2 or 4 bits.

    Returns
    -------
    uint8, uint16 or bool array, shape (H, W)

    Raises
    ------
    UnreadableFile
        If the image has several channels or frames, or cannot hold scores.
    """
    try:
        from PIL.PngImagePlugin import PngImageFile
    except ImportError:
        raise UnreadableFile(path, f"PNG needs Pillow: {_INSTALL}") from None

    with path.open("rb") as file:
        # Pillow hides what the file holds: it cuts 16-bit colour down to 8 bits, and spreads
        # 2 and 4 bits over 8. So the header decides.
        header = file.read(26)
        file.seek(0)
        # Not Image.open: that reads other formats too, and refuses large images.
        with PngImageFile(file) as image:
            frames = getattr(image, "n_frames", 1)
            image.verify()  # the checksum of each chunk: decoding alone misses damage
        bits, colour = header[24], header[25]
        if colour in _CHANNELS:
            raise UnreadableFile(path, f"has {_CHANNELS[colour]}; save it with one")
        if frames != 1:
            raise UnreadableFile(path, f"has {frames} frames; save it with one")
        if scores and colour == _PALETTE:
            raise UnreadableFile(path, "is a palette image; scores need 8 or 16 bits of grey")
        if scores and bits < 8:
            raise UnreadableFile(path, f"has {bits} bits a pixel; scores need 8 or 16")
        file.seek(0)
        with PngImageFile(file) as image:
            array: Array = np.array(image)
    if bits == 16:
        return array.astype(np.uint16, copy=False)  # older Pillow gives int32
    if colour == _GREY and bits in (2, 4):
        array = array // (255 // (2**bits - 1))
    return array


def read_tiff(path: Path, *, scores: bool) -> Array:
    """Read a TIFF image, or a stack, of one channel.

    Parameters
    ----------
    path : path
        All pages must have one shape and dtype. Values are taken as stored, also where the
        file asks for 0 to be shown as white.
    scores : bool
        Scores are not a palette image, and use all bits of their integers.

    Returns
    -------
    array, shape (H, W) or (pages, H, W)

    Raises
    ------
    UnreadableFile
        If there are several channels or series, a codec is missing, or it is damaged.
    """
    try:
        import tifffile
    except ImportError:
        raise UnreadableFile(path, f"TIFF needs tifffile: {_INSTALL}") from None

    with _logged_errors("tifffile") as logged:
        try:
            # As OME-TIFF, one file could bring in the pixels of others.
            with tifffile.TiffFile(path, is_ome=False) as tiff:
                if len(tiff.series) != 1:
                    raise UnreadableFile(
                        path, f"holds {len(tiff.series)} images of different kinds; save one"
                    )
                series, page = tiff.series[0], tiff.pages.first
                channels = [
                    size
                    for size, axis in zip(series.shape, series.axes, strict=True)
                    if axis in "SC" and size > 1
                ]
                if channels:
                    raise UnreadableFile(path, f"has {channels[0]} channels; save it with one")
                if scores and page.photometric == tifffile.PHOTOMETRIC.PALETTE:
                    raise UnreadableFile(path, "is a palette image; scores need grey values")
                array: Array = series.asarray()
                if scores and page.bitspersample != array.dtype.itemsize * 8:
                    raise UnreadableFile(
                        path,
                        f"has {page.bitspersample} bits a pixel; scores need 8 or 16, or floats",
                    )
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise UnreadableFile(path, f"{error}: pip install imagecodecs") from None
    # tifffile drops pages that it cannot reach, and only logs an error (since 2023.9.26).
    if logged:
        raise UnreadableFile(path, f"is damaged or truncated ({logged[0]})")
    return array


@contextmanager
def _logged_errors(name: str) -> Iterator[list[str]]:
    """Collect the errors that this thread logs to a logger."""
    messages: list[str] = []
    thread = threading.get_ident()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                messages.append(record.getMessage())

    handler = Collect(logging.ERROR)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
