"""Sequences on disk: clips of either modality or both, with boxes.

    SEQ/thermal.npy        u8 or u16 [n, h, w], and
    SEQ/visible.npy        u8 [n, H, W, 3]; either may be missing; row i of both was seen at the same moment
    SEQ/boxes.csv          frame,x,y,w,h[,seen[,ffc]]: thermal pixels (visible ones without thermal.npy), x y left top; empty:
                           not in view; seen: visible share 0..1; ffc: 1 where the thermal frame is frozen
    SEQ/visible-boxes.csv  the same in visible pixels
    SEQ/sequence.json      signal, class, attributes, frames: [first, last] outside of which nothing is known

A set is a folder of sequences with a `meta.json`.
"""

import csv
import glob
import json
import re
import resource
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .track_preprocess import THERMAL_FLOOR

#: Real clips whose number ends in one of these are held out.
HELD_OUT_DIGITS = (3, 6, 9)
#: Of synthetic sets the last share of the sequences is held out.
HELD_OUT_SHARE = 0.02


def _most_maps() -> int:
    """How many arrays may stay mapped: each holds an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(20000, max(hard // 2, 64)) if hard > 0 else 20000


@lru_cache(maxsize=_most_maps())
def open_array(path: Path) -> np.ndarray:
    """An array on disk, memory-mapped."""
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {error}") from error


def read_boxes(path: Path, count: int) -> dict[str, np.ndarray]:
    """`box` f32 `[count, 4]` (cx, cy, w, h; NaN: not in view or unknown), `seen`, `ffc`, and `known`, where a row is."""
    out = {"box": np.full((count, 4), np.nan, np.float32), "seen": np.ones(count, np.float32),
           "ffc": np.zeros(count, bool), "known": np.zeros(count, bool)}
    with open(path, newline="") as f:
        rows = csv.reader(f)
        header = {name.strip(): i for i, name in enumerate(next(rows))}
        try:
            number, corner = header["frame"], [header[k] for k in "xywh"]
            for row in rows:
                i = int(row[number])
                if not 0 <= i < count:
                    continue
                out["known"][i] = True
                if row[corner[0]].strip():
                    x, y, w, h = (float(row[k]) for k in corner)
                    out["box"][i] = x + w / 2, y + h / 2, w, h
                for name in ("seen", "ffc"):
                    if name in header and header[name] < len(row) and row[header[name]].strip():
                        out[name][i] = float(row[header[name]])
        except (KeyError, ValueError, IndexError) as error:
            raise SystemExit(f"{path}: expected frame,x,y,w,h[,seen[,ffc]]: {error!r}") from error
    return out


class Labels:
    """What is known of a target in one modality: `box` f32 `[n, 4]` (cx, cy, w, h; NaN: not in view), `seen` 0..1,
    `known` 0/1, and the frames by number."""

    def __init__(self, rows: dict[str, np.ndarray]) -> None:
        self.box, self.seen, self.known = rows["box"], rows["seen"], rows["known"]
        there = ~np.isnan(self.box[:, 0])
        #: Frames in which the target is in view and more than half seen.
        self.present = np.flatnonzero(self.known & there & (self.seen > 0.5))
        #: Frames in which it may be searched.
        self.searchable = np.flatnonzero(self.known & there)
        #: Frames without it.
        self.absent = np.flatnonzero(self.known & ~there)


class Sequence:
    """One clip. Frames are read when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        try:
            about = json.loads((folder / "sequence.json").read_text())
        except (OSError, ValueError) as error:
            raise SystemExit(f"{folder}: no readable sequence.json: {error}") from error
        self.signal: str = about.get("signal", "grey8")
        if self.signal not in THERMAL_FLOOR:
            raise SystemExit(f"{folder}: signal is {self.signal!r}, wanted one of {', '.join(THERMAL_FLOOR)}")
        self.kind, self.attributes = about.get("class", ""), tuple(about.get("attributes", ()))
        self.floor = THERMAL_FLOOR[self.signal]
        self.modalities = tuple(m for m in ("thermal", "visible") if (folder / f"{m}.npy").exists())
        if not self.modalities:
            raise SystemExit(f"{folder}: neither thermal.npy nor visible.npy")
        self.count = min(len(self.frames(m)) for m in self.modalities)
        first, last = about.get("frames", (0, self.count - 1))
        self._range = slice(first, last + 1)

    def frames(self, modality: str) -> np.ndarray:
        """All frames of a modality, memory-mapped."""
        return open_array(self.folder / f"{modality}.npy")

    def _labels(self, name: str) -> Labels | None:
        path = self.folder / name
        if not path.exists():
            return None
        rows = read_boxes(path, self.count)
        outside = np.ones(self.count, bool)
        outside[self._range] = False
        rows["known"][outside] = False
        return Labels(rows)

    @cached_property
    def labels(self) -> dict[str, Labels]:
        """Labels by modality."""
        own = self._labels("boxes.csv")
        if own is None:
            raise SystemExit(f"{self.folder}: no boxes.csv")
        if len(self.modalities) == 1:
            return {self.modalities[0]: own}
        visible = self._labels("visible-boxes.csv")
        if visible is None:
            visible = Labels({"box": self.to_visible(own.box), "seen": own.seen, "known": own.known})
        return {"thermal": own, "visible": visible}

    @cached_property
    def visible_scale(self) -> np.ndarray:
        """Visible px per thermal px, (x, y): both cameras are taken to see the same field."""
        if len(self.modalities) < 2:
            return np.ones(2, np.float32)
        sizes = [np.float32(self.frames(m).shape[2:0:-1]) for m in ("visible", "thermal")]
        return sizes[0] / sizes[1]

    def to_visible(self, boxes: np.ndarray) -> np.ndarray:
        """Thermal boxes `[..., 4]` in visible pixels, by the size of the frames alone."""
        return boxes * np.tile(self.visible_scale, 2)


