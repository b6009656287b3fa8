"""Landmark model to int8: a standard ONNX with QuantizeLinear and DequantizeLinear around its convolutions.

    python quantise.py ../face-landmarks-small.onnx --data "crops-*" --out ../face-landmarks-small-int8.onnx

Post-training and static. Weights are s8, symmetric, one scale per output channel; activations u8, one scale and
zero point per tensor; biases s32 in units of both. The first convolution reads the picture and stays in float, as
does the fully connected layer; what a convolution gives to the graph's outputs is not rounded again.

How the range of an activation is chosen (`RANGES`) is decided by the error on one half of the held-out crops; the
report, and the metrics in the card, are of the other half.
"""

import argparse
import hashlib
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper

import export
import sample
from data import Shards
from metrics import landmark_errors
from nets import tally

#: Crops that ranges are taken from, and held-out crops (clean and hard each).
CALIBRATE, HOLD = 384, 768

#: Bins of the histograms behind ranges.
BINS = 4096


# Ranges.

class Histogram:
    """Counts of a tensor's values between fixed ends, which the first pass over the data found."""

    def __init__(self, low, high):
        # Zero must be representable: it is what borders hold.
        self.low, self.high = min(low, 0.0), max(high, 1e-6)
        self.counts = np.zeros(BINS, np.int64)

    def add(self, values):
        """Counts an array."""
        self.counts += np.histogram(values, BINS, (self.low, self.high))[0]

    def edges(self):
        """Left edges of the bins and the last right one."""
        return np.linspace(self.low, self.high, BINS + 1)

    def between(self, share):
        """The range that leaves out `share` of the values on each side, zero included."""
        total = np.cumsum(self.counts) / max(1, self.counts.sum())
        edges = self.edges()
        low = edges[np.searchsorted(total, share)] if self.low < 0 else 0.0
        high = edges[min(BINS, np.searchsorted(total, 1 - share) + 1)]
        return min(low, 0.0), max(high, 1e-6)

    def least_squares(self, power=2.0):
        """The part of the whole range whose rounding and clipping costs least."""
        middles = (self.edges()[1:] + self.edges()[:-1]) / 2
        best = None
        for part in np.linspace(0.2, 1, 81):
            low, high = self.low * part, self.high * part
            step = (high - low) / 255
            near = np.clip(np.rint((middles - low) / step), 0, 255) * step + low
            cost = float((self.counts * np.abs(near - middles) ** power).sum())
            if best is None or cost < best[0]:
                best = cost, (low, high)
        return best[1]


#: Ways from a histogram to a range.
RANGES = {
    "whole": lambda h: (h.low, h.high),
    "99.999 %": lambda h: h.between(1e-5),
    "99.99 %": lambda h: h.between(1e-4),
    "least squares": lambda h: h.least_squares(),
}


def scale_and_zero(low, high):
    """Scale (f32) and zero point (u8) of a range that holds zero."""
    scale = np.float32(max(high - low, 1e-6) / 255)
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255))


# The graph.

def readers(graph, tensor):
    """Nodes that read a tensor."""
    return [n for n in graph.node if tensor in n.input]


def rounded(graph, keep=()):
    """Convolutions to be quantised (all but those at the graph's input or in `keep`) and the tensors that they, and
    the additions and enlargements between them, read."""
    inputs = {i.name for i in graph.input}
    maker = {o: n for n in graph.node for o in n.output}
    convs = [n for n in graph.node if n.op_type == "Conv" and n.input[0] not in inputs and n.name not in keep]
    tensors = []
    for node in graph.node:
        whole = node in convs or node.op_type in ("Add", "Resize")
        for name in node.input if node.op_type == "Add" else node.input[:1]:
            # An enlarged tensor has the values of the one before.
            if whole and name in maker and maker[name].op_type != "Resize" and name not in tensors:
                tensors.append(name)
    return convs, tensors


