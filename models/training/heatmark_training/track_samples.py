"""Training samples of the trackers: a template and a search crop of the same sequence, cropped on the fly.

Absent targets are (a) frames of rendered sequences without the target, around where it was; (b) the template of another
sequence; (c) a window elsewhere in the frame. The presence label says whether the target's centre lies in the window; a
target seen to less than `SEEN` counts neither way.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from . import track_preprocess as pre
from .track_augment import augment_thermal, augment_visible
from .track_sequences import Sequence, TrackSets

#: Least visible share of a target that counts.
SEEN = 0.3


@dataclass(frozen=True)
class SampleOptions:
    """Shares and spreads of the samples."""

    #: Share of the samples without the target.
    absent: float = 0.25
    #: Among paired samples, the shares of thermal alone and of visible alone.
    thermal_only: float = 0.25
    visible_only: float = 0.2
    #: Scale of the visible crop's added displacement; 0: none.
    misregistration: float = 1.0
    augment: bool = True


@dataclass
class TrackBatch:
    """Samples, sorted: the first have only thermal, the last only visible crops, those between both.

    Crops f32, thermal `[t, 1, s, s]`, visible `[v, 3, s, s]`; boxes f32 `[n, 4]`: x0 y0 x1 y1, px of the search crop
    (the thermal one where there is one), `visible_boxes` `[v, 4]` those in the visible crops; present f32 `[n]`; weight
    f32 `[n]`: 0 where neither answer is right.
    """

    template_thermal: np.ndarray
    search_thermal: np.ndarray
    template_visible: np.ndarray
    search_visible: np.ndarray
    boxes: np.ndarray
    visible_boxes: np.ndarray
    present: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass
class Window:
    """Where one modality's crop lies: frame number, centre, side, px."""

    frame: int
    centre: np.ndarray
    side: float


@dataclass
class Plan:
    """One sample before anything is read."""

    mode: str
    template_of: Sequence
    search_of: Sequence
    template: dict[str, Window] = field(default_factory=dict)
    search: dict[str, Window] = field(default_factory=dict)
    #: The target's box (cx, cy, w, h) by modality, NaN: absent.
    target: dict[str, np.ndarray] = field(default_factory=dict)
    weight: float = 1.0


NO_BOX = np.full(4, np.nan, np.float32)


def search_scale(rng: np.random.Generator) -> float:
    """Side of the search crop over twice the target's template side."""
    return math.exp(rng.normal(0, 0.16) if rng.random() < 0.8 else rng.uniform(-0.6, 0.7))


def search_shift(rng: np.random.Generator) -> np.ndarray:
    """Distance of the search crop's centre from the target, as shares of the crop's side."""
    if rng.random() < 0.7:
        return rng.normal(0, 0.35 / 4, 2)
    return rng.uniform(-0.48, 0.48, 2)


