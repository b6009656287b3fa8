"""Decoding of the detector's output maps, and its metrics.

Cell (row i, column j) has its centre at ((j + 0.5) * 4, (i + 0.5) * 4) input px.
A face is a cell whose sigmoid(heat) reaches the score threshold and is the largest of its 3x3
neighbours. With g = geom at that cell: box centre = cell centre + 4 * (g0, g1); width = 8 exp(g2),
height = 8 exp(g3); point k = cell centre + (g[4+2k] width, g[5+2k] height); points are
right eye, left eye, nose tip, right and left mouth corner. Boxes overlapping a better one by more
than the IoU threshold are dropped (non-maximum suppression). The box is that around the 70 points.
"""

from collections.abc import Sequence

import numpy as np

from .detector_samples import BASE_SIZE, STRIDE, Face
from .landmark_set import bounding_box

#: Score from which a found face counts in recall and false positives.
SCORE = 0.35


def decode(heat: np.ndarray, geom: np.ndarray, threshold: float = SCORE,
           iou_limit: float = 0.45) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes `[n, 4]`, points `[n, 5, 2]` and scores `[n]` of one picture, best first.

    heat `[h, w]` logits, geom `[14, h, w]`.
    """
    score = 1 / (1 + np.exp(-heat.astype(np.float64)))
    padded = np.pad(score, 1, constant_values=-1)
    h, w = score.shape
    highest = np.max([padded[a:a + h, b:b + w] for a in range(3) for b in range(3)], 0)
    i, j = np.nonzero((score >= threshold) & (score >= highest))
    g = geom[:, i, j].astype(np.float64)
    at = np.stack([(j + 0.5) * STRIDE, (i + 0.5) * STRIDE], 1)
    size = BASE_SIZE * np.exp(np.clip(g[2:4], -4, 6)).T
    centre = at + STRIDE * g[:2].T
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    points = at[:, None] + g[4:].T.reshape(-1, 5, 2) * size[:, None]
    order = np.argsort(-score[i, j])
    kept: list[int] = []
    for n in order:
        if all(iou(boxes[n], boxes[m]) <= iou_limit for m in kept):
            kept.append(n)
    return boxes[kept], points[kept], score[i, j][kept]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


class DetectionMetrics:
    """Collects pictures; gives AP50 (all-point interpolation), recall by size, false positives, errors of boxes."""

    def __init__(self) -> None:
        self._detections: list[tuple[float, bool]] = []  # score, whether it is a face
        self._faces: list[tuple[float, bool, bool]] = []  # size, whether it counts, whether it was found
        self._errors: list[float] = []

    def add(self, boxes: np.ndarray, scores: Sequence[float] | np.ndarray, truth: np.ndarray,
            counts: Sequence[bool]) -> None:
        """One picture: predictions, best first, true boxes `[n, 4]`, and which of them count; others are neither
        found nor missed."""
        taken = set()
        first = len(self._faces)
        self._faces += [(float(max(b[2] - b[0], b[3] - b[1])), bool(a), False) for b, a in zip(truth, counts)]
        for b, s in zip(boxes, scores):
            overlaps = [iou(b, t) if n not in taken else 0 for n, t in enumerate(truth)]
            best = int(np.argmax(overlaps)) if overlaps else -1
            if best >= 0 and overlaps[best] >= 0.5:
                taken.add(best)
                size, counted, _ = self._faces[first + best]
                self._faces[first + best] = (size, counted, s > SCORE)
                if counted:
                    self._detections.append((s, True))
                    t = truth[best]
                    self._errors.append(np.abs(np.asarray(b) - t).mean() / max(size, 1))
            elif not any(not a and iou(b, t) > 0.2 for t, a in zip(truth, counts)):
                self._detections.append((s, False))

    def add_maps(self, heat: np.ndarray, geom: np.ndarray, faces: list[Face]) -> None:
        """One picture by its output maps and its faces; faces with less than 0.45 of their box in view or under 8 px
        do not count."""
        boxes, _, scores = decode(heat, geom, 0.05)
        truth = np.array([bounding_box(p) for p, _ in faces]).reshape(-1, 4)
        counts = [inside >= 0.45 and max(b[2] - b[0], b[3] - b[1]) >= 8 for b, (_, inside) in zip(truth, faces)]
        self.add(boxes, scores, truth, counts)

    def result(self) -> dict[str, float]:
        """Metrics, percent."""
        total = sum(counts for _, counts, _ in self._faces)
        order = sorted(self._detections, reverse=True)
        hits = np.cumsum([h for _, h in order]) if order else np.zeros(1)
        precision = hits / np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        recall = np.concatenate([[0], hits / max(total, 1)])
        out = {"ap50": float(100 * np.sum(np.diff(recall) * precision))}
        for name, low, high in (("tiny", 6, 12), ("small", 12, 24), ("medium", 24, 48), ("large", 48, 1e9)):
            group = [hit for size, counts, hit in self._faces if counts and low <= size < high]
            out[f"recall_{name}"] = float(100 * np.mean(group)) if group else float("nan")
        out["false"] = sum(1 for s, h in self._detections if not h and s > SCORE) / max(total, 1) * 100.0
        out["box_error"] = float(100 * np.mean(self._errors)) if self._errors else float("nan")
        return out
