"""Exports a checkpoint: models/NAME.onnx, NAME.toml (the model card) and NAME.golden.npy.

The golden file holds consecutive `.npy` arrays (of trackers: see `track_export`): the input as u8 (``v / 127.5 - 1`` is the network's
input), then every output as f32 in the order of the card. A runtime runs the input and compares.
"""

import argparse
import copy
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch

from . import preprocess, track_export
from .networks import CELLS, fold_batch_norms, mflop
from .pretrained import Net, load, onnx_model
from .track_networks import Tracker

LICENCE = "MIT OR Apache-2.0"

#: Tables of a card by name; a list of tables becomes `[[name]]`.
Tables = dict[str, dict[str, Any] | list[dict[str, Any]]]


def build(net: Net, about: dict[str, Any]) -> tuple[onnx.ModelProto, tuple[int, int, int]]:
    """The ONNX model of a network (which stays as it is) and the shape of its input, without the batch."""
    is_landmarker = about["task"] == "face-landmarks"
    sides = ((preprocess.CROP_SIZE, preprocess.CROP_SIZE) if is_landmarker
             else (preprocess.DETECTOR_HEIGHT, preprocess.DETECTOR_WIDTH))
    return onnx_model(fold_batch_norms(copy.deepcopy(net).eval())), (net.channels, *sides)


def golden_input(shape: Sequence[int]) -> np.ndarray:
    """A picture-like u8 input `[1, *shape]`: a warm ellipse with darker spots on a gradient."""
    _, h, w = shape
    v, u = np.meshgrid((np.arange(h) + 0.5) / h * 2 - 1, (np.arange(w) + 0.5) / w * 2 - 1, indexing="ij")
    face = 1 / (1 + np.exp(-18 * (0.6 - np.hypot(u / 0.75, v))))
    spots = sum(np.exp(-((u - a) ** 2 + (v - b) ** 2) / 0.015) for a, b in ((-0.22, -0.15), (0.22, -0.15), (0, 0.1)))
    image = np.clip(-0.8 + 0.2 * v + 1.5 * face - 0.5 * spots * face, -1, 1)
    return np.rint(np.broadcast_to((image + 1) * 127.5, (1, *shape))).astype(np.uint8)


