"""From the maps to boxes over time, as `src/track` does it.

score = sigmoid(logit) times a window; the best cell gives the box by its offset and size. The search crop lies where a
steady motion leads; the window is as wide as such predictions were wrong. A box follows its giver's convention, which the
network cannot know: the first frame is predicted too, and the ratio of the given box to the predicted one, of sizes and
centre, is applied to every later box. Sizes are smoothed, and kept while the score is low. Below the threshold the box coasts.
Left to the runtime: presence, lost targets and how they are found again.
"""

from typing import NamedTuple

import numpy as np

from . import track_preprocess as pre
from .track_sequences import Sequence

#: Share of the window that depends on the place, and its least deviation, cells.
WINDOW, MIN_SPREAD = 0.8, 1.0
#: Share of the new size in the smoothed one, and the least score of a size.
SMOOTHING, SIZE_SCORE = 0.2, 0.4
#: Share of a new velocity, of the velocity that is believed, and of it that remains after a frame without a measurement.
VELOCITY_GAIN, TRUST, DAMPING = 0.5, 0.8, 0.9
#: Deviation of predictions in template sides: the first, the least, its factor; gain of larger and smaller errors; growth.
FIRST_SPREAD, LEAST_SPREAD, SPREAD_REACH, SPREAD_GAIN, SPREAD_GROWTH = 0.2, 0.15, 2.5, (0.3, 0.05), 1.15
#: Least score at which the box follows.
THRESHOLD = 0.15
#: Range of the kept ratio of given to predicted sizes.
RATIO = (0.4, 2.5)


def window(spread: float, cells: int = pre.SEARCH_CELLS) -> np.ndarray:
    """The window over the score map, `[cells, cells]`. `spread`: deviation, cells."""
    one = np.exp(-0.5 * ((np.arange(cells) + 0.5 - cells / 2) / max(spread, MIN_SPREAD)) ** 2)
    return (1 - WINDOW + WINDOW * np.outer(one, one)).astype(np.float32)


class Found(NamedTuple):
    """A box (cx, cy, w, h) in px of the search crop from its corner, and its score."""

    box: np.ndarray
    score: float


def decode(maps: np.ndarray, spread: float) -> Found:
    """The best box of one map `[5, h, w]`. `spread`: of the window, cells."""
    score = 1 / (1 + np.exp(-maps[0]))
    weighted = score * window(spread, score.shape[0])
    i, j = divmod(int(weighted.argmax()), score.shape[1])
    _, dx, dy, w, h = maps[:, i, j]
    box = np.array([(j + 0.5 + dx) * pre.STRIDE, (i + 0.5 + dy) * pre.STRIDE, pre.UNIT * np.exp(np.clip(w, -4, 3)),
                    pre.UNIT * np.exp(np.clip(h, -4, 3))])
    return Found(box, float(score[i, j]))


class Target:
    """One target followed through a sequence in a mode (of `track_networks.MODES`)."""

    def __init__(self, of: Sequence, mode: str, first: int) -> None:
        self.of, self.mode = of, mode
        self.main = "visible" if mode == "visible" else "thermal"
        self.box = of.labels[self.main].box[first].astype(np.float64)
        self.box[2:] = np.maximum(self.box[2:], pre.MIN_SIDE)
        self.side = 2 * pre.template_side(*self.box[2:])
        self.ratio, self.offset = np.ones(2), np.zeros(2)
        self.velocity, self.spread = np.zeros(2), FIRST_SPREAD
        crops = self._cut(first, pre.template_side(*self.box[2:]), pre.TEMPLATE)
        self.thermal_limits = self.visible_statistics = (0.0, 1.0)
        if "thermal" in crops:
            self.thermal_limits = pre.thermal_limits(crops["thermal"], of.floor)
        if "visible" in crops:
            self.visible_statistics = pre.visible_statistics(crops["visible"])
        self.template = self._normalise(crops)
        self.presence = self.score = 1.0

    def _cut(self, frame: int, side: float, size: int) -> dict[str, np.ndarray]:
        out = {}
        if self.mode != "visible":
            out["thermal"] = pre.crop(self.of.frames("thermal")[frame], self.box[:2], side, size)
        if self.mode != "thermal":
            scale = self.of.visible_scale if self.mode == "both" else np.ones(2)
            out["visible"] = pre.crop(self.of.frames("visible")[frame], self.box[:2] * scale,
                                      side * float(np.sqrt(scale.prod())), size)
        return out

    def _normalise(self, crops: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = {}
        if "thermal" in crops:
            out["thermal"] = pre.normalise_thermal(crops["thermal"], *self.thermal_limits)[None]
        if "visible" in crops:
            image = pre.normalise_visible(crops["visible"], *self.visible_statistics)
            out["visible"] = np.ascontiguousarray(image.transpose(2, 0, 1))
        return out

    def search(self, frame: int) -> dict[str, np.ndarray]:
        """The search crops of a frame, `[c, 128, 128]` by modality."""
        self.side = 2 * pre.template_side(*self.box[2:])
        step = np.clip(TRUST * self.velocity, -self.side / 2, self.side / 2)
        self.before, self.box[:2] = self.box[:2].copy(), self._inside(self.box[:2] + step)
        return self._normalise(self._cut(frame, self.side, pre.SEARCH))

    def follow(self, maps: np.ndarray, presence: float, first: bool) -> None:
        """Takes in a frame's outputs; `first`: of the frame in which the box was given."""
        found = decode(maps, (LEAST_SPREAD + SPREAD_REACH * self.spread) * pre.SEARCH_CELLS / 2)
        self.score, self.presence = found.score, presence
        k = self.side / pre.SEARCH
        centre, size = self.box[:2] + (found.box[:2] - pre.SEARCH / 2) * k, found.box[2:] * k
        if first:
            self.ratio = np.clip(self.box[2:] / size, *RATIO)
            self.offset = (self.box[:2] - centre) / size
            return
        if found.score < THRESHOLD:
            self.velocity *= DAMPING
            self.spread = min(self.spread * SPREAD_GROWTH, 1.0)
            return
        centre, size = centre + self.offset * size, size * self.ratio
        error = float(np.hypot(*(centre - self.box[:2]))) / (self.side / 2) - self.spread
        self.spread += SPREAD_GAIN[error < 0] * error
        self.velocity += VELOCITY_GAIN * (centre - self.before - self.velocity)
        self.box[:2] = self._inside(centre)
        if found.score >= SIZE_SCORE:
            size = self.box[2:] * (1 - SMOOTHING) + SMOOTHING * size
            self.box[2:] = np.clip(size, pre.MIN_SIDE, self.of.frames(self.main).shape[2:0:-1])

    def _inside(self, centre: np.ndarray) -> np.ndarray:
        """A centre moved into the frame."""
        return np.clip(centre, 0, np.array(self.of.frames(self.main).shape[2:0:-1]))
