"""Trains Heatmark's networks: `python train.py STAGE --help`. See README.md beside this file."""

import argparse
import importlib

#: Stage: module, function, what it does.
STAGES = {
    "student": ("student", "main", "landmark network, supervised"),
    "bank": ("bank", "main", "samples made once for `student --bank`, with a teacher's answers or without"),
    "presence": ("presence", "main", "presence head of a landmark network, on the detector's mistakes"),
    "detector": ("detector", "main", "face detector"),
    "teacher-rgb": ("distil", "teacher_rgb", "RGB landmark teacher"),
    "transfer": ("distil", "transfer", "thermal teacher from the frozen RGB teacher (DIKD)"),
    "compress": ("distil", "compress", "light student from the thermal teacher"),
    "ablation": ("ablation", "main", "every distillation variant of `transfer`, several seeds, with a report"),
}


def parser():
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__)
    stages = top.add_subparsers(dest="stage", required=True)
    for name, (_, _, text) in STAGES.items():
        p = stages.add_parser(name, help=text, description=text)
        p.add_argument("--data", required=True, help="data folders: glob patterns, comma-separated")
        p.add_argument("--limit", type=int, help="use at most this many items of each folder")
        p.add_argument("--batch", type=int, default=64)
        p.add_argument("--seed", type=int, default=1)
        p.add_argument("--threads", type=int, default=1)
        p.add_argument("--arithmetic", choices=("auto", "float32", "bfloat16"), default="auto",
                       help="of the forward pass; auto: bfloat16 where the hardware is fast at it")
        if name != "detector":
            p.add_argument("--scenes", help="scene folders, for crops without faces")
        if name in ("bank", "student"):
            p.add_argument("--among", type=float, default=0.0, help="share of faces taken from scenes, as frames show them")
        if name == "bank":
            p.add_argument("--out", required=True, help="folder of the bank")
            p.add_argument("--teacher", help="checkpoint (best.pt) or shipped model whose answers are kept")
            p.add_argument("--both-sides", action="store_true", help="keep the mean of its answers to a picture and to "
                           "the mirror image")
            p.add_argument("--count", type=int, required=True, help="samples")
            continue
        p.add_argument("--out", required=True, help="folder of checkpoints and log")
        p.add_argument("--steps", type=int, help="budget in steps")
        p.add_argument("--minutes", type=float, help="budget in wall minutes, resumed runs included")
        p.add_argument("--rate", type=float, default=2.5e-3, help="peak learning rate of AdamW")
        if name != "presence":
            p.add_argument("--turn", type=float, default=0.02, help="peak share of its norm by which a step moves a "
                           "convolution under batch norm (Muon); 0: these by AdamW too")
        p.add_argument("--every", type=float, default=120.0, help="seconds between checkpoints")
        p.add_argument("--resume", action="store_true", help="continue from OUT/last.pt if there")
        p.add_argument("--refresh", action="store_true", help="take up new folders while running")
        p.add_argument("--inline", action="store_true", help="make batches in the training thread")
        if name != "ablation":
            p.add_argument("--init", help="start from the averaged weights of this checkpoint, or from a shipped "
                           "model (NAME.onnx beside its card)")
        if name != "detector":
            light = name in ("student", "compress")
            p.add_argument("--size", choices=("nano", "small", "base", "teacher"),
                           default="small" if light else "nano" if name == "ablation" else "teacher")
        if name in ("transfer", "compress", "ablation"):
            p.add_argument("--teacher", required=True, help="checkpoint (best.pt) or shipped model of the teacher")
        if name == "transfer":
            p.add_argument("--parts", default="feature,logit,forward,reverse", help="losses besides the task's")
        if name == "student":
            p.add_argument("--bank", help="train on these banks (glob patterns) instead of fresh samples of the data, "
                           "which are only judged on; a teacher's answers in them are learnt too")
        if name == "ablation":
            p.add_argument("--seeds", default="1,2,3")
        if name == "presence":
            p.add_argument("--detector", required=True, help="checkpoint (best.pt) or shipped model of the detector")
            p.add_argument("--mine", type=int, default=12000, help="scenes in which its mistakes are looked for")
        if name == "detector":
            p.add_argument("--faces", help="face folders, as further scenes of one face each")
            p.set_defaults(batch=32)
    return top


def main():
    """Runs one stage."""
    args = parser().parse_args()
    import torch

    torch.set_num_threads(args.threads)
    module, function, _ = STAGES[args.stage]
    getattr(importlib.import_module(module), function)(args)


if __name__ == "__main__":
    main()
