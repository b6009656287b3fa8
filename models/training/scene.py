"""Training samples for the detector: scenes zoomed, tiled and seen by some camera, and their maps."""

import math
from dataclasses import dataclass

import numpy as np

import camera
from crop import DETECTOR_HEIGHT as H, DETECTOR_TAILS, DETECTOR_WIDTH as W, FLOOR, PLANES, detector_input, planes, resample
from points import MIRROR, box, five

STRIDE = 4
BASE = 8.0  # px: width and height are learnt as log(size / BASE)
SMALLEST = 6.0  # px: smaller faces are neither asked for nor punished
LYING = 1.8  # radians: the runtime measures heads that are turned by up to 2.1


@dataclass
class Maps:
    """Inputs `[n, 2, H, W]` and the targets of the loss, all f32."""

    image: np.ndarray
    heat: np.ndarray
    ignore: np.ndarray
    geom: np.ndarray
    weight: np.ndarray


def empty(count):
    """A batch without faces."""
    shape = (H // STRIDE, W // STRIDE)
    return Maps(np.empty((count, PLANES, H, W), np.float32), *(np.zeros((count, c, *shape), np.float32)
                                                              for c in (1, 1, 14, 1)))


HIDDEN = 0.7  # a face with more of its points behind objects is neither asked for nor punished


def faces_of(points, visibility):
    """Those faces of `[F, 70, 2]` (or one face `[70, 2]`) that are there, and whether each can be
    seen at all."""
    points = np.asarray(points, np.float32).reshape(-1, 70, 2)
    there = np.isfinite(points).all((1, 2))
    hidden = (np.asarray(visibility).reshape(-1, 70) == 2).mean(1)
    return points[there], hidden[there] <= HIDDEN


def roll(rng):
    """How a camera or all heads of a scene are turned, radians: mostly not at all, some a little, some until people
    lie on their sides."""
    kind = rng.random()
    return 0.0 if kind < 0.6 else rng.normal(0, 0.12) if kind < 0.85 else rng.uniform(-LYING, LYING)


def window(thermal, faces, width, height, largest, rng):
    """A view of a scene, `width` x `height` px: centre and source px per output px.

    Half the views bring some face to a size log-uniform in 7..largest px; the others show
    everything or a random part.
    """
    h, w = thermal.shape
    full = max(w / width, h / height)
    if len(faces) and rng.random() < 0.55:
        b = box(faces[int(rng.integers(len(faces)))])
        size = float(max(b[2] - b[0], b[3] - b[1]))
        scale = size / math.exp(rng.uniform(math.log(7), math.log(largest)))
        scale = min(max(scale, 0.25), 1.5 * full)
        loose = rng.uniform(-0.5, 0.5, 2) * (np.array([width, height]) * scale - 0.8 * size).clip(0)
        centre = (b[:2] + b[2:]) / 2 + loose
    else:
        scale = full * math.exp(rng.uniform(-0.9, 0.15)) if rng.random() < 0.6 else full
        centre = np.array([rng.uniform(0.3, 0.7) * w, rng.uniform(0.3, 0.7) * h])
    for axis, (side, length) in enumerate(((width, w), (height, h))):  # look inside where possible
        reach = side * scale / 2
        centre[axis] = np.clip(centre[axis], reach, length - reach) if 2 * reach < length else length / 2
    return centre, scale


def compose(draw, rng):
    """One input-sized picture from one scene or a mosaic of several, and its faces: points and the
    share of the box in view (0 for faces that objects hide)."""
    n = 1 if (luck := rng.random()) < 0.65 else 2 if luck < 0.88 else 3
    xs = np.linspace(0, W, n + 1).astype(int)
    ys = np.linspace(0, H, n + 1).astype(int)
    image, faces = np.empty((H, W), np.float32), []
    for i in range(n):
        for j in range(n):
            thermal, points, visibility = draw(rng)
            thermal = thermal.astype(np.float32)
            found, seen = faces_of(points, visibility)
            width, height = int(xs[j + 1] - xs[j]), int(ys[i + 1] - ys[i])
            centre, scale = window(thermal, found, width, height, 110 / n, rng)
            turn = roll(rng)
            view = resample(thermal, centre, width * scale / 2, turn, width, height)
            image[ys[i]:ys[i + 1], xs[j]:xs[j + 1]] = view
            c, s = math.cos(turn) / scale, math.sin(turn) / scale
            for face, shown in zip(found, seen):
                p = (face - centre) @ np.array([[c, -s], [s, c]]) + (width / 2, height / 2)
                inside = overlap(box(p), (0, 0, width, height))
                if inside > 0.05:
                    faces.append((p + (xs[j], ys[i]), inside if shown else 0.0))
    return image, faces


def overlap(a, b):
    """Share of box `a` that lies in box `b`."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0) / max((a[2] - a[0]) * (a[3] - a[1]), 1e-6)


def paint(maps, n, points, inside):
    """Adds one face to the target maps of picture `n`; `inside`: share of its box in view."""
    b = box(points)
    w, h = b[2] - b[0], b[3] - b[1]
    centre = (b[:2] + b[2:]) / 2
    rows, columns = maps.heat.shape[2:]
    cell = np.floor(centre / STRIDE).astype(int)
    outside = not (0 <= cell[0] < columns and 0 <= cell[1] < rows)
    if outside or inside < 0.45 or max(w, h) < SMALLEST:
        x0, y0 = np.floor(b[:2] / STRIDE).astype(int).clip(0)
        x1, y1 = np.ceil(b[2:] / STRIDE).astype(int).clip(0)
        maps.ignore[n, 0, y0:y1 + 1, x0:x1 + 1] = 1
        return
    size = math.sqrt(w * h)
    sigma = min(max(0.11 * size / STRIDE, 0.5), 4.0)
    reach = int(3.5 * sigma) + 1  # cells; beyond, the bump is below 0.003
    top, left = max(cell[1] - reach, 0), max(cell[0] - reach, 0)
    x = np.arange(left, min(cell[0] + reach + 1, columns)) + (0.5 - centre[0] / STRIDE)
    y = np.arange(top, min(cell[1] + reach + 1, rows)) + (0.5 - centre[1] / STRIDE)
    bump = np.exp(-(x * x + (y * y)[:, None]) / (2 * sigma * sigma)).astype(np.float32)
    bump[cell[1] - top, cell[0] - left] = 1
    heat = maps.heat[n, 0, top:top + len(y), left:left + len(x)]
    near = (bump > 0.35) & (bump >= heat)
    np.maximum(heat, bump, out=heat)
    maps.weight[n, 0, top:top + len(y), left:left + len(x)][near] = bump[near] / bump[near].sum()
    i, j = np.nonzero(near)
    i, j = i + top, j + left
    at = np.stack([(j + 0.5) * STRIDE, (i + 0.5) * STRIDE], 1)
    geom = maps.geom[n]
    geom[:2, i, j] = ((centre - at) / STRIDE).T
    geom[2, i, j], geom[3, i, j] = math.log(w / BASE), math.log(h / BASE)
    geom[4:, i, j] = ((five(points)[None] - at[:, None]) / (w, h)).reshape(len(at), 10).T


class Source:
    """Draws detector batches from scene folders and single-face folders."""

    def __init__(self, scenes, faces=None, share=0.2):
        self.scenes, self.faces, self.share = scenes, faces, share

    def draw(self, rng):
        """A random picture, its points and their visibility."""
        shards = self.faces if self.faces is not None and rng.random() < self.share else self.scenes
        folder, i = shards.draw(rng, 1)[0]
        return folder.thermal[i], folder.points[i], folder.visibility[i]

    def batch(self, count, rng, draw=None):
        """One training batch."""
        maps = empty(count)
        for n in range(count):
            image, faces = compose(draw or self.draw, rng)
            around = box(faces[0][0]) if faces else np.array([60.0, 40.0, 100.0, 80.0])
            image, floor = camera.observe(image, around, rng)
            x = planes(image, floor, DETECTOR_TAILS)
            flip = rng.random() < 0.5
            maps.image[n] = x[..., ::-1] if flip else x
            for points, inside in faces:
                paint(maps, n, mirrored(points) if flip else points, inside)
        return maps


def mirrored(points):
    """Points of the mirrored picture."""
    return points[MIRROR] * (-1, 1) + (W, 0)


def plain(thermal, points, visibility):
    """A scene as the runtime would see it: input and faces in input px with their share in view."""
    h, w = thermal.shape
    image, (s, x0, y0) = detector_input(thermal, FLOOR["centikelvin"], W, H)
    found, seen = faces_of(points, visibility)
    faces = [((p - (x0, y0)) / s, overlap(box(p), (0, 0, w, h)) if shown else 0.0) for p, shown in zip(found, seen)]
    return image, faces
