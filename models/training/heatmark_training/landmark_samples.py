"""Training samples for landmark networks: a face as some camera saw it, cropped as some tracker would crop it."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from . import sensor_model
from .datasets import Folder, Item, Shards
from .landmark_set import COUNT, FLIP, MIRROR, bounding_box, roll_angle
from .preprocess import CROP_FACTOR, CROP_SIZE, FLOOR, INPUT_CHANNELS, crop_of_box, network_input, resample

#: Faces of scenes: least side, px, and the largest share of points behind objects or outside.
MIN_SIDE, MAX_HIDDEN = 9.0, 0.8

#: A face of a scene: folder, index of the scene, index of the face in it.
SceneFace = tuple[Folder, int, int]


@dataclass
class Batch:
    """Network inputs `image` `[n, INPUT_CHANNELS, R, R]` with their ground truth.

    `points` `[n, 70, 2]` in crop units, `visibility` `[n, 70]`, `present` `[n]`: 1 face, 0 none; `presence_weight`
    `[n]`: weight in the presence loss; `rgb` `[n, 3, R, R]`: the RGB partner; `teacher` `[n, 70, 3]`: a teacher's
    points and log-scales.
    """

    image: np.ndarray
    points: np.ndarray
    visibility: np.ndarray
    present: np.ndarray
    presence_weight: np.ndarray
    rgb: np.ndarray | None = None
    teacher: np.ndarray | None = None

    def take(self, index: Any) -> "Batch":
        """Some of its crops, by any numpy index."""
        return Batch(**{name: None if v is None else v[index] for name, v in vars(self).items()})


def empty_batch(count: int, rgb: bool = False, size: int = CROP_SIZE) -> Batch:
    """A batch to fill."""
    return Batch(
        np.empty((count, INPUT_CHANNELS, size, size), np.float32), np.zeros((count, COUNT, 2), np.float32),
        np.zeros((count, COUNT), np.uint8), np.ones(count, np.float32), np.ones(count, np.float32),
        np.empty((count, 3, size, size), np.float32) if rgb else None)


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A 2x3 matrix applied to points `[n, 2]`."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def random_view(thermal: np.ndarray, points: np.ndarray, rng: np.random.Generator,
                whole: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The face in a frame of random resolution and roll.

    Returns the frame (f32), the points in it, and the 2x3 matrix from source px to frame px.
    Face sizes are log-uniform from 9 to 96 px, a third at the render's own resolution.
    `whole` keeps all of the source in view.
    """
    b = bounding_box(points)
    face = float(max(b[2] - b[0], b[3] - b[1]))
    target = face * rng.uniform(0.8, 1.1) if rng.random() < 0.35 else math.exp(rng.uniform(math.log(9), math.log(96)))
    scale = face / min(target, face * 1.3)  # source px per frame px
    n = thermal.shape[0]
    side = int(n / scale) if whole else int(min(2.7 * face / scale + 2, n / scale))
    side = max(side, 12)
    room = max(n / 2 - side * scale / 2, 0)
    centre = np.clip((b[:2] + b[2:]) / 2 + rng.normal(0, 0.05, 2) * face, n / 2 - room, n / 2 + room)
    angle = rng.normal(0, math.radians(9))
    image = resample(thermal.astype(np.float32), centre, side * scale / 2, angle, side,
                     border=cv2.BORDER_REFLECT_101)
    c, s = math.cos(angle) / scale, math.sin(angle) / scale
    linear = np.array([[c, s], [-s, c]])
    matrix = np.concatenate([linear, (side / 2 - linear @ centre)[:, None]], 1)
    return image, apply_affine(points, matrix).astype(np.float32), matrix


def place_crop(b: np.ndarray, roll: float | None,
               rng: np.random.Generator) -> tuple[np.ndarray, float, float, float]:
    """A tracker's crop of face box `b` with `roll` (None: unknown): centre, half-size, angle, presence weight.

    Mostly close, and then mostly along the face's roll, as a tracker crops a face that it measured in the last
    frame; else as a detector or a fast motion leaves it.
    """
    face = float(max(b[2] - b[0], b[3] - b[1]))
    kind = rng.random()
    shift, zoom = (0.02, 0.05) if kind < 0.7 else (0.05, 0.12) if kind < 0.9 else (0.13, 0.22)
    offset = rng.normal(0, shift, 2)
    factor = CROP_FACTOR * math.exp(np.clip(rng.normal(0, zoom), -0.34, 0.4))
    if kind < 0.7:
        angle = rng.normal(0, 0.06) + (roll if roll is not None and rng.random() < 0.65 else 0.0)
    else:
        angle = rng.uniform(-0.8, 0.8) if rng.random() < 0.4 else rng.normal(0, 0.15)
    return (b[:2] + b[2:]) / 2 + offset * face, 0.5 * factor * face, angle, float(np.hypot(*offset) < 0.4)


