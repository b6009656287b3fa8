"""Training samples for landmark networks: a face as some camera saw it, cropped by some tracker."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

import camera
from crop import FACTOR, FLOOR, PLANES, SIZE, from_box, planes, resample
from data import Shards
from points import COUNT, FLIP, MIRROR, box, roll


@dataclass
class Batch:
    """Network inputs `[n, PLANES, R, R]`, truth `[n, 70, 2]` in crop units, visibility, presence.

    `present` 1 face, 0 none; `sure` is the weight of the presence loss; `told` is what a teacher answers, if one was
    asked, `[n, 70, 3]`.
    """

    image: np.ndarray
    points: np.ndarray
    visibility: np.ndarray
    present: np.ndarray
    sure: np.ndarray
    colour: np.ndarray | None = None
    told: np.ndarray | None = None

    def take(self, index):
        """Some of its crops."""
        return Batch(*(None if v is None else v[index] for v in vars(self).values()))


def empty(count, colour=False, size=SIZE):
    """A batch to be filled."""
    return Batch(
        np.empty((count, PLANES, size, size), np.float32), np.zeros((count, COUNT, 2), np.float32),
        np.zeros((count, COUNT), np.uint8), np.ones(count, np.float32), np.ones(count, np.float32),
        np.empty((count, 3, size, size), np.float32) if colour else None)


def transform(points, matrix):
    """2x3 matrix on points `[n, 2]`."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def frame_of(thermal, points, rng, whole=False):
    """The face in a frame of its own resolution and roll.

    Returns the frame (f32), the points in it, and the 2x3 matrix from source px to frame px.
    Face sizes are log-uniform from 9 to 96 px, a third at the render's own resolution.
    `whole` keeps all of the source in view.
    """
    b = box(points)
    face = float(max(b[2] - b[0], b[3] - b[1]))
    target = face * rng.uniform(0.8, 1.1) if rng.random() < 0.35 else math.exp(rng.uniform(math.log(9), math.log(96)))
    scale = face / min(target, face * 1.3)  # source px per frame px
    n = thermal.shape[0]
    side = int(n / scale) if whole else int(min(2.7 * face / scale + 2, n / scale))
    side = max(side, 12)
    room = max(n / 2 - side * scale / 2, 0)
    centre = np.clip((b[:2] + b[2:]) / 2 + rng.normal(0, 0.05, 2) * face, n / 2 - room, n / 2 + room)
    turn = rng.normal(0, math.radians(9))
    image = resample(thermal.astype(np.float32), centre, side * scale / 2, turn, side,
                     border=cv2.BORDER_REFLECT_101)
    c, s = math.cos(turn) / scale, math.sin(turn) / scale
    linear = np.array([[c, s], [-s, c]])
    matrix = np.concatenate([linear, (side / 2 - linear @ centre)[:, None]], 1)
    return image, transform(points, matrix).astype(np.float32), matrix


def place(b, along, rng):
    """A tracker's crop of face box `b` with roll `along` (None: unknown): centre, half-size, turn, presence weight.

    Mostly near, and then mostly along the face's roll, as a face is cropped that was measured before; else as
    a detector or a fast motion leaves it.
    """
    face = float(max(b[2] - b[0], b[3] - b[1]))
    kind = rng.random()
    shift, zoom = (0.02, 0.05) if kind < 0.7 else (0.05, 0.12) if kind < 0.9 else (0.13, 0.22)
    offset = rng.normal(0, shift, 2)
    factor = FACTOR * math.exp(np.clip(rng.normal(0, zoom), -0.34, 0.4))
    if kind < 0.7:
        turn = rng.normal(0, 0.06) + (along if along is not None and rng.random() < 0.65 else 0.0)
    else:
        turn = rng.uniform(-0.8, 0.8) if rng.random() < 0.4 else rng.normal(0, 0.15)
    return (b[:2] + b[2:]) / 2 + offset * face, 0.5 * factor * face, turn, float(np.hypot(*offset) < 0.4)


def misplace(b, side, rng):
    """A crop that must be called faceless: beside the face, or of the wrong scale."""
    face = float(max(b[2] - b[0], b[3] - b[1]))
    centre = (b[:2] + b[2:]) / 2
    kind = rng.random()
    if kind < 0.5:
        angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.62, 1.3)
        centre = centre + face * reach * np.array([math.cos(angle), math.sin(angle)])
        half = 0.5 * FACTOR * face * math.exp(rng.uniform(-0.5, 0.3))
    elif kind < 0.8 or side < 2.4 * FACTOR * face:
        centre = centre + face * rng.normal(0, 0.25, 2)
        half = 0.5 * FACTOR * face / rng.uniform(2.3, 5.0)
    else:
        centre = centre + face * rng.normal(0, 0.3, 2)
        half = 0.5 * side * rng.uniform(0.95, 1.1)
    return centre, half, rng.normal(0, 0.3)


