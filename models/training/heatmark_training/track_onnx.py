"""A folded tracker as ONNX: one graph that a runtime cuts at the tensors `features`, `match` and `mix`.

    trunk   `visible` [1, 3, height, width], `thermal` [1, 1, height, width] to `features` [1, c, height / 8, width / 8]
    bind    `template` [1, c, 8, 8], the features of the template's crop, to `match` [64, c, 1, 1] and `mix` [h, c, 1, 1]
    head    `features`, with `match` and `mix`, to `map` [1, 5, height / 8, width / 8] and `presence` [1, 1]

The node `merge` adds the stems' outputs, visible first; without one modality both its inputs are the other's.
"""

import copy

import numpy as np
import onnx

from .onnx_graph import GraphWriter
from .track_networks import Tracker
from .track_preprocess import TEMPLATE_CELLS

#: Names of the inputs in order, and of the outputs.
INPUTS, OUTPUTS = ("visible", "thermal", "template"), ("map", "presence")


def tracker_model(net: Tracker) -> onnx.ModelProto:
    """The ONNX model of a folded `Tracker`."""
    w = GraphWriter()
    trunk, width = net.trunk, net.trunk.width
    x = w.node("Add", [w.sequence(trunk.visible, "visible"), w.sequence(trunk.thermal, "thermal")], "merge")
    x = w.sequence(trunk.eighth, w.sequence(trunk.quarter, x))
    features = w.sequence(trunk.wide, x, "features")
    match, mix = _bind(w, net, width)
    head = net.head
    matched = w.node("Relu", [w.node("Conv", [features, match], kernel_shape=[1, 1])])
    joined = w.node("Add", [w.conv(head.join.from_match, matched),
                            w.node("Conv", [features, mix], kernel_shape=[1, 1])])
    x = w.sequence(head.blocks, w.node("Relu", [joined]), "head")
    w.conv(head.map, x, "map")
    pooled = w.node("Flatten", [w.node("Concat", [w.node("GlobalAveragePool", [x]), w.node("GlobalMaxPool", [x])],
                                       axis=1)], axis=1)
    w.linear(head.presence[2], w.node("Relu", [w.linear(head.presence[0], pooled)]), "presence")
    cells = TEMPLATE_CELLS
    return w.model("tracker", [("visible", [1, 3, "height", "width"]), ("thermal", [1, 1, "height", "width"]),
                               ("template", [1, width, cells, cells])],
                   [("map", [1, 5, "rows", "columns"]), ("presence", [1, 1])])


def in_mode(model: onnx.ModelProto, mode: str) -> onnx.ModelProto:
    """A copy of the model for one of `track_networks.MODES`: the node `merge` takes the stem that is left twice, and
    what is not needed any more is gone."""
    model = copy.deepcopy(model)
    if mode == "both":
        return model
    graph = model.graph
    merge = next(n for n in graph.node if n.name == "merge")
    kept = merge.input[1 if mode == "thermal" else 0]
    merge.input[:] = [kept, kept]
    needed = {o.name for o in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for part in (graph.initializer, graph.input):
        for item in [i for i in part if i.name not in needed]:
            part.remove(item)
    return model


def with_outputs(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """A copy of the model with further tensors as outputs."""
    model = copy.deepcopy(model)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    return model


def _bind(w: GraphWriter, net: Tracker, width: int) -> tuple[str, str]:
    """Writes the nodes from `template` to `match` and `mix`."""
    bind = net.bind
    cells = w.node("Transpose", [w.conv(bind.project, "template")], perm=[0, 2, 3, 1])
    rows = w.node("Reshape", [cells, w.weight("match.shape", np.array([-1, width, 1, 1], np.int64))])
    square = w.node("ReduceSum", [w.node("Mul", [rows, rows]), w.weight("match.axes", np.array([1], np.int64))],
                    keepdims=1)
    norm = w.node("Sqrt", [w.node("Add", [square, w.weight("match.least", np.float32([1e-6]))])])
    scaled = w.node("Mul", [rows, w.weight("match.scale", bind.scale.detach().numpy().reshape(1))])
    match = w.node("Div", [scaled, norm], "match")
    pooled = w.node("Flatten", [w.node("GlobalAveragePool", ["template"])], axis=1)
    gates = w.node("Sigmoid", [w.linear(bind.gate, pooled)])
    column = w.node("Reshape", [gates, w.weight("mix.shape", np.array([1, width, 1, 1], np.int64))])
    weights = w.weight("mix.weight", net.head.join.mix.weight.detach().numpy())
    return match, w.node("Mul", [weights, column], "mix")
