"""Stage `track-single`, a tracker of one modality, and what all tracker stages share."""

import argparse
from typing import Any

import torch
from torch import Tensor

from .. import track_losses
from ..track_networks import Tracker
from ..track_samples import TrackBatch, TrackSource
from ..track_task import LAYOUT, Inputs, TrackEvaluator, about, init_tracker, sources
from ..train_loop import Budget, Run, Step, train


def supervised_step(net: Tracker, batch: TrackBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
    """The loss against the truth."""
    inputs = Inputs(batch)
    return track_losses.tracking(*net(inputs.template, inputs.search), inputs.truth)


def run_stage(args: argparse.Namespace, net: torch.nn.Module, source: TrackSource, step: Step, **more: Any) -> None:
    """Trains as every tracker stage does."""
    train(net, Run(args.out, args.resume), Budget(args.steps, args.minutes), lambda rng: source.batch(args.batch, rng),
          step, TrackEvaluator(source), args.seed, args.lr, about(args, source, **more),
          source.refresh if args.refresh else None, args.every, prefetch=not args.inline, precision=args.precision,
          muon_lr=args.muon_lr, layout=LAYOUT)


def single(args: argparse.Namespace) -> None:
    """A tracker of one modality."""
    torch.manual_seed(args.seed)
    source = sources(args, (args.modality,))
    net = Tracker(args.size)
    init_tracker(net, args.init)
    run_stage(args, net, source, supervised_step, modality=args.modality)
