"""Post-training quantisation to int8: standard ONNX with QuantizeLinear and DequantizeLinear (QDQ) around convolutions.

Weights are s8, symmetric, one scale per output channel; activations u8, one scale and zero point per tensor; biases
s32 in units of both. The input picture is quantised like an activation, with a scale of 1/127 (`INPUT_RANGE`). The fully
connected layer stays in float; what a convolution passes to the graph's outputs is not quantised again.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

#: Bins of the calibration histograms.
BINS = 4096

#: Lowest and highest value of a tensor.
Range = tuple[float, float]


# Calibration ranges.

class Histogram:
    """Counts of a tensor's values between fixed ends, which the first pass over the calibration data found."""

    def __init__(self, low: float, high: float) -> None:
        # Zero must be representable: it is the padding of convolutions.
        self.low, self.high = min(low, 0.0), max(high, 1e-6)
        self.counts = np.zeros(BINS, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Counts an array."""
        self.counts += np.histogram(values, BINS, (self.low, self.high))[0]

    def edges(self) -> np.ndarray:
        """Left edges of the bins and the last right one."""
        return np.linspace(self.low, self.high, BINS + 1)

    def between(self, share: float) -> Range:
        """The range that leaves out `share` of the values on each side, zero included."""
        total = np.cumsum(self.counts) / max(1, self.counts.sum())
        edges = self.edges()
        low = edges[np.searchsorted(total, share)] if self.low < 0 else 0.0
        high = edges[min(BINS, np.searchsorted(total, 1 - share) + 1)]
        return min(low, 0.0), max(high, 1e-6)

    def least_squares(self, power: float = 2.0) -> Range:
        """The part of the whole range with the least error from rounding and clipping."""
        middles = (self.edges()[1:] + self.edges()[:-1]) / 2
        best: tuple[float, Range] | None = None
        for part in np.linspace(0.2, 1, 81):
            low, high = self.low * part, self.high * part
            step = (high - low) / 255
            near = np.clip(np.rint((middles - low) / step), 0, 255) * step + low
            cost = float((self.counts * np.abs(near - middles) ** power).sum())
            if best is None or cost < best[0]:
                best = cost, (low, high)
        assert best is not None
        return best[1]


#: Calibration methods: from a histogram to a range.
RANGES: dict[str, Callable[[Histogram], Range]] = {
    "min-max": lambda h: (h.low, h.high),
    "99.999 %": lambda h: h.between(1e-5),
    "99.99 %": lambda h: h.between(1e-4),
    "least squares": lambda h: h.least_squares(),
}


def scale_and_zero_point(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of a range that holds zero."""
    scale = np.float32(max(high - low, 1e-6) / 255)
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255))


#: The range of the input picture, whose values are in -1..1.
INPUT_RANGE = -128 / 127, 1.0


# The graph.

def quantised_parts(graph: onnx.GraphProto, keep: Collection[str] = ()) -> tuple[list[onnx.NodeProto], list[str]]:
    """Nodes to quantise, none of those named in `keep`: convolutions with constant weights, and the additions and
    upsamplings between them; and the tensors that they read."""
    inputs = {i.name for i in graph.input}
    constants = {w.name for w in graph.initializer}
    maker = {o: n for n in graph.node for o in n.output}

    def fits(node: onnx.NodeProto) -> bool:
        constant = node.op_type == "Conv" and node.input[1] in constants
        return node.name not in keep and (constant or node.op_type in ("Add", "Resize"))

    nodes = [n for n in graph.node if fits(n)]
    tensors: list[str] = []
    for node in graph.node:
        is_int8 = node in nodes
        for name in node.input if node.op_type == "Add" else node.input[:1]:
            # An upsampled tensor has the values of its source.
            known = name in inputs or name in maker and maker[name].op_type != "Resize"
            if is_int8 and known and name not in tensors:
                tensors.append(name)
    return nodes, tensors


