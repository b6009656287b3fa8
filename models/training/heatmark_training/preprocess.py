"""Preprocessing: what the networks see. This file is the definition; the runtime does the same.

Coordinates
    Pixels, x to the right and y down; the centre of the first pixel is (0.5, 0.5).

Landmark crop (R x R, R = 96)
    A crop is a rotated square: centre ``c`` (px), half-size ``h`` (px), rotation ``t`` (rad).
    Output pixel (row i, column j) has ``u = (j + 0.5) / R * 2 - 1``, ``v`` from i in the same way, and samples
    the source at ``c + h * (cos t * u - sin t * v, sin t * u + cos t * v)``.
    From a face box (around the 70 points) to the crop: ``c`` the box centre,
    ``h = 0.5 * CROP_FACTOR * max(w, h)``, CROP_FACTOR = 1.4; ``t`` the face's roll if known, else 0.
    Network points (u, v) go back to pixels by the same formula.

Sampling
    Bilinear between pixel centres, coordinates clamped to the frame. Each output pixel is the mean
    of k x k samples on a regular grid: (u, v) of a k R x k R grid, averaged in k x k blocks, with
    ``k = clamp(ceil(2 h / R - 0.01), 1, 6)``.

Normalisation
    Over the resampled crop, every 2nd row and column (starting at 0): sort the n samples,
    ``lo`` = sample number floor(0.01 (n - 1) + 0.5), ``hi`` = number floor(0.99 (n - 1) + 0.5).
    ``x = clamp((v - lo) / (hi - lo + floor), 0, 1) * 2 - 1``. ``floor`` is 0.2 K for radiometric
    frames (20 for centikelvin), 8 for raw counts, 2 for 8-bit grey, so that a flat picture stays flat.

Local contrast (the second input channel, where INPUT_CHANNELS is 2)
    In front of a cold wall a face spans a tenth of the range and its features a hundredth. With the mean ``m``
    and standard deviation ``s`` of the 25 x 25 pixels around, borders repeated, and before normalisation:
    ``y = clamp((v - m) / (2 s + floor), -1.5, 1.5)``.

Detector input (W x H: 160 x 128; 320 x 256 for frames wider than 240 px)
    The frame scaled to fit, aspect kept, centred (letterbox); what lies outside the frame repeats its border.
    With the frame's size (fw, fh): ``s = max(fw / W, fh / H)`` source px per input px; input pixel
    (i, j) samples at ``(fw / 2 + (j + 0.5 - W / 2) s, fh / 2 + (i + 0.5 - H / 2) s)``; the same
    sampling with ``k = clamp(ceil(s - 0.01), 1, 6)``; the same normalisation with the percentiles
    0.005 and 0.995 over the whole input, and the same local contrast. The sides of the input are multiples of 32,
    so that every upsampled feature map has the size of the one it is added to.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

CROP_SIZE = 96
CROP_FACTOR = 1.4
LANDMARK_TAIL = 0.01
DETECTOR_TAIL = 0.005
CONTRAST_WINDOW = 25
CONTRAST_LIMIT = 1.5
INPUT_CHANNELS = 1
DETECTOR_WIDTH, DETECTOR_HEIGHT = 160, 128
FLOOR = {"centikelvin": 20.0, "counts": 8.0, "grey": 2.0}

#: A point (x, y), px.
Point = np.ndarray | Sequence[float]

cv2.setNumThreads(1)


def crop_of_box(box: np.ndarray | Sequence[float], factor: float = CROP_FACTOR) -> tuple[np.ndarray, float]:
    """Centre (x, y) and half-size of the crop of a face box ``x0 y0 x1 y1``, px."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), 0.5 * factor * max(x1 - x0, y1 - y0)


def crop_to_frame(points: np.ndarray, centre: Point, half: float, angle: float) -> np.ndarray:
    """Crop units ``[n, 2]`` to frame pixels."""
    c, s = math.cos(angle), math.sin(angle)
    u, v = points[:, 0], points[:, 1]
    return np.stack([centre[0] + half * (c * u - s * v), centre[1] + half * (s * u + c * v)], 1)


def frame_to_crop(points: np.ndarray, centre: Point, half: float, angle: float) -> np.ndarray:
    """Frame pixels ``[n, 2]`` to crop units: the inverse of `crop_to_frame`."""
    c, s = math.cos(angle), math.sin(angle)
    x, y = (points[:, 0] - centre[0]) / half, (points[:, 1] - centre[1]) / half
    return np.stack([c * x + s * y, c * y - s * x], 1)


def subsamples(scale: float) -> int:
    """k: samples per side of an output pixel that spans `scale` source pixels."""
    return int(min(max(math.ceil(scale - 0.01), 1), 6))


