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


if __name__ == "__main__":
    landmarks()
    detector()
