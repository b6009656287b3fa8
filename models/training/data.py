"""Rendered data on disk, memory-mapped. A folder counts once its meta.json exists.

Face folders: thermal u16 [N,128,128] centikelvin, rgb u8 [N,128,128,3], points f32 [N,70,2],
visibility u8 [N,70] (0 visible, 1 self-occluded, 2 occluded by an object), pose f32 [N,3] degrees
(yaw, pitch, roll).
Scene folders: thermal u16 [N,H,W], points f32 [N,F,70,2] (NaN where absent), visibility u8 [N,F,70],
pose f32 [N,F,3].
"""

import glob
from pathlib import Path

import numpy as np

HOLD = 0.02  # share of every folder that training never sees


class Folder:
    """One folder, mapped. Broken folders raise with their name."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            self.thermal = np.load(self.path / "thermal.npy", mmap_mode="r")
            self.points = np.load(self.path / "points.npy")
            self.visibility = np.load(self.path / "visibility.npy")
            pose = self.path / "pose.npy"
            self.pose = np.load(pose) if pose.exists() else np.zeros((len(self.thermal), 3), np.float32)
        except (OSError, ValueError) as error:
            raise SystemExit(f"{self.path}: {error}") from error
        n = len(self.thermal)
        if not (len(self.points) == len(self.visibility) == len(self.pose) == n):
            raise SystemExit(f"{self.path}: arrays of different lengths")
        self.rgb = None

    def __len__(self):
        return len(self.thermal)

    def colour(self):
        """The RGB pictures, mapped on first use."""
        if self.rgb is None:
            self.rgb = np.load(self.path / "rgb.npy", mmap_mode="r")
        return self.rgb


def find(patterns):
    """Complete folders matching glob patterns (comma-separated or a list), sorted."""
    patterns = patterns.split(",") if isinstance(patterns, str) else patterns
    paths = {p for pattern in patterns for p in glob.glob(pattern) if (Path(p) / "meta.json").exists()}
    return sorted(paths)


class Shards:
    """All folders of some patterns; grows with `refresh`. The last HOLD of a folder is held out."""

    def __init__(self, patterns, limit=None):
        self.patterns, self.limit = patterns, limit
        self.folders, self.known = [], set()
        self.refresh()
        if not self.folders:
            raise SystemExit(f"no complete data folder (with meta.json) matches {patterns}")

    def refresh(self):
        """Picks up new folders; returns how many."""
        new = [p for p in find(self.patterns) if p not in self.known]
        for path in new:
            self.folders.append(Folder(path))
            self.known.add(path)
        if new or not hasattr(self, "train"):
            self._index()
        return len(new)

    def _index(self):
        train, held = [], []
        for f, folder in enumerate(self.folders):
            n = len(folder) if self.limit is None else min(len(folder), self.limit)
            kept = n - max(1, int(n * HOLD)) if n > 1 else n
            train += [(f, i) for i in range(kept)]
            held += [(f, i) for i in range(kept, n)]
        self.train = np.array(train, np.int64).reshape(-1, 2)
        self.held = np.array(held, np.int64).reshape(-1, 2)
        self.weight = None

    def turned(self):
        """Cumulative sampling weights: turned and bowed heads are drawn more often; pictures without
        faces as often as the mean of the others."""
        if self.weight is None:
            poses = [np.abs(self.folders[f].pose[i].reshape(-1, 3)) for f, i in self.train]
            rare = np.array([np.fmax.reduce(p[:, 0].clip(max=80) / 50 + p[:, 1].clip(max=40) / 25) for p in poses])
            absent = np.isnan(rare)
            rare[absent] = rare[~absent].mean() if not absent.all() else 0.0
            self.weight = np.cumsum(1.0 + rare)
        return self.weight

    def draw(self, rng, count):
        """`count` training items as (folder, index)."""
        weight = self.turned()
        picks = np.searchsorted(weight, rng.random(count) * weight[-1]).clip(0, len(self.train) - 1)
        return [(self.folders[f], int(i)) for f, i in self.train[picks]]

    def held_items(self, count):
        """Up to `count` held-out items, spread over all folders."""
        step = max(1, len(self.held) // count)
        return [(self.folders[f], int(i)) for f, i in self.held[::step][:count]]
