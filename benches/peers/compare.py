"""All engines on one model: do they agree, and how long does each take? `compare.py FOLDER NAME...`

One thread, one CPU. The engines take turns in rounds of some ten milliseconds, so that a busy machine slows them
alike; processor time of the whole process is counted, which a neighbour cannot lengthen much.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import time

os.environ.update(OMP_NUM_THREADS="1", RTEN_NUM_THREADS="1", OPENCV_LOG_LEVEL="ERROR", TF_CPP_MIN_LOG_LEVEL="3")

import numpy as np
import onnx

from convert import numbers

# Some engines write to standard output; it is kept for the tables.
TABLES = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Here:
    """An engine inside this process: `step` runs it once."""

    def times(self, n):
        taken = []
        for _ in range(n):
            began = time.process_time_ns()
            self.step()
            taken.append((time.process_time_ns() - began) / 1e3)
        return statistics.median(taken), min(taken)


class OnnxRuntime(Here):
    def __init__(self, folder, name, x):
        import onnxruntime as o
        options = o.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = o.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        self.keep = o.OrtValue.ortvalue_from_numpy(x)
        binding.bind_ortvalue_input(session.get_inputs()[0].name, self.keep)
        self.values = []
        for out in session.get_outputs():
            self.values.append(o.OrtValue.ortvalue_from_shape_and_type(out.shape, np.float32))
            binding.bind_ortvalue_output(out.name, self.values[-1])
        self.version, self.step = o.__version__, lambda: session.run_with_iobinding(binding)

    def outputs(self):
        self.step()
        return [v.numpy() for v in self.values]


class LiteRt(Here):
    def __init__(self, folder, name, x):
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter
        self.lite = Interpreter(str(folder / f"{name}.tflite"), num_threads=1)
        self.lite.allocate_tensors()
        self.lite.set_tensor(self.lite.get_input_details()[0]["index"], np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
        self.version, self.step = ai_edge_litert.__version__, self.lite.invoke

    def outputs(self):
        self.step()
        values = [self.lite.get_tensor(d["index"]) for d in self.lite.get_output_details()]
        return [v.transpose(0, 3, 1, 2) if v.ndim == 4 else v for v in values]


class Ncnn(Here):
    def __init__(self, folder, name, x):
        import ncnn
        self.net = ncnn.Net()
        o = self.net.opt
        o.num_threads, o.use_vulkan_compute = 1, False
        o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = o.use_bf16_storage = False
        stem = str(folder / name.replace("-", "_"))
        self.net.load_param(stem + ".ncnn.param")
        self.net.load_model(stem + ".ncnn.bin")
        self.array = np.ascontiguousarray(x[0])
        self.input = ncnn.Mat(self.array).clone()
        self.names = sorted(self.net.output_names(), key=lambda n: (len(n), n))
        self.version = ncnn.__version__

    def step(self):
        e = self.net.create_extractor()
        e.input("in0", self.input)
        self.made = [e.extract(n)[1] for n in self.names]

    def outputs(self):
        self.step()
        return [np.array(v) for v in self.made]


class OpenVino(Here):
    def __init__(self, folder, name, x):
        import openvino as ov
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self.model = ov.Core().compile_model(folder / f"{name}.onnx", "CPU", settings)
        self.request = self.model.create_infer_request()
        self.request.set_input_tensor(ov.Tensor(x))
        self.version, self.step = ov.__version__.split("-")[0], self.request.infer

    def outputs(self):
        self.step()
        return [self.request.get_output_tensor(i).data.copy() for i in range(len(self.model.outputs))]


class OpenCv(Here):
    def __init__(self, folder, name, x):
        import cv2
        cv2.setNumThreads(1)
        self.net, self.x, self.version = cv2.dnn.readNetFromONNX(str(folder / f"{name}.onnx")), x, cv2.__version__
        self.names = [o.name for o in onnx.load(folder / f"{name}.onnx").graph.output]

    def step(self):
        self.net.setInput(self.x)
        self.made = self.net.forward(self.names)

    def outputs(self):
        self.step()
        return list(self.made)


class Mnn(Here):
    def __init__(self, folder, name, x):
        import MNN
        self.net = MNN.Interpreter(str(folder / f"{name}.mnn"))
        self.session = self.net.createSession({"numThread": 1, "backend": "CPU", "precision": "high"})
        planes = MNN.Tensor_DimensionType_Caffe
        self.net.getSessionInput(self.session).copyFrom(MNN.Tensor(x.shape, MNN.Halide_Type_Float, x, planes))
        self.names = [o.name for o in onnx.load(folder / f"{name}.onnx").graph.output]
        self.planes, self.mnn, self.version = planes, MNN, MNN.version()
        self.step = lambda: self.net.runSession(self.session)

    def outputs(self):
        self.step()
        made = []
        for name in self.names:
            value = self.net.getSessionOutput(self.session, name)
            shape = value.getShape()
            host = self.mnn.Tensor(shape, self.mnn.Halide_Type_Float, np.zeros(shape, np.float32), self.planes)
            value.copyToHostTensor(host)
            made.append(np.array(host.getData(), np.float32))
        return made


class Program:
    """An engine in a process of its own, which speaks protocol.rs."""

    def __init__(self, command, version, **settings):
        self.version = version
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={**os.environ, **settings})

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the engine ended")
        return answer.split()

    def times(self, n):
        median, least = map(float, self.ask(f"run {n}"))
        return median, least

    def outputs(self):
        return [np.array(self.ask("out"), np.float32)]


#: In the order of the summary's columns.
ENGINES = ("OpenVINO", "onnxruntime", "LiteRT (XNNPACK)", "ncnn", "MNN", "OpenCV", "rten", "tract, tuned", "tract")

#: Engines that need a format which quantised models are not brought to.
FLOAT_ONLY = ("ncnn", "MNN")


def engines(arguments, folder, name, x, quantised):
    """Every engine that loads the model."""
    file = str(folder / f"{name}.onnx")
    makers = {
        "heatmark": lambda: Program([arguments.serve, "heatmark", file], "this tree"),
        "onnxruntime": lambda: OnnxRuntime(folder, name, x),
        "LiteRT (XNNPACK)": lambda: LiteRt(folder, name, x),
        "ncnn": lambda: Ncnn(folder, name, x),
        "OpenVINO": lambda: OpenVino(folder, name, x),
        "MNN": lambda: Mnn(folder, name, x),
        "OpenCV": lambda: OpenCv(folder, name, x),
        "rten": lambda: Program([arguments.rten, file], "0.27.0"),
        "tract": lambda: Program([arguments.serve, "tract", file], "0.23.9"),
        # Its kernels for AVX-512 are slower than those for AVX2.
        "tract, tuned": lambda: Program([arguments.serve, "tract", file], "0.23.9", TRACT_CPU_ISA="-avx512f"),
    }
    ready = {}
    for engine, make in makers.items():
        if quantised and engine in FLOAT_ONLY:
            continue
        try:
            ready[engine] = make()
            ready[engine].flat = np.concatenate([np.ravel(v) for v in ready[engine].outputs()])
        except Exception as e:
            ready.pop(engine, None)
            print(f"{engine} does not run {name}: {e}", file=TABLES, flush=True)
    return ready


def compare(arguments, folder, name):
    """Least and median us by engine."""
    graph = onnx.load(folder / f"{name}.onnx").graph
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    quantised = any(n.op_type == "QuantizeLinear" for n in graph.node)
    # A whole number that one engine rounds up and another down is a step of the output's; a float through Winograd's
    # method is off by up to 2e-4 in MNN.
    most = 0.05 if quantised else 3e-4
    ready = engines(arguments, folder, name, numbers(shape), quantised)
    reference = ready["onnxruntime"].flat
    scale = np.abs(reference).max()
    print(f"\n### {name}, {shape[3]}x{shape[2]}\n", file=TABLES)
    for engine in list(ready):
        flat = ready[engine].flat
        ready[engine].error = np.abs(flat - reference).max() / scale if flat.shape == reference.shape else np.inf
        if not ready[engine].error < most:
            print(f"{engine} disagrees with onnxruntime by {ready[engine].error:.1e} of the largest output; left out\n",
                  file=TABLES)
            ready.pop(engine)
    times = {engine: [] for engine in ready}
    count = {engine: max(3, int(arguments.turn_ms * 1e3 / e.times(10)[0])) for engine, e in ready.items()}
    for _ in range(arguments.rounds):
        for engine, e in ready.items():
            times[engine].append(e.times(count[engine]))
    rows = []
    for engine, e in ready.items():
        medians = sorted(m for m, _ in times[engine])
        middle, spread = statistics.median(medians), medians[int(0.9 * len(medians))] / medians[int(0.1 * len(medians))]
        rows.append((min(least for _, least in times[engine]), middle, spread, e.error, engine, e.version))
    ours = next(r for r in rows if r[4] == "heatmark")
    print("| engine | version | least us | median us | spread | least, of ours | median, of ours | error |", file=TABLES)
    print("|---|---|---:|---:|---:|---:|---:|---:|", file=TABLES)
    for least, middle, spread, error, engine, version in sorted(rows):
        print(f"| {engine} | {version} | {least:.0f} | {middle:.0f} | {spread:.2f} | {least / ours[0]:.2f} | "
              f"{middle / ours[1]:.2f} | {error:.0e} |", file=TABLES, flush=True)
    return {engine: (least, middle) for least, middle, _, _, engine, _ in rows}


def summary(results):
    """One table of every network: our times, then each engine's over ours, least and in brackets median."""
    names = sorted({e for times in results.values() for e in times} - {"heatmark"}, key=ENGINES.index)
    print("\n| network | us | " + " | ".join(names) + " |\n|---|" + "---:|" * (len(names) + 1), file=TABLES)
    for network, times in results.items():
        least, middle = times["heatmark"]
        cells = [f"{times[e][0] / least:.2f} ({times[e][1] / middle:.2f})" if e in times else "" for e in names]
        print(f"| {network} | {least:.0f} ({middle:.0f}) | " + " | ".join(cells) + " |", file=TABLES, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--serve", required=True, help="our engine and tract")
    parser.add_argument("--rten", required=True)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--turn-ms", type=float, default=15)
    arguments = parser.parse_args()
    # One CPU for all, the children included.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    summary({name: compare(arguments, arguments.folder.resolve(), name) for name in arguments.names})


main()