def whole_numbers(weight, bias, step):
    """Weights `[outputs, ...]` as s8 and the scale of each output, at which the bias fits 32 bits too where the
    input's scale is `step`."""
    scale = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1) / 127, np.abs(bias) / step / 2**29)
    scale = np.maximum(scale, 1e-9).astype(np.float32)
    shape = (-1,) + (1,) * (weight.ndim - 1)
    return np.clip(np.rint(weight / scale.reshape(shape)), -127, 127).astype(np.int8), scale


class Rewriter:
    """Puts pairs of QuantizeLinear and DequantizeLinear into a model."""

    def __init__(self, model, ranges, keep=()):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self.convs, tensors = rounded(self.graph, keep)
        self.steps = {t: scale_and_zero(*ranges[t]) for t in tensors}
        self.weights = {w.name: w for w in self.graph.initializer}
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        """Adds a constant."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, output, **attributes):
        """Adds a node."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def pair(self, tensor):
        """Rounds an activation."""
        scale, zero = self.steps[tensor]
        about = [self.constant(f"{tensor}.scale", scale), self.constant(f"{tensor}.zero", zero)]
        self.node("QuantizeLinear", [tensor, *about], f"{tensor}.q")
        self.node("DequantizeLinear", [f"{tensor}.q", *about], f"{tensor}.dq")

    def conv(self, node):
        """Rounds the weights and the bias of a convolution."""
        weight, bias = (numpy_helper.to_array(self.weights[n]) for n in node.input[1:])
        step = self.steps[node.input[0]][0]
        numbers, scale = whole_numbers(weight, bias, step)
        both = (scale * step).astype(np.float32)
        offset = np.clip(np.rint(bias.astype(np.float64) / both), -2**30, 2**30).astype(np.int32)
        for name, array, step in ((node.input[1], numbers, scale), (node.input[2], offset, both)):
            about = [self.constant(f"{name}.q", array), self.constant(f"{name}.scale", step),
                     self.constant(f"{name}.zero", np.zeros(len(step), array.dtype))]
            self.node("DequantizeLinear", about, f"{name}.dq", axis=0)

    def run(self):
        """The rewritten, checked model."""
        for node in self.graph.node:
            new = onnx.NodeProto()
            new.CopyFrom(node)
            if node in self.convs:
                self.conv(node)
                new.input[1], new.input[2] = f"{node.input[1]}.dq", f"{node.input[2]}.dq"
            if node in self.convs or node.op_type in ("Add", "Resize"):
                for i, name in enumerate(node.input):
                    if name in self.steps:
                        new.input[i] = f"{name}.dq"
            self.nodes.append(new)
            for output in node.output:
                if output in self.steps:
                    self.pair(output)
        used = {n for node in self.nodes for n in node.input}
        kept = [w for w in self.graph.initializer if w.name in used]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(kept + self.constants)
        onnx.checker.check_model(self.model, full_check=True)
        return self.model


# Running.

