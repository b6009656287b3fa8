"""Errors of landmarks, as the field defines them."""

import numpy as np

from .landmark_set import GROUPS, bounding_box, five_points


def face_size(truth: np.ndarray) -> np.ndarray:
    """sqrt of the box area of faces `[n, 70, 2]`, `[n]`."""
    b = bounding_box(truth)
    return np.sqrt((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]))


def point_errors(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Errors `[n, 70]` as shares of the face size, of points and truth `[n, 70, 2]`."""
    return np.linalg.norm(points - truth, axis=-1) / face_size(truth)[:, None]


def landmark_errors(points: np.ndarray, truth: np.ndarray, visibility: np.ndarray) -> dict[str, float]:
    """Means over faces, percent of the face size: all points (`nme`), five points, regions; and failure rates,
    percent. Points and truth `[n, 70, 2]`, visibility `[n, 70]`."""
    size = face_size(truth)[:, None]
    each = point_errors(points, truth)
    nme = each.mean(1)
    five = (np.linalg.norm(five_points(points) - five_points(truth), axis=-1) / size).mean(1)
    visible = visibility == 0
    out = {
        "nme": nme.mean(), "median": np.median(nme), "fail8": (nme > 0.08).mean(),
        "five": five.mean(), "five10": (five > 0.10).mean(),
        "visible": each[visible].mean() if visible.any() else np.nan,
        "hidden": each[~visible].mean() if (~visible).any() else np.nan,
    }
    for name, index in GROUPS.items():
        out[name] = each[:, index].mean()
    return {k: float(100 * v) for k, v in out.items()}
