"""Networks in whole numbers: a standard ONNX with QuantizeLinear and DequantizeLinear around its convolutions.

Weights are s8, symmetric, one scale per output channel; activations u8, one scale and zero point per tensor; biases
s32 in units of both. The picture is rounded as activations are, to steps of 1/127 (`PICTURE`). The fully connected layer
stays in float; what a convolution gives to the graph's outputs is not rounded again.
"""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

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


#: The range of pictures, which are between -1 and 1.
PICTURE = -128 / 127, 1.0


# The graph.

def readers(graph, tensor):
    """Nodes that read a tensor."""
    return [n for n in graph.node if tensor in n.input]


def rounded(graph, keep=()):
    """Convolutions to be quantised (all but those in `keep`) and the tensors that they, and the additions and
    enlargements between them, read."""
    inputs = {i.name for i in graph.input}
    maker = {o: n for n in graph.node for o in n.output}
    convs = [n for n in graph.node if n.op_type == "Conv" and n.name not in keep]
    tensors = []
    for node in graph.node:
        whole = node in convs or node.op_type in ("Add", "Resize")
        for name in node.input if node.op_type == "Add" else node.input[:1]:
            # An enlarged tensor has the values of the one before.
            known = name in inputs or name in maker and maker[name].op_type != "Resize"
            if whole and known and name not in tensors:
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
        inputs = {i.name for i in self.graph.input}
        self.steps = {t: scale_and_zero(*(PICTURE if t in inputs else ranges[t])) for t in tensors}
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
        for picture in self.graph.input:
            if picture.name in self.steps:
                self.pair(picture.name)
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
    """Histograms of the tensors to be rounded, but for the picture."""
    inputs = {i.name for i in model.graph.input}
    tensors = [t for t in rounded(model.graph)[1] if t not in inputs]
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
