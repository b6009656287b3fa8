"""Errors of landmarks, as the field defines them."""

import numpy as np

from points import GROUPS, box, five


def face_size(truth):
    """sqrt of the box area of `[n, 70, 2]`."""
    b = box(truth)
    return np.sqrt((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]))


def each_point(points, truth):
    """Errors `[n, 70]` as shares of the face size, of points and truth `[n, 70, 2]`."""
    return np.linalg.norm(points - truth, axis=-1) / face_size(truth)[:, None]


def landmark_errors(points, truth, visibility):
    """Means over faces, percent of the face size: all points, five points, rates of failure."""
    size = face_size(truth)[:, None]
    each = each_point(points, truth)
    nme = each.mean(1)
    few = (np.linalg.norm(five(points) - five(truth), axis=-1) / size).mean(1)
    seen = visibility == 0
    out = {
        "nme": nme.mean(), "median": np.median(nme), "fail8": (nme > 0.08).mean(),
        "five": few.mean(), "five10": (few > 0.10).mean(),
        "visible": each[seen].mean() if seen.any() else np.nan,
        "hidden": each[~seen].mean() if (~seen).any() else np.nan,
    }
    for name, index in GROUPS.items():
        out[name] = each[:, index].mean()
    return {k: float(100 * v) for k, v in out.items()}
