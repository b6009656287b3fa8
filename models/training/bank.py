"""A bank of finished samples: crops as cameras and trackers deliver them, made once and drawn from many times.

Making a crop and asking a teacher about it takes longer than training a small network on it; samples seen a few
times, mirrored at random, teach nearly as much as fresh ones (data echoing, Choi et al. 2019, arXiv:1907.05550).

A folder holds image.npy u8 [N, PLANES, R, R] (`v / 127.5 - 1` goes in), points.npy f32 [N, 70, 2] in crop units,
visibility.npy u8 [N, 70], present.npy and sure.npy f32 [N], told.npy f32 [N, 70, 3] (what the teacher answers; without
one there is no such file), and meta.json, written last.
"""

import json
from pathlib import Path

import numpy as np
import torch

import sample
from crop import PLANES, SIZE
from data import find
from machine import arithmetic, fetch, send
from points import COUNT, FLIP, MIRROR
from unfold import frozen

#: Arrays of a bank, in the order of `sample.Batch`, with their types and shapes per sample.
ARRAYS = {"image": (np.uint8, (PLANES, SIZE, SIZE)), "points": (np.float32, (COUNT, 2)),
          "visibility": (np.uint8, (COUNT,)), "present": (np.float32, ()), "sure": (np.float32, ())}
TOLD = (np.float32, (COUNT, 3))


def mirrored(told):
    """Points with log-scales `[..., 70, 3]` of the mirrored picture."""
    return told[..., MIRROR, :] * np.array([*FLIP, 1], np.float32)


def answers(teacher, image, both_sides):
    """What a teacher says of pictures, `[n, 70, 3]`; the mean with what it says of their mirror images, where wanted."""
    told = fetch(teacher(send(image))[0])
    if not both_sides:
        return told
    return (told + mirrored(fetch(teacher(send(np.ascontiguousarray(image[..., ::-1])))[0]))) / 2


def main(args):
    """Makes a bank of `--count` samples."""
    source = sample.source(args, among=args.among)
    teacher = None
    if args.teacher:
        teacher, about = frozen(args.teacher)
        if about.get("channels", 1) != PLANES:
            raise SystemExit(f"{args.teacher}: a thermal teacher of {PLANES} planes is wanted")
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").unlink(missing_ok=True)
    kinds = {**ARRAYS, **({"told": TOLD} if teacher else {})}
    (folder / "told.npy").unlink(missing_ok=True)
    files = {name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (args.count, *shape))
             for name, (kind, shape) in kinds.items()}
    for n, at in enumerate(range(0, args.count, args.batch)):
        some = min(args.batch, args.count - at)
        batch = source.batch(some, np.random.default_rng([args.seed, n]))
        for name in ARRAYS:
            value = getattr(batch, name)
            files[name][at:at + some] = np.rint((value + 1) * 127.5) if name == "image" else value
        if teacher:
            with torch.inference_mode(), arithmetic(args.arithmetic):
                files["told"][at:at + some] = answers(teacher, batch.image, args.both_sides)
        if n % 200 == 0:
            print(f"{at + some} of {args.count}", flush=True)
    for file in files.values():
        file.flush()
    meta = {"count": args.count, "seed": args.seed, "teacher": args.teacher, "data": args.data, "scenes": args.scenes}
    (folder / "meta.json").write_text(json.dumps(meta))


class Bank:
    """Draws from all banks that match glob patterns; all or none of them have a teacher's answers."""

    def __init__(self, patterns):
        paths = [Path(p) for p in find(patterns)]
        if not paths:
            raise SystemExit(f"no complete bank (with meta.json) matches {patterns}")
        told = [(p / "told.npy").exists() for p in paths]
        if any(told) != all(told):
            raise SystemExit(f"{patterns}: some banks have a teacher's answers and some have not")
        self.parts = [self._open(p, {**ARRAYS, **({"told": TOLD} if all(told) else {})}) for p in paths]
        self.starts = np.cumsum([0] + [len(part["image"]) for part in self.parts])

    @staticmethod
    def _open(path, kinds):
        part = {}
        for name, (kind, shape) in kinds.items():
            try:
                part[name] = np.load(path / f"{name}.npy", mmap_mode="r")
            except (OSError, ValueError) as error:
                raise SystemExit(f"{path / name}.npy: {error}") from error
            wanted = (len(part["image"]), *shape)
            found = part[name]
            if found.shape != wanted or found.dtype != kind:
                raise SystemExit(f"{path / name}.npy: {found.dtype} {found.shape}, wanted {kind.__name__} {wanted}")
        return part

    def __len__(self):
        return int(self.starts[-1])

    def _take(self, name, picks):
        kind, shape = TOLD if name == "told" else ARRAYS[name]
        out = np.empty((len(picks), *shape), kind)
        for part, first, last in zip(self.parts, self.starts[:-1], self.starts[1:]):
            mine = (picks >= first) & (picks < last)
            out[mine] = part[name][picks[mine] - first]
        return out

    def batch(self, count, rng):
        """One training batch, half of it mirrored; the same generator state gives the same batch."""
        picks, flip = rng.integers(0, len(self), count), rng.random(count) < 0.5
        image = self._take("image", picks).astype(np.float32) / 127.5 - 1
        image[flip] = image[flip][..., ::-1]
        points, seen = self._take("points", picks), self._take("visibility", picks)
        points[flip], seen[flip] = points[flip][:, MIRROR] * FLIP, seen[flip][:, MIRROR]
        told = self._take("told", picks) if "told" in self.parts[0] else None
        if told is not None:
            told[flip] = mirrored(told[flip])
        return sample.Batch(image, points, seen, self._take("present", picks), self._take("sure", picks), told=told)
