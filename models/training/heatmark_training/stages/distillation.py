"""Knowledge distillation in two levels: RGB teacher to thermal network, thermal network to student.

`transfer` trains B_t, H_t (thermal backbone and head) beside the frozen B_r, H_r (RGB) of the same shape on pairs of
the same geometry:
    task      H_t(B_t(thermal)) predicts the ground truth
    feature   B_t(thermal) resembles B_r(rgb)
    logit     H_t(B_t(thermal)) resembles H_r(B_r(rgb))
    forward   H_t(B_r(rgb)) predicts the ground truth: the head learns to read the teacher's features
    reverse   H_r(B_t(thermal)) predicts the ground truth: the features must suit the teacher's head
All but the task fade as training goes on (`fade`). `compress` distils features through a 1x1
adapter, points and log-scales.
"""

import argparse
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .. import losses
from ..device import to_device
from ..landmark_samples import Batch, LandmarkSource, held_out_crops, source_from_args
from ..landmark_task import (DISTILLATION_WEIGHT, LandmarkEvaluator, batch_tensors, init_from_args, predict, task_loss,
                             warmup)
from ..metrics import landmark_errors
from ..networks import Backbone, Landmarker
from ..preprocess import INPUT_CHANNELS
from ..pretrained import load_frozen
from ..train_loop import Budget, Evaluate, Run, Step, train

PARTS = ("feature", "logit", "forward", "reverse")
WEIGHTS = {"feature": 0.5, "logit": 0.5, "forward": 0.3, "reverse": 0.3}