def clip_number(name: str) -> int:
    """The last number in a clip's name, 0 without one."""
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else 0


class TrackSets:
    """The sequences of sets, training and held out; folders count once their `meta.json` exists."""

    def __init__(self, pattern: str, real: bool = False, limit: int | None = None) -> None:
        """`pattern`: glob patterns, comma-separated; `real`: held out by clip number, see HELD_OUT_DIGITS."""
        self.pattern, self.real, self.limit = pattern, real, limit
        self.folders: list[Path] = []
        self.training: list[Sequence] = []
        self.held_out: list[Sequence] = []
        self.refresh()

    def refresh(self) -> int:
        """Picks up new sets; returns their number."""
        found = sorted(Path(p) for part in self.pattern.split(",") for p in glob.glob(part.strip()))
        new = [p for p in found if p not in self.folders and (p / "meta.json").exists()]
        for folder in new:
            self.folders.append(folder)
            self._add([Sequence(p.parent) for p in sorted(folder.glob("*/sequence.json"))[:self.limit]])
        return len(new)

    def _add(self, sequences: Iterable[Sequence]) -> None:
        usable = [s for s in sequences if len(s.labels[s.modalities[0]].present) > 1]
        if self.real:
            for s in usable:
                # People leave out boxes where a target is faint, too.
                for labels in s.labels.values():
                    labels.absent = labels.absent[:0]
                (self.held_out if clip_number(s.name) % 10 in HELD_OUT_DIGITS else self.training).append(s)
        else:
            cut = len(usable) - max(1, round(HELD_OUT_SHARE * len(usable))) if len(usable) > 1 else len(usable)
            self.training += usable[:cut]
            self.held_out += usable[cut:]


def describe_sets(sets: Iterable[TrackSets]) -> dict[str, Any]:
    """What a checkpoint says of its data: names and numbers of sequences."""
    sets = list(sets)
    return {"sets": [f.name for s in sets for f in s.folders], "sequences": sum(len(s.training) for s in sets)}