def place_negative_crop(b: np.ndarray, side: float,
                        rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
    """A crop that counts as faceless, of a frame with face box `b`: beside the face, or of the wrong scale. Centre,
    half-size, angle."""
    face = float(max(b[2] - b[0], b[3] - b[1]))
    centre = (b[:2] + b[2:]) / 2
    kind = rng.random()
    if kind < 0.5:
        angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.62, 1.3)
        centre = centre + face * reach * np.array([math.cos(angle), math.sin(angle)])
        half = 0.5 * CROP_FACTOR * face * math.exp(rng.uniform(-0.5, 0.3))
    elif kind < 0.8 or side < 2.4 * CROP_FACTOR * face:
        centre = centre + face * rng.normal(0, 0.25, 2)
        half = 0.5 * CROP_FACTOR * face / rng.uniform(2.3, 5.0)
    else:
        centre = centre + face * rng.normal(0, 0.3, 2)
        half = 0.5 * side * rng.uniform(0.95, 1.1)
    return centre, half, rng.normal(0, 0.3)


def faceless_frame(rng: np.random.Generator, side: int = 64) -> np.ndarray:
    """A frame `[side, side]` of smooth fields and warm blobs without any face, f32 centikelvin."""
    coarse = rng.normal(0, 1, (int(rng.integers(2, 8)), int(rng.integers(2, 8)))).astype(np.float32)
    image = 29500 + 150 * cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 6))):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        a, b = (int(v) for v in rng.integers(2, side // 2, 2))
        value = float(29500 + rng.normal(0, 400))
        if rng.random() < 0.6:
            cv2.ellipse(image, (x, y), (a, b), rng.uniform(0, 180), 0, 360, value, -1)
        else:
            cv2.rectangle(image, (x - a, y - b), (x + a, y + b), value, -1)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 3))


def place_away_from(scene: np.ndarray, boxes: np.ndarray,
                    rng: np.random.Generator) -> tuple[np.ndarray, float] | None:
    """A crop of a scene that holds none of the faces `boxes` `[F, 4]`: centre, half-size; None if eight tries fail."""
    h, w = scene.shape
    usual = np.median(scene[::8, ::8])
    for _ in range(8):
        half = math.exp(rng.uniform(math.log(6), math.log(0.5 * h)))
        # Mostly at what stands out: bodies, hands, backs of heads, animals, warm boxes.
        spots = rng.uniform(0, 1, (6 if rng.random() < 0.7 else 1, 2)) * (w - 1, h - 1)
        stands_out = np.abs(scene[spots[:, 1].astype(int), spots[:, 0].astype(int)] - usual)
        centre = spots[int(np.argmax(stands_out))] + 0.5
        free = True
        for b in boxes:
            if not np.isfinite(b).all():
                continue
            face = max(b[2] - b[0], b[3] - b[1])
            far = np.hypot(*(centre - (b[:2] + b[2:]) / 2)) > 0.65 * max(face, half / 0.7)
            ratio = half / (0.5 * CROP_FACTOR * face)
            if not (far or ratio > 2.3 or ratio < 1 / 2.3):
                free = False
        if free:
            return centre, half
    return None


def source_from_args(args: argparse.Namespace, **settings: Any) -> "LandmarkSource":
    """The source of a stage's `--data`, `--limit` and `--scenes`; `settings` go to `LandmarkSource`."""
    return LandmarkSource(Shards(args.data, args.limit), Shards(args.scenes) if args.scenes else None, **settings)


