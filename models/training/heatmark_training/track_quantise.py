"""Quantises a tracker to int8, post-training, with static ranges.

    python -m heatmark_training.track_quantise ../track-small.onnx --sets "DATA/track-*" --real DATA/drones \\
        --out ../track-small-int8.onnx

What follows from the template stays in float: its binding, and the two 1x1 convolutions whose weights it becomes, two
percent of a frame's work. The ranges hold for all three modes.
"""

import argparse
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from . import export
from .quantisation import RANGES, Histogram, QdqRewriter, Range, calibrate, exact_session
from .quantise import golden_tolerance
from .track_export import Arrays, read_golden, write_golden
from .track_networks import MODES
from .track_onnx import INPUTS, OUTPUTS, in_mode, with_outputs
from .track_preprocess import HIGH, LOW
from .track_samples import SampleOptions, TrackBatch, TrackSource
from .track_sequences import TrackSets
from .track_task import area_under_curve, best_iou

#: Calibration samples, and held-out ones.
CALIBRATION, HELD_OUT = 192, 384


def float_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes that depend on the template alone."""
    fixed = {w.name for w in model.graph.initializer} | {"template"}
    names = set()
    for node in model.graph.node:
        if all(name in fixed for name in node.input):
            names.add(node.name)
            fixed.update(node.output)
    return names


def rows(batch: TrackBatch, mode: str) -> slice:
    """The rows of a batch that have just the modalities of a mode."""
    n, thermals, visibles = len(batch), len(batch.template_thermal), len(batch.template_visible)
    return {"thermal": slice(0, n - visibles), "both": slice(n - visibles, thermals), "visible": slice(thermals, n)}[mode]


def crops(batch: TrackBatch, mode: str, k: int, part: str) -> Arrays:
    """The crops of row `k` by input; `part`: search or template."""
    first = len(batch) - len(batch.template_visible)
    out = {}
    if mode != "thermal":
        out["visible"] = getattr(batch, f"{part}_visible")[k - first][None]
    if mode != "visible":
        out["thermal"] = getattr(batch, f"{part}_thermal")[k][None]
    return out


class Samples:
    """Samples of a source and what a tracker makes of them; templates always go through the float network."""

    def __init__(self, model: onnx.ModelProto, batch: TrackBatch) -> None:
        self.batch = batch
        self.inputs: dict[str, list[Arrays]] = {}
        for mode in MODES:
            net = exact_session(with_outputs(in_mode(model, mode), ["features"]))
            empty = np.zeros([1, net.get_inputs()[-1].shape[1], 8, 8], np.float32)
            self.inputs[mode] = [
                {**crops(batch, mode, k, "search"),
                 "template": net.run(["features"], {**crops(batch, mode, k, "template"), "template": empty})[0]}
                for k in range(*rows(batch, mode).indices(len(batch)))]

    def evaluate(self, model: onnx.ModelProto) -> dict[str, float]:
        """IoU at the best cell by mode, and the AUROC of presence."""
        out, logits = {}, []
        for mode in ("thermal", "both", "visible"):
            net = exact_session(in_mode(model, mode))
            found = [net.run(list(OUTPUTS), one) for one in self.inputs[mode]]
            part = rows(self.batch, mode)
            if not found:
                continue
            maps = torch.from_numpy(np.concatenate([m for m, _ in found]))
            there = self.batch.present[part] > 0
            iou = best_iou(maps, torch.from_numpy(self.batch.boxes[part])).numpy()
            out[f"{mode}_iou"] = float(iou[there].mean())
            logits += [float(p[0, 0]) for _, p in found]
        return out | {"auroc": area_under_curve(np.array(logits), self.batch.present > 0)}


def choose_ranges(model: onnx.ModelProto, histograms: dict[str, Histogram], samples: Samples,
                  keep: set[str]) -> tuple[str, dict[str, Range]]:
    """The calibration method with the best boxes and presence, and its ranges."""
    best: tuple[float, str, dict[str, Range]] | None = None
    for name, method in RANGES.items():
        ranges = {t: method(h) for t, h in histograms.items()}
        cost = 1 - float(np.mean(list(samples.evaluate(QdqRewriter(model, ranges, keep, (LOW, HIGH)).run()).values())))
        print(f"ranges by {name}: cost {cost:.4f}", flush=True)
        if best is None or cost < best[0]:
            best = cost, name, ranges
    assert best is not None
    return best[1], best[2]


def write(model: onnx.ModelProto, source: Path, out: Path, metrics: dict[str, float], about: str) -> None:
    """Writes the model, its golden file and its card: the card of the float model `source` with another name."""
    onnx.save(model, out)
    card = tomllib.loads(source.with_suffix(".toml").read_text())
    inputs = read_golden(source.with_name(card["golden"]["file"]))
    values = {k: v.astype(np.float32) / 127.5 - 1 if v.dtype == np.uint8 else v for k, v in inputs.items()}
    outputs = exact_session(model).run(list(OUTPUTS), values)
    write_golden(out.with_suffix(".golden.npy"), inputs, outputs)
    top: dict[str, Any] = {k: v for k, v in card.items() if not isinstance(v, (dict, list)) or k == "default_for"}
    top |= {"precision": "int8", "name": out.stem, "file": out.name, "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
            "description": card["description"].rstrip(".") + "; int8."}
    golden = {"file": f"{out.stem}.golden.npy", "tolerance": golden_tolerance(model, outputs, values, list(OUTPUTS))}
    training = card["training"] | {"quantised_from": card["sha256"], "quantised": about}
    text = export.toml({"": top, "tracker": card["tracker"], "outputs": card["outputs"], "decoding": card["decoding"],
                        "golden": golden, "training": training, "metrics": metrics})
    out.with_suffix(".toml").write_text(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.track_quantise", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="float tracker, its card and golden file beside it")
    p.add_argument("--sets", required=True, help="synthetic sets of sequences: glob patterns, comma-separated")
    p.add_argument("--real", help="sets of real sequences")
    p.add_argument("--out", required=True, help="int8 model; its card and golden file are written beside it")
    p.add_argument("--calibration", type=int, default=CALIBRATION, help="number of calibration samples")
    p.add_argument("--held-out", type=int, default=HELD_OUT, help="number of held-out samples, for each of two halves")
    return p


def main() -> None:
    """Runs the command."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    model = onnx.load(args.model)
    keep = float_nodes(model)
    source = TrackSource(TrackSets(args.sets), TrackSets(args.real, real=True) if args.real else None, 0.2, SampleOptions())
    calibration = Samples(model, source.batch(args.calibration, np.random.default_rng(11)))
    histograms = calibrate([(in_mode(model, mode), inputs) for mode, inputs in calibration.inputs.items()], keep)
    method, ranges = choose_ranges(model, histograms, Samples(model, source.held_out_batch(args.held_out, 1)), keep)
    quantised = QdqRewriter(model, ranges, keep, (LOW, HIGH)).run()
    judge = Samples(model, source.held_out_batch(args.held_out, 2))
    before, after = judge.evaluate(model), judge.evaluate(quantised)
    for key, value in before.items():
        print(f"{key}: float {value:.4f}, int8 {after[key]:.4f}")
    metrics = {f"{k}_synthetic": v for k, v in after.items()} | {f"float_{k}_synthetic": v for k, v in before.items()}
    write(quantised, Path(args.model), Path(args.out), metrics,
          f"post-training, u8 activations with ranges by {method} of {args.calibration} samples, s8 weights per channel, what "
          f"follows from the template in float; metrics of {args.held_out} other held-out samples")
    print(f"{args.out}: ranges by {method}")


if __name__ == "__main__":
    main()