def nothing(rng, side=64):
    """A frame of smooth fields and warm blobs without any face."""
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


def away(scene, boxes, rng):
    """A crop of a scene that holds no face: centre, half-size; None if luck fails."""
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
            ratio = half / (0.5 * FACTOR * face)
            if not (far or ratio > 2.3 or ratio < 1 / 2.3):
                free = False
        if free:
            return centre, half
    return None


def source(args, **how):
    """The source of a stage's `--data`, `--limit` and `--scenes`."""
    return Source(Shards(args.data, args.limit), Shards(args.scenes) if args.scenes else None, **how)


class Source:
    """Draws batches from face folders and, for negatives, scene folders."""

    def __init__(self, faces, scenes=None, negatives=0.14, colour=False, among=0.0):
        """`among`: the share of faces that are taken from scenes, as whole frames show them."""
        self.faces, self.scenes, self.negatives, self.colour, self.among = faces, scenes, negatives, colour, among
        self.seen = seen_in(scenes.folders, scenes.train) if among and scenes else []
        if among and (not self.seen or colour):
            raise SystemExit("faces from scenes: there are none, or colours are wanted, which scenes have not")

    def batch(self, count, rng):
        """One training batch; the same generator state gives the same batch."""
        out = empty(count, self.colour)
        for n, (folder, i) in enumerate(self.faces.draw(rng, count)):
            if self.negatives and rng.random() < self.negatives:
                self._negative(out, n, folder, i, rng)
            else:
                self.face(out, n, folder, i, rng)
        return out

    def face(self, out, n, folder, i, rng):
        """Puts a face into a batch: this one or, as often as `among` says, one of a scene."""
        if self.among and rng.random() < self.among:
            self._among(out, n, *self.seen[int(rng.integers(len(self.seen)))], rng)
        else:
            self._positive(out, n, folder, i, rng)

    def without(self, items, seed=5):
        """A crop without a face for each of `items`; those that could not be had are left out."""
        out, rng = empty(len(items)), np.random.default_rng(seed)
        for n, (folder, i) in enumerate(items):
            self._negative(out, n, folder, i, rng)
        return out.take(out.sure > 0)

    def _positive(self, out, n, folder, i, rng):
        points = folder.points[i]
        frame, inside, matrix = frame_of(folder.thermal[i], points, rng)
        b = box(inside)
        frame, floor = camera.observe(frame, b, rng)
        placed = self._place(out, n, frame, floor, inside, folder.visibility[i], rng)
        if out.colour is not None:
            out.colour[n] = colour_view(folder.colour()[i], matrix, *placed, rng)

    def _among(self, out, n, folder, k, f, rng):
        frame, points = folder.thermal[k].astype(np.float32), folder.points[k, f]
        floor = FLOOR["centikelvin"]
        if rng.random() < 0.5:
            frame, floor = camera.observe(frame, box(points), rng)
        self._place(out, n, frame, floor, points, folder.visibility[k, f], rng)

    @staticmethod
    def _place(out, n, frame, floor, inside, seen, rng):
        """Puts the face into the batch as some tracker crops it; its centre, half-size, turn, and whether mirrored."""
        b = box(inside)
        centre, half, turn, sure = place(b, roll(inside), rng)
        x = planes(resample(frame, centre, half, turn, SIZE), floor)
        c, s = math.cos(turn) / half, math.sin(turn) / half
        y = (inside - centre.astype(np.float32)) @ np.array([[c, -s], [s, c]], np.float32)
        if (seen == 2).mean() > 0.85:
            sure = 0.0  # nothing of the face shows: present or not is a matter of taste
        flip = rng.random() < 0.5
        if flip:
            x, y, seen = x[..., ::-1], y[MIRROR] * FLIP, seen[MIRROR]
        out.image[n], out.points[n], out.visibility[n], out.sure[n] = x, y, seen, sure
        return centre, half, turn, flip

    def _negative(self, out, n, folder, i, rng):
        out.present[n] = 0
        if out.colour is not None:
            out.colour[n] = 0
        kind = rng.random()
        if kind < 0.15:
            frame = nothing(rng)
            b = np.array([16, 16, 48, 48.0])
            centre, half, turn = np.array([32.0, 32.0]), rng.uniform(10, 36), 0.0
        elif kind < 0.6 and self.scenes is not None:
            scene, k = self.scenes.draw(rng, 1)[0]
            frame = scene.thermal[k].astype(np.float32)
            spot = away(frame, box_all(scene.points[k]), rng)
            if spot is None:
                out.sure[n] = 0
                spot = np.array([80.0, 60.0]), 20.0
            centre, half = spot
            turn, b = rng.normal(0, 0.2), np.concatenate([centre - half, centre + half])
        else:
            frame, inside, _ = frame_of(folder.thermal[i], folder.points[i], rng, whole=True)
            b = box(inside)
            centre, half, turn = misplace(b, frame.shape[0], rng)
        frame, floor = camera.observe(frame, b, rng)
        out.image[n] = planes(resample(frame, centre, half, turn, SIZE), floor)


