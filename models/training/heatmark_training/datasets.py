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

#: Share of every folder that training never sees.
HELD_OUT_SHARE = 0.02


class Folder:
    """One folder, mapped. Broken folders raise with their name."""

    def __init__(self, path: str | Path) -> None:
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
        self._rgb: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.thermal)

    def rgb(self) -> np.ndarray:
        """The RGB pictures, mapped on first use."""
        if self._rgb is None:
            self._rgb = np.load(self.path / "rgb.npy", mmap_mode="r")
        return self._rgb


#: One picture of a folder.
Item = tuple[Folder, int]


def find_folders(patterns: str | list[str]) -> list[str]:
    """Complete folders matching glob patterns (comma-separated or a list), sorted."""
    patterns = patterns.split(",") if isinstance(patterns, str) else patterns
    paths = {p for pattern in patterns for p in glob.glob(pattern) if (Path(p) / "meta.json").exists()}
    return sorted(paths)


class Shards:
    """All folders of some patterns; grows with `refresh`. The last `HELD_OUT_SHARE` of a folder is held out."""

    def __init__(self, patterns: str | list[str], limit: int | None = None) -> None:
        self.patterns, self.limit = patterns, limit
        self.folders: list[Folder] = []
        self.train = self.held_out = np.zeros((0, 2), np.int64)
        self._known: set[str] = set()
        self._weights: np.ndarray | None = None
        self.refresh()
        if not self.folders:
            raise SystemExit(f"no complete data folder (with meta.json) matches {patterns}")

    def refresh(self) -> int:
        """Picks up new folders; returns how many."""
        new = [p for p in find_folders(self.patterns) if p not in self._known]
        for path in new:
            self.folders.append(Folder(path))
            self._known.add(path)
        if new:
            self._index()
        return len(new)

    def _index(self) -> None:
        train, held_out = [], []
        for f, folder in enumerate(self.folders):
            n = len(folder) if self.limit is None else min(len(folder), self.limit)
            kept = n - max(1, int(n * HELD_OUT_SHARE)) if n > 1 else n
            train += [(f, i) for i in range(kept)]
            held_out += [(f, i) for i in range(kept, n)]
        self.train = np.array(train, np.int64).reshape(-1, 2)
        self.held_out = np.array(held_out, np.int64).reshape(-1, 2)
        self._weights = None

    def sampling_weights(self) -> np.ndarray:
        """Cumulative sampling weights: heads in profile and bowed heads are drawn more often; pictures without
        faces as often as the mean of the others."""
        if self._weights is None:
            poses = [np.abs(self.folders[f].pose[i].reshape(-1, 3)) for f, i in self.train]
            rare = np.array([np.fmax.reduce(p[:, 0].clip(max=80) / 50 + p[:, 1].clip(max=40) / 25) for p in poses])
            absent = np.isnan(rare)
            rare[absent] = rare[~absent].mean() if not absent.all() else 0.0
            self._weights = np.cumsum(1.0 + rare)
        return self._weights

    def draw(self, rng: np.random.Generator, count: int) -> list[Item]:
        """`count` random training items."""
        weights = self.sampling_weights()
        picks = np.searchsorted(weights, rng.random(count) * weights[-1]).clip(0, len(self.train) - 1)
        return [(self.folders[f], int(i)) for f, i in self.train[picks]]

    def held_out_items(self, count: int) -> list[Item]:
        """Up to `count` held-out items, spread over all folders."""
        step = max(1, len(self.held_out) // count)
        return [(self.folders[f], int(i)) for f, i in self.held_out[::step][:count]]
