"""Training samples for the detector: views and mosaics of scenes through the sensor model, and their target maps."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import sensor_model
from .datasets import Shards
from .landmark_set import MIRROR, bounding_box, five_points
from .preprocess import (DETECTOR_HEIGHT as H, DETECTOR_TAIL, DETECTOR_WIDTH as W, FLOOR, INPUT_CHANNELS,
                         detector_input, network_input, resample)

STRIDE = 4
BASE_SIZE = 8.0  # px: width and height are learnt as log(size / BASE_SIZE)
MIN_SIZE = 6.0  # px: smaller faces count neither as found nor as missed
MAX_HIDDEN = 0.7  # a face with more of its points behind objects counts neither as found nor as missed
MAX_ROLL = 1.8  # rad: the runtime measures heads rolled by up to 2.1

#: A face in a picture: points `[70, 2]` px, and the share of its box in view (0 if objects hide it).
Face = tuple[np.ndarray, float]

#: Draws a picture, its points and their visibility.
Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]

#: The box around which the sensor model acts where a picture has no face.
NO_FACE = np.array([60.0, 40.0, 100.0, 80.0])


@dataclass
class DetectorBatch:
    """Inputs `image` `[n, INPUT_CHANNELS, H, W]` and the targets of the loss, all f32.

    On the grid of stride 4, `[n, ., H/4, W/4]`: `heat` (1 channel), `ignore` (1), `geom` (14), `weight` (1).
    """

    image: np.ndarray
    heat: np.ndarray
    ignore: np.ndarray
    geom: np.ndarray
    weight: np.ndarray


def empty_batch(count: int) -> DetectorBatch:
    """A batch without faces, to fill."""
    shape = (H // STRIDE, W // STRIDE)
    return DetectorBatch(np.empty((count, INPUT_CHANNELS, H, W), np.float32),
                         *(np.zeros((count, c, *shape), np.float32) for c in (1, 1, 14, 1)))


def present_faces(points: np.ndarray, visibility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The faces of `[F, 70, 2]` (or one face `[70, 2]`) that are present, and whether each is visible enough to be
    found."""
    points = np.asarray(points, np.float32).reshape(-1, 70, 2)
    present = np.isfinite(points).all((1, 2))
    hidden = (np.asarray(visibility).reshape(-1, 70) == 2).mean(1)
    return points[present], hidden[present] <= MAX_HIDDEN


def random_roll(rng: np.random.Generator) -> float:
    """Roll of the camera or of all heads of a scene, rad: mostly none, sometimes a little, sometimes as far as people
    lying on their sides."""
    kind = rng.random()
    return 0.0 if kind < 0.6 else rng.normal(0, 0.12) if kind < 0.85 else rng.uniform(-MAX_ROLL, MAX_ROLL)