def session(model):
    """A session that computes the graph as it is written: onnxruntime's own int8 products saturate on CPUs
    without VNNI, and what it fuses rounds otherwise."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def observe(model, images):
    """Histograms of the tensors to be rounded."""
    _, tensors = rounded(model.graph)
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    wide.graph.output.extend(helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None) for t in tensors)
    net = session(wide)

    def values():
        for image in images:
            yield zip(tensors, net.run(tensors, {"image": image[None]}))

    ends = {t: (np.inf, -np.inf) for t in tensors}
    for found in values():
        for t, v in found:
            ends[t] = min(ends[t][0], float(v.min())), max(ends[t][1], float(v.max()))
    histograms = {t: Histogram(*ends[t]) for t in tensors}
    for found in values():
        for t, v in found:
            histograms[t].add(v)
    return histograms


def predict(model, images):
    """Points `[n, 70, 2]` and presence logits `[n]`."""
    net = session(model)
    points, presence = [], []
    for image in images:
        votes, logit = net.run(None, {"image": image[None]})
        points.append(tally(torch.from_numpy(votes).permute(0, 3, 1, 2)).numpy()[0, :, :2])
        presence.append(float(logit[0, 0]))
    return np.stack(points), np.array(presence)


def judge(model, batches, threshold=0.5):
    """Error in percent of the face on clean and hard crops, and how often a face is seen where one is and where
    none is (crops named `without`), in percent."""
    out = {}
    for name, batch in batches.items():
        points, logit = predict(model, batch.image)
        seen = float(100 * (1 / (1 + np.exp(-logit)) >= threshold).mean())
        if name == "without":
            out["presence_false"] = seen
            continue
        errors = landmark_errors(points, batch.points, batch.visibility)
        prefix = "" if name == "clean" else f"{name}_"
        out |= {f"{prefix}nme": errors["nme"], f"{prefix}five": errors["five"], f"{prefix}presence_hit": seen}
    return out


def held_out(source, count):
    """Held-out crops, clean and hard, and others without a face."""
    items = source.faces.held_items(count)
    return {"clean": sample.held_batch(items, False), "hard": sample.held_batch(items, True), "without": source.without(items)}


def choose(model, histograms, batches):
    """The best way to ranges, by the error on hard and clean crops together; prints all of them."""
    best = None
    for name, way in RANGES.items():
        ranges = {t: way(h) for t, h in histograms.items()}
        found = judge(Rewriter(model, ranges).run(), {k: v for k, v in batches.items() if k != "without"})
        cost = found["nme"] + found["hard_nme"]
        print(f"ranges by {name}: NME {found['nme']:.4f} clean, {found['hard_nme']:.4f} hard", flush=True)
        if best is None or cost < best[0]:
            best = cost, name, ranges
    return best[1], best[2]


def tolerance(model, reference, image):
    """How far an implementation may be from the golden answers, as a share of the largest value. Floats summed in
    another order differ in their last bits, so that here and there a number is rounded the other way, and others
    after it: so twice what moving the input by some last bits does, but at least half a percent."""
    net = session(model)
    worst = 0.005
    for seed in range(16):
        noise = np.random.default_rng(seed).uniform(-2e-6, 2e-6, image.shape).astype(np.float32)
        for a, b in zip(reference, net.run(None, {"image": image + noise})):
            worst = max(worst, 2 * float(np.abs(a - b).max() / np.abs(a).max()))
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
    p.add_argument("--data", required=True, help="face folders (patterns, comma-separated)")
    p.add_argument("--scenes", help="scene folders, for crops without a face")
    p.add_argument("--out", required=True, help="int8 model; its card and golden file are written beside it")
    p.add_argument("--calibrate", type=int, default=CALIBRATE, help="crops that ranges are taken from")
    p.add_argument("--hold", type=int, default=HOLD, help="held-out crops")
    args = p.parse_args()
    torch.set_num_threads(1)
    model = onnx.load(args.model)
    source = sample.Source(Shards(args.data), Shards(args.scenes) if args.scenes else None)
    images = source.batch(args.calibrate, np.random.default_rng(11)).image
    held = held_out(source, args.hold)
    histograms = observe(model, images)
    way, ranges = choose(model, histograms, {k: v.take(slice(0, None, 2)) for k, v in held.items()})
    small = Rewriter(model, ranges).run()
    judged = {k: v.take(slice(1, None, 2)) for k, v in held.items()}
    threshold = tomllib.loads(Path(args.model).with_suffix(".toml").read_text())["decoding"]["threshold"]
    before, after = judge(model, judged, threshold), judge(small, judged, threshold)
    for key, value in before.items():
        print(f"{key}: float {value:.4f}, int8 {after[key]:.4f} ({100 * (after[key] / max(value, 1e-9) - 1):+.2f} %)")
    metrics = {f"{k}_synthetic": v for k, v in after.items()}
    metrics |= {f"float_{k}_synthetic": v for k, v in before.items()}
    write(small, args.model, args.out, metrics,
          f"post-training, u8 activations with ranges by {way} of {args.calibrate} crops, s8 weights per channel; "
          f"metrics of {len(judged['hard'].image)} held-out crops")
    print(f"{args.out}: ranges by {way}")


if __name__ == "__main__":
    main()