class LandmarkSource:
    """Draws batches from face folders and, for negatives, scene folders."""

    def __init__(self, faces: Shards, scenes: Shards | None = None, negatives: float = 0.14, rgb: bool = False,
                 scene_share: float = 0.0) -> None:
        """`negatives`: share of crops without a face; `scene_share`: share of the faces that come from scenes, as
        whole frames show them."""
        self.faces, self.scenes, self.negatives, self.rgb = faces, scenes, negatives, rgb
        self.scene_share = scene_share
        self.scene_faces = visible_scene_faces(scenes.folders, scenes.train) if scene_share and scenes else []
        if scene_share and (not self.scene_faces or rgb):
            raise SystemExit("faces from scenes: no scene has a visible face, or RGB is asked for, which scenes lack")

    def batch(self, count: int, rng: np.random.Generator) -> Batch:
        """One training batch; the same generator state gives the same batch."""
        out = empty_batch(count, self.rgb)
        for n, (folder, i) in enumerate(self.faces.draw(rng, count)):
            if self.negatives and rng.random() < self.negatives:
                self.add_negative(out, n, folder, i, rng)
            else:
                self.add_face(out, n, folder, i, rng)
        return out

    def add_face(self, out: Batch, n: int, folder: Folder, i: int, rng: np.random.Generator) -> None:
        """Puts a face into row `n` of a batch: this one or, with probability `scene_share`, one of a scene."""
        if self.scene_share and rng.random() < self.scene_share:
            self._add_scene_face(out, n, *self.scene_faces[int(rng.integers(len(self.scene_faces)))], rng)
        else:
            self._add_rendered_face(out, n, folder, i, rng)

    def negatives_for(self, items: list[Item], seed: int = 5) -> Batch:
        """A crop without a face for each of `items`, without those for which none was found."""
        out, rng = empty_batch(len(items)), np.random.default_rng(seed)
        for n, (folder, i) in enumerate(items):
            self.add_negative(out, n, folder, i, rng)
        return out.take(out.presence_weight > 0)

    def _add_rendered_face(self, out: Batch, n: int, folder: Folder, i: int, rng: np.random.Generator) -> None:
        points = folder.points[i]
        frame, inside, matrix = random_view(folder.thermal[i], points, rng)
        frame, floor = sensor_model.simulate(frame, bounding_box(inside), rng)
        placed = self._add_crop(out, n, frame, floor, inside, folder.visibility[i], rng)
        if out.rgb is not None:
            out.rgb[n] = rgb_crop(folder.rgb()[i], matrix, *placed, rng)

    def _add_scene_face(self, out: Batch, n: int, folder: Folder, k: int, f: int, rng: np.random.Generator) -> None:
        frame, points = folder.thermal[k].astype(np.float32), folder.points[k, f]
        floor = FLOOR["centikelvin"]
        if rng.random() < 0.5:
            frame, floor = sensor_model.simulate(frame, bounding_box(points), rng)
        self._add_crop(out, n, frame, floor, points, folder.visibility[k, f], rng)

    @staticmethod
    def _add_crop(out: Batch, n: int, frame: np.ndarray, floor: float, points: np.ndarray, visibility: np.ndarray,
                  rng: np.random.Generator) -> tuple[np.ndarray, float, float, bool]:
        """Puts a crop of a face into row `n`, as some tracker crops it; its centre, half-size, angle, and whether it
        is mirrored."""
        centre, half, angle, presence_weight = place_crop(bounding_box(points), roll_angle(points), rng)
        x = network_input(resample(frame, centre, half, angle, CROP_SIZE), floor)
        c, s = math.cos(angle) / half, math.sin(angle) / half
        y = (points - centre.astype(np.float32)) @ np.array([[c, -s], [s, c]], np.float32)
        if (visibility == 2).mean() > 0.85:
            presence_weight = 0.0  # so little of the face shows that neither answer is wrong
        flip = rng.random() < 0.5
        if flip:
            x, y, visibility = x[..., ::-1], y[MIRROR] * FLIP, visibility[MIRROR]
        out.image[n], out.points[n], out.visibility[n], out.presence_weight[n] = x, y, visibility, presence_weight
        return centre, half, angle, flip

    def add_negative(self, out: Batch, n: int, folder: Folder, i: int, rng: np.random.Generator) -> None:
        """Puts a crop without a face into row `n`: blobs, a scene away from its faces, or a face badly cropped."""
        out.present[n] = 0
        if out.rgb is not None:
            out.rgb[n] = 0
        kind = rng.random()
        if kind < 0.15:
            frame = faceless_frame(rng)
            b = np.array([16, 16, 48, 48.0])
            centre, half, angle = np.array([32.0, 32.0]), rng.uniform(10, 36), 0.0
        elif kind < 0.6 and self.scenes is not None:
            scene, k = self.scenes.draw(rng, 1)[0]
            frame = scene.thermal[k].astype(np.float32)
            spot = place_away_from(frame, scene_boxes(scene.points[k]), rng)
            if spot is None:
                out.presence_weight[n] = 0
                spot = np.array([80.0, 60.0]), 20.0
            centre, half = spot
            angle, b = rng.normal(0, 0.2), np.concatenate([centre - half, centre + half])
        else:
            frame, inside, _ = random_view(folder.thermal[i], folder.points[i], rng, whole=True)
            b = bounding_box(inside)
            centre, half, angle = place_negative_crop(b, frame.shape[0], rng)
        frame, floor = sensor_model.simulate(frame, b, rng)
        out.image[n] = network_input(resample(frame, centre, half, angle, CROP_SIZE), floor)


