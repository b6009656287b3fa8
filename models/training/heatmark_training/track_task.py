"""What the tracker's stages share: batches as tensors, sources and metrics of held-out samples."""

import argparse
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .device import DEVICE, to_numpy
from .networks import load_weights
from .pretrained import read_checkpoint
from .track_losses import Truth, boxes_of, overlap
from .track_networks import Crops, Tracker
from .track_samples import SampleOptions, TrackBatch, TrackSource
from .track_sequences import TrackSets, describe_sets


#: Layout of weights and inputs: with as few channels as here, a CPU is faster without channels-last.
LAYOUT = torch.channels_last if DEVICE.type == "cuda" else torch.contiguous_format


def to_device(array: np.ndarray) -> Tensor:
    """An array as a tensor on the device."""
    tensor = torch.from_numpy(array).to(DEVICE)
    return tensor.contiguous(memory_format=LAYOUT) if tensor.ndim == 4 else tensor


class Inputs:
    """A batch on the device."""

    def __init__(self, batch: TrackBatch) -> None:
        self.rows = len(batch)
        self.thermals, self.visibles = len(batch.template_thermal), len(batch.template_visible)
        pairs = [(batch.template_visible, batch.template_thermal), (batch.search_visible, batch.search_thermal)]
        self.template, self.search = (
            Crops(*(to_device(v) if len(v) else None for v in pair), self.rows) for pair in pairs)
        self.truth = Truth(*(to_device(v) for v in (batch.boxes, batch.present, batch.weight)))
        self.visible_boxes = to_device(batch.visible_boxes)

    def paired(self) -> slice:
        """The rows that have both modalities."""
        return slice(self.rows - self.visibles, self.thermals)


def sources(args: argparse.Namespace, modes: tuple[str, ...], **options: Any) -> TrackSource:
    """The samples of --sets and --real."""
    if not args.sets and not args.real:
        raise SystemExit("give --sets or --real")
    synthetic = TrackSets(args.sets, limit=args.limit) if args.sets else None
    real = TrackSets(args.real, real=True, limit=args.limit) if args.real else None
    share = args.real_share if synthetic else 1.0
    return TrackSource(synthetic, real, share, SampleOptions(**options), modes)


def init_tracker(net: Tracker, path: str | None) -> None:
    """Initialises a tracker from `--init`, if given."""
    if not path:
        return
    if str(path).endswith(".onnx"):
        raise SystemExit(f"{path}: a tracker starts from a checkpoint (best.pt) only")
    state = read_checkpoint(path)
    if state["describe"]["task"] != "tracker":
        raise SystemExit(f"{path}: a checkpoint of a {state['describe']['task']} network, expected a tracker")
    load_weights(net, state)


def about(args: argparse.Namespace, source: TrackSource, **more: Any) -> dict[str, Any]:
    """The description in the checkpoints."""
    return {"task": "tracker", "size": args.size, "seed": args.seed, "batch": args.batch, "lr": args.lr,
            "muon_lr": args.muon_lr, "stage": args.stage, **describe_sets(source.sets), **more}


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> float:
    """AUROC; NaN where one class is missing. Equal scores count half."""
    p, n = score[positive], score[~positive]
    if not len(p) or not len(n):
        return float("nan")
    n = np.sort(n)
    return float((np.searchsorted(n, p, "left") + np.searchsorted(n, p, "right")).mean() / (2 * len(n)))


class TrackEvaluator:
    """Held-out samples: IoU of the best cell's box (`iou`), share above a half (`found`), AUROC of presence; by mode, and
    of real clips apart."""

    def __init__(self, source: TrackSource, count: int = 384) -> None:
        self.batches = {}
        for name, sets, share in (("", source.synthetic, 0.0), ("real_", source.real, 1.0)):
            if sets and sets.held_out:
                one = TrackSource(source.synthetic, source.real, share, source.options, source.modes)
                self.batches[name] = one.held_out_batch(count)

    def __call__(self, net: nn.Module) -> dict[str, float]:
        """Metrics of a network."""
        mode = net.training
        net.eval()
        out: dict[str, float] = {}
        for name, batch in self.batches.items():
            inputs = Inputs(batch)
            with torch.inference_mode():
                maps, presence = (v.float() for v in net(inputs.template, inputs.search))
            iou = best_iou(maps, inputs.truth.boxes)
            present, logit = batch.present > 0, to_numpy(presence[:, 0])
            out |= {f"{name}auroc": area_under_curve(logit, present)}
            paired = inputs.paired()
            rows = {"thermal": slice(0, paired.start), "both": paired, "visible": slice(paired.stop, len(batch))}
            for key, part in rows.items():
                if (there := present[part]).any():
                    found = to_numpy(iou)[part][there]
                    out |= {f"{name}{key}_iou": float(found.mean()), f"{name}{key}_found": float((found > 0.5).mean())}
        net.train(mode)
        return out


def best_iou(maps: Tensor, boxes: Tensor) -> Tensor:
    """IoU `[n]` of the box at the highest score with the truth."""
    best = maps[:, 0].flatten(1).argmax(1)
    each = boxes_of(maps).flatten(2)
    predicted = each.gather(2, best[:, None, None].expand(-1, 4, 1))[:, :, 0]
    return overlap(predicted, boxes)[0]


def warm(net: nn.Module) -> nn.Module:
    """A frozen network on the device."""
    for p in net.parameters():
        p.requires_grad_(False)
    return net.eval().to(DEVICE, memory_format=LAYOUT)
