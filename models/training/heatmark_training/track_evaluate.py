"""Runs a tracker over sequences and prints NPR, PR, SR and the AUROC of presence: for decisions while training.

`heatmark eval --track` has the product's figures. The first box is given; its frame does not count. Figures are means over
sequences, percent: NPR: centre within 0.2 of the box, by axis; PR@5 and PR@20: centre within 5 and 20 px; SR: mean share of
frames with an IoU above 0, 0.05 ... 1.
"""

import argparse
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import torch

from .device import to_numpy
from .networks import load_weights
from .pretrained import read_checkpoint
from .track_decode import Target
from .track_networks import MODES, Crops, Tracker
from .track_onnx import in_mode, with_outputs
from .track_sequences import Sequence, TrackSets
from .track_task import area_under_curve, to_device, warm

#: Crops `[n, c, s, s]` by modality.
Images = dict[str, np.ndarray]


class Predictor(Protocol):
    """A network in one mode."""

    def bind(self, images: Images) -> np.ndarray:
        """Features of templates."""

    def predict(self, templates: np.ndarray, images: Images) -> tuple[np.ndarray, np.ndarray]:
        """Maps `[n, 5, 16, 16]` and presence logits `[n]` of search crops."""


class TorchPredictor:
    """A checkpoint's network."""

    def __init__(self, net: torch.nn.Module) -> None:
        self.net = warm(net)

    def _crops(self, images: Images) -> Crops:
        return Crops(*(to_device(images[m]) if m in images else None for m in ("visible", "thermal")))

    def bind(self, images: Images) -> np.ndarray:
        """Features of templates."""
        with torch.inference_mode():
            return to_numpy(self.net.trunk(*self._crops(images)))

    def predict(self, templates: np.ndarray, images: Images) -> tuple[np.ndarray, np.ndarray]:
        """Maps and presence logits of search crops."""
        with torch.inference_mode():
            bound = self.net.bind(to_device(templates))
            maps, presence = self.net.head(self.net.trunk(*self._crops(images)), bound)
        return to_numpy(maps), to_numpy(presence)[:, 0]


class OnnxPredictor:
    """An exported network, one target at a time."""

    def __init__(self, path: str, mode: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        model = with_outputs(in_mode(onnx.load(path), mode), ["features"])
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        shapes = {i.name: i.shape for i in self.session.get_inputs()}
        self.names, self.empty = set(shapes), np.zeros(shapes["template"], np.float32)

    def _run(self, output: list[str], images: Images, template: np.ndarray) -> list[np.ndarray]:
        return self.session.run(output, {**images, "template": template})

    def _each(self, images: Images) -> list[Images]:
        count = len(next(iter(images.values())))
        return [{m: v[k:k + 1] for m, v in images.items()} for k in range(count)]

    def bind(self, images: Images) -> np.ndarray:
        """Features of templates."""
        return np.concatenate([self._run(["features"], one, self.empty)[0] for one in self._each(images)])

    def predict(self, templates: np.ndarray, images: Images) -> tuple[np.ndarray, np.ndarray]:
        """Maps and presence logits of search crops."""
        out = [self._run(["map", "presence"], one, templates[k:k + 1]) for k, one in enumerate(self._each(images))]
        return np.concatenate([m for m, _ in out]), np.concatenate([p for _, p in out])[:, 0]


def load_predictor(path: str, mode: str) -> Predictor:
    """The predictor of a checkpoint or an ONNX file."""
    if path.endswith(".onnx"):
        return OnnxPredictor(path, mode)
    state = read_checkpoint(path)
    about = state["describe"]
    net = Tracker(about["size"], about.get("merge_at", "quarter"))
    load_weights(net, state)
    return TorchPredictor(net)


class Trace(NamedTuple):
    """What became of one sequence: frames after the first, boxes `[n, 4]` (cx, cy, w, h), presence and score `[n]`."""

    of: Sequence
    main: str
    frames: np.ndarray
    boxes: np.ndarray
    presence: np.ndarray
    score: np.ndarray


def first_frame(of: Sequence, main: str) -> int:
    """The first frame with the target well in view."""
    return int(of.labels[main].present[0])


def follow_all(predictor: Predictor | None, sequences: Iterable[Sequence], mode: str, most: int) -> list[Trace]:
    """Follows the targets of all sequences side by side, at most `most` frames each; without a predictor the boxes stand
    still."""
    main = "visible" if mode == "visible" else "thermal"
    sequences = [s for s in sequences if main in s.modalities and len(s.labels[main].present)]
    firsts = [first_frame(s, main) for s in sequences]
    lengths = [min(s.count - f, most) for s, f in zip(sequences, firsts)]
    targets = [Target(s, mode, f) for s, f in zip(sequences, firsts)]
    rows: list[list[np.ndarray]] = [[] for _ in targets]
    if predictor:
        templates = np.concatenate([predictor.bind(stack([targets[k].template])) for k in range(len(targets))])
    for t in range(max(lengths, default=0)):
        running = [k for k, n in enumerate(lengths) if t < n]
        if predictor:
            images = stack([targets[k].search(firsts[k] + t) for k in running])
            maps, presence = predictor.predict(templates[running], images)
            for at, k in enumerate(running):
                targets[k].follow(maps[at], float(1 / (1 + np.exp(-presence[at]))), t == 0)
        for k in running if t else ():
            rows[k].append(np.array([*targets[k].box, targets[k].presence, targets[k].score]))
    out = []
    for k, s in enumerate(sequences):
        table = np.array(rows[k]).reshape(-1, 6)
        frames = firsts[k] + 1 + np.arange(len(table))
        out.append(Trace(s, main, frames, table[:, :4], table[:, 4], table[:, 5]))
    return out


def stack(images: list[Images]) -> Images:
    """Crops of several targets as one batch."""
    return {m: np.stack([i[m] for i in images]) for m in images[0]}


def sequence_metrics(trace: Trace) -> dict[str, float] | None:
    """Metrics of one sequence; None without frames that count."""
    labels = trace.of.labels[trace.main]
    truth = labels.box[trace.frames]
    counts = labels.known[trace.frames] & ~np.isnan(truth[:, 0])
    if not counts.any():
        return None
    a, b = trace.boxes[counts], truth[counts].astype(np.float64)
    distance = np.abs(a[:, :2] - b[:, :2])
    low = np.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = np.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    shared = np.clip(high - low, 0, None).prod(1)
    iou = shared / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - shared)
    pixels, relative = np.hypot(*distance.T), np.hypot(*(distance / b[:, 2:]).T)
    return {"npr": (relative <= 0.2).mean(), "pr5": (pixels <= 5).mean(), "pr20": (pixels <= 20).mean(),
            "sr": float(np.mean([(iou > q).mean() for q in np.linspace(0, 1, 21)]))}


