"""Make the sample that ``fastpr demo`` runs on.

The image and the mask are those of the package stardist (see README.md beside this file). The
probability map is made here, from the image alone, by a logistic regression on nine smoothed
intensities, local contrasts and edge strengths. It is meant to be honest, not good: the map is
cross-validated in space, so that no pixel's probability comes from a model that was fitted to
that pixel or to any pixel within `MARGIN` of it.

Run it from a checkout, with scikit-learn, SciPy, Pillow and tifffile installed::

    python fastpr/data/make_sample.py                        # the map, from the PNGs that are here
    python fastpr/data/make_sample.py stardist/data/images   # all three, from img2d.tif, mask2d.tif

The map was made with scikit-learn 1.9, SciPy 1.17 and NumPy 2.4. Other versions can change its
last bits, and nothing in the package depends on them.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
IMAGE = HERE / "nuclei_image.png"
MASK = HERE / "nuclei_mask.png"
PROBABILITY = HERE / "nuclei_probability.png"

BLOCKS = 2  # a side: each quarter is predicted from the three others
MARGIN = 32  # pixels; no nucleus of this image reaches from one side to the other
SCALES = (1.0, 2.0, 4.0)  # pixels
BACKGROUND_SCALES = (16.0, 32.0)  # pixels; a nucleus is about 20 by 30
LEVELS = 4095  # 12 bits; finer steps are noise, and make the file a quarter larger


def features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe each pixel by its neighbourhood.

    Parameters
    ----------
    image : uint8 array, shape (H, W)

    Returns
    -------
    float64 array, shape (H * W, 9)
        Logarithm of the intensity at three scales, that less two wide averages of it and
        less the local minimum, and the edge strength at three scales.
    """
    from scipy import ndimage

    # Logarithms, because dim and bright nuclei stand out of their surroundings by a factor.
    log_image = np.log1p(image.astype(np.float64))
    smooth = [ndimage.gaussian_filter(log_image, scale) for scale in SCALES]
    contrast = [smooth[0] - ndimage.gaussian_filter(log_image, s) for s in BACKGROUND_SCALES]
    contrast.append(smooth[1] - ndimage.minimum_filter(smooth[2], size=65))
    edges = [ndimage.gaussian_gradient_magnitude(log_image, scale) for scale in SCALES]
    columns = [column.ravel() for column in (*smooth, *contrast, *edges)]
    return np.stack(columns, axis=1)


def cross_validated_probability(
    image: NDArray[np.uint8], foreground: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Probability of foreground at each pixel, by a model that has not seen its surroundings.

    Parameters
    ----------
    image : uint8 array, shape (H, W)
    foreground : bool array, shape (H, W)

    Returns
    -------
    float64 array, shape (H, W)
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = features(image)
    height, width = image.shape
    probability = np.empty(image.shape)
    rows = np.linspace(0, height, BLOCKS + 1, dtype=int)
    cols = np.linspace(0, width, BLOCKS + 1, dtype=int)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            held_out = np.zeros(image.shape, bool)
            held_out[top:bottom, left:right] = True
            train = np.ones(image.shape, bool)
            train[
                max(top - MARGIN, 0) : bottom + MARGIN, max(left - MARGIN, 0) : right + MARGIN
            ] = False
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(columns[train.ravel()], foreground[train])
            probability[held_out] = model.predict_proba(columns[held_out.ravel()])[:, 1]
    return probability


def to_uint16(probability: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Round to `LEVELS` steps and spread them over the whole range of uint16.

    Parameters
    ----------
    probability : float64 array, in [0, 1]

    Returns
    -------
    uint16 array of the same shape
        0 stands for 0, 65535 for 1.
    """
    return np.rint(np.rint(probability * LEVELS) * (65535 / LEVELS)).astype(np.uint16)


def copy_source(folder: Path) -> None:
    """Write the image and the mask of stardist as PNG, without loss.

    Parameters
    ----------
    folder : path
        Holds img2d.tif and mask2d.tif.
    """
    import tifffile
    from PIL import Image

    image = tifffile.imread(folder / "img2d.tif")
    mask = tifffile.imread(folder / "mask2d.tif")
    if image.max() > 255:
        raise SystemExit(f"{folder / 'img2d.tif'}: expected values up to 255 in 16 bits")
    Image.fromarray(image.astype(np.uint8)).save(IMAGE, optimize=True)
    Image.fromarray(mask.astype(np.uint16)).save(MASK, optimize=True)


def main() -> None:
    """Write the sample beside this file."""
    from PIL import Image

    parser = argparse.ArgumentParser(description="Make the sample of `fastpr demo`.")
    parser.add_argument("source", nargs="?", type=Path, help="folder of img2d.tif and mask2d.tif")
    source = parser.parse_args().source
    if source is not None:
        copy_source(source)
    with Image.open(IMAGE) as file:
        image = np.asarray(file)
    with Image.open(MASK) as file:
        foreground = np.asarray(file) > 0
    scores = to_uint16(cross_validated_probability(image, foreground))
    Image.fromarray(scores).save(PROBABILITY, optimize=True)


if __name__ == "__main__":
    main()