def run(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    """Outputs by onnxruntime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})


def parity(net: Net, model: onnx.ModelProto, shape: Sequence[int], seed: int = 0) -> float:
    """Largest difference between the trained network and the exported one, relative to the output."""
    image = np.random.default_rng(seed).uniform(-1, 1, (1, *shape)).astype(np.float32)
    with torch.inference_mode():
        want = [v.numpy() for v in net.maps(torch.from_numpy(image))]
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in zip(want, run(model, image)))


def toml_value(v: Any) -> str:
    """A TOML value."""
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(toml_value(x) for x in v) + "]"
    return f"{v:.6g}" if isinstance(v, float) else str(v)


def toml(tables: Tables) -> str:
    """Tables of plain values as TOML; the one without a name comes first."""
    lines = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            if name:
                lines += ["", f"[[{name}]]" if isinstance(content, list) else f"[{name}]"]
            lines += [f"{k} = {toml_value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


def landmark_tables(shape: Sequence[int], metrics: dict[str, float], spread: float | None,
                    threshold: float | None) -> Tables:
    """What differs in the card of a landmark network: parts of the top, `input`, `outputs` and `decoding`."""
    # Predicted errors are scaled so that 90 % of held-out points lie within their 90 % radius.
    spread = float(np.clip(spread or metrics.get("spread", 1.0), 0.5, 2))
    tail = 100 * preprocess.LANDMARK_TAIL
    return {"": {"task": "landmarks", "decode": "votes70", "description":
                 "70 face landmarks with an expected error each, and presence, from a thermal crop."},
            "input": {"percentiles": [tail, 100 - tail], "crop_factor": preprocess.CROP_FACTOR},
            "outputs": [{"name": "votes", "shape": [1, CELLS, CELLS, 280]}, {"name": "presence", "shape": [1, 1]}],
            "decoding": {"threshold": threshold or 0.5, "spread": spread}}


def detector_tables(shape: Sequence[int], threshold: float | None) -> Tables:
    """What differs in the card of a detector: parts of the top, `input`, `outputs` and `decoding`."""
    rows, columns = shape[1] // 4, shape[2] // 4
    tail = 100 * preprocess.DETECTOR_TAIL
    return {"": {"task": "detector", "decode": "center-stride4", "description":
                 "Faces in a thermal frame: boxes around the 70 landmarks and five points."},
            "input": {"percentiles": [tail, 100 - tail]},
            "outputs": [{"name": "heat", "shape": [1, 1, rows, columns]},
                        {"name": "geom", "shape": [1, 14, rows, columns]}],
            "decoding": {"threshold": threshold or 0.35, "nms_iou": 0.45}}


def card(name: str, state: dict[str, Any], shape: Sequence[int], digest: str, cost: float, recipe: str,
         spread: float | None = None, threshold: float | None = None, default_for: Sequence[str] = ()) -> Tables:
    """The card's tables. `digest`: SHA-256 of the ONNX file; `cost`: MFLOP; `default_for`: some of stream, still."""
    about, metrics = state["describe"], state["metrics"]
    own: Any = (landmark_tables(shape, metrics, spread, threshold) if about["task"] == "face-landmarks"
                else detector_tables(shape, threshold))
    top = {"name": name, "task": own[""]["task"], "description": own[""]["description"], "file": f"{name}.onnx",
           "sha256": digest, "licence": LICENCE, "decode": own[""]["decode"]}
    if default_for:
        top["default_for"] = list(default_for)
    picture = {"name": "image", "channels": shape[0], "height": shape[1], "width": shape[2],
               "percentiles": own["input"]["percentiles"]}
    if shape[0] == 2:
        picture["contrast_window"] = preprocess.CONTRAST_WINDOW
    training = {k: v for k, v in about.items() if k != "task"} | {"recipe": recipe, "mflop": round(cost, 1)}
    return {"": top, "input": picture | own["input"], "outputs": own["outputs"], "decoding": own["decoding"],
            "golden": {"file": f"{name}.golden.npy"}, "training": training,
            "metrics": {f"{k}_synthetic": float(v) for k, v in metrics.items() if np.isfinite(v)}}


def write_golden(path: Path, picture: np.ndarray, outputs: Iterable[np.ndarray]) -> None:
    """Writes the golden file: the u8 input, then every output, array after array."""
    with open(path, "wb") as f:
        np.save(f, picture)
        for output in outputs:
            np.save(f, output.astype("<f4"))


def export(checkpoint: str | Path, name: str, folder: str | Path, recipe: str = "", spread: float | None = None,
           threshold: float | None = None, default_for: Sequence[str] = ()) -> float:
    """Writes the three files; returns the parity error. The last arguments are those of `card`."""
    net, state = load(checkpoint)
    if isinstance(net, Tracker):
        return export_tracker(net, state, name, Path(folder), recipe, threshold)
    model, shape = build(net, state["describe"])
    error = parity(net, model, shape)
    if error > 1e-4:
        raise SystemExit(f"{name}: exported network differs from the trained one by {error:.2e}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / f"{name}.onnx")
    image = golden_input(shape)
    write_golden(folder / f"{name}.golden.npy", image, run(model, image.astype(np.float32) / 127.5 - 1))
    digest = hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest()
    text = toml(card(name, state, shape, digest, mflop(net, shape), recipe, spread, threshold,
                     default_for))
    (folder / f"{name}.toml").write_text(text)
    return error


def export_tracker(net: Tracker, state: dict[str, Any], name: str, folder: Path, recipe: str,
                   presence: float | None) -> float:
    """Writes the three files of a tracker; returns the parity error."""
    folder.mkdir(parents=True, exist_ok=True)
    error, tables = track_export.write_tracker(net, state, name, folder)
    if error > 1e-4:
        raise SystemExit(f"{name}: exported network differs from the trained one by {error:.2e}")
    tables[""]["licence"], tables["training"]["recipe"] = LICENCE, recipe
    tables["decoding"]["presence"] = presence or 0.5
    (folder / f"{name}.toml").write_text(toml(tables))
    return error


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.export", description=__doc__)
    p.add_argument("checkpoint", help="best.pt of a run")
    p.add_argument("--name", required=True, help="model name, for example face-landmarks-small")
    p.add_argument("--out", default=str(Path(__file__).resolve().parents[2]), help="folder of the models")
    p.add_argument("--recipe", default="", help="the training command, for the card")
    p.add_argument("--spread", type=float, help="factor on predicted errors, where `heatmark eval` of whole "
                   "scenes asks for another than held-out crops do")
    p.add_argument("--threshold", type=float, help="least score (detector) or presence (landmarks) of a face, "
                   "or presence (trackers) of a target")
    p.add_argument("--default-for", nargs="*", choices=("stream", "still"), default=(),
                   help="what the runtime uses this model for by default, with the setting `auto`")
    return p


def main() -> None:
    """Runs the command."""
    args = parser().parse_args()
    error = export(args.checkpoint, args.name, args.out, args.recipe, args.spread, args.threshold,
                   args.default_for)
    print(f"{args.name}: parity {error:.1e}")


if __name__ == "__main__":
    main()
