"""Trains Heatmark's networks: `python -m heatmark_training.train STAGE --help`. See ../README.md."""

import argparse
import importlib
from dataclasses import dataclass, field
from typing import Any

#: Command-line options by name: arguments of `add_argument`.
OPTIONS: dict[str, dict[str, Any]] = {
    "data": {"help": "data folders: glob patterns, comma-separated"},
    "scenes": {"help": "scene folders, for crops without faces"},
    "faces": {"help": "face folders, as further scenes of one face each"},
    "limit": {"type": int, "help": "use at most this many items of each folder"},
    "batch": {"type": int},
    "seed": {"type": int},
    "threads": {"type": int, "help": "threads of the network's arithmetic"},
    "precision": {"choices": ("auto", "float32", "bfloat16"),
                  "help": "of the forward pass; auto: bfloat16 where the hardware is fast at it"},
    "scene-share": {"type": float, "help": "share of the faces that come from scenes, as whole frames show them"},
    "out": {"help": "output folder"},
    "steps": {"type": int, "help": "budget in steps"},
    "minutes": {"type": float, "help": "budget in wall minutes, resumed runs included"},
    "lr": {"type": float, "help": "peak learning rate of AdamW"},
    "muon-lr": {"type": float, "help": "peak learning rate of Muon, for convolutions under batch norm: the share of "
                "its norm by which a step moves a weight; 0: AdamW for these too"},
    "every": {"type": float, "help": "seconds between checkpoints"},
    "resume": {"action": "store_true", "help": "continue from OUT/last.pt if there"},
    "refresh": {"action": "store_true", "help": "pick up new folders while running"},
    "inline": {"action": "store_true", "help": "make batches in the training thread"},
    "init": {"help": "start from the averaged weights of this checkpoint, or from a shipped model (NAME.onnx beside "
             "its card)"},
    "size": {"choices": ("nano", "small", "base", "teacher")},
    "teacher": {"help": "checkpoint (best.pt) or shipped model of the teacher"},
    "thermal-teacher": {"help": "checkpoint of track-single --modality thermal"},
    "visible-teacher": {"help": "checkpoint of track-single --modality visible"},
    "no-prompts": {"action": "store_true", "help": "two streams that meet in the head alone"},
    "plain-teacher": {"help": "checkpoint of track-teacher --no-prompts"},
    "held": {"help": "sets of sequences to judge by; default: the held-out ones of --sets"},
    "frames": {"type": int, "help": "follow at most this many frames of a sequence"},
    "rows": {"help": "rows of the table, by their names or beginnings of them, comma-separated; default: all"},
    "terms": {"help": "weights of the terms of distillation, such as response=1,feature=0.1,style=0.01,content=0.1,mask=1 "
              "(these are the defaults); terms left out are off"},
    "mirror-average": {"action": "store_true", "help": "average the teacher's outputs over the picture and its mirror "
                       "image"},
    "count": {"type": int, "help": "number of samples"},
    "precomputed": {"help": "train on these precomputed samples (glob patterns) instead of fresh ones of the data, "
                    "which then serve for evaluation alone; distils from a teacher's outputs if they hold any"},
    "parts": {"help": "distillation losses, comma-separated"},
    "seeds": {"help": "comma-separated"},
    "detector": {"help": "checkpoint (best.pt) or shipped model of the detector"},
    "sets": {"help": "synthetic sets of sequences: glob patterns, comma-separated"},
    "real": {"help": "sets of real sequences, thermal or paired; clips whose number ends in 3, 6 or 9 are held out"},
    "real-share": {"type": float, "help": "share of the samples that come from --real"},
    "modality": {"choices": ("thermal", "visible")},
    "mine": {"type": int, "help": "number of scenes to search for the detector's false positives"},
}

#: Default values, where a stage does not set its own.
DEFAULTS: dict[str, Any] = {
    "batch": 64, "seed": 1, "threads": 1, "precision": "auto", "scene_share": 0.0, "lr": 2.5e-3, "muon_lr": 0.02,
    "every": 120.0, "parts": "feature,logit,forward,reverse", "seeds": "1,2,3", "mine": 12000,
    "real_share": 0.2, "terms": "", "frames": 40,
}

SOURCE = ("data", "limit", "batch", "seed", "threads")
BUDGET = ("out", "steps", "minutes", "lr", "every", "resume", "inline")
TRACK = ("sets", "real", "real-share", "limit", "batch", "seed", "threads", *BUDGET, "precision", "muon-lr", "refresh",
         "init", "size")
