"""Writes folded networks as ONNX, node by node: convolutions, ReLU, Add, Resize (nearest), Gemm.

The graph is small enough to be written directly; the runtime's kernels run exactly these nodes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from .landmark_set import COUNT
from .networks import Detector, Landmarker

OPSET = 17

#: Name and shape of an input or output; a name in a shape is a free dimension.
ValueInfo = tuple[str, Sequence[int | str]]


class GraphWriter:
    """Collects nodes and weights; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.count = 0

    def weight(self, name: str, array: np.ndarray) -> str:
        """A constant."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], name: str | None = None, **attributes: Any) -> str:
        """One node with one output."""
        self.count += 1
        out = name or f"{op.lower()}{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=out, **attributes))
        return out

    def conv(self, layer: nn.Conv2d, x: str, name: str | None = None) -> str:
        """A convolution with bias."""
        self.count += 1
        tag = name or f"conv{self.count}"
        w = self.weight(f"{tag}.weight", layer.weight.detach().numpy().astype(np.float32))
        b = self.weight(f"{tag}.bias", layer.bias.detach().numpy().astype(np.float32))
        k, s, p = layer.kernel_size[0], layer.stride[0], layer.padding[0]
        return self.node("Conv", [x, w, b], tag, kernel_shape=[k, k], strides=[s, s],
                         pads=[p] * 4, dilations=[1, 1], group=layer.groups)

    def linear(self, layer: nn.Linear, x: str, name: str | None = None) -> str:
        """A fully connected layer."""
        self.count += 1
        tag = name or f"fc{self.count}"
        w = self.weight(f"{tag}.weight", layer.weight.detach().numpy().astype(np.float32))
        b = self.weight(f"{tag}.bias", layer.bias.detach().numpy().astype(np.float32))
        return self.node("Gemm", [x, w, b], tag, transB=1)

    def upsample(self, x: str) -> str:
        """Twice as wide and high, nearest neighbour."""
        scales = self.weight(f"scales{self.count}", np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", [x, "", scales], mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def sequence(self, module: nn.Module, x: str, name: str | None = None) -> str:
        """Folded blocks: Sequential of Conv2d and ReLU at any depth; `name` of the output."""
        if isinstance(module, nn.Conv2d):
            return self.conv(module, x)
        if isinstance(module, nn.ReLU):
            return self.node("Relu", [x])
        for child in module.children():
            x = self.sequence(child, x)
        if name:
            self.nodes[-1].output[0] = self.nodes[-1].name = x = name
        return x

    def model(self, name: str, inputs: list[ValueInfo], outputs: list[ValueInfo]) -> onnx.ModelProto:
        """The checked model."""
        def info(items: list[ValueInfo]) -> list[onnx.ValueInfoProto]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in items]

        graph = helper.make_graph(self.nodes, name, info(inputs), info(outputs), self.weights)
        model = helper.make_model(graph, producer_name="heatmark",
                                  opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def landmarker_model(net: Landmarker, size: int, channels: int = 1) -> onnx.ModelProto:
    """A folded `Landmarker`: `image` [1, c, size, size] to `votes` [1, 12, 12, 280], `presence` [1, 1]."""
    w = GraphWriter()
    body, head = net.backbone, net.head
    near = w.sequence(body.shallow, "image")
    deep = w.sequence(body.deep, near)
    if body.wide is not None:
        deep = w.node("Add", [deep, w.upsample(w.sequence(body.wide, deep))])
    deep = w.sequence(body.down, deep)
    x = w.sequence(body.join, w.node("Add", [near, w.upsample(deep)]))
    # NHWC, as the runtime's kernels store it and as its decoder reads fastest.
    w.node("Transpose", [w.conv(head.votes, x)], "votes", perm=[0, 2, 3, 1])
    hidden = w.node("Relu", [w.conv(head.look, x)])
    w.linear(head.presence, w.node("Flatten", [hidden], axis=1), "presence")
    cells = size // 8
    return w.model("landmarks", [("image", [1, channels, size, size])],
                   [("votes", [1, cells, cells, 4 * COUNT]), ("presence", [1, 1])])


def detector_model(net: Detector, channels: int = 1) -> onnx.ModelProto:
    """A folded `Detector` of free height and width (multiples of 32)."""
    w = GraphWriter()
    s4 = w.sequence(net.stride4, "image")
    s8 = w.sequence(net.stride8, s4)
    s16 = w.sequence(net.stride16, s8)
    y = w.sequence(net.join16, w.node("Add", [s16, w.upsample(w.sequence(net.stride32, s16))]))
    y = w.sequence(net.join8, w.node("Add", [s8, w.upsample(w.sequence(net.down8, y))]))
    y = w.sequence(net.join4, w.node("Add", [s4, w.upsample(w.sequence(net.down4, y))]))
    w.conv(net.heat, y, "heat")
    w.conv(net.geom, y, "geom")
    return w.model("detector", [("image", [1, channels, "height", "width"])],
                   [("heat", [1, 1, "rows", "columns"]), ("geom", [1, 14, "rows", "columns"])])