def quantise_weights(weight: np.ndarray, bias: np.ndarray, input_scale: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Weights `[outputs, ...]` as s8 and the f32 scale of each output `[outputs]`, large enough for the bias to fit 32
    bits in units of this scale times `input_scale`."""
    scale = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1) / 127, np.abs(bias) / input_scale / 2**29)
    scale = np.maximum(scale, 1e-9).astype(np.float32)
    shape = (-1,) + (1,) * (weight.ndim - 1)
    return np.clip(np.rint(weight / scale.reshape(shape)), -127, 127).astype(np.int8), scale


class QdqRewriter:
    """Inserts pairs of QuantizeLinear and DequantizeLinear into a model."""

    def __init__(self, model: onnx.ModelProto, ranges: dict[str, Range], keep: Collection[str] = (),
                 input_range: Range = INPUT_RANGE) -> None:
        """`keep`: names of nodes that stay in float; `input_range`: of the graph's inputs."""
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self.quantised, tensors = quantised_parts(self.graph, keep)
        inputs = {i.name for i in self.graph.input}
        self.scales = {t: scale_and_zero_point(*(input_range if t in inputs else ranges[t])) for t in tensors}
        self.weights = {w.name: w for w in self.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, array: Any) -> str:
        """Adds a constant."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def quantise_activation(self, tensor: str) -> None:
        """Adds the pair of an activation."""
        scale, zero = self.scales[tensor]
        about = [self.constant(f"{tensor}.scale", scale), self.constant(f"{tensor}.zero", zero)]
        self.node("QuantizeLinear", [tensor, *about], f"{tensor}.q")
        self.node("DequantizeLinear", [f"{tensor}.q", *about], f"{tensor}.dq")

    def quantise_conv(self, node: onnx.NodeProto) -> None:
        """Quantises the weights and the bias of a convolution."""
        weight, bias = (numpy_helper.to_array(self.weights[n]) for n in node.input[1:])
        input_scale = self.scales[node.input[0]][0]
        weight_q, scale = quantise_weights(weight, bias, input_scale)
        bias_scale = (scale * input_scale).astype(np.float32)
        bias_q = np.clip(np.rint(bias.astype(np.float64) / bias_scale), -2**30, 2**30).astype(np.int32)
        for name, array, step in ((node.input[1], weight_q, scale), (node.input[2], bias_q, bias_scale)):
            about = [self.constant(f"{name}.q", array), self.constant(f"{name}.scale", step),
                     self.constant(f"{name}.zero", np.zeros(len(step), array.dtype))]
            self.node("DequantizeLinear", about, f"{name}.dq", axis=0)

    def run(self) -> onnx.ModelProto:
        """The rewritten, checked model."""
        for picture in self.graph.input:
            if picture.name in self.scales:
                self.quantise_activation(picture.name)
        for node in self.graph.node:
            new = onnx.NodeProto()
            new.CopyFrom(node)
            if node in self.quantised:
                if node.op_type == "Conv":
                    self.quantise_conv(node)
                    new.input[1], new.input[2] = f"{node.input[1]}.dq", f"{node.input[2]}.dq"
                for i, name in enumerate(node.input):
                    if name in self.scales:
                        new.input[i] = f"{name}.dq"
            self.nodes.append(new)
            for output in node.output:
                if output in self.scales:
                    self.quantise_activation(output)
        used = {n for node in self.nodes for n in node.input}
        kept = [w for w in self.graph.initializer if w.name in used]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(kept + self.constants)
        onnx.checker.check_model(self.model, full_check=True)
        return self.model


# Running.

def exact_session(model: onnx.ModelProto) -> ort.InferenceSession:
    """A session that computes the graph as it is written: onnxruntime's own int8 products saturate on CPUs
    without VNNI, and its fused operators round differently."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def calibrate(runs: Iterable[tuple[onnx.ModelProto, Iterable[dict[str, np.ndarray]]]],
              keep: Collection[str] = ()) -> dict[str, Histogram]:
    """Histograms of the tensors to quantise, without the inputs, over models (variants of one graph) and their inputs by
    name."""
    def net_of(model: onnx.ModelProto) -> tuple[list[str], ort.InferenceSession]:
        inputs = {i.name for i in model.graph.input}
        tensors = [t for t in quantised_parts(model.graph, keep)[1] if t not in inputs]
        extended = onnx.ModelProto()
        extended.CopyFrom(model)
        extended.graph.output.extend(helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None) for t in tensors)
        return tensors, exact_session(extended)

    nets = [(*net_of(model), list(inputs)) for model, inputs in runs]

    def values() -> Iterable[tuple[str, np.ndarray]]:
        for tensors, net, inputs in nets:
            for one in inputs:
                yield from zip(tensors, net.run(tensors, one))

    ends: dict[str, Range] = {}
    for t, v in values():
        low, high = ends.get(t, (np.inf, -np.inf))
        ends[t] = min(low, float(v.min())), max(high, float(v.max()))
    histograms = {t: Histogram(*e) for t, e in ends.items()}
    for t, v in values():
        histograms[t].add(v)
    return histograms