def random_view(thermal: np.ndarray, faces: np.ndarray, width: int, height: int, largest: float,
                rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A view of a scene, `width` x `height` px: centre and source px per output px.

    Half the views bring some face to a size log-uniform in 7..largest px; the others show
    everything or a random part.
    """
    h, w = thermal.shape
    full = max(w / width, h / height)
    if len(faces) and rng.random() < 0.55:
        b = bounding_box(faces[int(rng.integers(len(faces)))])
        size = float(max(b[2] - b[0], b[3] - b[1]))
        scale = size / math.exp(rng.uniform(math.log(7), math.log(largest)))
        scale = min(max(scale, 0.25), 1.5 * full)
        loose = rng.uniform(-0.5, 0.5, 2) * (np.array([width, height]) * scale - 0.8 * size).clip(0)
        centre = (b[:2] + b[2:]) / 2 + loose
    else:
        scale = full * math.exp(rng.uniform(-0.9, 0.15)) if rng.random() < 0.6 else full
        centre = np.array([rng.uniform(0.3, 0.7) * w, rng.uniform(0.3, 0.7) * h])
    for axis, (side, length) in enumerate(((width, w), (height, h))):  # stay inside the scene where possible
        reach = side * scale / 2
        centre[axis] = np.clip(centre[axis], reach, length - reach) if 2 * reach < length else length / 2
    return centre, scale


def compose_mosaic(draw: Draw, rng: np.random.Generator) -> tuple[np.ndarray, list[Face]]:
    """One picture `[H, W]` from one scene or a mosaic of several, and its faces."""
    n = 1 if (luck := rng.random()) < 0.65 else 2 if luck < 0.88 else 3
    xs = np.linspace(0, W, n + 1).astype(int)
    ys = np.linspace(0, H, n + 1).astype(int)
    image, faces = np.empty((H, W), np.float32), []
    for i in range(n):
        for j in range(n):
            thermal, points, visibility = draw(rng)
            thermal = thermal.astype(np.float32)
            found, visible = present_faces(points, visibility)
            width, height = int(xs[j + 1] - xs[j]), int(ys[i + 1] - ys[i])
            centre, scale = random_view(thermal, found, width, height, 110 / n, rng)
            angle = random_roll(rng)
            view = resample(thermal, centre, width * scale / 2, angle, width, height)
            image[ys[i]:ys[i + 1], xs[j]:xs[j + 1]] = view
            c, s = math.cos(angle) / scale, math.sin(angle) / scale
            for face, is_visible in zip(found, visible):
                p = (face - centre) @ np.array([[c, -s], [s, c]]) + (width / 2, height / 2)
                inside = share_inside(bounding_box(p), (0, 0, width, height))
                if inside > 0.05:
                    faces.append((p + (xs[j], ys[i]), inside if is_visible else 0.0))
    return image, faces


def share_inside(a: np.ndarray, b: np.ndarray | tuple[float, ...]) -> float:
    """Share of box `a` that lies in box `b`, 0 to 1."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0) / max((a[2] - a[0]) * (a[3] - a[1]), 1e-6)


def draw_targets(batch: DetectorBatch, n: int, points: np.ndarray, inside: float) -> None:
    """Adds one face to the target maps of picture `n`; `inside`: share of its box in view."""
    b = bounding_box(points)
    w, h = b[2] - b[0], b[3] - b[1]
    centre = (b[:2] + b[2:]) / 2
    rows, columns = batch.heat.shape[2:]
    cell = np.floor(centre / STRIDE).astype(int)
    outside = not (0 <= cell[0] < columns and 0 <= cell[1] < rows)
    if outside or inside < 0.45 or max(w, h) < MIN_SIZE:
        x0, y0 = np.floor(b[:2] / STRIDE).astype(int).clip(0)
        x1, y1 = np.ceil(b[2:] / STRIDE).astype(int).clip(0)
        batch.ignore[n, 0, y0:y1 + 1, x0:x1 + 1] = 1
        return
    size = math.sqrt(w * h)
    sigma = min(max(0.11 * size / STRIDE, 0.5), 4.0)
    reach = int(3.5 * sigma) + 1  # cells; beyond, the Gaussian is below 0.003
    top, left = max(cell[1] - reach, 0), max(cell[0] - reach, 0)
    x = np.arange(left, min(cell[0] + reach + 1, columns)) + (0.5 - centre[0] / STRIDE)
    y = np.arange(top, min(cell[1] + reach + 1, rows)) + (0.5 - centre[1] / STRIDE)
    bump = np.exp(-(x * x + (y * y)[:, None]) / (2 * sigma * sigma)).astype(np.float32)
    bump[cell[1] - top, cell[0] - left] = 1
    heat = batch.heat[n, 0, top:top + len(y), left:left + len(x)]
    near = (bump > 0.35) & (bump >= heat)
    np.maximum(heat, bump, out=heat)
    batch.weight[n, 0, top:top + len(y), left:left + len(x)][near] = bump[near] / bump[near].sum()
    i, j = np.nonzero(near)
    i, j = i + top, j + left
    at = np.stack([(j + 0.5) * STRIDE, (i + 0.5) * STRIDE], 1)
    geom = batch.geom[n]
    geom[:2, i, j] = ((centre - at) / STRIDE).T
    geom[2, i, j], geom[3, i, j] = math.log(w / BASE_SIZE), math.log(h / BASE_SIZE)
    geom[4:, i, j] = ((five_points(points)[None] - at[:, None]) / (w, h)).reshape(len(at), 10).T


class DetectorSource:
    """Draws detector batches from scene folders and, for `face_share` of the pictures, face folders."""

    def __init__(self, scenes: Shards, faces: Shards | None = None, face_share: float = 0.2) -> None:
        self.scenes, self.faces, self.face_share = scenes, faces, face_share

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A random picture, its points and their visibility."""
        shards = self.faces if self.faces is not None and rng.random() < self.face_share else self.scenes
        folder, i = shards.draw(rng, 1)[0]
        return folder.thermal[i], folder.points[i], folder.visibility[i]

    def batch(self, count: int, rng: np.random.Generator) -> DetectorBatch:
        """One training batch; the same generator state gives the same batch."""
        out = empty_batch(count)
        for n in range(count):
            image, faces = compose_mosaic(self.draw, rng)
            around = bounding_box(faces[0][0]) if faces else NO_FACE
            image, floor = sensor_model.simulate(image, around, rng)
            x = network_input(image, floor, DETECTOR_TAIL)
            flip = rng.random() < 0.5
            out.image[n] = x[..., ::-1] if flip else x
            for points, inside in faces:
                draw_targets(out, n, mirror_points(points) if flip else points, inside)
        return out


def mirror_points(points: np.ndarray) -> np.ndarray:
    """Points `[70, 2]` px of the mirrored picture."""
    return points[MIRROR] * (-1, 1) + (W, 0)


def runtime_view(thermal: np.ndarray, points: np.ndarray,
                 visibility: np.ndarray) -> tuple[np.ndarray, list[Face]]:
    """A scene as the runtime sees it: detector input and faces in input px."""
    h, w = thermal.shape
    image, (s, x0, y0) = detector_input(thermal, FLOOR["centikelvin"], W, H)
    found, visible = present_faces(points, visibility)
    faces = [((p - (x0, y0)) / s, share_inside(bounding_box(p), (0, 0, w, h)) if is_visible else 0.0)
             for p, is_visible in zip(found, visible)]
    return image, faces


def held_out_scenes(source: DetectorSource,
                    count: int) -> tuple[list[tuple[np.ndarray, list[Face]]], list[tuple[np.ndarray, list[Face]]]]:
    """Held-out scenes, each an input and its faces: as the runtime sees them, and as mosaics through the sensor
    model; the same on every call."""
    items = source.scenes.held_out_items(count)
    plain = [runtime_view(f.thermal[i], f.points[i], f.visibility[i]) for f, i in items]
    rng, hard = np.random.default_rng(7), []

    def draw(r: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        f, i = items[int(r.integers(len(items)))]
        return f.thermal[i], f.points[i], f.visibility[i]

    for _ in range(len(items)):
        image, faces = compose_mosaic(draw, rng)
        around = bounding_box(faces[0][0]) if faces else NO_FACE
        image, floor = sensor_model.simulate(image, around, rng)
        hard.append((network_input(image, floor, DETECTOR_TAIL), faces))
    return plain, hard
