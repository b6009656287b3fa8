"""Instructions that engines execute per run on 64-bit Arm, counted under emulation: `instructions.py FOLDER NAME...`.

The emulator writes a line per block of code that it runs, with chaining off, and each block's instructions when it
first meets it; both only for the engine's own code. What a second run adds is a run. Times under emulation
mean nothing; counts are the same on every machine. This file runs as `--guest` inside the emulator, too.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

#: Where each engine's code lies among the mapped files.
LIBRARIES = {"onnxruntime": "onnxruntime_pybind11_state", "LiteRT (XNNPACK)": "libpywrap_litert_common",
             "ncnn": "/ncnn.cpython", "MNN": "_mnncengine"}


def guest(engine, folder, name, runs):
    """Loads the model, says where the engine's code lies, and runs it."""
    import numpy as np
    x = np.load(folder / f"{name}.npy")
    if engine == "onnxruntime":
        import onnxruntime as o
        options = o.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = o.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
        step = lambda: session.run(None, {session.get_inputs()[0].name: x})
    elif engine == "LiteRT (XNNPACK)":
        from ai_edge_litert.interpreter import Interpreter
        lite = Interpreter(str(folder / f"{name}.tflite"), num_threads=1)
        lite.allocate_tensors()
        lite.set_tensor(lite.get_input_details()[0]["index"], np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
        step = lite.invoke
    elif engine == "ncnn":
        import ncnn
        net = ncnn.Net()
        o = net.opt
        o.num_threads, o.use_vulkan_compute = 1, False
        o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = o.use_bf16_storage = False
        stem = str(folder / name.replace("-", "_"))
        net.load_param(stem + ".ncnn.param")
        net.load_model(stem + ".ncnn.bin")
        names, value = list(net.output_names()), ncnn.Mat(np.ascontiguousarray(x[0])).clone()

        def step():
            e = net.create_extractor()
            e.input("in0", value)
            for n in names:
                e.extract(n)
    else:
        import MNN
        net = MNN.Interpreter(str(folder / f"{name}.mnn"))
        session = net.createSession({"numThread": 1, "backend": "CPU", "precision": "high"})
        planes = MNN.Tensor_DimensionType_Caffe
        net.getSessionInput(session).copyFrom(MNN.Tensor(x.shape, MNN.Halide_Type_Float, x, planes))
        step = lambda: net.runSession(session)
    for _ in range(runs):
        step()
    maps = [line.split() for line in open("/proc/self/maps")]
    code = [m[0].split("-") for m in maps if len(m) > 5 and LIBRARIES[engine] in m[5] and "x" in m[1]]
    for start, end in code:
        print("code", start, end, flush=True)


def emulate(arguments, command, ranges, feed=None):
    """Runs a guest and counts the instructions that it executes in the ranges; its output too."""
    fixed = ["setarch", "-R", arguments.emulator, "-cpu", arguments.cpu]
    if not ranges:
        return 0, subprocess.run([*fixed, *command], input=feed, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        pipe = pathlib.Path(folder) / "log"
        os.mkfifo(pipe)
        total = []
        reader = threading.Thread(target=lambda: total.append(count(pipe)))
        reader.start()
        wanted = ",".join(f"0x{a}+0x{int(b, 16) - int(a, 16):x}" for a, b in ranges)
        done = subprocess.run([*fixed, "-d", "exec,nochain,in_asm", "-dfilter", wanted, "-D", pipe, *command],
                              input=feed, capture_output=True, text=True, check=True)
        reader.join()
        return total[0], done.stdout


def count(log):
    """Instructions in a log of blocks."""
    lengths, executed, block = {}, {}, None
    run = re.compile(rb"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")
    with open(log, "rb") as lines:
        for line in lines:
            if line.startswith(b"Trace"):
                at = int(run.match(line)[1], 16)
                executed[at] = executed.get(at, 0) + 1
            elif line.startswith(b"IN:"):
                block = None
            elif line.startswith(b"0x"):
                at = int(line[:line.index(b":")], 16)
                if block is None:
                    block, lengths[at] = at, 0
                lengths[block] += 1
    return sum(times * lengths[at] for at, times in executed.items())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--guest", nargs=2, metavar=("ENGINE", "RUNS"))
    parser.add_argument("--serve", help="our engine, built for aarch64 and linked statically")
    parser.add_argument("--root", type=pathlib.Path, help="Debian's Python for arm64")
    parser.add_argument("--site", type=pathlib.Path, help="the peers' packages for aarch64")
    parser.add_argument("--emulator", default="qemu-aarch64")
    parser.add_argument("--cpu", default="cortex-a76")
    parser.add_argument("--engines", nargs="*", default=list(LIBRARIES))
    arguments = parser.parse_args()
    if arguments.guest:
        return guest(arguments.guest[0], arguments.folder, arguments.names[0], int(arguments.guest[1]))

    import numpy as np
    import onnx
    from convert import numbers
    inside = ["-L", arguments.root, "-E", f"PYTHONPATH={arguments.site}", "-E", f"PYTHONHOME={arguments.root}/usr",
              "-E", "OPENBLAS_NUM_THREADS=1", "-E", "OMP_NUM_THREADS=1", arguments.root / "usr/bin/python3.11", __file__]
    print("| network | engine | million instructions | of ours |\n|---|---|---:|---:|", flush=True)
    places = {}
    for name in arguments.names:
        graph = onnx.load(arguments.folder / f"{name}.onnx").graph
        quantised = any(n.op_type == "QuantizeLinear" for n in graph.node)
        np.save(arguments.folder / f"{name}.npy",
                numbers([d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]))
        ours = None
        for engine in ["heatmark", *arguments.engines]:
            if quantised and engine in ("ncnn", "MNN"):
                continue
            try:
                if engine == "heatmark":
                    command = [arguments.serve, "heatmark", arguments.folder / f"{name}.onnx"]
                    ranges = program(arguments.serve)
                    counts = [emulate(arguments, command, ranges, f"run {n}\n")[0] for n in (1, 2)]
                else:
                    say = lambda n: [*inside, arguments.folder, name, "--guest", engine, str(n)]
                    if engine not in places:
                        said = emulate(arguments, say(0), None)[1].split("\n")
                        places[engine] = [s.split()[1:] for s in said if s.startswith("code")]
                    counts = [emulate(arguments, say(n), places[engine])[0] for n in (1, 2)]
            except (subprocess.CalledProcessError, OSError) as e:
                print(f"{engine} does not run {name}: {getattr(e, 'stderr', '') or e}", file=sys.stderr)
                continue
            each = (counts[1] - counts[0]) / 1e6
            ours = ours or each
            print(f"| {name} | {engine} | {each:.2f} | {each / ours:.2f} |", flush=True)


def program(path):
    """Where the code that a run needs lies in a statically linked program of ours, which the emulator loads where the
    file says. The loading of a model would fill the log."""
    text = subprocess.run(["nm", "-n", "-S", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    wanted = re.compile(r"heatmark7kernels|region4plan|region6layout6Buffer|region8executor|FnOnce9call_once|__mem|expf")
    loading = re.compile(r"pack|transform|3lay|fully_connected|5build")
    ranges = []
    for line in text.split("\n"):
        at, size, kind, name = (line.split(maxsplit=3) + [""] * 4)[:4]
        if kind in ("t", "T", "i") and wanted.search(name) and not loading.search(name):
            start, end = int(at, 16), int(at, 16) + int(size, 16)
            if ranges and start - ranges[-1][1] < 64:
                ranges[-1][1] = end
            else:
                ranges.append([start, end])
    return [(f"{a:x}", f"{b:x}") for a, b in ranges]


main()
