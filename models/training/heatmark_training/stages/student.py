"""Stage `student`: supervised training of a landmark network on rendered thermal faces."""

import argparse

import torch

from .. import losses
from ..device import to_device
from ..landmark_samples import Batch, source_from_args
from ..landmark_task import DISTILLATION_WEIGHT, LandmarkEvaluator, batch_tensors, init_from_args, task_loss
from ..networks import Landmarker
from ..precomputed import PrecomputedSamples
from ..preprocess import INPUT_CHANNELS
from ..train_loop import Budget, Run, train


def step(net: Landmarker, batch: Batch, progress: float) -> tuple[torch.Tensor, dict[str, float]]:
    """The task loss and, where the batch has a teacher's outputs, the distillation loss."""
    data = batch_tensors(batch)
    out = net(data[0])
    loss, values = task_loss(out, data, progress)
    if batch.teacher is None:
        return loss, values
    output = losses.output_distillation(out[0], to_device(batch.teacher), data[3])
    return loss + DISTILLATION_WEIGHT * output, {**values, "output": float(output.detach())}


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    torch.manual_seed(args.seed)
    source = source_from_args(args, scene_share=args.scene_share)
    net = Landmarker(args.size)
    init_from_args(net, args, source)
    precomputed = PrecomputedSamples(args.precomputed) if args.precomputed else None
    run = Run(args.out, args.resume)
    print(f"{len(precomputed) if precomputed else len(source.faces.train)} {'samples' if precomputed else 'faces'} to "
          f"train on, {len(source.faces.held_out)} faces held out, {sum(p.numel() for p in net.parameters())} parameters")

    def refresh() -> int:
        return source.faces.refresh() + (source.scenes.refresh() if source.scenes else 0)

    describe = {"task": "face-landmarks", "size": args.size, "seed": args.seed, "batch": args.batch, "lr": args.lr,
                "muon_lr": args.muon_lr, "precomputed": len(precomputed) if precomputed else 0,
                "channels": INPUT_CHANNELS}
    train(net, run, Budget(args.steps, args.minutes), lambda rng: (precomputed or source).batch(args.batch, rng), step,
          LandmarkEvaluator(source), args.seed, args.lr, describe, refresh if args.refresh else None, args.every,
          prefetch=not args.inline, precision=args.precision, muon_lr=args.muon_lr)
