"""Averages the weights of two networks, one trained on from the other.

    python -m heatmark_training.average NEW OLD --share 0.7 --data D --scenes S --out DIR

Networks between such two perform as well (Wortsman et al. 2022, arXiv:2203.05482), and keep some of what the new one has
forgotten. The average is evaluated anew; DIR/best.pt is a checkpoint like any other. OLD is RUN/first.pt where
a run started from a shipped model: its batch norms are unfolded and calibrated anew on every reading, and weights under
different batch norms cannot be averaged.
"""

import argparse

import torch
from torch import Tensor

from .device import DEVICE
from .landmark_samples import source_from_args
from .landmark_task import LandmarkEvaluator
from .pretrained import load
from .train_loop import Run


def average_weights(new: dict[str, Tensor], old: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """State of `share` of the new network and the rest of the old; integers are the new one's."""
    if new.keys() != old.keys() or any(new[k].shape != old[k].shape for k in new):
        raise SystemExit("the two networks must have the same shape")
    return {k: torch.lerp(old[k], v, share) if v.is_floating_point() else v for k, v in new.items()}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.average", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("new", help="checkpoint (best.pt) of a landmark network")
    p.add_argument("old", help="checkpoint of one of the same shape")
    p.add_argument("--share", type=float, required=True, help="of the new one, 0 to 1")
    p.add_argument("--data", required=True, help="face folders for the evaluation")
    p.add_argument("--scenes", help="scene folders")
    p.add_argument("--out", required=True, help="folder of the checkpoint")
    p.set_defaults(limit=None)
    return p


def main() -> None:
    """Runs the command."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    for path in (args.new, args.old):
        if path.endswith(".onnx"):
            raise SystemExit(f"{path}: a shipped model has no batch norms; give the run's first.pt")
    (net, state), (old, _) = load(args.new), load(args.old)
    net.load_state_dict(average_weights(net.state_dict(), old.state_dict(), args.share))
    metrics = LandmarkEvaluator(source_from_args(args))(net.to(DEVICE, memory_format=torch.channels_last))
    run = Run(args.out, resume=False)
    run.log(**metrics)
    run.save("best.pt", average=net.state_dict(), describe=state["describe"], metrics=metrics)


if __name__ == "__main__":
    main()
