"""Stage `detector`: the anchor-free face detector."""

import argparse

import numpy as np
import torch
from torch import nn

from .. import losses
from ..datasets import Shards
from ..detection import DetectionMetrics
from ..detector_samples import DetectorBatch, DetectorSource, Face, held_out_scenes
from ..device import to_device, to_numpy
from ..networks import Detector
from ..preprocess import INPUT_CHANNELS
from ..pretrained import init_from
from ..train_loop import Budget, Run, train


class DetectorEvaluator:
    """Metrics of the detector on held-out scenes."""

    def __init__(self, source: DetectorSource, count: int = 300) -> None:
        self.plain, self.hard = held_out_scenes(source, count)

    def __call__(self, net: nn.Module) -> dict[str, float]:
        """Metrics of a network."""
        plain = self._evaluate(net, self.plain)
        hard = self._evaluate(net, self.hard)
        return plain | {f"hard_{k}": v for k, v in hard.items()}

    @staticmethod
    def _evaluate(net: nn.Module, pictures: list[tuple[np.ndarray, list[Face]]]) -> dict[str, float]:
        net.eval()
        metrics = DetectionMetrics()
        for at in range(0, len(pictures), 32):
            part = pictures[at:at + 32]
            with torch.inference_mode():
                heat, geom = (to_numpy(v) for v in net(to_device(np.stack([x for x, _ in part]))))
            for n, (_, faces) in enumerate(part):
                metrics.add_maps(heat[n, 0], geom[n], faces)
        return metrics.result()


def step(net: Detector, batch: DetectorBatch, _: float) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss of the face centres and L1 loss of boxes and points."""
    image, heat, ignore, geom, weight = (to_device(v) for v in (
        batch.image, batch.heat, batch.ignore, batch.geom, batch.weight))
    out_heat, out_geom = net(image)
    centre = losses.focal(out_heat.float(), heat, ignore)
    shape = losses.geometry(out_geom.float(), geom, weight)
    return centre + shape, {"heat": float(centre.detach()), "geom": float(shape.detach())}


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    torch.manual_seed(args.seed)
    source = DetectorSource(Shards(args.data, args.limit), Shards(args.faces, args.limit) if args.faces else None)
    net = Detector()
    if args.init:
        init_from(net, args.init, lambda: source.batch(64, np.random.default_rng(0)).image)
    run = Run(args.out, args.resume)
    print(f"{len(source.scenes.train)} scenes to train on, {len(source.scenes.held_out)} held out, "
          f"{sum(p.numel() for p in net.parameters())} parameters")

    def refresh() -> int:
        return source.scenes.refresh() + (source.faces.refresh() if source.faces else 0)

    describe = {"task": "face-detector", "seed": args.seed, "batch": args.batch, "lr": args.lr,
                "muon_lr": args.muon_lr, "channels": INPUT_CHANNELS}
    train(net, run, Budget(args.steps, args.minutes), lambda rng: source.batch(args.batch, rng), step,
          DetectorEvaluator(source), args.seed, args.lr, describe, refresh if args.refresh else None, args.every,
          prefetch=not args.inline, precision=args.precision, muon_lr=args.muon_lr)