def pick_frames(present: np.ndarray, searchable: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Template and search frame: half of them near each other, half anywhere."""
    i = int(present[rng.integers(len(present))])
    if rng.random() < 0.5:
        lo, hi = np.searchsorted(searchable, (i - 45, i + 46))
        return i, int(searchable[rng.integers(lo, hi)])
    return i, int(searchable[rng.integers(len(searchable))])


class Planner:
    """Draws plans from one sequence, and others for foreign templates."""

    def __init__(self, options: SampleOptions) -> None:
        self.options = options

    def plan(self, of: Sequence, mode: str, rng: np.random.Generator, other: Sequence | None) -> Plan:
        """A sample of `of` in a mode; `other`: whose template may be searched in vain."""
        main = "visible" if mode == "visible" else "thermal"
        labels = of.labels[main]
        i, j = pick_frames(labels.present, labels.searchable, rng)
        plan = Plan(mode, of, of)
        kind = rng.random() / max(self.options.absent, 1e-9)
        box = labels.box[j]
        around = box
        if kind < 0.4 and len(labels.absent):
            j = int(labels.absent[rng.integers(len(labels.absent))])
            near = labels.searchable[np.abs(labels.searchable - j).argmin()]
            around, box = labels.box[near], NO_BOX
        elif kind < 0.55 and other is not None:
            plan.template_of = other
            i = int(rng.choice(other.labels[main].present))
        if kind >= 1 and labels.seen[j] < SEEN:
            plan.weight = 0.0
        self._template(plan, main, i, rng)
        side = 2 * pre.template_side(around[2], around[3]) * search_scale(rng)
        centre = around[:2] + search_shift(rng) * side
        if 0.55 <= kind < 1:
            centre = elsewhere(of.frames(main).shape, box, side, rng) if kind > 0.6 else centre
        plan.search[main] = Window(j, np.asarray(centre, np.float64), side)
        plan.target[main] = NO_BOX if plan.template_of is not of else box
        if mode == "both":
            self._add_visible(plan, i, j, around, rng)
        return plan

    def _template(self, plan: Plan, main: str, i: int, rng: np.random.Generator) -> None:
        box = plan.template_of.labels[main].box[i]
        size = math.sqrt(max(box[2], 1) * max(box[3], 1))
        side = pre.template_side(*(box[2:] * np.exp(rng.normal(0, 0.06, 2)))) * math.exp(rng.normal(0, 0.05))
        plan.template[main] = Window(i, box[:2] + rng.normal(0, 0.03, 2) * size, side)

    def _add_visible(self, plan: Plan, i: int, j: int, around: np.ndarray, rng: np.random.Generator) -> None:
        """Visible windows: at the place that the frames' sizes say, or at the visible box, and displaced."""
        spread = self.options.misregistration * 0.07 * math.exp(rng.normal(0, 0.7))
        shift = rng.normal(0, spread, 2)
        exact = rng.random() < 0.5
        for where, frame, windows, own in ((plan.template_of, i, plan.template, None),
                                           (plan.search_of, j, plan.search, around)):
            window = windows["thermal"]
            scale = where.visible_scale
            thermal = where.labels["thermal"].box[frame] if own is None else own
            visible = where.labels["visible"].box[frame]
            base = where.to_visible(thermal)
            if exact and not np.isnan(visible[0]):
                base = visible
            size = math.sqrt(base[2] * base[3])
            step = rng.normal(0, 0.2 * spread, 2)
            centre = base[:2] + (window.centre - thermal[:2]) * scale + (shift + step) * size
            side = window.side * float(np.sqrt(scale.prod())) * math.exp(rng.normal(0, 0.04))
            windows["visible"] = Window(frame, centre, side)
        plan.target["visible"] = (plan.search_of.labels["visible"].box[j]
                                  if not np.isnan(plan.target["thermal"][0]) else NO_BOX)
        if rng.random() < 0.04:  # a thermal frame held by a shutter
            plan.search["thermal"].frame = max(0, plan.search["thermal"].frame - int(rng.integers(1, 11)))


def elsewhere(shape: tuple[int, ...], box: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    """A window's centre in a frame `[n, h, w]` such that a box stays outside the window if that can be."""
    centre = box[:2]
    for _ in range(8):
        centre = rng.uniform(0, 1, 2) * shape[2:0:-1]
        if np.isnan(box[0]) or (np.abs(centre - box[:2]) > (side + box[2:]) / 2).any():
            break
    return centre


def box_in_crop(box: np.ndarray, window: Window) -> np.ndarray:
    """A box (cx, cy, w, h) of the frame as x0 y0 x1 y1 in the search crop, px."""
    k = pre.SEARCH / window.side
    centre = (box[:2] - window.centre) * k + pre.SEARCH / 2
    half = np.maximum(box[2:], 1e-3) * k / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def cut(of: Sequence, modality: str, window: Window, size: int) -> np.ndarray:
    """A crop, f32 `[c, size, size]`."""
    image = pre.quick_crop(of.frames(modality)[window.frame], window.centre, window.side, size)
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


ORDER = {"thermal": 0, "both": 1, "visible": 2}


def assemble(plans: list[Plan], rng: np.random.Generator, augment: bool, flips: bool) -> TrackBatch:
    """Reads, disturbs and normalises the crops of planned samples."""
    plans = sorted(plans, key=lambda p: ORDER[p.mode])
    n = len(plans)
    of = {m: [k for k, p in enumerate(plans) if m in p.search] for m in ("thermal", "visible")}
    crops = {}
    for modality, channels in (("thermal", 1), ("visible", 3)):
        rows = of[modality]
        template = np.empty((len(rows), channels, pre.TEMPLATE, pre.TEMPLATE), np.float32)
        search = np.empty((len(rows), channels, pre.SEARCH, pre.SEARCH), np.float32)
        for at, k in enumerate(rows):
            plan = plans[k]
            template[at] = cut(plan.template_of, modality, plan.template[modality], pre.TEMPLATE)
            search[at] = cut(plan.search_of, modality, plan.search[modality], pre.SEARCH)
        crops[modality] = template, search
    floors = np.array([(plans[k].template_of.floor, plans[k].search_of.floor) for k in of["thermal"]],
                      np.float32).reshape(-1, 2)
    thermal = augment_thermal(*crops["thermal"], floors, rng, augment)
    visible = augment_visible(*crops["visible"], rng, augment)
    boxes, visible_boxes = np.full((n, 4), -1, np.float32), np.full((len(of["visible"]), 4), -1, np.float32)
    present, weight = np.zeros(n, np.float32), np.array([p.weight for p in plans], np.float32)
    for k, plan in enumerate(plans):
        main = "visible" if plan.mode == "visible" else "thermal"
        if not np.isnan(plan.target[main][0]):
            boxes[k] = box_in_crop(plan.target[main], plan.search[main])
            centre = (boxes[k, :2] + boxes[k, 2:]) / 2
            present[k] = float((centre > 0).all() and (centre < pre.SEARCH).all())
    for at, k in enumerate(of["visible"]):
        if not np.isnan(plans[k].target["visible"][0]):
            visible_boxes[at] = box_in_crop(plans[k].target["visible"], plans[k].search["visible"])
    batch = TrackBatch(*thermal, *visible, boxes, visible_boxes, present, weight)
    if flips:
        flip(batch, rng)
    return batch


def flip(batch: TrackBatch, rng: np.random.Generator) -> None:
    """Mirrors half of the samples left to right, a tenth upside down, in place."""
    n, first = len(batch), len(batch) - len(batch.visible_boxes)
    for axis, share in ((3, 0.5), (2, 0.1)):
        chosen = rng.random(n) < share
        t, v = chosen[:len(batch.template_thermal)], chosen[first:]
        for array, rows in ((batch.template_thermal, t), (batch.search_thermal, t), (batch.template_visible, v),
                            (batch.search_visible, v)):
            array[rows] = np.flip(array[rows], axis)
        a, b = (0, 2) if axis == 3 else (1, 3)
        for boxes, rows in ((batch.boxes, chosen), (batch.visible_boxes, v)):
            boxes[rows, a], boxes[rows, b] = pre.SEARCH - boxes[rows, b], pre.SEARCH - boxes[rows, a]


class TrackSource:
    """Samples of synthetic and real sets."""

    def __init__(self, synthetic: TrackSets | None, real: TrackSets | None = None, real_share: float = 0.2,
                 options: SampleOptions | None = None, modes: tuple[str, ...] = ("both", "thermal", "visible")) -> None:
        """`modes`: those that samples may have."""
        self.synthetic, self.real, self.real_share = synthetic, real, real_share
        self.options, self.modes = options or SampleOptions(), modes
        self.planner = Planner(self.options)
        self.sets = [s for s in (synthetic, real) if s]
        if not any(s.training for s in self.sets):
            raise SystemExit(f"no set with meta.json matches {', '.join(s.pattern for s in self.sets)}")

    def refresh(self) -> int:
        """Picks up new sets; returns their number."""
        return sum(s.refresh() for s in self.sets)

    def _pools(self) -> tuple[list[Sequence], list[Sequence]]:
        pools = [[s for s in (sets.training if sets else []) if self._possible(s)]
                 for sets in (self.synthetic, self.real)]
        return pools[0] or pools[1], pools[1] or pools[0]

    def _possible(self, of: Sequence) -> bool:
        # A target may be hidden in all visible frames and still be there in thermal ones.
        alone = (m for m in self.modes if m in of.modalities)
        return any(len(of.labels[m].present) for m in alone) or "both" in self.modes and len(of.modalities) == 2

    def _mode(self, of: Sequence, rng: np.random.Generator) -> str:
        if len(of.modalities) < 2:
            return of.modalities[0]
        if "both" not in self.modes:
            return self.modes[int(rng.integers(len(self.modes)))]
        u = rng.random()
        options = self.options
        if u < options.thermal_only and "thermal" in self.modes:
            return "thermal"
        if u > 1 - options.visible_only and "visible" in self.modes and len(of.labels["visible"].present):
            return "visible"
        return "both"

    def plans(self, count: int, rng: np.random.Generator, held_out: bool = False) -> list[Plan]:
        """Plans of random samples."""
        pools = ([[s for s in (sets.held_out if sets else []) if self._possible(s)]
                  for sets in (self.synthetic, self.real)] if held_out else self._pools())
        out: list[Plan] = []
        while len(out) < count:
            pool = pools[1] if rng.random() < self.real_share and pools[1] else pools[0] or pools[1]
            of, other = (pool[int(rng.integers(len(pool)))] for _ in range(2))
            mode = self._mode(of, rng)
            main = "visible" if mode == "visible" else "thermal"
            fits = other.name != of.name and other.modalities == of.modalities
            # Another person is not the target either.
            fits = fits and (other.kind != of.kind or rng.random() < 0.5)
            fits = fits and len(other.labels[main].present) > 0
            out.append(self.planner.plan(of, mode, rng, other if fits else None))
        return out

    def batch(self, count: int, rng: np.random.Generator) -> TrackBatch:
        """A training batch."""
        return assemble(self.plans(count, rng), rng, self.options.augment, True)

    def held_out_batch(self, count: int, seed: int = 0) -> TrackBatch:
        """Held-out samples, undisturbed."""
        rng = np.random.default_rng([seed, 77])
        return assemble(self.plans(count, rng, held_out=True), rng, False, False)
