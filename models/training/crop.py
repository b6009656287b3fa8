"""Preprocessing: what the networks see. This file is the definition; the runtime does the same.

Coordinates
    Pixels, x to the right and y down; the centre of the first pixel is (0.5, 0.5).

Landmark crop (R x R, R = 96)
    A crop is a rotated square: centre ``c`` (px), half-size ``h`` (px), rotation ``t`` (rad).
    Output pixel (row i, column j) has ``u = (j + 0.5) / R * 2 - 1``, ``v`` from i alike, and looks
    at the source point ``c + h * (cos t * u - sin t * v, sin t * u + cos t * v)``.
    From a face box (around the 70 points) to the crop: ``c`` the box centre,
    ``h = 0.5 * FACTOR * max(w, h)``, FACTOR = 1.4; ``t`` the roll if known, else 0.
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

Local contrast (the second plane of an input, where PLANES is 2)
    Before a cold wall a face takes up a tenth of the range and its features a hundredth. With the mean ``m``
    and standard deviation ``s`` of the 25 x 25 pixels around, borders repeated, and before normalisation:
    ``y = clamp((v - m) / (2 s + floor), -1.5, 1.5)``.

Detector input (W x H: 160 x 128; 320 x 256 for frames wider than 240 px)
    The frame scaled to fit, aspect kept, centred; what lies outside the frame repeats its border.
    With the frame's size (fw, fh): ``s = max(fw / W, fh / H)`` source px per input px; input pixel
    (i, j) looks at ``(fw / 2 + (j + 0.5 - W / 2) s, fh / 2 + (i + 0.5 - H / 2) s)``; the same
    sampler with ``k = clamp(ceil(s - 0.01), 1, 6)``; the same normalisation with the percentiles
    0.005 and 0.995 over the whole input, and its local contrast. The sides of the input are multiples of 32 so that every
    upsampled map fits its partner without slicing.
"""

import math

import cv2
import numpy as np

SIZE = 96
FACTOR = 1.4
LANDMARK_TAILS = 0.01
DETECTOR_TAILS = 0.005
WINDOW = 25
LIMIT = 1.5
PLANES = 1
DETECTOR_WIDTH, DETECTOR_HEIGHT = 160, 128
FLOOR = {"centikelvin": 20.0, "counts": 8.0, "grey": 2.0}

cv2.setNumThreads(1)


def from_box(box, factor=FACTOR):
    """Centre (x, y) and half-size of the crop of a face box ``x0 y0 x1 y1``."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), 0.5 * factor * max(x1 - x0, y1 - y0)


def to_frame(points, centre, half, turn):
    """Crop units ``[n, 2]`` to frame pixels."""
    c, s = math.cos(turn), math.sin(turn)
    u, v = points[:, 0], points[:, 1]
    return np.stack([centre[0] + half * (c * u - s * v), centre[1] + half * (s * u + c * v)], 1)


def to_crop(points, centre, half, turn):
    """Frame pixels ``[n, 2]`` to crop units: the inverse of `to_frame`."""
    c, s = math.cos(turn), math.sin(turn)
    x, y = (points[:, 0] - centre[0]) / half, (points[:, 1] - centre[1]) / half
    return np.stack([c * x + s * y, c * y - s * x], 1)


def subsamples(scale):
    """k: samples per side of an output pixel that spans `scale` source pixels."""
    return int(min(max(math.ceil(scale - 0.01), 1), 6))


def bilinear(frame, x, y):
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


def resample_reference(frame, centre, half, turn, width, height=None):
    """The sampling of the definition, slowly and exactly. `half` is half the *width*."""
    height = height or width
    scale = 2 * half / width
    k = subsamples(scale)
    j = (np.arange(k * width) + 0.5) / k - width / 2
    i = (np.arange(k * height) + 0.5) / k - height / 2
    u, v = np.meshgrid(j * scale, i * scale)
    c, s = math.cos(turn), math.sin(turn)
    fine = bilinear(frame, centre[0] + c * u - s * v, centre[1] + s * u + c * v)
    return fine.reshape(height, k, width, k).mean((1, 3)).astype(np.float32)


def resample(frame, centre, half, turn, width, height=None, border=cv2.BORDER_REPLICATE):
    """`resample_reference` by OpenCV, whose fractions are 1/32 px: for training."""
    height = height or width
    scale = 2 * half / width
    k = subsamples(scale)
    c, s = math.cos(turn) * scale / k, math.sin(turn) * scale / k
    # Fine pixel (a, b) has its centre at (a + 0.5); OpenCV counts from pixel centres on both sides.
    a, b = 0.5 - k * width / 2, 0.5 - k * height / 2
    m = np.array([[c, -s, centre[0] + c * a - s * b - 0.5], [s, c, centre[1] + s * a + c * b - 0.5]])
    fine = cv2.warpAffine(frame, m, (k * width, k * height),
                          flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)
    return fine if k == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def limits(image, tails):
    """The two percentiles of the definition."""
    sub = image[::2, ::2].ravel()
    n = sub.size
    lo, hi = int(tails * (n - 1) + 0.5), int((1 - tails) * (n - 1) + 0.5)
    part = np.partition(sub, (lo, hi))
    return float(part[lo]), float(part[hi])


def normalise(image, floor, tails=LANDMARK_TAILS):
    """An f32 picture to [-1, 1] by its percentiles."""
    lo, hi = limits(image, tails)
    x = (image.astype(np.float32) - np.float32(lo)) * np.float32(2.0 / (hi - lo + floor))
    return np.clip(x, 0.0, 2.0) - np.float32(1.0)


def contrast(image, floor):
    """The local contrast of an f32 picture."""
    v = image.astype(np.float32)
    v = v - v.mean()  # squares keep their precision
    mean = cv2.blur(v, (WINDOW, WINDOW), borderType=cv2.BORDER_REPLICATE)
    square = cv2.blur(v * v, (WINDOW, WINDOW), borderType=cv2.BORDER_REPLICATE)
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.clip((v - mean) / (2 * spread + np.float32(floor)), -LIMIT, LIMIT)


def planes(image, floor, tails=LANDMARK_TAILS, count=PLANES):
    """Network input ``[count, ...]`` f32 of a resampled picture: the picture, and its local contrast."""
    plane = normalise(image, floor, tails)
    return np.stack([plane, contrast(image, floor)]) if count > 1 else plane[None]


def landmark_input(frame, centre, half, turn, floor, size=SIZE):
    """Network input ``[PLANES, size, size]`` f32 of a crop of `frame` (2-D, any numeric type)."""
    return planes(resample(frame.astype(np.float32), centre, half, turn, size), floor)


def letterbox(frame_width, frame_height, width=DETECTOR_WIDTH, height=DETECTOR_HEIGHT):
    """Scale (source px per input px) and the source position of the input's corner."""
    s = max(frame_width / width, frame_height / height)
    return s, frame_width / 2 - width / 2 * s, frame_height / 2 - height / 2 * s


def detector_input(frame, floor, width=None, height=None):
    """Detector input and its `letterbox`; the size is chosen by the frame's width if not given."""
    if width is None:
        big = 2 if frame.shape[1] > 240 else 1
        width, height = big * DETECTOR_WIDTH, big * DETECTOR_HEIGHT
    fh, fw = frame.shape
    place = letterbox(fw, fh, width, height)
    image = resample(frame.astype(np.float32), (fw / 2, fh / 2), place[0] * width / 2, 0.0, width, height)
    return planes(image, floor, DETECTOR_TAILS), place
