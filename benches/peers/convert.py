"""Brings an ONNX model to the formats of the peers: `convert.py CARD|ONNX FOLDER`.

Writes FOLDER/NAME.onnx (fixed input size), NAME.tflite, NAME.mnn, NAME.ncnn.param and NAME.ncnn.bin. A quantised
model has no MNN and ncnn forms: those quantise in ways of their own.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys
import tomllib

import flatbuffers
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import schema_py_generated as tfl


def numbers(shape):
    """The input that every engine gets, as in protocol.rs."""
    i = np.arange(np.prod(shape), dtype=np.uint64)
    u = (i * np.uint64(2654435761)) % np.uint64(1 << 32)
    return (u.astype(np.float64) / 2**31 - 1).astype(np.float32).reshape(shape)


def fixed(card_path):
    """The model of a card with the card's input size written into it, and without a last transpose: every
    engine answers in the order that is natural to the model."""
    card = tomllib.loads(card_path.read_text())
    model = onnx.load(card_path.parent / card["file"])
    shape = [1, card["input"]["channels"], card["input"]["height"], card["input"]["width"]]
    for d, n in zip(model.graph.input[0].type.tensor_type.shape.dim, shape):
        d.dim_value = n
    last = {n.output[0]: n for n in model.graph.node if n.op_type == "Transpose"}
    for o in model.graph.output:
        if o.name in last:
            model.graph.node.remove(last[o.name])
            o.name = last[o.name].input[0]
        o.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def unquantised(model):
    """A quantised model without its rounding: the graph, what each rounded value stands for (`name: (scale, zero)`
    in signed bytes), and the whole numbers of the weights (`name: (numbers, scales)`)."""
    known = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    plain, rounded, whole, same = onnx.ModelProto(), {}, {}, {}
    plain.CopyFrom(model)
    del plain.graph.node[:]
    for n in model.graph.node:
        if n.op_type == "QuantizeLinear":
            zero = known[n.input[2]]
            rounded[n.input[0]] = (known[n.input[1]].ravel(), int(zero.ravel()[0]) - (128 if zero.dtype == np.uint8 else 0))
            same[n.output[0]] = n.input[0]
        elif n.op_type == "DequantizeLinear" and n.input[0] in known:
            whole[n.output[0]] = (known[n.input[0]], known[n.input[1]].ravel())
        elif n.op_type == "DequantizeLinear":
            same[n.output[0]] = same[n.input[0]]
        else:
            plain.graph.node.append(n)
            for i, name in enumerate(n.input):
                plain.graph.node[-1].input[i] = same.get(name, name)
    # What is a float only for its reader needs a scale too, where bytes become bytes: that of what it shows, or of what
    # it says about some input.
    for n in plain.graph.node:
        if n.op_type == "Resize":
            rounded[n.output[0]] = rounded[n.input[0]]
    ends = [n.output[0] for n in plain.graph.node if n.op_type == "Conv" and n.input[1] in whole]
    ends = [next((r.output[0] for r in plain.graph.node if r.op_type == "Relu" and r.input[0] == e), e) for e in ends]
    ends = [e for e in ends if e not in rounded]
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.output.extend(onnx.helper.make_tensor_value_info(e, onnx.TensorProto.FLOAT, None)
                              for e in ends if e not in [o.name for o in model.graph.output])
    session = onnxruntime.InferenceSession(asked.SerializeToString(), providers=["CPUExecutionProvider"])
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    for name, value in zip(ends, session.run(ends, {model.graph.input[0].name: numbers(shape)})):
        low, high = min(value.min(), 0), max(value.max(), 1e-6)
        rounded[name] = (np.array([(high - low) / 255], np.float32), int(round(-128 - 255 * low / (high - low))))
    return plain, rounded, whole


class Lite:
    """Writes the operators of our models as TensorFlow Lite: rows, columns, channels."""

    def __init__(self, model):
        self.rounded, self.whole = {}, {}
        if any(n.op_type == "QuantizeLinear" for n in model.graph.node):
            model, self.rounded, self.whole = unquantised(model)
        self.graph = model.graph
        self.weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        self.shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
                       for v in [*model.graph.input, *model.graph.output, *model.graph.value_info]}
        self.buffers, self.tensors, self.operators, self.codes = [tfl.BufferT()], [], [], []
        self.at = {}

    def tensor(self, name, shape, data=None, quant=None):
        t = tfl.TensorT()
        t.name, t.shape, t.buffer = name, [int(n) for n in shape], 0
        t.type = tfl.TensorType.INT8 if quant else tfl.TensorType.FLOAT32
        if quant:
            t.quantization = tfl.QuantizationParametersT()
            t.quantization.scale = [float(v) for v in quant[0]]
            t.quantization.zeroPoint, t.quantization.quantizedDimension = [quant[1]] * len(quant[0]), 0
        if data is not None:
            t.type = {"int32": tfl.TensorType.INT32, "int8": tfl.TensorType.INT8}.get(data.dtype.name, t.type)
            b = tfl.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            t.buffer = len(self.buffers)
            self.buffers.append(b)
        self.tensors.append(t)
        return len(self.tensors) - 1

    def constant(self, name, data, quant=None):
        return self.tensor(name, data.shape, data, quant)

    def value(self, name, floats=False):
        """The tensor of a value, in the order of TensorFlow: bytes where it is rounded, unless `floats` are wanted."""
        key = name + "/floats" if floats and name in self.rounded else name
        if key not in self.at:
            s = self.shapes[name]
            quant = self.rounded.get(name) if key == name else None
            self.at[key] = self.tensor(key, [s[0], s[2], s[3], s[1]] if len(s) == 4 else s, quant=quant)
        return self.at[key]

    def floats(self, name):
        """A value as floats."""
        if name not in self.rounded or name + "/floats" in self.at:
            return self.value(name, True)
        to = self.value(name, True)
        self.operator(tfl.BuiltinOperator.DEQUANTIZE, [self.value(name)], to)
        return to

    def operator(self, code, inputs, output, options=None, kind=0):
        if code not in self.codes:
            self.codes.append(code)
        o = tfl.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = self.codes.index(code), inputs, [output]
        o.builtinOptions, o.builtinOptionsType = options, kind
        self.operators.append(o)

    def build(self):
        nodes = list(self.graph.node)
        users = {}
        for n in nodes:
            for i in n.input:
                users.setdefault(i, []).append(n)
        outputs = [o.name for o in self.graph.output]
        picture = self.graph.input[0].name
        inputs = [self.value(picture, True)]
        if picture in self.rounded:
            self.operator(tfl.BuiltinOperator.QUANTIZE, inputs, self.value(picture))
        fused = {}
        for n in nodes:
            out, act = n.output[0], tfl.ActivationFunctionType.NONE
            after = users.get(out, [])
            follows = self.limits(after[0]) if len(after) == 1 and out not in outputs else None
            if n.op_type in ("Conv", "Gemm", "Add") and follows is not None:
                out, act = after[0].output[0], follows
                fused[out] = True
            elif n.output[0] in fused:
                continue
            getattr(self, n.op_type.lower())(n, out, act)
        g = tfl.SubGraphT()
        g.tensors, g.operators, g.inputs = self.tensors, self.operators, inputs
        g.outputs, g.name = [self.floats(o) for o in outputs], "main"
        m = tfl.ModelT()
        m.version, m.subgraphs, m.buffers, m.description = 3, [g], self.buffers, "converted"
        m.operatorCodes = []
        for code in self.codes:
            c = tfl.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, code, 1
            m.operatorCodes.append(c)
        b = flatbuffers.Builder(1 << 20)
        b.Finish(m.Pack(b), b"TFL3")
        return bytes(b.Output())

    def limits(self, n):
        """What a ReLU, or one up to six, is as part of the operator before it."""
        if n.op_type == "Clip" and [float(self.weights[i]) for i in n.input[1:]] == [0, 6]:
            return tfl.ActivationFunctionType.RELU6
        return tfl.ActivationFunctionType.RELU if n.op_type == "Relu" else None

    def conv(self, n, out, act):
        a = {x.name: onnx.helper.get_attribute_value(x) for x in n.attribute}
        depthwise = a.get("group", 1) != 1
        if depthwise and (a["group"] != self.shapes[n.input[0]][1] or n.input[1] in self.whole):
            raise SystemExit(f"{n.name}: such groups are not converted")
        whole = n.input[1] in self.whole
        w, scales = self.whole[n.input[1]] if whole else (self.weights[n.input[1]], None)
        b = self.whole[n.input[2]][0] if whole else self.weights[n.input[2]]
        s, quant = self.shapes[n.input[0]], self.rounded.get(n.input[0]) if whole else None
        x, pads, stride = self.value(n.input[0]), a["pads"], a["strides"][0]
        padding = tfl.Padding.VALID
        if any(pads) and stride == 1:
            padding = tfl.Padding.SAME
        elif any(pads):
            # With a stride of two, SAME would pad after the map only.
            amounts = np.array([[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]], np.int32)
            padded = self.tensor(n.name + "/padded", [1, s[2] + pads[0] + pads[2], s[3] + pads[1] + pads[3], s[1]],
                                 quant=quant)
            self.operator(tfl.BuiltinOperator.PAD, [x, self.constant(n.name + "/pads", amounts)], padded,
                          tfl.PadOptionsT(), tfl.BuiltinOptions.PadOptions)
            x = padded
        kind = "DepthwiseConv2D" if depthwise else "Conv2D"
        code = tfl.BuiltinOperator.DEPTHWISE_CONV_2D if depthwise else tfl.BuiltinOperator.CONV_2D
        o = getattr(tfl, kind + "OptionsT")()
        o.padding, o.strideH, o.strideW, o.fusedActivationFunction = padding, stride, stride, act
        o.dilationHFactor = o.dilationWFactor = o.depthMultiplier = 1
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        inputs = [x, self.constant(n.input[1], w.transpose(order), (scales, 0) if whole else None),
                  self.constant(n.input[2], b, (scales * quant[0], 0) if whole else None)]
        self.operator(code, inputs, self.value(out, not whole), o, getattr(tfl.BuiltinOptions, kind + "Options"))
        if not whole and out in self.rounded:
            self.operator(tfl.BuiltinOperator.QUANTIZE, [self.value(out, True)], self.value(out))

    def gemm(self, n, out, act):
        w = self.weights[n.input[1]]
        before = [f for f in self.graph.node if n.input[0] in f.output and f.op_type == "Flatten"]
        if before:
            # Flatten here runs over rows, columns, channels: the weights follow.
            c, h, k = self.shapes[before[0].input[0]][1:]
            w = w.reshape(-1, c, h, k).transpose(0, 2, 3, 1).reshape(len(w), -1)
        o = tfl.FullyConnectedOptionsT()
        o.fusedActivationFunction = act
        inputs = [self.value(n.input[0]), self.constant(n.input[1], w),
                  self.constant(n.input[2], self.weights[n.input[2]])]
        self.operator(tfl.BuiltinOperator.FULLY_CONNECTED, inputs, self.value(out), o,
                      tfl.BuiltinOptions.FullyConnectedOptions)

    def reshape(self, n, out, act):
        shape = np.array(self.shapes[out], np.int32)
        o = tfl.ReshapeOptionsT()
        o.newShape = list(shape)
        self.operator(tfl.BuiltinOperator.RESHAPE, [self.floats(n.input[0]), self.constant(n.name + "/to", shape)],
                      self.value(out), o, tfl.BuiltinOptions.ReshapeOptions)

    flatten = reshape

    def add(self, n, out, act):
        o = tfl.AddOptionsT()
        o.fusedActivationFunction = act
        self.operator(tfl.BuiltinOperator.ADD, [self.value(i) for i in n.input], self.value(out), o,
                      tfl.BuiltinOptions.AddOptions)

    def resize(self, n, out, act):
        size = np.array(self.shapes[out][2:], np.int32)
        self.operator(tfl.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
                      [self.value(n.input[0]), self.constant(n.name + "/size", size)], self.value(out),
                      tfl.ResizeNearestNeighborOptionsT(), tfl.BuiltinOptions.ResizeNearestNeighborOptions)


    def hardswish(self, n, out, act):
        self.operator(tfl.BuiltinOperator.HARD_SWISH, [self.value(n.input[0])], self.value(out),
                      tfl.HardSwishOptionsT(), tfl.BuiltinOptions.HardSwishOptions)

    def sigmoid(self, n, out, act):
        self.operator(tfl.BuiltinOperator.LOGISTIC, [self.value(n.input[0])], self.value(out))

    def maxpool(self, n, out, act):
        a = {x.name: onnx.helper.get_attribute_value(x) for x in n.attribute}
        o = tfl.Pool2DOptionsT()
        o.padding = tfl.Padding.VALID
        (o.filterHeight, o.filterWidth), (o.strideH, o.strideW) = a["kernel_shape"], a["strides"]
        if any(a.get("pads", [])):
            raise SystemExit(f"{n.name}: padded pooling is not converted")
        self.operator(tfl.BuiltinOperator.MAX_POOL_2D, [self.value(n.input[0])], self.value(out), o,
                      tfl.BuiltinOptions.Pool2DOptions)

    def globalaveragepool(self, n, out, act):
        o = tfl.ReducerOptionsT()
        o.keepDims = True
        axes = self.constant(n.name + "/axes", np.array([1, 2], np.int32))
        self.operator(tfl.BuiltinOperator.MEAN, [self.value(n.input[0]), axes], self.value(out), o,
                      tfl.BuiltinOptions.ReducerOptions)


def main():
    file, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    folder.mkdir(exist_ok=True)
    model, name = onnx.load(file) if file.suffix == ".onnx" else fixed(file), file.stem
    onnx.save(model, folder / f"{name}.onnx")
    (folder / f"{name}.tflite").write_bytes(Lite(model).build())
    if any(n.op_type == "QuantizeLinear" for n in model.graph.node):
        return
    quiet = dict(check=True, cwd=folder, stdout=subprocess.DEVNULL)
    tool = os.path.join(os.path.dirname(sys.executable), "mnnconvert")
    subprocess.run([tool, "-f", "ONNX", "--modelFile", f"{name}.onnx", "--MNNModel", f"{name}.mnn", "--bizCode", "x"], **quiet)
    # The package itself would ask for PyTorch; its converter does not.
    converter = pathlib.Path(importlib.util.find_spec("pnnx").submodule_search_locations[0]) / "pnnx"
    subprocess.run([converter, f"{name}.onnx", "fp16=0"], **quiet)


if __name__ == "__main__":
    main()