def summary(traces: list[Trace]) -> dict[str, float]:
    """Means over sequences, percent, and the AUROC of presence and of the score over all frames."""
    each = [m for t in traces if (m := sequence_metrics(t))]
    out = {k: 100 * float(np.mean([m[k] for m in each])) for k in each[0]} if each else {}
    flags, presence, score = [], [], []
    for t in traces:
        labels = t.of.labels[t.main]
        known, seen = labels.known[t.frames], labels.seen[t.frames]
        there = ~np.isnan(labels.box[t.frames, 0])
        clear = known & (~there | (seen > 0.3))
        flags.append(there[clear])
        presence.append(t.presence[clear])
        score.append(t.score[clear])
    flag = np.concatenate(flags)
    return out | {"auroc": area_under_curve(np.concatenate(presence), flag),
                  "score_auroc": area_under_curve(np.concatenate(score), flag), "sequences": len(each),
                  "absent": int((~flag).sum())}


def contact_sheet(traces: list[Trace], path: str, columns: int = 8) -> None:
    """A picture: frames of the sequences in rows, truth green, prediction red."""
    rows = []
    for t in traces:
        cells = []
        for at in np.linspace(0, len(t.frames) - 1, columns).astype(int):
            frame = np.asarray(t.of.frames(t.main)[t.frames[at]], np.float32)
            lo, hi = np.percentile(frame, (1, 99))
            image = np.clip((frame - lo) / max(hi - lo, 1) * 255, 0, 255).astype(np.uint8)
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR)
            for box, colour in ((t.of.labels[t.main].box[t.frames[at]], (0, 255, 0)), (t.boxes[at], (0, 0, 255))):
                if not np.isnan(box[0]):
                    a, b = box[:2] - box[2:] / 2, box[:2] + box[2:] / 2
                    cv2.rectangle(image, [int(v) for v in a], [int(v) for v in b], colour, 1)
            cv2.putText(image, f"{t.presence[at]:.2f}", (3, 14), cv2.FONT_HERSHEY_PLAIN, 1, (0, 255, 255))
            cells.append(cv2.resize(image, (240, 192), interpolation=cv2.INTER_AREA))
        rows.append(np.hstack(cells))
    cv2.imwrite(path, np.vstack(rows))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.track_evaluate", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*", help="checkpoints (best.pt) or ONNX files; `still`: the box that never moves")
    p.add_argument("--sets", required=True, help="sets of sequences: glob patterns, comma-separated")
    p.add_argument("--part", choices=("real", "synthetic", "all"), default="all",
                   help="real or synthetic: the held-out sequences by the rule for such sets")
    p.add_argument("--modes", default="thermal,visible,both")
    p.add_argument("--frames", type=int, default=10**6, help="at most this many of a sequence")
    p.add_argument("--limit", type=int, help="at most this many sequences")
    p.add_argument("--each", action="store_true", help="print every sequence")
    p.add_argument("--sheet", help="write a picture of the first sequences")
    return p


def main() -> None:
    """Runs the command."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    sets = TrackSets(args.sets, real=args.part == "real")
    sequences = sorted(sets.held_out if args.part != "all" else sets.training + sets.held_out, key=lambda s: s.name)
    if args.limit:
        sequences = sequences[::max(1, len(sequences) // args.limit)][:args.limit]
    for path in args.models:
        for mode in args.modes.split(","):
            if mode not in MODES:
                raise SystemExit(f"mode {mode!r}: choose from {', '.join(MODES)}")
            wanted = [s for s in sequences if mode in s.modalities or mode == "both" and len(s.modalities) == 2]
            if not wanted:
                continue
            traces = follow_all(None if path == "still" else load_predictor(path, mode), wanted, mode, args.frames)
            print(path, mode, " ".join(f"{k} {v:.3f}" if "auroc" in k else f"{k} {v:.1f}"
                                       for k, v in summary(traces).items()), flush=True)
            if args.each:
                for t in traces:
                    print(" ", t.of.name, {k: round(100 * float(v), 1) for k, v in (sequence_metrics(t) or {}).items()})
            if args.sheet:
                contact_sheet(traces[:10], args.sheet.replace("MODE", mode))


if __name__ == "__main__":
    main()
