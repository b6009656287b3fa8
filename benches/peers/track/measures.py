"""How well boxes follow a target: one pass from a given box, by the rule `plain` of src/eval/track/rules.rs."""

import numpy as np

#: Overlaps of the success curve.
OVERLAPS = np.arange(21) * 0.05


def held(boxes, given):
    """`boxes` [n, 4] with the first replaced by the given one, and empty ones by the box before."""
    kept = np.array(boxes, float)
    kept[0] = given
    for i in range(1, len(kept)):
        if not (kept[i, 2] > 0 and kept[i, 3] > 0):
            kept[i] = kept[i - 1]
    return kept


def scores(boxes, truths):
    """PR at 20 and 5 px, NPR and SR of one sequence, 0 to 1. Rows are left, top, width, height; a truth of NaN is a
    target that is not in view and is left out. None if no truth is left."""
    seen = ~np.isnan(truths[:, 0])
    if not seen.any():
        return None
    b, t = held(boxes, truths[0])[seen], truths[seen]
    distance = np.hypot(*((b[:, :2] + b[:, 2:] / 2) - (t[:, :2] + t[:, 2:] / 2)).T)
    # Divided before the difference is taken, as LasHeR's tool does: rounding decides ties.
    size = t[:, 2:]
    normalised = np.hypot(*((b[:, :2] + (b[:, 2:] - 1) / 2) / size - (t[:, :2] + (size - 1) / 2) / size).T)
    sides = np.minimum(b[:, :2] + b[:, 2:], t[:, :2] + size) - np.maximum(b[:, :2], t[:, :2])
    both = np.maximum(sides, 0).prod(1)
    overlap = both / (b[:, 2:].prod(1) + size.prod(1) - both)
    return {
        "pr_20": (distance <= 20).mean(),
        "pr_5": (distance <= 5).mean(),
        "npr": (normalised <= 0.2).mean(),
        "sr": (overlap[:, None] > OVERLAPS).mean(),
    }


def auroc(presence, seen):
    """The probability that a frame with the target has more presence than one without, ties counted half; None if one
    kind of frame is missing."""
    high, low = np.sort(presence[seen]), presence[~seen]
    if not len(high) or not len(low):
        return None
    below, to = np.searchsorted(high, low, "left"), np.searchsorted(high, low, "right")
    return float((len(high) - (below + to) / 2).sum() / (len(high) * len(low)))
