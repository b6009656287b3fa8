"""A checkpoint or a shipped model as a network that can be trained on.

A shipped model (`NAME.onnx` beside its card `NAME.toml`) has its batch norms folded away. Here every layer gets a batch
norm back, which at first is the identity. The norm of a normalised filter sets only how fast it learns: every filter gets
what Adam reaches in some ten thousand steps, a root mean square of `FILTER_RMS`; smaller filters would change too fast.
Such batch norms are right for evaluation alone: `calibrate_batch_norms` gives them the statistics of real inputs before
training.
"""

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from . import onnx_graph
from .device import DEVICE
from .networks import Block, Detector, Landmarker, averaged_weights, fold_batch_norms, load_weights
from .preprocess import CROP_SIZE
from .track_networks import Tracker
from .track_onnx import tracker_model

#: Root mean square of the weights of an unfolded filter.
FILTER_RMS = 0.1

#: A network of this project.
Net = Landmarker | Detector | Tracker


def build(about: dict[str, Any]) -> Net:
    """The untrained network that a checkpoint or card describes."""
    if about["task"] == "face-detector":
        return Detector(about.get("channels", 1))
    if about["task"] == "tracker":
        return Tracker(about["size"], about.get("merge_at", "quarter"))
    return Landmarker(about["size"], about.get("channels", 1))


def onnx_model(folded: nn.Module) -> onnx.ModelProto:
    """The ONNX model of a folded network."""
    if isinstance(folded, Detector):
        return onnx_graph.detector_model(folded, folded.channels)
    if isinstance(folded, Tracker):
        return tracker_model(folded)
    assert isinstance(folded, Landmarker)
    return onnx_graph.landmarker_model(folded, CROP_SIZE, folded.channels)


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Weights of an ONNX model by name."""
    return {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}


def weighted_layers(module: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Convolutions and linear layers by path."""
    return {path: layer for path, layer in module.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}


def onnx_names(net: nn.Module) -> dict[str, str]:
    """For every layer of the folded form of `net`, by path: the name of its weights in the ONNX model."""
    marked = fold_batch_norms(copy.deepcopy(net).eval())
    paths = list(weighted_layers(marked))
    with torch.no_grad():
        for number, layer in enumerate(weighted_layers(marked).values()):
            layer.weight.fill_(number)
    found = {}
    for name, array in initializers(onnx_model(marked)).items():
        if name.endswith(".weight"):
            found[paths[int(array.flat[0])]] = name.removesuffix(".weight")
    return found


@torch.no_grad()
def unfold_batch_norms(path: str | Path) -> dict[str, Any]:
    """The state of a shipped float model, in the form of a checkpoint."""
    path = Path(path)
    try:
        card = tomllib.loads(path.with_suffix(".toml").read_text())
        shipped = initializers(onnx.load(path))
        about = {"task": "face-detector" if card["task"] == "detector" else "face-landmarks", **card["training"]}
        net = build(about)
    except KeyError as error:
        raise SystemExit(f"{path}: its card lacks {error}") from error
    except Exception as error:  # of the file system, of TOML, and protobuf's own, which have no public name
        raise SystemExit(f"{path}: not a model with its card: {error}") from error
    modules = dict(net.named_modules())
    for place, name in onnx_names(net).items():
        try:
            weight, bias = (torch.from_numpy(shipped[f"{name}.{part}"].copy()) for part in ("weight", "bias"))
        except KeyError as error:
            raise SystemExit(f"{path}: no weights {error}: is it a float model that export.py wrote?") from error
        block = modules.get(place.rpartition(".")[0])
        if not isinstance(block, Block):
            layer = weighted_layers(net)[place]
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
            continue
        if block.identity:
            centre, each = block.conv.kernel_size[0] // 2, torch.arange(len(weight))
            weight[each, each, centre, centre] -= 1
        scale = weight.square().flatten(1).mean(1).sqrt().clamp(min=1e-6) / FILTER_RMS
        block.conv.weight.copy_(weight / scale[:, None, None, None])
        block.norm.weight.copy_(scale * np.sqrt(1 + block.norm.eps))
        block.norm.bias.copy_(bias)
    return {"average": net.state_dict(), "describe": about, "metrics": {}, "unfolded": True}


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The state in a `best.pt` or a shipped `NAME.onnx`."""
    if str(path).endswith(".onnx"):
        return unfold_batch_norms(path)
    return torch.load(path, map_location="cpu", weights_only=False)


def load(path: str | Path) -> tuple[Net, dict[str, Any]]:
    """The averaged network of a checkpoint or shipped model, in evaluation mode, and its state."""
    state = read_checkpoint(path)
    net = build(state["describe"])
    net.load_state_dict(averaged_weights(state))
    return net.eval(), state


def load_frozen(path: str | Path) -> tuple[Landmarker, dict[str, Any]]:
    """The frozen landmark network of a checkpoint and its description."""
    net, state = load(path)
    about = state["describe"]
    if about["task"] != "face-landmarks":
        raise SystemExit(f"{path}: a checkpoint of a {about['task']} network, expected landmarks")
    for p in net.parameters():
        p.requires_grad_(False)
    return net.to(DEVICE, memory_format=torch.channels_last), about


@torch.no_grad()
def calibrate_batch_norms(net: nn.Module, images: np.ndarray) -> None:
    """Sets the batch norms' statistics to those of `images` (f32 `[n, c, H, W]`); the network's function stays the
    same."""
    statistics: dict[nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}
    hooks = []

    def observe(norm: nn.Module, inputs: tuple[torch.Tensor, ...], _: Any) -> None:
        x = inputs[0].transpose(0, 1).flatten(1)
        statistics[norm] = x.mean(1), x.var(1)

    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        hooks.append(norm.register_forward_hook(observe))
    mode = net.training
    net.eval()(torch.from_numpy(images))
    net.train(mode)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, variance = statistics[norm]
        slope = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        norm.bias += (mean - norm.running_mean) * slope
        norm.weight.copy_(slope * torch.sqrt(variance + norm.eps))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def init_from(net: nn.Module, path: str | Path, images: Callable[[], np.ndarray]) -> None:
    """Initialises `net` from a checkpoint or shipped model; `images()` gives network inputs for
    `calibrate_batch_norms`, which a shipped model needs."""
    state = read_checkpoint(path)
    load_weights(net, state)
    if state.get("unfolded"):
        calibrate_batch_norms(net, images())
