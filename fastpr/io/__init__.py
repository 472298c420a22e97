"""Files of scores and labels: reading, pairing, and writing results safely.

Pillow and tifffile are imported when the first PNG or TIFF is read.
"""

from fastpr.io.arrays import SUFFIXES, read_labels, read_scores
from fastpr.io.errors import UnpairedFiles, UnreadableFile
from fastpr.io.pairing import Pairing, pair_files
from fastpr.io.staging import check_output, staged

__all__ = [
    "SUFFIXES",
    "Pairing",
    "UnpairedFiles",
    "UnreadableFile",
    "check_output",
    "pair_files",
    "read_labels",
    "read_scores",
    "staged",
]
