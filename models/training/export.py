"""Checkpoint to product: models/NAME.onnx, NAME.toml (the card) and NAME.golden.npy.

The golden file holds consecutive `.npy` arrays: the input as u8 (``v / 127.5 - 1`` is the network's
input), then every output as f32 in the order of the card. A runtime runs the input and compares.
"""

import argparse
import copy
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

import crop
from nets import CELLS, fold, mflop
from unfold import graph_of, load

LICENCE = "MIT OR Apache-2.0"


def build(net, about):
    """The ONNX model of a network (which is left as it is) and its golden input shape."""
    face = about["task"] == "face-landmarks"
    sides = (crop.SIZE, crop.SIZE) if face else (crop.DETECTOR_HEIGHT, crop.DETECTOR_WIDTH)
    return graph_of(fold(copy.deepcopy(net).eval())), (net.channels, *sides)


def golden_input(shape):
    """A picture-like u8 input: a warm ellipse with darker spots on a gradient."""
    _, h, w = shape
    v, u = np.meshgrid((np.arange(h) + 0.5) / h * 2 - 1, (np.arange(w) + 0.5) / w * 2 - 1, indexing="ij")
    face = 1 / (1 + np.exp(-18 * (0.6 - np.hypot(u / 0.75, v))))
    spots = sum(np.exp(-((u - a) ** 2 + (v - b) ** 2) / 0.015) for a, b in ((-0.22, -0.15), (0.22, -0.15), (0, 0.1)))
    image = np.clip(-0.8 + 0.2 * v + 1.5 * face - 0.5 * spots * face, -1, 1)
    return np.rint(np.broadcast_to((image + 1) * 127.5, (1, *shape))).astype(np.uint8)


def run(model, image):
    """Outputs by onnxruntime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})


def parity(net, model, shape, seed=0):
    """Largest difference between the trained network and the exported one, relative to the output."""
    image = np.random.default_rng(seed).uniform(-1, 1, (1, *shape)).astype(np.float32)
    with torch.inference_mode():
        want = [v.numpy() for v in net.maps(torch.from_numpy(image))]
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in zip(want, run(model, image)))


def value(v):
    """A TOML value."""
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(value(x) for x in v) + "]"
    return f"{v:.6g}" if isinstance(v, float) else str(v)


def toml(tables):
    """Tables of plain values; the nameless one comes first. `[[name]]` for lists of tables."""
    lines = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            if name:
                lines += ["", f"[[{name}]]" if isinstance(content, list) else f"[{name}]"]
            lines += [f"{k} = {value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


def card(name, state, shape, digest, cost, recipe, spread=None, threshold=None):
    """The card's tables."""
    about = state["describe"]
    face = about["task"] == "face-landmarks"
    top = {"name": name, "task": "landmarks" if face else "detector",
           "description": "70 face landmarks with an expected error each, and presence, from a thermal crop."
           if face else "Faces in a thermal frame: boxes around the 70 landmarks and five points.",
           "file": f"{name}.onnx", "sha256": digest, "licence": LICENCE,
           "decode": "votes70" if face else "center-stride4"}
    tails = 100 * (crop.LANDMARK_TAILS if face else crop.DETECTOR_TAILS)
    picture = {"name": "image", "channels": shape[0], "height": shape[1], "width": shape[2],
               "percentiles": [tails, 100 - tails]}
    if shape[0] == 2:
        picture["contrast_window"] = crop.WINDOW
    metrics = state["metrics"]
    if face:
        picture["crop_factor"] = crop.FACTOR
        outputs = [{"name": "votes", "shape": [1, CELLS, CELLS, 280]}, {"name": "presence", "shape": [1, 1]}]
        # Predicted errors are scaled so that 90 % of held-out points lie within their 90 % radius.
        spread = float(np.clip(spread or metrics.get("spread", 1.0), 0.5, 2))
        decoding = {"threshold": threshold or 0.5, "spread": spread}
    else:
        rows, columns = shape[1] // 4, shape[2] // 4
        outputs = [{"name": "heat", "shape": [1, 1, rows, columns]}, {"name": "geom", "shape": [1, 14, rows, columns]}]
        decoding = {"threshold": threshold or 0.35, "nms_iou": 0.45}
    training = {k: v for k, v in about.items() if k != "task"} | {"recipe": recipe, "mflop": round(cost, 1)}
    return {"": top, "input": picture, "outputs": outputs, "decoding": decoding,
            "golden": {"file": f"{name}.golden.npy"}, "training": training,
            "metrics": {f"{k}_synthetic": float(v) for k, v in metrics.items() if np.isfinite(v)}}


def write_golden(path, picture, answers):
    """The golden file: the u8 input, then every output, array after array."""
    with open(path, "wb") as f:
        np.save(f, picture)
        for answer in answers:
            np.save(f, answer.astype("<f4"))


def export(checkpoint, name, folder, recipe="", spread=None, threshold=None):
    """Writes the three files; returns the parity error."""
    net, state = load(checkpoint)
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
    text = toml(card(name, state, shape, digest, mflop(net, shape), recipe, spread, threshold))
    (folder / f"{name}.toml").write_text(text)
    return error


def main():
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkpoint", help="best.pt of a run")
    p.add_argument("--name", required=True, help="model name, such as face-landmarks-small")
    p.add_argument("--out", default=str(Path(__file__).resolve().parents[1]), help="folder of the models")
    p.add_argument("--recipe", default="", help="the training command, for the card")
    p.add_argument("--spread", type=float, help="factor on predicted errors, where `heatmark eval` of whole "
                   "scenes asks for another than held-out crops do")
    p.add_argument("--threshold", type=float, help="least score (detector) or presence (landmarks) of a face")
    args = p.parse_args()
    error = export(args.checkpoint, args.name, args.out, args.recipe, args.spread, args.threshold)
    print(f"{args.name}: parity {error:.1e}")


if __name__ == "__main__":
    main()
