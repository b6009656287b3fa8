"""Stage `precompute`: makes samples for `student --precomputed`, with a teacher's outputs or without."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..device import autocast, to_device, to_numpy
from ..landmark_samples import source_from_args
from ..precomputed import ARRAYS, TEACHER, mirror_outputs
from ..preprocess import INPUT_CHANNELS
from ..pretrained import load_frozen


def teacher_outputs(teacher: nn.Module, image: np.ndarray, mirror_average: bool) -> np.ndarray:
    """A teacher's outputs for network inputs, `[n, 70, 3]`; with `mirror_average` the mean with those for the
    mirrored inputs."""
    outputs = to_numpy(teacher(to_device(image))[0])
    if not mirror_average:
        return outputs
    mirrored = to_numpy(teacher(to_device(np.ascontiguousarray(image[..., ::-1])))[0])
    return (outputs + mirror_outputs(mirrored)) / 2


def main(args: argparse.Namespace) -> None:
    """Makes a folder of `--count` samples."""
    source = source_from_args(args, scene_share=args.scene_share)
    teacher = None
    if args.teacher:
        teacher, about = load_frozen(args.teacher)
        if about.get("channels", 1) != INPUT_CHANNELS:
            raise SystemExit(f"{args.teacher}: expected a thermal teacher with {INPUT_CHANNELS} input channels")
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").unlink(missing_ok=True)
    kinds = {**ARRAYS, **({"teacher": TEACHER} if teacher else {})}
    (folder / "teacher.npy").unlink(missing_ok=True)
    files = {name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (args.count, *shape))
             for name, (kind, shape) in kinds.items()}
    for n, at in enumerate(range(0, args.count, args.batch)):
        some = min(args.batch, args.count - at)
        batch = source.batch(some, np.random.default_rng([args.seed, n]))
        for name in ARRAYS:
            value = getattr(batch, name)
            files[name][at:at + some] = np.rint((value + 1) * 127.5) if name == "image" else value
        if teacher:
            with torch.inference_mode(), autocast(args.precision):
                files["teacher"][at:at + some] = teacher_outputs(teacher, batch.image, args.mirror_average)
        if n % 200 == 0:
            print(f"{at + some} of {args.count}", flush=True)
    for file in files.values():
        file.flush()
    meta = {"count": args.count, "seed": args.seed, "teacher": args.teacher, "data": args.data, "scenes": args.scenes}
    (folder / "meta.json").write_text(json.dumps(meta))