def bilinear(frame: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Reference sampler: bilinear at arrays of frame coordinates, clamped at the border."""
    h, w = frame.shape
    x = np.clip(np.asarray(x, np.float64) - 0.5, 0, w - 1)
    y = np.clip(np.asarray(y, np.float64) - 0.5, 0, h - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    fx, fy = x - x0, y - y0
    f = frame.astype(np.float64)
    top = f[y0, x0] * (1 - fx) + f[y0, x1] * fx
    return top * (1 - fy) + (f[y1, x0] * (1 - fx) + f[y1, x1] * fx) * fy


def resample_reference(frame: np.ndarray, centre: Point, half: float, angle: float, width: int,
                       height: int | None = None) -> np.ndarray:
    """The sampling of the definition, slow and exact: f32 `[height, width]`. `half` is half the *width*, px."""
    height = height or width
    scale = 2 * half / width
    k = subsamples(scale)
    j = (np.arange(k * width) + 0.5) / k - width / 2
    i = (np.arange(k * height) + 0.5) / k - height / 2
    u, v = np.meshgrid(j * scale, i * scale)
    c, s = math.cos(angle), math.sin(angle)
    fine = bilinear(frame, centre[0] + c * u - s * v, centre[1] + s * u + c * v)
    return fine.reshape(height, k, width, k).mean((1, 3)).astype(np.float32)


def resample(frame: np.ndarray, centre: Point, half: float, angle: float, width: int, height: int | None = None,
             border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """`resample_reference` by OpenCV, which rounds positions to 1/32 px: for training."""
    height = height or width
    scale = 2 * half / width
    k = subsamples(scale)
    c, s = math.cos(angle) * scale / k, math.sin(angle) * scale / k
    # Fine pixel (a, b) has its centre at (a + 0.5); OpenCV counts from pixel centres on both sides.
    a, b = 0.5 - k * width / 2, 0.5 - k * height / 2
    m = np.array([[c, -s, centre[0] + c * a - s * b - 0.5], [s, c, centre[1] + s * a + c * b - 0.5]])
    fine = cv2.warpAffine(frame, m, (k * width, k * height),
                          flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)
    return fine if k == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def percentile_limits(image: np.ndarray, tail: float) -> tuple[float, float]:
    """The two percentiles of the definition, at `tail` and 1 - `tail`."""
    sub = image[::2, ::2].ravel()
    n = sub.size
    lo, hi = int(tail * (n - 1) + 0.5), int((1 - tail) * (n - 1) + 0.5)
    part = np.partition(sub, (lo, hi))
    return float(part[lo]), float(part[hi])


def normalise(image: np.ndarray, floor: float, tail: float = LANDMARK_TAIL) -> np.ndarray:
    """A picture to [-1, 1] by its percentiles, f32."""
    lo, hi = percentile_limits(image, tail)
    x = (image.astype(np.float32) - np.float32(lo)) * np.float32(2.0 / (hi - lo + floor))
    return np.clip(x, 0.0, 2.0) - np.float32(1.0)


def local_contrast(image: np.ndarray, floor: float) -> np.ndarray:
    """The local contrast of a picture, f32."""
    v = image.astype(np.float32)
    v = v - v.mean()  # keeps the precision of the squares
    mean = cv2.blur(v, (CONTRAST_WINDOW, CONTRAST_WINDOW), borderType=cv2.BORDER_REPLICATE)
    square = cv2.blur(v * v, (CONTRAST_WINDOW, CONTRAST_WINDOW), borderType=cv2.BORDER_REPLICATE)
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.clip((v - mean) / (2 * spread + np.float32(floor)), -CONTRAST_LIMIT, CONTRAST_LIMIT)


def network_input(image: np.ndarray, floor: float, tail: float = LANDMARK_TAIL,
                  channels: int = INPUT_CHANNELS) -> np.ndarray:
    """Network input ``[channels, ...]`` f32 of a resampled picture: the picture and, with 2 channels, its local
    contrast."""
    plane = normalise(image, floor, tail)
    return np.stack([plane, local_contrast(image, floor)]) if channels > 1 else plane[None]


def landmark_input(frame: np.ndarray, centre: Point, half: float, angle: float, floor: float,
                   size: int = CROP_SIZE) -> np.ndarray:
    """Network input ``[INPUT_CHANNELS, size, size]`` f32 of a crop of `frame` (2-D, any numeric type)."""
    return network_input(resample(frame.astype(np.float32), centre, half, angle, size), floor)


def letterbox(frame_width: int, frame_height: int, width: int = DETECTOR_WIDTH,
              height: int = DETECTOR_HEIGHT) -> tuple[float, float, float]:
    """Scale (source px per input px) and the source position x, y of the input's corner."""
    s = max(frame_width / width, frame_height / height)
    return s, frame_width / 2 - width / 2 * s, frame_height / 2 - height / 2 * s


def detector_input(frame: np.ndarray, floor: float, width: int | None = None,
                   height: int | None = None) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Detector input `[INPUT_CHANNELS, height, width]` f32 and its `letterbox`; without a size, the frame's width
    chooses it."""
    if width is None or height is None:
        big = 2 if frame.shape[1] > 240 else 1
        width, height = big * DETECTOR_WIDTH, big * DETECTOR_HEIGHT
    fh, fw = frame.shape
    box = letterbox(fw, fh, width, height)
    image = resample(frame.astype(np.float32), (fw / 2, fh / 2), box[0] * width / 2, 0.0, width, height)
    return network_input(image, floor, DETECTOR_TAIL), box
