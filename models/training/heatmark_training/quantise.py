"""Quantises a shipped model to int8, post-training, with static ranges.

    python -m heatmark_training.quantise ../face-landmarks-small.onnx --data "crops-*" --scenes "frames-*" \\
        --out ../face-landmarks-small-int8.onnx

The calibration method (`quantisation.RANGES`) is the one with the smallest errors on one half of the held-out
pictures; the report, and the metrics in the card, are of the other half.
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
from .datasets import Shards
from .detection import DetectionMetrics
from .detector_samples import DetectorSource, held_out_scenes
from .landmark_samples import LandmarkSource, held_out_crops
from .metrics import landmark_errors
from .networks import soft_argmax
from .quantisation import RANGES, Histogram, QdqRewriter, Range, calibrate, exact_session

#: Calibration pictures, and held-out ones (clean and hard each).
CALIBRATION, HELD_OUT = 384, 768


class LandmarkTask:
    """Crops, and the errors of a landmark network on them."""

    def __init__(self, faces: str | None, scenes: str | None, held_out: int) -> None:
        if not faces:
            raise SystemExit("a landmark network is quantised on face folders: --data")
        self.source = LandmarkSource(Shards(faces), Shards(scenes) if scenes else None)
        items = self.source.faces.held_out_items(held_out)
        self.count = len(items)
        self.held_out = {"clean": held_out_crops(items, False), "hard": held_out_crops(items, True),
                         "negative": self.source.negatives_for(items)}

    def evaluate(self, model: onnx.ModelProto, half: int, threshold: float) -> dict[str, float]:
        """Error in percent of the face size on clean and hard crops, and how often presence passes the threshold with
        and without a face, percent; of every second held-out crop."""
        out: dict[str, float] = {}
        for name, batch in self.held_out.items():
            batch = batch.take(slice(half, None, 2))
            points, logit = predict(model, batch.image)
            passed = float(100 * (1 / (1 + np.exp(-logit)) >= threshold).mean())
            if name == "negative":
                out["presence_false"] = passed
                continue
            errors = landmark_errors(points, batch.points, batch.visibility)
            prefix = "" if name == "clean" else f"{name}_"
            out |= {f"{prefix}nme": errors["nme"], f"{prefix}five": errors["five"], f"{prefix}presence_hit": passed}
        return out

    @staticmethod
    def cost(found: dict[str, float]) -> float:
        """The cost that chooses the calibration method: lower is better."""
        return found["nme"] + found["hard_nme"]


class DetectorTask:
    """Scenes, and the metrics of a detector on them."""

    def __init__(self, faces: str | None, scenes: str | None, held_out: int) -> None:
        if not scenes:
            raise SystemExit("a detector is quantised on scene folders: --scenes")
        self.source = DetectorSource(Shards(scenes), Shards(faces) if faces else None)
        self.plain, self.hard = held_out_scenes(self.source, held_out)
        self.count = len(self.plain)

    def evaluate(self, model: onnx.ModelProto, half: int, _: float) -> dict[str, float]:
        """`DetectionMetrics` on scenes as the runtime sees them and on hard ones; of every second held-out scene."""
        net = exact_session(model)
        out: dict[str, float] = {}
        for prefix, pictures in (("", self.plain), ("hard_", self.hard)):
            metrics = DetectionMetrics()
            for image, faces in pictures[half::2]:
                heat, geom = net.run(None, {"image": image[None]})
                metrics.add_maps(heat[0, 0], geom[0], faces)
            out |= {f"{prefix}{k}": v for k, v in metrics.result().items()}
        return out

    @staticmethod
    def cost(found: dict[str, float]) -> float:
        """The cost that chooses the calibration method: lower is better."""
        return found["box_error"] + found["hard_box_error"] - found["ap50"] - found["hard_ap50"]


#: The data and metrics of a model, by the task in its card.
TASKS: dict[str, type[LandmarkTask] | type[DetectorTask]] = {"landmarks": LandmarkTask, "detector": DetectorTask}


def predict(model: onnx.ModelProto, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points `[n, 70, 2]` and presence logits `[n]` of network inputs `[n, c, R, R]`."""
    net = exact_session(model)
    points, presence = [], []
    for image in images:
        votes, logit = net.run(None, {"image": image[None]})
        points.append(soft_argmax(torch.from_numpy(votes).permute(0, 3, 1, 2)).numpy()[0, :, :2])
        presence.append(float(logit[0, 0]))
    return np.stack(points), np.array(presence)


def choose_ranges(model: onnx.ModelProto, histograms: dict[str, Histogram], task: LandmarkTask | DetectorTask,
                  threshold: float, method: str | None = None) -> tuple[str, dict[str, Range]]:
    """The best calibration method on the first half of the held-out pictures, or `method` if given, and its ranges;
    prints the cost of each."""
    best: tuple[float, str, dict[str, Range]] | None = None
    for name in [method] if method else RANGES:
        ranges = {t: RANGES[name](h) for t, h in histograms.items()}
        found = task.evaluate(QdqRewriter(model, ranges).run(), 0, threshold)
        cost = task.cost(found)
        print(f"ranges by {name}: cost {cost:.4f}", flush=True)
        if best is None or cost < best[0]:
            best = cost, name, ranges
    assert best is not None
    return best[1], best[2]