#: Faces of scenes: least side, px, and the largest share of points behind objects or outside.
LEAST, HIDDEN = 9.0, 0.8


def seen_in(folders, items):
    """Faces of scenes that can be seen: (folder, index, face)."""
    out = []
    for f, folder in enumerate(folders):
        points = folder.points
        with np.errstate(invalid="ignore"):
            sides = (points.max(2) - points.min(2)).max(-1)
            good = (sides >= LEAST) & ((folder.visibility == 2).mean(-1) <= HIDDEN)
        out += [(folder, int(i), int(k)) for i in items[items[:, 0] == f][:, 1] for k in np.flatnonzero(good[i])]
    return out


def box_all(points):
    """Boxes `[F, 4]` of a scene's points `[F, 70, 2]`."""
    return np.concatenate([points.min(1), points.max(1)], 1)


def colour_view(rgb, matrix, centre, half, turn, flip, rng):
    """The RGB partner of a thermal crop, same geometry, as f32 `[3, R, R]` in [-1, 1]."""
    k = SIZE / (2 * half)
    c, s = math.cos(turn) * k, math.sin(turn) * k
    linear = np.array([[c, s], [-s, c]])
    to_out = np.concatenate([linear, (SIZE / 2 - linear @ centre)[:, None]], 1)
    whole = np.concatenate([to_out[:, :2] @ matrix[:, :2],
                            (to_out[:, :2] @ matrix[:, 2] + to_out[:, 2])[:, None]], 1)
    whole[:, 2] += 0.5 * whole[:, :2].sum(1) - 0.5  # OpenCV counts from pixel centres
    image = cv2.warpAffine(np.ascontiguousarray(rgb), whole, (SIZE, SIZE), flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
    gain, lift = rng.uniform(0.6, 1.4), rng.uniform(-25, 25)
    image = np.clip(image * gain + lift + rng.normal(0, 1) * 3, 0, 255) / 127.5 - 1
    return (image[:, ::-1] if flip else image).transpose(2, 0, 1)


def hold(out, n, frame, floor, points, seen, rng):
    """Puts an upright crop about the face into the batch, a little off where there is an `rng`; its centre and half-size."""
    centre, half = from_box(box(points))
    if rng is not None:
        centre, half = centre + rng.normal(0, 0.03, 2) * half, half * math.exp(rng.normal(0, 0.06))
    out.image[n], out.points[n] = planes(resample(frame, centre, half, 0.0, SIZE), floor), (points - centre) / half
    out.visibility[n] = seen
    return centre, half


def held_batch(items, hard, seed=1, colour=False):
    """Held-out crops: clean and well placed, or through the cameras (`hard`), always the same."""
    rng = np.random.default_rng(seed)
    out = empty(len(items), colour)
    for n, (folder, i) in enumerate(items):
        points = folder.points[i].astype(np.float32)
        frame, floor = folder.thermal[i].astype(np.float32), 20.0
        matrix = np.eye(2, 3)
        if hard:
            frame, points, matrix = frame_of(frame, points, rng)
            frame, floor = camera.observe(frame, box(points), rng)
        centre, half = hold(out, n, frame, floor, points, folder.visibility[i], rng if hard else None)
        if colour:
            out.colour[n] = colour_view(folder.colour()[i], matrix, centre, half, 0.0, False, rng)
    return out


def held_among(scenes, count, seed=2):
    """Held-out faces of scenes as they are, well placed, always the same; `None` where there are none."""
    seen = seen_in(scenes.folders, scenes.held)
    seen = seen[::max(1, len(seen) // count)][:count]
    if not seen:
        return None
    out, rng = empty(len(seen)), np.random.default_rng(seed)
    for n, (folder, k, f) in enumerate(seen):
        points = folder.points[k, f].astype(np.float32)
        frame = folder.thermal[k].astype(np.float32)
        hold(out, n, frame, FLOOR["centikelvin"], points, folder.visibility[k, f], rng)
    return out
