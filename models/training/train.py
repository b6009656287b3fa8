"""Trains Heatmark's networks: `python train.py STAGE --help`. See README.md beside this file."""

import argparse
import importlib

STAGES = {
    "student": "landmark network, supervised",
    "detector": "face detector",
}


def parser():
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__)
    stages = top.add_subparsers(dest="stage", required=True)
    for name, text in STAGES.items():
        p = stages.add_parser(name, help=text, description=text)
        p.add_argument("--data", required=True, help="data folders: glob patterns, comma-separated")
        p.add_argument("--out", required=True, help="folder of checkpoints and log")
        p.add_argument("--steps", type=int, help="budget in steps")
        p.add_argument("--minutes", type=float, help="budget in wall minutes, resumed runs included")
        p.add_argument("--batch", type=int, default=64)
        p.add_argument("--rate", type=float, default=2.5e-3, help="peak learning rate")
        p.add_argument("--seed", type=int, default=1)
        p.add_argument("--threads", type=int, default=1)
        p.add_argument("--every", type=float, default=120.0, help="seconds between checkpoints")
        p.add_argument("--resume", action="store_true", help="continue from OUT/last.pt if there")
        p.add_argument("--refresh", action="store_true", help="take up new folders while running")
        p.add_argument("--inline", action="store_true", help="make batches in the training thread")
        p.add_argument("--limit", type=int, help="use at most this many items of each folder")
        p.add_argument("--init", help="start from the averaged weights of this checkpoint")
        if name == "student":
            p.add_argument("--size", choices=("nano", "small", "base"), default="small")
            p.add_argument("--scenes", help="scene folders, for crops without faces")
        if name == "detector":
            p.add_argument("--faces", help="face folders, as further scenes of one face each")
            p.set_defaults(batch=32)
    return top


def main():
    """Runs one stage."""
    args = parser().parse_args()
    import torch

    torch.set_num_threads(args.threads)
    importlib.import_module(args.stage).main(args)


if __name__ == "__main__":
    main()