def golden_tolerance(model: onnx.ModelProto, reference: list[np.ndarray], inputs: dict[str, np.ndarray],
                     names: list[str] | None = None) -> float:
    """How far an implementation may be from the golden outputs, as a share of the largest value, or of one where
    that is smaller, as a logit may be close to zero. Scales multiplied in another order differ in their last bits, so
    that some values are rounded the other way, and others after them. The tolerance is twice what a change of all
    scales in the last bits causes, but at least half a percent."""
    worst = 0.005
    for seed in range(16):
        random, moved = np.random.default_rng(seed), onnx.ModelProto()
        moved.CopyFrom(model)
        for constant in moved.graph.initializer:
            value = onnx.numpy_helper.to_array(constant)
            if constant.name.endswith(".scale"):
                value = value * (1 + random.uniform(-2e-7, 2e-7, value.shape).astype(np.float32))
                constant.CopyFrom(onnx.numpy_helper.from_array(value, constant.name))
        for a, b in zip(reference, exact_session(moved).run(names, inputs)):
            worst = max(worst, 2 * float(np.abs(a - b).max() / max(np.abs(a).max(), 1)))
    return worst


def write(model: onnx.ModelProto, source: str | Path, out: str | Path, metrics: dict[str, float], about: str) -> None:
    """Writes the model, its golden file and its card: the card of the float model `source` with another name."""
    out = Path(out)
    onnx.save(model, out)
    card = tomllib.loads(Path(source).with_suffix(".toml").read_text())
    shape = [card["input"][k] for k in ("channels", "height", "width")]
    picture = export.golden_input(shape)
    image = picture.astype(np.float32) / 127.5 - 1
    outputs = exact_session(model).run([o["name"] for o in card["outputs"]], {"image": image})
    export.write_golden(out.with_suffix(".golden.npy"), picture, outputs)
    tables = ("input", "outputs", "decoding", "golden", "training", "metrics")
    top: dict[str, Any] = {k: v for k, v in card.items() if k not in tables}
    top |= {"precision": "int8", "name": out.stem, "file": out.name, "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
            "description": card["description"].rstrip(".") + "; int8."}
    golden = {"file": f"{out.stem}.golden.npy", "tolerance": golden_tolerance(model, outputs, {"image": image})}
    training = card["training"] | {"quantised_from": card["sha256"], "quantised": about}
    text = export.toml({"": top, "input": card["input"], "outputs": card["outputs"], "decoding": card["decoding"],
                        "golden": golden, "training": training, "metrics": metrics})
    out.with_suffix(".toml").write_text(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.quantise", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="float model, its card beside it")
    p.add_argument("--data", help="face folders (patterns, comma-separated)")
    p.add_argument("--scenes", help="scene folders")
    p.add_argument("--out", required=True, help="int8 model; its card and golden file are written beside it")
    p.add_argument("--calibration", type=int, default=CALIBRATION, help="number of calibration pictures")
    p.add_argument("--held-out", type=int, default=HELD_OUT, help="held-out pictures, at most")
    p.add_argument("--ranges", choices=RANGES, help="use this calibration method, not the best on held-out pictures: "
                   "where several are as good, one may be closer to the float model on unusual pictures")
    return p


def main() -> None:
    """Runs the command."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    model = onnx.load(args.model)
    card = tomllib.loads(Path(args.model).with_suffix(".toml").read_text())
    task, threshold = TASKS[card["task"]](args.data, args.scenes, args.held_out), card["decoding"]["threshold"]
    images = task.source.batch(args.calibration, np.random.default_rng(11)).image
    method, ranges = choose_ranges(model, calibrate([(model, ({"image": i[None]} for i in images))]), task, threshold, args.ranges)
    quantised = QdqRewriter(model, ranges).run()
    before, after = task.evaluate(model, 1, threshold), task.evaluate(quantised, 1, threshold)
    for key, value in before.items():
        print(f"{key}: float {value:.4f}, int8 {after[key]:.4f} ({100 * (after[key] / max(value, 1e-9) - 1):+.2f} %)")
    metrics = {f"{k}_synthetic": v for k, v in after.items()}
    metrics |= {f"float_{k}_synthetic": v for k, v in before.items()}
    write(quantised, args.model, args.out, metrics,
          f"post-training, u8 activations with ranges by {method} of {args.calibration} pictures, s8 weights per "
          f"channel; metrics of the second half of {task.count} held-out pictures")
    print(f"{args.out}: ranges by {method}")


if __name__ == "__main__":
    main()
