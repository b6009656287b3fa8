"""The mean of two networks, one trained on from the other: `average.py NEW OLD --share 0.7 --data D --scenes S --out DIR`.

Between such networks lie ones that answer as well (Wortsman et al. 2022, arXiv:2203.05482), and what one has unlearnt
the other may still know. The mean is judged anew; DIR/best.pt is a checkpoint like any other. OLD is RUN/first.pt where
a run began with a shipped model: its batch norms are unfolded anew at every reading, and weights under other norms have
no mean.
"""

import argparse

import torch

import sample
from loop import Run
from machine import DEVICE
from student import Judge
from unfold import load


def mean(new, old, share):
    """State of `share` of the new network and the rest of the old; whole numbers are the new one's."""
    if new.keys() != old.keys() or any(new[k].shape != old[k].shape for k in new):
        raise SystemExit("two networks of one shape are wanted")
    return {k: torch.lerp(old[k], v, share) if v.is_floating_point() else v for k, v in new.items()}


def main():
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("new", help="checkpoint (best.pt) of a landmark network")
    p.add_argument("old", help="checkpoint of one of the same shape")
    p.add_argument("--share", type=float, required=True, help="of the new one, 0 to 1")
    p.add_argument("--data", required=True, help="face folders to judge on")
    p.add_argument("--scenes", help="scene folders")
    p.add_argument("--out", required=True, help="folder of the checkpoint")
    p.set_defaults(limit=None)
    args = p.parse_args()
    torch.set_num_threads(1)
    for path in (args.new, args.old):
        if path.endswith(".onnx"):
            raise SystemExit(f"{path}: a shipped model has lost its batch norms; give the run's first.pt")
    (net, state), (old, _) = load(args.new), load(args.old)
    net.load_state_dict(mean(net.state_dict(), old.state_dict(), args.share))
    metrics = Judge(sample.source(args))(net.to(DEVICE, memory_format=torch.channels_last))
    run = Run(args.out, resume=False)
    run.log(**metrics)
    run.save("best.pt", average=net.state_dict(), describe=state["describe"], metrics=metrics)


if __name__ == "__main__":
    main()
