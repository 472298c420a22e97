"""Files of scores and labels: reading, pairing, and writing results safely.

Pillow and tifffile are imported when the first PNG or TIFF is read, SciPy for the first
sparse matrix.
"""

from fastpr.io.arrays import SUFFIXES, read_labels, read_scores
from fastpr.io.errors import UnpairedFiles, UnreadableFile
from fastpr.io.pairing import Pairing, pair_files
from fastpr.io.ranking import LabelLists, read_array, read_class_labels, read_class_scores
from fastpr.io.staging import check_output, staged

__all__ = [
    "SUFFIXES",
    "LabelLists",
    "Pairing",
    "UnpairedFiles",
    "UnreadableFile",
    "check_output",
    "pair_files",
    "read_array",
    "read_class_labels",
    "read_class_scores",
    "read_labels",
    "read_scores",
    "staged",
]
