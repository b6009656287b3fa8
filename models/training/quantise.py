"""A shipped model to int8, after training and by static ranges.

    python quantise.py ../face-landmarks-small.onnx --data "crops-*" --scenes "frames-*" --out ../face-landmarks-small-int8.onnx

How the range of an activation is chosen (`rounding.RANGES`) is decided by the errors on one half of the held-out
pictures; the report, and the metrics in the card, are of the other half.
"""

import argparse
import hashlib
import tomllib
from pathlib import Path

import numpy as np
import onnx
import torch

import export
import sample
import scene
from data import Shards
from detect import Score
from detector import held_scenes
from metrics import landmark_errors
from nets import tally
from rounding import RANGES, Rewriter, observe, session

#: Pictures that ranges are taken from, and held-out ones (clean and hard each).
CALIBRATE, HOLD = 384, 768


class Landmarks:
    """Crops, and the errors of a landmark network on them."""

    def __init__(self, faces, scenes, hold):
        if not faces:
            raise SystemExit("a landmark network is quantised on face folders: --data")
        self.source = sample.Source(Shards(faces), Shards(scenes) if scenes else None)
        items = self.source.faces.held_items(hold)
        self.count = len(items)
        self.held = {"clean": sample.held_batch(items, False), "hard": sample.held_batch(items, True),
                     "without": self.source.without(items)}

    def judge(self, model, half, threshold):
        """Error in percent of the face on clean and hard crops, and how often a face is seen where one is and where
        none is, in percent; of every second held-out crop."""
        out = {}
        for name, batch in self.held.items():
            batch = batch.take(slice(half, None, 2))
            points, logit = predict(model, batch.image)
            seen = float(100 * (1 / (1 + np.exp(-logit)) >= threshold).mean())
            if name == "without":
                out["presence_false"] = seen
                continue
            errors = landmark_errors(points, batch.points, batch.visibility)
            prefix = "" if name == "clean" else f"{name}_"
            out |= {f"{prefix}nme": errors["nme"], f"{prefix}five": errors["five"], f"{prefix}presence_hit": seen}
        return out

    @staticmethod
    def cost(found):
        """What the ranges are chosen by: the less the better."""
        return found["nme"] + found["hard_nme"]


class Faces:
    """Scenes, and the precision of a detector on them."""

    def __init__(self, faces, scenes, hold):
        if not scenes:
            raise SystemExit("a detector is quantised on scene folders: --scenes")
        self.source = scene.Source(Shards(scenes), Shards(faces) if faces else None)
        self.plain, self.hard = held_scenes(self.source, hold)
        self.count = len(self.plain)

    def judge(self, model, half, _):
        """Average precision and its parts (`Score`) on scenes as the runtime sees them and on hard ones."""
        net, out = session(model), {}
        for prefix, pictures in (("", self.plain), ("hard_", self.hard)):
            score = Score()
            for image, faces in pictures[half::2]:
                heat, geom = net.run(None, {"image": image[None]})
                score.picture(heat[0, 0], geom[0], faces)
            out |= {f"{prefix}{k}": v for k, v in score.result().items()}
        return out

    @staticmethod
    def cost(found):
        """What the ranges are chosen by: the less the better."""
        return found["box_error"] + found["hard_box_error"] - found["ap50"] - found["hard_ap50"]


#: What a model is judged on, by the task in its card.
TASKS = {"landmarks": Landmarks, "detector": Faces}


def predict(model, images):
    """Points `[n, 70, 2]` and presence logits `[n]`."""
    net = session(model)
    points, presence = [], []
    for image in images:
        votes, logit = net.run(None, {"image": image[None]})
        points.append(tally(torch.from_numpy(votes).permute(0, 3, 1, 2)).numpy()[0, :, :2])
        presence.append(float(logit[0, 0]))
    return np.stack(points), np.array(presence)


def choose(model, histograms, task, threshold, wanted=None):
    """The best way to ranges, by the first half of what is held out; prints all of them. The one `wanted`, if any."""
    best = None
    for name in [wanted] if wanted else RANGES:
        way = RANGES[name]
        ranges = {t: way(h) for t, h in histograms.items()}
        found = task.judge(Rewriter(model, ranges).run(), 0, threshold)
        cost = task.cost(found)
        print(f"ranges by {name}: cost {cost:.4f}", flush=True)
        if best is None or cost < best[0]:
            best = cost, name, ranges
    return best[1], best[2]