def visible_scene_faces(folders: list[Folder], items: np.ndarray) -> list[SceneFace]:
    """The faces of scenes `items` `[n, 2]` (folder, index) that are large and visible enough."""
    out: list[SceneFace] = []
    for f, folder in enumerate(folders):
        points = folder.points
        with np.errstate(invalid="ignore"):
            sides = (points.max(2) - points.min(2)).max(-1)
            good = (sides >= MIN_SIDE) & ((folder.visibility == 2).mean(-1) <= MAX_HIDDEN)
        out += [(folder, int(i), int(k)) for i in items[items[:, 0] == f][:, 1] for k in np.flatnonzero(good[i])]
    return out


def scene_boxes(points: np.ndarray) -> np.ndarray:
    """Boxes `[F, 4]` of a scene's points `[F, 70, 2]`."""
    return np.concatenate([points.min(1), points.max(1)], 1)


def rgb_crop(rgb: np.ndarray, matrix: np.ndarray, centre: np.ndarray, half: float, angle: float, flip: bool,
             rng: np.random.Generator) -> np.ndarray:
    """The RGB partner of a thermal crop, same geometry, as f32 `[3, R, R]` in [-1, 1]."""
    k = CROP_SIZE / (2 * half)
    c, s = math.cos(angle) * k, math.sin(angle) * k
    linear = np.array([[c, s], [-s, c]])
    to_crop = np.concatenate([linear, (CROP_SIZE / 2 - linear @ centre)[:, None]], 1)
    whole = np.concatenate([to_crop[:, :2] @ matrix[:, :2],
                            (to_crop[:, :2] @ matrix[:, 2] + to_crop[:, 2])[:, None]], 1)
    whole[:, 2] += 0.5 * whole[:, :2].sum(1) - 0.5  # OpenCV counts from pixel centres
    image = cv2.warpAffine(np.ascontiguousarray(rgb), whole, (CROP_SIZE, CROP_SIZE), flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
    gain, offset = rng.uniform(0.6, 1.4), rng.uniform(-25, 25)
    image = np.clip(image * gain + offset + rng.normal(0, 1) * 3, 0, 255) / 127.5 - 1
    return (image[:, ::-1] if flip else image).transpose(2, 0, 1)


def add_upright_crop(out: Batch, n: int, frame: np.ndarray, floor: float, points: np.ndarray, visibility: np.ndarray,
                     rng: np.random.Generator | None) -> tuple[np.ndarray, float]:
    """Puts an upright crop about the face into row `n`, slightly displaced if there is an `rng`; its centre and
    half-size."""
    centre, half = crop_of_box(bounding_box(points))
    if rng is not None:
        centre, half = centre + rng.normal(0, 0.03, 2) * half, half * math.exp(rng.normal(0, 0.06))
    out.image[n] = network_input(resample(frame, centre, half, 0.0, CROP_SIZE), floor)
    out.points[n], out.visibility[n] = (points - centre) / half, visibility
    return centre, half


def held_out_crops(items: Sequence[Item], hard: bool, seed: int = 1, rgb: bool = False) -> Batch:
    """Held-out crops: clean and well placed, or through the sensor model (`hard`); the same on every call."""
    rng = np.random.default_rng(seed)
    out = empty_batch(len(items), rgb)
    for n, (folder, i) in enumerate(items):
        points = folder.points[i].astype(np.float32)
        frame, floor = folder.thermal[i].astype(np.float32), 20.0
        matrix = np.eye(2, 3)
        if hard:
            frame, points, matrix = random_view(frame, points, rng)
            frame, floor = sensor_model.simulate(frame, bounding_box(points), rng)
        centre, half = add_upright_crop(out, n, frame, floor, points, folder.visibility[i], rng if hard else None)
        if out.rgb is not None:
            out.rgb[n] = rgb_crop(folder.rgb()[i], matrix, centre, half, 0.0, False, rng)
    return out


def held_out_scene_faces(scenes: Shards, count: int, seed: int = 2) -> Batch | None:
    """Up to `count` held-out faces of scenes as rendered, well placed, the same on every call; None without any."""
    faces = visible_scene_faces(scenes.folders, scenes.held_out)
    faces = faces[::max(1, len(faces) // count)][:count]
    if not faces:
        return None
    out, rng = empty_batch(len(faces)), np.random.default_rng(seed)
    for n, (folder, k, f) in enumerate(faces):
        points = folder.points[k, f].astype(np.float32)
        frame = folder.thermal[k].astype(np.float32)
        add_upright_crop(out, n, frame, FLOOR["centikelvin"], points, folder.visibility[k, f], rng)
    return out
