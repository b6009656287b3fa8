"""Writes folded networks as ONNX, node by node: convolutions, ReLU, Add, Resize (nearest), Gemm.

The graph is small enough to be written directly; what the runtime's kernels meet is exactly this.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from points import COUNT

OPSET = 17


class Writer:
    """Collects nodes and weights; each method returns the name of its output."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, name, array):
        """A constant."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, name=None, **attributes):
        """One node with one output."""
        self.count += 1
        out = name or f"{op.lower()}{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=out, **attributes))
        return out

    def conv(self, layer, x, name=None):
        """A convolution with bias."""
        self.count += 1
        tag = name or f"conv{self.count}"
        w = self.weight(f"{tag}.weight", layer.weight.detach().numpy().astype(np.float32))
        b = self.weight(f"{tag}.bias", layer.bias.detach().numpy().astype(np.float32))
        k, s, p = layer.kernel_size[0], layer.stride[0], layer.padding[0]
        return self.node("Conv", [x, w, b], tag, kernel_shape=[k, k], strides=[s, s],
                         pads=[p] * 4, dilations=[1, 1], group=layer.groups)

    def linear(self, layer, x, name=None):
        """A fully connected layer."""
        self.count += 1
        tag = name or f"fc{self.count}"
        w = self.weight(f"{tag}.weight", layer.weight.detach().numpy().astype(np.float32))
        b = self.weight(f"{tag}.bias", layer.bias.detach().numpy().astype(np.float32))
        return self.node("Gemm", [x, w, b], tag, transB=1)

    def up(self, x):
        """Every pixel twice as wide and high."""
        scales = self.weight(f"scales{self.count}", np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", [x, "", scales], mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def chain(self, module, x):
        """Folded blocks: Sequential of Conv2d and ReLU at any depth."""
        if isinstance(module, nn.Conv2d):
            return self.conv(module, x)
        if isinstance(module, nn.ReLU):
            return self.node("Relu", [x])
        for child in module.children():
            x = self.chain(child, x)
        return x

    def model(self, name, inputs, outputs):
        """The checked model."""
        def info(items):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in items]

        graph = helper.make_graph(self.nodes, name, info(inputs), info(outputs), self.weights)
        model = helper.make_model(graph, producer_name="heatmark",
                                  opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def landmarker(net, size, channels=1):
    """A folded `Landmarker`: `image` [1, c, size, size] to `votes` [1, 12, 12, 280], `presence` [1, 1]."""
    w = Writer()
    body, head = net.backbone, net.head
    near = w.chain(body.shallow, "image")
    deep = w.chain(body.deep, near)
    if body.wide is not None:
        deep = w.node("Add", [deep, w.up(w.chain(body.wide, deep))])
    deep = w.chain(body.down, deep)
    x = w.chain(body.join, w.node("Add", [near, w.up(deep)]))
    # Cells outside, channels inside: as the runtime's kernels leave them, and as its decoder reads fastest.
    w.node("Transpose", [w.conv(head.votes, x)], "votes", perm=[0, 2, 3, 1])
    seen = w.node("Relu", [w.conv(head.look, x)])
    w.linear(head.presence, w.node("Flatten", [seen], axis=1), "presence")
    cells = size // 8
    return w.model("landmarks", [("image", [1, channels, size, size])],
                   [("votes", [1, cells, cells, 4 * COUNT]), ("presence", [1, 1])])


def detector(net, channels=1):
    """A folded `Detector` of free height and width (multiples of 32)."""
    w = Writer()
    s4 = w.chain(net.stride4, "image")
    s8 = w.chain(net.stride8, s4)
    s16 = w.chain(net.stride16, s8)
    y = w.chain(net.join16, w.node("Add", [s16, w.up(w.chain(net.stride32, s16))]))
    y = w.chain(net.join8, w.node("Add", [s8, w.up(w.chain(net.down8, y))]))
    y = w.chain(net.join4, w.node("Add", [s4, w.up(w.chain(net.down4, y))]))
    w.conv(net.heat, y, "heat")
    w.conv(net.geom, y, "geom")
    return w.model("detector", [("image", [1, channels, "height", "width"])],
                   [("heat", [1, 1, "rows", "columns"]), ("geom", [1, 14, "rows", "columns"])])