def tolerance(model, reference, image):
    """How far an implementation may be from the golden answers, as a share of the largest value, or of one where that
    is less: a logit may happen to be about nothing. Scales multiplied in another order differ in their last bits, so
    that here and there a number is rounded the other way, and others after it: so twice what moving all scales by some
    last bits does, but at least half a percent."""
    worst = 0.005
    for seed in range(16):
        random, moved = np.random.default_rng(seed), onnx.ModelProto()
        moved.CopyFrom(model)
        for constant in moved.graph.initializer:
            value = onnx.numpy_helper.to_array(constant)
            if constant.name.endswith(".scale"):
                value = value * (1 + random.uniform(-2e-7, 2e-7, value.shape).astype(np.float32))
                constant.CopyFrom(onnx.numpy_helper.from_array(value, constant.name))
        for a, b in zip(reference, session(moved).run(None, {"image": image})):
            worst = max(worst, 2 * float(np.abs(a - b).max() / max(np.abs(a).max(), 1)))
    return worst


def write(model, source, out, metrics, about):
    """The model, its golden file and its card, which is the float model's with another name."""
    out = Path(out)
    onnx.save(model, out)
    card = tomllib.loads(Path(source).with_suffix(".toml").read_text())
    shape = [card["input"][k] for k in ("channels", "height", "width")]
    picture = export.golden_input(shape)
    image = picture.astype(np.float32) / 127.5 - 1
    answers = session(model).run([o["name"] for o in card["outputs"]], {"image": image})
    export.write_golden(out.with_suffix(".golden.npy"), picture, answers)
    top = {k: v for k, v in card.items() if not isinstance(v, (dict, list))}
    top |= {"name": out.stem, "file": out.name, "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
            "description": card["description"].rstrip(".") + "; int8."}
    golden = {"file": f"{out.stem}.golden.npy", "tolerance": tolerance(model, answers, image)}
    training = card["training"] | {"quantised_from": card["sha256"], "quantised": about}
    text = export.toml({"": top, "input": card["input"], "outputs": card["outputs"], "decoding": card["decoding"],
                        "golden": golden, "training": training, "metrics": metrics})
    out.with_suffix(".toml").write_text(text)


def main():
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="float model, its card beside it")
    p.add_argument("--data", help="face folders (patterns, comma-separated)")
    p.add_argument("--scenes", help="scene folders")
    p.add_argument("--out", required=True, help="int8 model; its card and golden file are written beside it")
    p.add_argument("--calibrate", type=int, default=CALIBRATE, help="pictures that ranges are taken from")
    p.add_argument("--hold", type=int, default=HOLD, help="held-out pictures, as far as there are so many")
    p.add_argument("--ranges", choices=RANGES, help="take this way to ranges, not the best for held-out pictures: where "
                   "several are as good, one may be nearer to the float model on pictures that are not like them")
    args = p.parse_args()
    torch.set_num_threads(1)
    model = onnx.load(args.model)
    card = tomllib.loads(Path(args.model).with_suffix(".toml").read_text())
    task, threshold = TASKS[card["task"]](args.data, args.scenes, args.hold), card["decoding"]["threshold"]
    images = task.source.batch(args.calibrate, np.random.default_rng(11)).image
    way, ranges = choose(model, observe(model, images), task, threshold, args.ranges)
    small = Rewriter(model, ranges).run()
    before, after = task.judge(model, 1, threshold), task.judge(small, 1, threshold)
    for key, value in before.items():
        print(f"{key}: float {value:.4f}, int8 {after[key]:.4f} ({100 * (after[key] / max(value, 1e-9) - 1):+.2f} %)")
    metrics = {f"{k}_synthetic": v for k, v in after.items()}
    metrics |= {f"float_{k}_synthetic": v for k, v in before.items()}
    write(small, args.model, args.out, metrics,
          f"post-training, u8 activations with ranges by {way} of {args.calibrate} pictures, s8 weights per channel; "
          f"metrics of the second half of {task.count} held-out pictures")
    print(f"{args.out}: ranges by {way}")


if __name__ == "__main__":
    main()