FULL = (*SOURCE, *BUDGET, "precision", "muon-lr", "refresh", "init")


@dataclass(frozen=True)
class Stage:
    """A stage: `module.function` under `stages`, a line of help, its options, which are required, its defaults."""

    function: str
    help: str
    options: tuple[str, ...]
    required: tuple[str, ...] = ("data", "out")
    defaults: dict[str, Any] = field(default_factory=dict)


STAGES = {
    "student": Stage(
        "student.main", "landmark network, supervised", (*FULL, "scenes", "scene-share", "size", "precomputed"),
        defaults={"size": "small"}),
    "precompute": Stage(
        "precompute.main", "samples for `student --precomputed`, with a teacher's outputs or without",
        (*SOURCE, "precision", "scenes", "scene-share", "out", "teacher", "mirror-average", "count"),
        required=("data", "out", "count")),
    "presence": Stage(
        "presence.main", "presence head of a landmark network, on the detector's false positives",
        (*SOURCE, *BUDGET, "scenes", "init", "detector", "mine"),
        required=("data", "out", "scenes", "init", "detector")),
    "detector": Stage("detector.main", "face detector", (*FULL, "faces"), defaults={"batch": 32}),
    "teacher-rgb": Stage(
        "distillation.teacher_rgb", "RGB landmark teacher", (*FULL, "scenes", "size"), defaults={"size": "teacher"}),
    "transfer": Stage(
        "distillation.transfer", "thermal teacher from the frozen RGB teacher (DIKD)",
        (*FULL, "scenes", "size", "teacher", "parts"), required=("data", "out", "teacher"),
        defaults={"size": "teacher"}),
    "compress": Stage(
        "distillation.compress", "light student from the thermal teacher", (*FULL, "scenes", "size", "teacher"),
        required=("data", "out", "teacher"), defaults={"size": "small"}),
    "track-single": Stage(
        "track.single", "tracker of one modality", (*TRACK, "modality"), required=("out", "modality"),
        defaults={"size": "base", "precision": "float32"}),
    "track-teacher": Stage(
        "track_distillation.teacher", "two-stream tracker with mutual prompts, its streams from `track-single`",
        (*TRACK, "thermal-teacher", "visible-teacher", "no-prompts"), required=("out",),
        defaults={"size": "teacher", "precision": "float32"}),
    "track-student": Stage(
        "track_distillation.student", "one-stream tracker of both modalities and either alone; distilled (CKD) with "
        "--teacher", (*TRACK, "teacher", "thermal-teacher", "visible-teacher", "terms"), required=("out",),
        defaults={"size": "small", "precision": "float32"}),
    "track-ablation": Stage(
        "track_ablation.main", "every variant of the one-stream tracker and of its distillation, several seeds, with a "
        "report",
        ("sets", "real", "real-share", "limit", "batch", "threads", "out", "steps", "lr", "muon-lr", "every", "inline",
         "precision", "size", "teacher", "plain-teacher", "thermal-teacher", "visible-teacher", "terms", "rows", "seeds",
         "held", "frames"),
        required=("out", "sets", "steps"), defaults={"size": "nano", "precision": "float32"}),
    "ablation": Stage(
        "ablation.main", "every distillation variant of `transfer`, several seeds, with a report",
        (*SOURCE, "out", "steps", "minutes", "lr", "muon-lr", "every", "inline", "precision", "scenes", "size",
         "teacher", "seeds"),
        required=("data", "out", "teacher"), defaults={"size": "nano"}),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m heatmark_training.train", description=__doc__)
    stages = top.add_subparsers(dest="stage", required=True)
    for name, stage in STAGES.items():
        p = stages.add_parser(name, help=stage.help, description=stage.help,
                              formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        for option in stage.options:
            p.add_argument(f"--{option}", required=option in stage.required, **OPTIONS[option])
        names = {option.replace("-", "_") for option in stage.options}
        p.set_defaults(**{k: v for k, v in (DEFAULTS | stage.defaults).items() if k in names})
    return top


def main() -> None:
    """Runs one stage."""
    args = parser().parse_args()
    import torch

    torch.set_num_threads(args.threads)
    module, function = STAGES[args.stage].function.split(".")
    getattr(importlib.import_module(f"{__package__}.stages.{module}"), function)(args)


if __name__ == "__main__":
    main()