def fade(progress: float) -> float:
    """Weight of distillation over training: 1 at the start, 0 at the end, half-way half."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def rgb_inputs(batch: Batch) -> Tensor:
    """RGB inputs `[n, 3, R, R]` of a batch."""
    assert batch.rgb is not None
    return to_device(batch.rgb)


class RgbEvaluator:
    """Held-out errors of an RGB network."""

    def __init__(self, source: LandmarkSource, count: int = 384) -> None:
        self.held_out = held_out_crops(source.faces.held_out_items(count), True, rgb=True)

    def __call__(self, net: nn.Module) -> dict[str, float]:
        """Metrics of a network."""
        assert self.held_out.rgb is not None
        points, _ = predict(net, self.held_out.rgb)
        e = landmark_errors(points[..., :2], self.held_out.points, self.held_out.visibility)
        return {k: e[k] for k in ("nme", "median", "fail8", "five", "five10")}


def rgb_teacher(path: str, size: str) -> Landmarker:
    """The frozen RGB teacher of `--teacher`, of the given size."""
    teacher, about = load_frozen(path)
    if about["size"] != size or about.get("channels", 1) != 3:
        raise SystemExit(f"{path}: expected an RGB teacher of size {size}")
    return teacher


def start(args: argparse.Namespace, rgb: bool, negatives: float) -> tuple[LandmarkSource, Run]:
    """Source and run of a stage."""
    torch.manual_seed(args.seed)
    return source_from_args(args, negatives=negatives, rgb=rgb), Run(args.out, args.resume)


def train_stage(args: argparse.Namespace, net: nn.Module, run: Run, source: LandmarkSource, step: Step,
                evaluate: Evaluate, **about: Any) -> None:
    """Trains as every stage here does; `about` goes to the description in the checkpoints."""
    describe = {"task": "face-landmarks", "size": args.size, "seed": args.seed, "batch": args.batch,
                "lr": args.lr, "muon_lr": args.muon_lr, "stage": args.stage, "channels": INPUT_CHANNELS, **about}
    train(net, run, Budget(args.steps, args.minutes), lambda rng: source.batch(args.batch, rng), step,
          evaluate, args.seed, args.lr, describe, source.faces.refresh if args.refresh else None,
          args.every, prefetch=not args.inline, precision=args.precision, muon_lr=args.muon_lr)


def teacher_rgb(args: argparse.Namespace) -> None:
    """The RGB teacher, supervised; it may start from a thermal network, whose input becomes the first colour."""
    source, run = start(args, True, 0.0)
    net = Landmarker(args.size, 3)
    init_from_args(net, args, source, rgb=True)

    def step(net: Landmarker, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        points, _ = net(rgb_inputs(batch))
        _, truth, visibility, present, _ = batch_tensors(batch)
        return losses.landmarks(points, truth, visibility, present, warmup(progress))

    train_stage(args, net, run, source, step, RgbEvaluator(source), channels=3)


def transfer_step(teacher: Landmarker, parts: Sequence[str]) -> Step:
    """The step of `transfer` with some of PARTS."""
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise SystemExit(f"unknown parts {sorted(unknown)}: choose from {', '.join(PARTS)}")

    def step(net: Landmarker, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        data = batch_tensors(batch)
        image, truth, visibility, present, _ = data
        features = net.backbone(image)
        out = net.head(features)
        loss, values = task_loss(out, data, progress)
        if not parts:
            return loss, values
        nll_weight, weight = warmup(progress), fade(progress)
        with torch.no_grad():
            teacher_features = teacher.backbone(rgb_inputs(batch))
            teacher_points = teacher.head(teacher_features)[0]
        extra = {}
        if "feature" in parts:
            extra["feature"] = losses.feature_distillation(features, teacher_features, present)
        if "logit" in parts:
            extra["logit"] = losses.output_distillation(out[0], teacher_points, present)
        if "forward" in parts:
            points = net.head(teacher_features)[0]
            extra["forward"] = losses.landmarks(points, truth, visibility, present, nll_weight)[0]
        if "reverse" in parts:
            points = teacher.head(features)[0]
            extra["reverse"] = losses.landmarks(points, truth, visibility, present, nll_weight)[0]
        loss = loss + weight * sum(WEIGHTS[k] * v for k, v in extra.items())
        return loss, {**values, **{k: float(v.detach()) for k, v in extra.items()}}

    return step


def transfer(args: argparse.Namespace) -> None:
    """The thermal teacher from the RGB teacher."""
    teacher = rgb_teacher(args.teacher, args.size)
    parts = [p for p in args.parts.split(",") if p]
    source, run = start(args, True, 0.14)
    net = Landmarker(args.size)
    init_from_args(net, args, source)
    train_stage(args, net, run, source, transfer_step(teacher, parts), LandmarkEvaluator(source), parts=parts)


class StudentWithAdapters(nn.Module):
    """A student with 1x1 adapters onto the teacher's feature maps; only the student is kept."""

    def __init__(self, size: str, teacher_size: str) -> None:
        super().__init__()
        self.student = Landmarker(size)
        mine, theirs = self.student.backbone, Backbone(teacher_size)
        self.deep, self.last = nn.Conv2d(mine.depth, theirs.depth, 1), nn.Conv2d(mine.width, theirs.width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The student's points and presence."""
        return self.student(x)


def compress_step(teacher: Landmarker) -> Step:
    """The step of `compress`, of a `StudentWithAdapters`."""
    def step(net: StudentWithAdapters, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        data = batch_tensors(batch)
        image, _, _, present, _ = data
        deep, last = net.student.backbone.stages(image)
        out = net.student.head(last)
        loss, values = task_loss(out, data, progress)
        with torch.no_grad():
            teacher_deep, teacher_last = teacher.backbone.stages(image)
            teacher_points = teacher.head(teacher_last)[0]
        feature = (losses.feature_distillation(net.deep(deep), teacher_deep, present)
                   + losses.feature_distillation(net.last(last), teacher_last, present))
        output = losses.output_distillation(out[0], teacher_points, present)
        loss = loss + 0.5 * fade(progress) * feature + DISTILLATION_WEIGHT * output
        return loss, {**values, "feature": float(feature.detach()), "output": float(output.detach())}

    return step


def compress(args: argparse.Namespace) -> None:
    """The light student from the thermal teacher."""
    teacher, about = load_frozen(args.teacher)
    if about.get("channels", 1) != INPUT_CHANNELS:
        raise SystemExit(f"{args.teacher}: expected a thermal teacher with {INPUT_CHANNELS} input channels")
    source, run = start(args, False, 0.14)
    net = StudentWithAdapters(args.size, about["size"])
    init_from_args(net.student, args, source)
    train_stage(args, net, run, source, compress_step(teacher), LandmarkEvaluator(source),
                teacher=str(about.get("stage", "student")))
