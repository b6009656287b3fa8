"""Decoding of detector maps, and the detector's numbers.

Cell (row i, column j) has its centre at ((j + 0.5) * 4, (i + 0.5) * 4) input px.
A face is a cell whose sigmoid(heat) reaches the score threshold and is the largest of its 3x3
neighbours. With g = geom at that cell: box centre = cell centre + 4 * (g0, g1); width = 8 exp(g2),
height = 8 exp(g3); point k = cell centre + (g[4+2k] width, g[5+2k] height); points are
right eye, left eye, nose tip, right and left mouth corner. Boxes overlapping a better one by more
than the IoU threshold are dropped. The box is that around the 70 points.
"""

import numpy as np

from points import box
from scene import BASE, STRIDE


def decode(heat, geom, threshold=0.35, iou_limit=0.45):
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
    size = BASE * np.exp(np.clip(g[2:4], -4, 6)).T
    centre = at + STRIDE * g[:2].T
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    points = at[:, None] + g[4:].T.reshape(-1, 5, 2) * size[:, None]
    order, kept = np.argsort(-score[i, j]), []
    for n in order:
        if all(iou(boxes[n], boxes[m]) <= iou_limit for m in kept):
            kept.append(n)
    return boxes[kept], points[kept], score[i, j][kept]


def iou(a, b):
    """Intersection over union of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


class Score:
    """Collects pictures; gives AP50 (all-point interpolation), recall by size, errors of boxes."""

    def __init__(self):
        self.found, self.faces, self.errors = [], [], []

    def add(self, boxes, scores, truth, asked):
        """One picture: predictions, true boxes `[n, 4]` and whether each is asked for."""
        taken = set()
        first = len(self.faces)
        self.faces += [(float(max(b[2] - b[0], b[3] - b[1])), bool(a), False) for b, a in zip(truth, asked)]
        for b, s in zip(boxes, scores):
            overlaps = [iou(b, t) if n not in taken else 0 for n, t in enumerate(truth)]
            best = int(np.argmax(overlaps)) if overlaps else -1
            if best >= 0 and overlaps[best] >= 0.5:
                taken.add(best)
                size, wanted, _ = self.faces[first + best]
                self.faces[first + best] = (size, wanted, s > 0.35)
                if wanted:
                    self.found.append((s, True))
                    t = truth[best]
                    self.errors.append(np.abs(np.asarray(b) - t).mean() / max(size, 1))
            elif not any(not a and iou(b, t) > 0.2 for t, a in zip(truth, asked)):
                self.found.append((s, False))

    def picture(self, heat, geom, faces):
        """One picture by its maps and its faces: points, and the share of its box in view; those with less
        than 0.45 or under 8 px are not asked for."""
        boxes, _, scores = decode(heat, geom, 0.05)
        truth = np.array([box(p) for p, _ in faces]).reshape(-1, 4)
        asked = [inside >= 0.45 and max(b[2] - b[0], b[3] - b[1]) >= 8 for b, (_, inside) in zip(truth, faces)]
        self.add(boxes, scores, truth, asked)

    def result(self):
        """Percentages."""
        total = sum(a for _, a, _ in self.faces)
        order = sorted(self.found, reverse=True)
        hits = np.cumsum([h for _, h in order]) if order else np.zeros(1)
        precision = hits / np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        recall = np.concatenate([[0], hits / max(total, 1)])
        out = {"ap50": float(100 * np.sum(np.diff(recall) * precision))}
        for name, low, high in (("tiny", 6, 12), ("small", 12, 24), ("medium", 24, 48), ("large", 48, 1e9)):
            group = [hit for size, asked, hit in self.faces if asked and low <= size < high]
            out[f"recall_{name}"] = float(100 * np.mean(group)) if group else float("nan")
        out["false"] = sum(1 for s, h in self.found if not h and s > 0.35) / max(total, 1) * 100.0
        out["box_error"] = float(100 * np.mean(self.errors)) if self.errors else float("nan")
        return out
