"""Knowledge distillation in two levels: RGB teacher to thermal network, thermal network to student.

Transfer trains B_t, H_t (thermal) beside the frozen B_r, H_r (RGB) of the same shape on pairs of
the same geometry:
    task      H_t(B_t(thermal)) predicts the truth
    feature   B_t(thermal) resembles B_r(rgb)
    logit     H_t(B_t(thermal)) resembles H_r(B_r(rgb))
    forward   H_t(B_r(rgb)) predicts the truth: the head learns to read the teacher's features
    reverse   H_r(B_t(thermal)) predicts the truth: the features must suit the teacher's head
All but the task fade as training goes on (`fade`). Compress does it with features through a 1x1
adapter, points and log-scales.
"""

import math

import torch
from torch import nn

import losses
import sample
from crop import PLANES
from loop import Budget, Run, train
from machine import send
from metrics import landmark_errors
from nets import Backbone, Landmarker
from student import LOGIT, Judge, begun, predict, task, tensors
from unfold import frozen

PARTS = ("feature", "logit", "forward", "reverse")
WEIGHTS = {"feature": 0.5, "logit": 0.5, "forward": 0.3, "reverse": 0.3}


def fade(progress):
    """Weight of distillation over training: 1 at the start, 0 at the end, half-way half."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def colours(batch):
    """RGB inputs of a batch."""
    return send(batch.colour)


class ColourJudge:
    """Held-out errors of an RGB network."""

    def __init__(self, source, count=384):
        self.held = sample.held_batch(source.faces.held_items(count), True, colour=True)

    def __call__(self, net):
        points, _ = predict(net, self.held.colour)
        e = landmark_errors(points[..., :2], self.held.points, self.held.visibility)
        return {k: e[k] for k in ("nme", "median", "fail8", "five", "five10")}


def start(args, colour, negatives):
    """Source and run of a stage."""
    torch.manual_seed(args.seed)
    return sample.source(args, negatives=negatives, colour=colour), Run(args.out, args.resume)


def go(args, net, run, source, step, judge, **about):
    """The shared end of every stage."""
    describe = {"task": "face-landmarks", "size": args.size, "seed": args.seed, "batch": args.batch,
                "rate": args.rate, "turn": args.turn, "stage": args.stage, "channels": PLANES, **about}
    return train(net, run, Budget(args.steps, args.minutes), lambda rng: source.batch(args.batch, rng), step,
                 judge, args.seed, args.rate, describe, source.faces.refresh if args.refresh else None,
                 args.every, prefetch=not args.inline, arithmetic=args.arithmetic, turn=args.turn)


def teacher_rgb(args):
    """The RGB teacher, supervised; it may begin from a thermal network, which then sees the first colour."""
    source, run = start(args, True, 0.0)
    net = Landmarker(args.size, 3)
    begun(net, args, source, "colour")

    def step(net, batch, progress):
        points, _ = net(colours(batch))
        _, truth, visibility, present, _ = tensors(batch)
        return losses.landmarks(points, truth, visibility, present, min(1.0, progress * 8))

    go(args, net, run, source, step, ColourJudge(source), channels=3)


def transfer_step(teacher, parts):
    """The step of `transfer` with some of PARTS."""
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise SystemExit(f"unknown parts {sorted(unknown)}: choose from {', '.join(PARTS)}")

    def step(net, batch, progress):
        data = tensors(batch)
        image, truth, visibility, present, _ = data
        ours = net.backbone(image)
        out = net.head(ours)
        loss, values = task(out, data, progress)
        if not parts:
            return loss, values
        warm, weight = min(1.0, progress * 8), fade(progress)
        with torch.no_grad():
            theirs = teacher.backbone(colours(batch))
            wanted = teacher.head(theirs)[0]
        extra = {}
        if "feature" in parts:
            extra["feature"] = losses.features(ours, theirs, present)
        if "logit" in parts:
            extra["logit"] = losses.outputs(out[0], wanted, present)
        if "forward" in parts:
            extra["forward"] = losses.landmarks(net.head(theirs)[0], truth, visibility, present, warm)[0]
        if "reverse" in parts:
            extra["reverse"] = losses.landmarks(teacher.head(ours)[0], truth, visibility, present, warm)[0]
        loss = loss + weight * sum(WEIGHTS[k] * v for k, v in extra.items())
        return loss, {**values, **{k: float(v.detach()) for k, v in extra.items()}}

    return step


def transfer(args):
    """The thermal teacher from the RGB teacher."""
    teacher, about = frozen(args.teacher)
    if about["size"] != args.size or about.get("channels", 1) != 3:
        raise SystemExit(f"{args.teacher}: an RGB teacher of size {args.size} is wanted")
    parts = [p for p in args.parts.split(",") if p]
    source, run = start(args, True, 0.14)
    net = Landmarker(args.size)
    begun(net, args, source)
    go(args, net, run, source, transfer_step(teacher, parts), Judge(source), parts=parts)


class Adapted(nn.Module):
    """A student with 1x1 adapters onto the teacher's maps; only the student is kept."""

    def __init__(self, size, teacher_size):
        super().__init__()
        self.student = Landmarker(size)
        mine, theirs = self.student.backbone, Backbone(teacher_size)
        self.deep, self.last = nn.Conv2d(mine.depth, theirs.depth, 1), nn.Conv2d(mine.width, theirs.width, 1)

    def forward(self, x):
        return self.student(x)


def compress(args):
    """The light student from the thermal teacher."""
    teacher, about = frozen(args.teacher)
    if about.get("channels", 1) != PLANES:
        raise SystemExit(f"{args.teacher}: a thermal teacher of {PLANES} planes is wanted")
    source, run = start(args, False, 0.14)
    net = Adapted(args.size, about["size"])
    begun(net.student, args, source)

    def step(net, batch, progress):
        data = tensors(batch)
        image, _, _, present, _ = data
        deep, last = net.student.backbone.stages(image)
        out = net.student.head(last)
        loss, values = task(out, data, progress)
        with torch.no_grad():
            their_deep, their_last = teacher.backbone.stages(image)
            wanted = teacher.head(their_last)[0]
        feature = losses.features(net.deep(deep), their_deep, present) + losses.features(net.last(last), their_last, present)
        logit = losses.outputs(out[0], wanted, present)
        loss = loss + 0.5 * fade(progress) * feature + LOGIT * logit
        return loss, {**values, "feature": float(feature.detach()), "logit": float(logit.detach())}

    go(args, net, run, source, step, Judge(source),
       teacher=str(about.get("stage", "student")))
