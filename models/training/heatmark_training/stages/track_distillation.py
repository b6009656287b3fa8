"""Stages `track-teacher` and the distilling `track-student`: coupled knowledge distillation (CKD) at this scale.

A: `track-single` trains a tracker of each modality. B: `track-teacher` joins them as the two streams of a mutual-prompt
teacher. C: `track-student --teacher` distils. In every batch the student runs with what each sample has, and the paired
samples once more with one modality alone: all of them by turns thermal and visible, or, for the style term, half of them
both ways, which costs the same:
    response  scores, boxes and presence of the teacher
    feature   the teacher's joint features at stride 8, through 1x1 adapters
    style     statistics of the two stems, and of the trunk's stages with thermal alone and visible alone, pulled together
    content   with one modality: instance-normalised features of that modality's tracker of A, through an adapter
    mask      a quarter of the search crop's cells hidden at the stems, the same in both; teachers see all
"""

import argparse
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import track_losses as losses
from ..device import DEVICE
from ..networks import load_weights
from ..pretrained import read_checkpoint
from ..track_losses import Truth
from ..track_networks import MODES, Crops, Tracker, merge
from ..track_samples import TrackBatch
from ..track_task import Inputs, init_tracker, sources, warm
from ..track_teacher import MutualTeacher, init_stream
from ..train_loop import Step
from .track import run_stage, supervised_step


class Weights(NamedTuple):
    """Weights of the terms; `mask` 1 or 0."""

    response: float = 1.0
    feature: float = 0.1
    style: float = 0.01
    content: float = 0.1
    mask: float = 1.0


def parse_weights(text: str) -> Weights:
    """`response=1,style=0.03`: the terms that are named, 0 for the others; empty: the defaults."""
    if not text:
        return Weights()
    try:
        named = {k.strip(): float(v) for k, v in (part.split("=") for part in text.split(","))}
        return Weights(**({k: 0.0 for k in Weights._fields} | named))
    except (ValueError, TypeError) as error:
        raise SystemExit(f"--terms {text!r}: wanted {','.join(f'{k}=WEIGHT' for k in Weights._fields)}") from error


class View(NamedTuple):
    """What a student computes of a batch: the stems' outputs before the mask, the trunk's stages, map and presence."""

    stems: tuple[Tensor | None, Tensor | None]
    stages: list[Tensor]
    maps: Tensor
    presence: Tensor


def look(net: Tracker, template: Crops, search: Crops, hidden: Tensor | None) -> View:
    """Runs a student. `hidden`: the mask of the search crop's cells at the merge, such as `[rows, 1, 32, 32]`."""
    bound = net.bind(net.trunk(*template))
    stems = net.trunk.stems(search.visible, search.thermal)
    merged = merge(*stems, search.rows)
    if hidden is not None:
        merged = merged * hidden
    stages = net.trunk.stages(merged)
    return View(stems, stages, *net.head(stages[-1], bound))


class DistilledStudent(nn.Module):
    """A student with 1x1 adapters onto its teachers' features; only the student is kept."""

    def __init__(self, student: Tracker, teacher: MutualTeacher | None, singles: dict[str, Tracker]) -> None:
        super().__init__()
        self.student = student
        widths = student.trunk.widths
        if teacher:
            theirs = teacher.thermal.eighth[-1].conv.out_channels, teacher.width
            self.feature = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(widths, theirs))
        self.content = nn.ModuleDict({m: nn.Conv2d(widths[-1], t.trunk.width, 1) for m, t in singles.items()})

    def forward(self, template: Crops, search: Crops) -> tuple[Tensor, Tensor]:
        """The student's map and presence."""
        return self.student(template, search)


def in_visible(inputs: Inputs, rows: slice) -> slice:
    """The same samples among the visible ones."""
    first = inputs.rows - inputs.visibles
    return slice(rows.start - first, rows.stop - first)


def one_modality(inputs: Inputs, mode: str, rows: slice | None = None) -> tuple[Crops, Crops, Truth]:
    """The samples that have both modalities, or those `rows` of them, with one, and their truth in its crop."""
    rows = rows or inputs.paired()
    seen = in_visible(inputs, rows)
    template, search = (Crops(c.visible[seen], c.thermal[rows]).mode(mode) for c in (inputs.template, inputs.search))
    boxes = inputs.visible_boxes[seen] if mode == "visible" else inputs.truth.boxes[rows]
    present = inputs.truth.present[rows]
    if mode == "visible":
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((centre > 0) & (centre < losses.SEARCH)).all(1)
        present = present * inside
    return template, search, Truth(boxes, present, inputs.truth.weight[rows])


