"""The landmark set: 70 points in the order of hri_msgs/FacialLandmarks.

The master table is ``src/landmarks.rs``; a test compares this copy with it.
0..67 are the iBUG-68 points (subject's right first), 68 the right pupil, 69 the left pupil.
"""

import math

import numpy as np

COUNT = 70

#: Index of the mirror image of each point.
MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
     45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
     *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65, 69, 68],
    dtype=np.int64,
)
#: Factor on the coordinates of a mirrored point, about the middle of the picture.
FLIP = np.array([-1, 1], np.float32)

#: Groups whose errors are reported separately: name, indices.
GROUPS = {
    "jaw": np.arange(0, 17),
    "brows": np.arange(17, 27),
    "nose": np.arange(27, 36),
    "eyes": np.arange(36, 48),
    "mouth": np.arange(48, 68),
    "pupils": np.arange(68, 70),
}

RIGHT_EYE = np.arange(36, 42)
LEFT_EYE = np.arange(42, 48)
NOSE_TIP, MOUTH_RIGHT, MOUTH_LEFT = 30, 48, 54

#: Mirror images of the points of `five_points`.
FIVE_MIRROR = np.array([1, 0, 2, 4, 3])


def five_points(points: np.ndarray) -> np.ndarray:
    """The five points that most data sets annotate, `[..., 5, 2]`, from ``[..., 70, 2]``: right eye, left eye,
    nose tip, right and left mouth corner. An eye is the mean of its six contour points."""
    return np.stack(
        [points[..., 36:42, :].mean(-2), points[..., 42:48, :].mean(-2),
         points[..., NOSE_TIP, :], points[..., MOUTH_RIGHT, :], points[..., MOUTH_LEFT, :]], -2)


def roll_angle(points: np.ndarray) -> float | None:
    """In-plane rotation of a face `[70, 2]`, rad, from the line between its eyes; None in profile, where that line
    is too short."""
    (right, left), edges = five_points(points)[:2], bounding_box(points)
    x, y = left - right
    return math.atan2(y, x) if math.hypot(x, y) > 0.25 * math.sqrt(np.prod(edges[2:] - edges[:2])) else None


def bounding_box(points: np.ndarray) -> np.ndarray:
    """The box ``x0 y0 x1 y1`` around points ``[..., n, 2]``, `[..., 4]`."""
    return np.concatenate([points.min(-2), points.max(-2)], -1)
