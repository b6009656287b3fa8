"""Writes the tiny random models that tests of the runtime load. Needs onnx and onnxruntime.

    python tests/tiny_models.py
"""

import hashlib
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parents[3] / "tests/data/models"
rng = np.random.default_rng(7)

Nodes = list[onnx.NodeProto]
Weights = list[onnx.TensorProto]


def conv(weights: Weights, nodes: Nodes, x: str, name: str, cin: int, cout: int, stride: int, relu: bool = True,
         k: int = 3) -> str:
    """Adds a convolution, with a ReLU if `relu`; returns the name of its output."""
    w = rng.normal(0, 1.4 / np.sqrt(cin * k * k), (cout, cin, k, k)).astype(np.float32)
    weights += [numpy_helper.from_array(w, name + ".w"),
                numpy_helper.from_array(rng.normal(0, 0.1, cout).astype(np.float32), name + ".b")]
    out = name + ".conv" if relu else name
    nodes.append(helper.make_node("Conv", [x, name + ".w", name + ".b"], [out], kernel_shape=[k, k],
                                  strides=[stride] * 2, pads=[k // 2] * 4))
    if relu:
        nodes.append(helper.make_node("Relu", [out], [name]))
    return name


def save(name: str, task: str, decode: str, nodes: Nodes, weights: Weights, shape: list[int],
         outputs: list[tuple[str, list[int]]], extra_input: str) -> None:
    """Writes a model, its golden file and its card."""
    def info(n: str, s: list | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(n, TensorProto.FLOAT, s)

    free = ["n", 1, "h", "w"] if task == "detector" else shape
    graph = helper.make_graph(nodes, name, [info("input", free)], [info(n, None) for n, _ in reversed(outputs)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = model.SerializeToString()
    (FOLDER / f"{name}.onnx").write_bytes(data)
    u8 = rng.integers(0, 256, shape).astype(np.uint8)
    x = (u8.astype(np.float32) / np.float32(127.5)) - np.float32(1)
    run = onnxruntime.InferenceSession(data).run([n for n, _ in outputs], {"input": x})
    with open(FOLDER / f"{name}.npy", "wb") as f:
        np.save(f, u8)
        for y in run:
            np.save(f, y.astype(np.float32))
    card = f"""name = "{name}"
task = "{task}"
description = "Random weights, for tests only."
file = "{name}.onnx"
sha256 = "{hashlib.sha256(data).hexdigest()}"
licence = "MIT OR Apache-2.0"
decode = "{decode}"

[input]
name = "input"
channels = 1
height = {shape[2]}
width = {shape[3]}
{extra_input}
"""
    for (n, s), y in zip(outputs, run):
        assert list(y.shape) == s, (y.shape, s)
        card += f'\n[[outputs]]\nname = "{n}"\nshape = {s}\n'
    card += f'\n[golden]\nfile = "{name}.npy"\n'
    (FOLDER / f"{name}.toml").write_text(card)


def landmarks() -> None:
    """A landmark network."""
    nodes: Nodes = []
    weights: Weights = []
    x = "input"
    for i, (a, b) in enumerate([(1, 8), (8, 16), (16, 16)]):
        x = conv(weights, nodes, x, f"c{i}", a, b, 2)
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pool"]))
    nodes.append(helper.make_node("Flatten", ["pool"], ["flat"]))
    for n, m in [("points", 210), ("presence", 1)]:
        weights += [numpy_helper.from_array(rng.normal(0, 0.3, (m, 16)).astype(np.float32), n + ".w"),
                    numpy_helper.from_array(rng.normal(0, 0.3, m).astype(np.float32), n + ".b")]
        nodes.append(helper.make_node("Gemm", ["flat", n + ".w", n + ".b"], [n], transB=1))
    weights.append(numpy_helper.from_array(np.array([1, 70, 3], np.int64), "shape"))
    nodes.append(helper.make_node("Reshape", ["points", "shape"], ["landmarks"]))
    # Outputs are declared in the other order than the card's, which must not matter.
    save("tiny-landmarks", "landmarks", "laplace70", nodes, weights, [1, 1, 96, 96],
         [("landmarks", [1, 70, 3]), ("presence", [1, 1])],
         "percentiles = [1.0, 99.0]\ncrop_factor = 1.4")


def detector() -> None:
    """A detector."""
    nodes: Nodes = []
    weights: Weights = []
    x = conv(weights, nodes, "input", "c0", 1, 8, 2)
    x = conv(weights, nodes, x, "c1", 8, 16, 2)
    conv(weights, nodes, x, "heat", 16, 1, 1, relu=False, k=1)
    conv(weights, nodes, x, "geom", 16, 14, 1, relu=False, k=1)
    save("tiny-detector", "detector", "center-stride4", nodes, weights, [1, 1, 120, 160],
         [("heat", [1, 1, 30, 40]), ("geom", [1, 14, 30, 40])],
         "percentiles = [0.5, 99.5]")


def tracker() -> None:
    """A tracker. Its head prefers cells that look like the template's middle."""
    name, width, cells = "tiny-tracker", 16, 8
    nodes: Nodes = []
    weights: Weights = []

    def weight(n: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(value, n))
        return n

    def node(op: str, inputs: list[str], out: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def linear(x: str, n: str, inputs: int, outputs: int) -> str:
        return node("Gemm", [x, weight(n + ".w", rng.normal(0, 0.3, (outputs, inputs)).astype(np.float32)),
                             weight(n + ".b", rng.normal(0, 0.3, outputs).astype(np.float32))], n, transB=1)

    stems = [conv(weights, nodes, conv(weights, nodes, side, side + ".2", channels, 4, 2), side + ".4", 4, 8, 2)
             for side, channels in (("visible", 3), ("thermal", 1))]
    x = conv(weights, nodes, node("Add", stems, "merge"), "quarter", 8, 8, 1)
    features = conv(weights, nodes, conv(weights, nodes, x, "eighth", 8, width, 2), "features", width, width, 1)

    project = conv(weights, nodes, "template", "project", width, width, 1, relu=False, k=1)
    rows = node("Reshape", [node("Transpose", [project], "rows.nhwc", perm=[0, 2, 3, 1]),
                            weight("match.shape", np.array([-1, width, 1, 1], np.int64))], "rows")
    square = node("ReduceSum", [node("Mul", [rows, rows], "squares"), weight("match.axes", np.array([1], np.int64))],
                  "square", keepdims=1)
    node("Div", [rows, node("Sqrt", [square], "norm")], "match")
    gates = node("Sigmoid", [linear(node("Flatten", [node("GlobalAveragePool", ["template"], "template.mean")],
                                         "template.flat", axis=1), "gate", width, width)], "gates")
    column = node("Reshape", [gates, weight("mix.shape", np.array([1, width, 1, 1], np.int64))], "column")
    node("Mul", [weight("mix.w", rng.normal(0, 0.3, (8, width, 1, 1)).astype(np.float32)), column], "mix")

    matched = node("Relu", [node("Conv", [features, "match"], "matched.conv", kernel_shape=[1, 1])], "matched")
    joined = node("Add", [conv(weights, nodes, matched, "from_match", cells * cells, 8, 1, relu=False, k=1),
                          node("Conv", [features, "mix"], "mixed", kernel_shape=[1, 1])], "joined")
    head = conv(weights, nodes, node("Relu", [joined], "joined.relu"), "head", 8, 8, 1)
    conv(weights, nodes, head, "map", 8, 5, 1, relu=False, k=1)
    pooled = node("Flatten", [node("Concat", [node("GlobalAveragePool", [head], "mean"),
                                              node("GlobalMaxPool", [head], "most")], "both", axis=1)], "pooled", axis=1)
    linear(node("Relu", [linear(pooled, "fc", 16, 8)], "fc.relu"), "presence", 8, 1)
    for n in nodes:
        n.name = n.output[0]

    def info(n: str, shape: list | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)

    sides = ["height", "width"]
    graph = helper.make_graph(nodes, name, [info("visible", [1, 3, *sides]), info("thermal", [1, 1, *sides]),
                                            info("template", [1, width, cells, cells])],
                              [info("map", None), info("presence", None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = model.SerializeToString()
    (FOLDER / f"{name}.onnx").write_bytes(data)
    given = {"visible": rng.integers(0, 256, (1, 3, 128, 128)).astype(np.uint8),
             "thermal": rng.integers(0, 256, (1, 1, 128, 128)).astype(np.uint8),
             "template": np.abs(rng.normal(0, 1, (1, width, cells, cells))).astype(np.float32)}
    outputs = onnxruntime.InferenceSession(data).run(["map", "presence"], {
        n: v / np.float32(127.5) - np.float32(1) if v.dtype == np.uint8 else v for n, v in given.items()})
    with open(FOLDER / f"{name}.npy", "wb") as f:
        for array in (*given.values(), *outputs):
            np.save(f, array)
    (FOLDER / f"{name}.toml").write_text(f"""name = "{name}"
task = "tracker"
description = "Random weights, for tests only."
file = "{name}.onnx"
sha256 = "{hashlib.sha256(data).hexdigest()}"
licence = "MIT OR Apache-2.0"
decode = "target8"

[tracker]
template = 64
search = 128
features = {width}
percentiles = [2.0, 98.0]

[[outputs]]
name = "map"
shape = [1, 5, 16, 16]

[[outputs]]
name = "presence"
shape = [1, 1]

[golden]
file = "{name}.npy"
""")


if __name__ == "__main__":
    landmarks()
    detector()
    tracker()