def alone_by_turns(paired: slice, turn: int, style: bool) -> tuple[slice, tuple[str, ...]]:
    """The paired samples to see with one modality alone, and the modes: all of them in one, or half of them in both."""
    if not style:
        return paired, (("thermal", "visible")[turn % 2],)
    middle = (paired.start + paired.stop) // 2
    return (slice(middle, paired.stop) if turn % 2 else slice(paired.start, middle)), ("thermal", "visible")


def distilling_step(teacher: MutualTeacher | None, singles: dict[str, Tracker], weights: Weights, seed: int) -> Step:
    """The step of a `DistilledStudent`."""
    generator = torch.Generator().manual_seed(seed)
    turn = [0]

    def hidden(rows: int, stride: int) -> Tensor | None:
        return losses.mask(rows, stride, generator).to(DEVICE) if weights.mask else None

    def step(net: DistilledStudent, batch: TrackBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        inputs = Inputs(batch)
        student, terms = net.student, {}
        stride = student.trunk.stride
        whole = look(student, inputs.template, inputs.search, hidden(inputs.rows, stride))
        loss, values = losses.tracking(whole.maps, whole.presence, inputs.truth)
        if teacher and (weights.response or weights.feature):
            with torch.no_grad():
                bound, stages = teacher.bound(inputs.template), teacher.joint_stages(inputs.search)
                maps, presence = teacher.head(stages[-1], bound)
            terms["response"] = losses.response(whole.maps, maps, whole.presence, presence, inputs.truth)
            terms["feature"] = sum(losses.feature(adapter(mine), theirs) for adapter, mine, theirs
                                   in zip(net.feature, whole.stages[1:], stages[1:]))
        paired = inputs.paired()
        if paired.stop - paired.start > 1:
            rows, modes = alone_by_turns(paired, turn[0], bool(weights.style))
            turn[0] += 1
            same = hidden(rows.stop - rows.start, stride)
            single: list[Tensor] = []
            content: list[Tensor] = []
            seen: list[list[Tensor]] = []
            for mode in modes:
                template, search, truth = one_modality(inputs, mode, rows)
                alone = look(student, template, search, same)
                single.append(losses.tracking(alone.maps, alone.presence, truth)[0])
                seen.append(alone.stages)
                if weights.content and mode in singles:
                    with torch.no_grad():
                        theirs = singles[mode].trunk(*search)
                    content.append(losses.content(net.content[mode](alone.stages[-1]), theirs))
            loss = (loss + torch.stack(single).mean()) / 2
            if content:
                terms["content"] = torch.stack(content).mean()
            if weights.style:
                visible, thermal = whole.stems
                pairs = [(visible[in_visible(inputs, paired)], thermal[paired]), *zip(*seen)]
                terms["style"] = sum(losses.style(a, b) for a, b in pairs)
        for name, value in terms.items():
            loss = loss + getattr(weights, name) * value
        return loss, {**values, **{k: float(v.detach()) for k, v in terms.items()}}

    return step


def load_tracker(path: str, kind: str) -> nn.Module:
    """A frozen network of a checkpoint: `teacher` or `single`."""
    state = read_checkpoint(path)
    about = state["describe"]
    wanted = {"teacher": "tracker-teacher", "single": "tracker"}[kind]
    if about["task"] != wanted:
        raise SystemExit(f"{path}: a checkpoint of a {about['task']} network, expected a {wanted}")
    net: nn.Module = (MutualTeacher(about["size"], about.get("prompts", True)) if kind == "teacher"
                      else Tracker(about["size"]))
    load_weights(net, state)
    return warm(net)


def teacher(args: argparse.Namespace) -> None:
    """The mutual-prompt teacher, its streams from trackers of one modality if given."""
    torch.manual_seed(args.seed)
    source = sources(args, MODES)
    net = MutualTeacher(args.size, not args.no_prompts)
    if args.init:
        load_weights(net, read_checkpoint(args.init))
    for modality in ("thermal", "visible"):
        if path := getattr(args, f"{modality}_teacher"):
            init_stream(getattr(net, modality), read_checkpoint(path), modality)
    run_stage(args, net, source, supervised_step, task="tracker-teacher", prompts=not args.no_prompts)


def student(args: argparse.Namespace) -> None:
    """The one-stream student; without any teacher and terms against the truth alone."""
    torch.manual_seed(args.seed)
    source = sources(args, MODES)
    net = Tracker(args.size)
    init_tracker(net, args.init)
    singles = {m: load_tracker(path, "single") for m in ("thermal", "visible")
               if (path := getattr(args, f"{m}_teacher"))}
    guide = load_tracker(args.teacher, "teacher") if args.teacher else None
    if not guide and not args.terms:
        run_stage(args, net, source, supervised_step)
        return
    weights = parse_weights(args.terms)
    run_stage(args, DistilledStudent(net, guide, singles), source,
              distilling_step(guide, singles, weights, args.seed), terms=str(dict(weights._asdict())))
