"""Exports a tracker: NAME.onnx, NAME.toml (the model card) and NAME.golden.npy. `export` calls it.

The golden file holds consecutive `.npy` arrays: the inputs `visible` and `thermal` of a search crop as u8 (``v / 127.5 - 1``
is the network's input), `template` as f32, then `map` and `presence` as f32.
"""

import copy
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch

from .networks import fold_batch_norms
from .track_decode import THRESHOLD
from .track_networks import Crops, Tracker, track_mflop
from .track_onnx import INPUTS, OUTPUTS, tracker_model, with_outputs
from .track_preprocess import SEARCH, SEARCH_CELLS, TEMPLATE, TEMPLATE_CELLS, THERMAL_TAIL

#: Inputs or outputs by name.
Arrays = dict[str, np.ndarray]


def run_tracker(model: onnx.ModelProto, inputs: Arrays, outputs: Sequence[str] = OUTPUTS) -> Arrays:
    """Outputs, or inner tensors, by onnxruntime."""
    known = {o.name for o in model.graph.output}
    if inner := [name for name in outputs if name not in known]:
        model = with_outputs(model, inner)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(outputs, session.run(list(outputs), inputs), strict=True))


def golden_inputs(net: Tracker) -> Arrays:
    """Picture-like u8 inputs of a search crop, in which the template's ellipse has moved; the template's features."""
    def picture(size: int, u0: float, v0: float) -> np.ndarray:
        v, u = np.meshgrid(*[(np.arange(size) + 0.5 - size / 2) / 16] * 2, indexing="ij")
        target = 1 / (1 + np.exp(-6 * (1 - np.hypot((u - u0) / 0.9, (v - v0) / 1.2))))
        ground = 0.25 * np.sin(1.7 * u + 0.4 * v) + 0.15 * np.cos(2.3 * v)
        planes = [ground - 0.4 + gain * target for gain in (1.1, -0.5, 0.7, 0.3)]
        return np.rint(127.5 * (np.clip(np.stack(planes)[None], -1, 1) + 1)).astype(np.uint8)

    template, search = picture(TEMPLATE, 0, 0), picture(SEARCH, 0.8, -0.5)
    visible, thermal = (torch.from_numpy(v.astype(np.float32) / 127.5 - 1) for v in (template[:, 1:], template[:, :1]))
    with torch.inference_mode():
        features = net.trunk(visible, thermal).numpy()
    return {"visible": np.ascontiguousarray(search[:, 1:]), "thermal": np.ascontiguousarray(search[:, :1]),
            "template": features}


def write_golden(path: Path, inputs: Arrays, outputs: Iterable[np.ndarray]) -> None:
    """Writes the golden file: the inputs in their order, then the outputs."""
    with open(path, "wb") as f:
        for array in (*inputs.values(), *outputs):
            np.save(f, array if array.dtype == np.uint8 else array.astype("<f4"))


def read_golden(path: Path) -> Arrays:
    """The inputs of a golden file."""
    with open(path, "rb") as f:
        return {name: np.load(f) for name in INPUTS}


def parity(net: Tracker, model: onnx.ModelProto, seed: int = 0, side: int = SEARCH) -> float:
    """Largest difference between the trained network and the exported one, relative to the output; the template too
    goes through the exported trunk."""
    rng = np.random.default_rng(seed)
    crops = [rng.uniform(-1, 2, (1, c, s, s)).astype(np.float32) for s in (TEMPLATE, side) for c in (3, 1)]
    with torch.inference_mode():
        tensors = [torch.from_numpy(v) for v in crops]
        want = [v.numpy() for v in net(Crops(*tensors[:2]), Crops(*tensors[2:]))]
    empty = np.zeros((1, net.trunk.width, TEMPLATE_CELLS, TEMPLATE_CELLS), np.float32)
    template = run_tracker(model, dict(zip(INPUTS, [*crops[:2], empty])), ["features"])["features"]
    got = run_tracker(model, dict(zip(INPUTS, [*crops[2:], template])))
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in zip(want, got.values()))


def card(name: str, net: Tracker, state: dict[str, Any], digest: str) -> dict[str, Any]:
    """The card's tables. `digest`: SHA-256 of the ONNX file."""
    about, metrics = state["describe"], state["metrics"]
    tail = 100 * THERMAL_TAIL
    training = {k: v for k, v in about.items() if k != "task"} | {"recipe": "", "mflop": round(track_mflop(net), 1)}
    return {"": {"name": name, "task": "tracker", "description":
                 "Any target given by a box, in thermal and visible crops or either alone.", "file": f"{name}.onnx",
                 "sha256": digest, "licence": "", "decode": "target8"},
            "tracker": {"template": TEMPLATE, "search": SEARCH, "features": net.trunk.width,
                        "percentiles": [tail, 100 - tail]},
            "outputs": [{"name": "map", "shape": [1, 5, SEARCH_CELLS, SEARCH_CELLS]},
                        {"name": "presence", "shape": [1, 1]}],
            "decoding": {"threshold": THRESHOLD, "presence": 0.5},
            "golden": {"file": f"{name}.golden.npy"}, "training": training,
            "metrics": {f"{k}_synthetic": float(v) for k, v in metrics.items() if np.isfinite(v)}}


def write_tracker(net: Tracker, state: dict[str, Any], name: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Writes model and golden file; returns the parity error and the card's tables."""
    model = tracker_model(fold_batch_norms(copy.deepcopy(net).eval()))
    error = parity(net.eval(), model)
    inputs = golden_inputs(net)
    onnx.save(model, folder / f"{name}.onnx")
    outputs = run_tracker(model, {k: v.astype(np.float32) / 127.5 - 1 if v.dtype == np.uint8 else v
                                  for k, v in inputs.items()})
    write_golden(folder / f"{name}.golden.npy", inputs, outputs.values())
    digest = hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest()
    return error, card(name, net, state, digest)
