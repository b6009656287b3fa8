"""Crops and normalisation of the trackers. This file is the definition; the runtime (`src/track`) does the same.

Boxes
    ``(cx, cy, w, h)`` in pixels of one modality, coordinates as in `preprocess`; ``w`` and ``h`` at least MIN_SIDE.

Crops
    ``c = (w + h) / 2``, ``l = sqrt((w + c) (h + c))``. The template is the square of side ``l`` around the box, sampled
    to 64 x 64; the search crop the square of side ``2 l`` around the predicted centre, sampled to 128 x 128. Both have
    the same scale, and a box of the target's size has an area of about 32 x 32 px in either. Sampling as in
    `preprocess`: half-size ``h = l / 2`` or ``l``, no rotation, the mean of k x k bilinear samples, borders repeated;
    colours channel by channel.

Thermal
    Over the template's crop, every 2nd row and column: sort the n samples, ``lo`` = number floor(0.02 (n - 1) + 0.5),
    ``hi`` = number floor(0.98 (n - 1) + 0.5). ``span = max(hi - lo, floor)``, where ``floor`` is 1 K for radiometric
    frames (100 centikelvin), 5 for 8-bit grey and 30 for raw counts. ``x = clamp((v - lo) / span, -1, 2)``. The search crops
    of the track keep the template's ``lo`` and ``span``, so that the target keeps its temperature.

Visible
    ``m`` and ``s``: mean and standard deviation over all pixels and channels of the template's crop, 0..255.
    ``x = clamp((v - m) / max(s, 5) * 0.25 + 0.5, -1, 2)``. The search crops keep ``m`` and ``s`` too.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .preprocess import percentile_limits, resample_reference, subsamples

TEMPLATE, SEARCH = 64, 128
#: Cells of both feature maps; one cell is STRIDE px of its crop.
STRIDE = 8
TEMPLATE_CELLS, SEARCH_CELLS = TEMPLATE // STRIDE, SEARCH // STRIDE
#: Side in the search crop to which predicted sizes refer, px.
UNIT = 32.0
#: Least side of a box, px of its modality.
MIN_SIDE = 3.0
THERMAL_TAIL = 0.02
#: Least span of the thermal normalisation by kind of signal.
THERMAL_FLOOR = {"centikelvin": 100.0, "counts": 30.0, "grey8": 5.0}
VISIBLE_FLOOR = 5.0
#: Range of both inputs.
LOW, HIGH = -1.0, 2.0


def template_side(w: float, h: float) -> float:
    """l: side of the template's square, px; that of the search crop is twice it."""
    w, h = max(w, MIN_SIDE), max(h, MIN_SIDE)
    c = (w + h) / 2
    return math.sqrt((w + c) * (h + c))


def crop_reference(frame: np.ndarray, centre: Sequence[float], side: float, size: int) -> np.ndarray:
    """The crop of the definition, slow and exact: f32 `[size, size]`, or `[size, size, c]` of a frame `[h, w, c]`."""
    if frame.ndim == 2:
        return resample_reference(frame, centre, side / 2, 0.0, size)
    return np.stack([resample_reference(frame[..., c], centre, side / 2, 0.0, size)
                     for c in range(frame.shape[2])], -1)


def crop(frame: np.ndarray, centre: Sequence[float], side: float, size: int) -> np.ndarray:
    """`crop_reference` by OpenCV."""
    part, corner, _ = _part(frame, centre, side)
    return _warp(part.astype(np.float32), centre[0] - corner[0], centre[1] - corner[1], side, size,
                 subsamples(side / size))


def quick_crop(frame: np.ndarray, centre: Sequence[float], side: float, size: int) -> np.ndarray:
    """`crop`, somewhat softer and several times faster where the crop is large, for training: averages first, and takes
    at most 2 x 2 samples a pixel, of colours one."""
    k = subsamples(side / size)
    part, corner, bounds = _part(frame, centre, side)
    x, y = centre[0] - corner[0], centre[1] - corner[1]
    less = k if part.ndim == 3 else k // 2
    part = part.astype(np.float32)
    if less > 1 and min(bounds) >= less:
        columns, rows = (n // less * less for n in bounds)
        part = cv2.resize(part[:rows, :columns], (columns // less, rows // less), interpolation=cv2.INTER_AREA)
        x, y, side = x / less, y / less, side / less
    return _warp(part, x, y, side, size, 1 if part.ndim == 3 else min(k, 2))


def _part(frame: np.ndarray, centre: Sequence[float], side: float) -> tuple[np.ndarray, tuple[int, int],
                                                                            tuple[int, int]]:
    """The part of a frame that a crop reads, its corner and size (x, y)."""
    height, width = frame.shape[:2]
    margin = side / 2 + 2
    x0, y0 = (int(min(max(v - margin, 0), n - 1)) for v, n in zip(centre, (width, height)))
    x1, y1 = (int(min(max(v + margin, a), n - 1)) + 1 for v, a, n in zip(centre, (x0, y0), (width, height)))
    return frame[y0:y1, x0:x1], (x0, y0), (x1 - x0, y1 - y0)


def _warp(part: np.ndarray, x: float, y: float, side: float, size: int, k: int) -> np.ndarray:
    """A square of `side` around (x, y), of k x k samples a pixel."""
    scale = side / size / k
    a, b = (v - side / 2 + 0.5 * scale - 0.5 for v in (x, y))
    m = np.array([[scale, 0, a], [0, scale, b]])
    fine = cv2.warpAffine(part, m, (k * size, k * size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REPLICATE)
    return fine if k == 1 else cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def thermal_limits(template: np.ndarray, floor: float) -> tuple[float, float]:
    """`lo` and `span` of a template's crop."""
    lo, hi = percentile_limits(template, THERMAL_TAIL)
    return lo, max(hi - lo, floor)


def normalise_thermal(image: np.ndarray, lo: float, span: float) -> np.ndarray:
    """A crop to the network's input, f32."""
    return np.clip((image.astype(np.float32) - np.float32(lo)) * np.float32(1 / span), LOW, HIGH)


def visible_statistics(template: np.ndarray) -> tuple[float, float]:
    """`m` and `s` of a template's crop."""
    return float(template.mean()), float(template.std())


def normalise_visible(image: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """A crop to the network's input, f32."""
    gain = 0.25 / max(deviation, VISIBLE_FLOOR)
    return np.clip((image.astype(np.float32) - np.float32(mean)) * np.float32(gain) + np.float32(0.5), LOW, HIGH)
