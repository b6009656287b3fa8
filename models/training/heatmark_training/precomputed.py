"""Precomputed samples: crops made once, with a teacher's outputs if wanted, and drawn from many times.

Making a crop and running a teacher on it takes longer than training a small network on it; samples used a few
times, mirrored at random, teach nearly as much as fresh ones (data echoing, Choi et al. 2019, arXiv:1907.05550).

A folder holds image.npy u8 [N, INPUT_CHANNELS, R, R] (`v / 127.5 - 1` is the network's input), points.npy f32
[N, 70, 2] in crop units, visibility.npy u8 [N, 70], present.npy and presence_weight.npy f32 [N], teacher.npy f32
[N, 70, 3] (a teacher's points and log-scales; only with a teacher), and meta.json, written last.
"""

from pathlib import Path

import numpy as np

from .datasets import find_folders
from .landmark_samples import Batch
from .landmark_set import COUNT, FLIP, MIRROR
from .preprocess import CROP_SIZE, INPUT_CHANNELS

#: Type and shape per sample of an array on disk.
ArrayKind = tuple[type, tuple[int, ...]]

#: Arrays of a folder, in the order of `landmark_samples.Batch`.
ARRAYS: dict[str, ArrayKind] = {
    "image": (np.uint8, (INPUT_CHANNELS, CROP_SIZE, CROP_SIZE)), "points": (np.float32, (COUNT, 2)),
    "visibility": (np.uint8, (COUNT,)), "present": (np.float32, ()), "presence_weight": (np.float32, ())}
TEACHER: ArrayKind = (np.float32, (COUNT, 3))


def mirror_outputs(outputs: np.ndarray) -> np.ndarray:
    """Points with log-scales `[..., 70, 3]` of the mirrored picture."""
    return outputs[..., MIRROR, :] * np.array([*FLIP, 1], np.float32)


class PrecomputedSamples:
    """Draws from all folders that match glob patterns; all or none of them have a teacher's outputs."""

    def __init__(self, patterns: str | list[str]) -> None:
        paths = [Path(p) for p in find_folders(patterns)]
        if not paths:
            raise SystemExit(f"no complete folder of precomputed samples (with meta.json) matches {patterns}")
        taught = [(p / "teacher.npy").exists() for p in paths]
        if any(taught) != all(taught):
            raise SystemExit(f"{patterns}: some folders have a teacher's outputs and some have not")
        self.parts = [self._open(p, {**ARRAYS, **({"teacher": TEACHER} if all(taught) else {})}) for p in paths]
        self.starts = np.cumsum([0] + [len(part["image"]) for part in self.parts])

    @staticmethod
    def _open(path: Path, kinds: dict[str, ArrayKind]) -> dict[str, np.ndarray]:
        part: dict[str, np.ndarray] = {}
        for name, (kind, shape) in kinds.items():
            try:
                part[name] = np.load(path / f"{name}.npy", mmap_mode="r")
            except (OSError, ValueError) as error:
                raise SystemExit(f"{path / name}.npy: {error}") from error
            expected = (len(part["image"]), *shape)
            found = part[name]
            if found.shape != expected or found.dtype != kind:
                raise SystemExit(f"{path / name}.npy: {found.dtype} {found.shape}, expected {kind.__name__} {expected}")
        return part

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _take(self, name: str, picks: np.ndarray) -> np.ndarray:
        kind, shape = TEACHER if name == "teacher" else ARRAYS[name]
        out = np.empty((len(picks), *shape), kind)
        for part, first, last in zip(self.parts, self.starts[:-1], self.starts[1:]):
            mine = (picks >= first) & (picks < last)
            out[mine] = part[name][picks[mine] - first]
        return out

    def batch(self, count: int, rng: np.random.Generator) -> Batch:
        """One training batch, half of it mirrored; the same generator state gives the same batch."""
        picks, flip = rng.integers(0, len(self), count), rng.random(count) < 0.5
        image = self._take("image", picks).astype(np.float32) / 127.5 - 1
        image[flip] = image[flip][..., ::-1]
        points, visibility = self._take("points", picks), self._take("visibility", picks)
        points[flip], visibility[flip] = points[flip][:, MIRROR] * FLIP, visibility[flip][:, MIRROR]
        teacher = self._take("teacher", picks) if "teacher" in self.parts[0] else None
        if teacher is not None:
            teacher[flip] = mirror_outputs(teacher[flip])
        return Batch(image, points, visibility, self._take("present", picks), self._take("presence_weight", picks),
                     teacher=teacher)
