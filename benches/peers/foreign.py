"""Networks that are not ours, of usual shapes and sizes, with random weights: `foreign.py FOLDER` writes their ONNX files.

Architectures after their papers: MobileNetV2 (Sandler et al., 2018) at half width, PP-LCNet (Cui et al., 2021) at half
width, YuNet (Wu et al., 2023). Differences are named at each. Batch normalisation is folded, as in every deployed file.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

FLOAT = onnx.TensorProto.FLOAT


class Net:
    """A chain from `at`, a value of shape `[1, channels, rows, columns]`; branches go on from an earlier `at`."""

    def __init__(self, name, shape):
        self.random = np.random.default_rng(7)
        self.name, self.at, self.count = name, "image", 0
        self.shapes = {"image": [1, *shape]}
        self.nodes, self.constants, self.outputs = [], [], []

    def constant(self, values):
        name = f"w{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def op(self, kind, inputs, shape, **attributes):
        self.count += 1
        name = f"{kind.lower()}{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.shapes[name], self.at = shape, name
        return self

    @property
    def channels(self):
        return self.shapes[self.at][1]

    def conv(self, outputs, size=1, stride=1, act=None, depthwise=False):
        """Weights that keep the variance of what they are given, about halved by an activation."""
        n, inputs, h, w = self.shapes[self.at]
        taps = size * size * (1 if depthwise else inputs)
        spread = np.sqrt((6 if act else 3) / taps)
        weights = self.random.uniform(-spread, spread, [outputs, 1 if depthwise else inputs, size, size])
        constants = [self.constant(weights), self.constant(self.random.uniform(-0.1, 0.1, outputs))]
        shape = [n, outputs, *((v + size // 2 * 2 - size) // stride + 1 for v in (h, w))]
        self.op("Conv", [self.at, *constants], shape, kernel_shape=[size] * 2, strides=[stride] * 2,
                pads=[size // 2] * 4, group=inputs if depthwise else 1)
        return self.act(act)

    def depthwise(self, stride=1, act=None, size=3):
        return self.conv(self.channels, size, stride, act, True)

    def act(self, kind):
        shape = self.shapes[self.at]
        if kind == "Relu6":
            return self.op("Clip", [self.at, self.constant(0.0), self.constant(6.0)], shape)
        return self.op(kind, [self.at], shape) if kind else self

    def add(self, other):
        return self.op("Add", [self.at, other], self.shapes[self.at])

    def halved(self):
        n, c, h, w = self.shapes[self.at]
        return self.op("MaxPool", [self.at], [n, c, h // 2, w // 2], kernel_shape=[2, 2], strides=[2, 2])

    def doubled(self):
        n, c, h, w = self.shapes[self.at]
        sizes = ["", self.constant([1, 1, 2, 2])]
        return self.op("Resize", [self.at, *sizes], [n, c, 2 * h, 2 * w], mode="nearest",
                       coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def averaged(self):
        return self.op("GlobalAveragePool", [self.at], [1, self.channels, 1, 1])

    def classes(self, count):
        inputs = self.channels
        self.op("Flatten", [self.at], [1, inputs], axis=1)
        spread = np.sqrt(3 / inputs)
        constants = [self.constant(self.random.uniform(-spread, spread, [count, inputs])),
                     self.constant(self.random.uniform(-0.1, 0.1, count))]
        return self.op("Gemm", [self.at, *constants], [1, count], transB=1)

    def output(self):
        self.outputs.append(self.at)
        return self

    def model(self):
        values = [helper.make_tensor_value_info(n, FLOAT, self.shapes[n]) for n in ["image", *self.outputs]]
        graph = helper.make_graph(self.nodes, self.name, values[:1], values[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def eighths(channels):
    return max(8, int(channels + 4) // 8 * 8)


def mobilenet():
    """As it is, for 1000 classes: the last map keeps its 1280 channels at this width."""
    n = Net("mobilenet-v2-half", [3, 96, 96])
    n.conv(16, 3, 2, "Relu6")
    for widen, channels, times, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                           (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(times):
            before, channels_before = n.at, n.channels
            if widen > 1:
                n.conv(n.channels * widen, act="Relu6")
            n.depthwise(stride if i == 0 else 1, "Relu6").conv(eighths(channels / 2))
            if i > 0 or (stride == 1 and n.channels == channels_before):
                n.add(before)
    return n.conv(1280, act="Relu6").averaged().classes(1000).output().model()


def lcnet():
    """Without the two squeeze-and-excitation gates, and with 3x3 windows where the paper has 5x5."""
    n = Net("pp-lcnet-half", [3, 128, 128])
    n.conv(8, 3, 2, "HardSwish")
    for channels, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]:
        n.depthwise(stride, "HardSwish").conv(channels, act="HardSwish")
    return n.averaged().conv(1280, act="HardSwish").classes(1000).output().model()


def yunet():
    """The published "n" size; heads are given out as maps, without what sorts them into anchors."""
    n = Net("yunet-n", [3, 128, 160])

    def unit(outputs, act="Relu"):
        n.conv(outputs).depthwise(1, act)

    n.conv(16, 3, 2, "Relu")
    unit(16)
    n.halved()
    stages = []
    for pooled in (False, True, True, True, False):
        unit(n.channels)
        unit(64)
        stages.append(n.at)
        if pooled:
            n.halved()
    scales = []
    for i in (4, 3, 2):
        if scales:
            n.doubled().add(stages[i])
        unit(64)
        scales.append(n.at)
    for scale in reversed(scales):
        n.at = scale
        unit(64)
        shared = n.at
        for outputs, act in [(1, "Sigmoid"), (1, "Sigmoid"), (4, None), (10, None)]:
            n.at = shared
            unit(outputs, None)
            n.act(act).output()
    return n.model()


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for make in (mobilenet, lcnet, yunet):
        model = make()
        path = folder / f"{model.graph.name}.onnx"
        onnx.save(model, path)
        print(path)


if __name__ == "__main__":
    main()
