"""Checkpoint or product to a network that can be trained on.

A product (`NAME.onnx` beside its card `NAME.toml`) has its batch norms folded away. Unfolded, every norm stands
for the identity. The length of a normalised filter only sets how fast it learns: every one gets what Adam makes of
filters in some ten thousand steps, a root mean square of `SPREAD`; short ones would forget before they learn.
Such norms are right for evaluation alone: `settle` gives them the statistics of real inputs before training.
"""

import copy
import tomllib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

import graph
from crop import SIZE
from machine import DEVICE
from nets import Block, Detector, Landmarker, begin, fold, weights

#: Root mean square of the weights of an unfolded filter.
SPREAD = 0.1


def build(about):
    """The untrained network that a checkpoint or card describes."""
    if about["task"] == "face-detector":
        return Detector(about.get("channels", 1))
    return Landmarker(about["size"], about.get("channels", 1))


def graph_of(folded):
    """The ONNX model of a folded network."""
    if isinstance(folded, Detector):
        return graph.detector(folded, folded.channels)
    return graph.landmarker(folded, SIZE, folded.channels)


def constants(model):
    """Weights of an ONNX model by name."""
    return {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}


def layers(module):
    """Convolutions and linear layers by path."""
    return {path: layer for path, layer in module.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}


def names(net):
    """For every layer of the folded form of `net`, by path: what its weights are called in the ONNX model."""
    marked = fold(copy.deepcopy(net).eval())
    paths = list(layers(marked))
    with torch.no_grad():
        for number, layer in enumerate(layers(marked).values()):
            layer.weight.fill_(number)
    found = {}
    for name, array in constants(graph_of(marked)).items():
        if name.endswith(".weight"):
            found[paths[int(array.flat[0])]] = name.removesuffix(".weight")
    return found


@torch.no_grad()
def unfold(path):
    """The state of a shipped float model, as a checkpoint's."""
    path = Path(path)
    try:
        card = tomllib.loads(path.with_suffix(".toml").read_text())
        there = constants(onnx.load(path))
        about = {"task": "face-detector" if card["task"] == "detector" else "face-landmarks", **card["training"]}
        net = build(about)
    except KeyError as error:
        raise SystemExit(f"{path}: its card lacks {error}") from error
    except Exception as error:  # of the file system, of TOML, and protobuf's own, which have no public name
        raise SystemExit(f"{path}: not a model with its card: {error}") from error
    inner = dict(net.named_modules())
    for place, name in names(net).items():
        try:
            weight, bias = (torch.from_numpy(there[f"{name}.{part}"].copy()) for part in ("weight", "bias"))
        except KeyError as error:
            raise SystemExit(f"{path}: no weights {error}: is it a float model that export.py wrote?") from error
        block = inner.get(place.rpartition(".")[0])
        if not isinstance(block, Block):
            layer = inner[place]
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
            continue
        if block.identity:
            centre, each = block.conv.kernel_size[0] // 2, torch.arange(len(weight))
            weight[each, each, centre, centre] -= 1
        share = weight.square().flatten(1).mean(1).sqrt().clamp(min=1e-6) / SPREAD
        block.conv.weight.copy_(weight / share[:, None, None, None])
        block.norm.weight.copy_(share * np.sqrt(1 + block.norm.eps))
        block.norm.bias.copy_(bias)
    return {"average": net.state_dict(), "describe": about, "metrics": {}, "unfolded": True}


def checkpoint(path):
    """What a `best.pt` or a shipped `NAME.onnx` holds."""
    if str(path).endswith(".onnx"):
        return unfold(path)
    return torch.load(path, map_location="cpu", weights_only=False)


def load(path):
    """The averaged network of a checkpoint or shipped model, in evaluation mode, and the checkpoint."""
    state = checkpoint(path)
    net = build(state["describe"])
    net.load_state_dict(weights(state))
    return net.eval(), state


def frozen(path):
    """A frozen network of a checkpoint and what it says of itself."""
    net, state = load(path)
    about = state["describe"]
    if about["task"] != "face-landmarks":
        raise SystemExit(f"{path}: a {about['task']} checkpoint, landmarks wanted")
    for p in net.parameters():
        p.requires_grad_(False)
    return net.to(DEVICE, memory_format=torch.channels_last), about


@torch.no_grad()
def settle(net, images):
    """Batch norms take the statistics of `images` (f32 `[n, c, H, W]`); what the network answers stays the same."""
    seen, hooks = {}, []

    def look(norm, inputs, _):
        x = inputs[0].transpose(0, 1).flatten(1)
        seen[norm] = x.mean(1), x.var(1)

    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        hooks.append(norm.register_forward_hook(look))
    mode = net.training
    net.eval()(torch.from_numpy(images))
    net.train(mode)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, variance = seen[norm]
        slope = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        norm.bias += (mean - norm.running_mean) * slope
        norm.weight.copy_(slope * torch.sqrt(variance + norm.eps))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def begin_from(net, path, images):
    """Begins `net` from a checkpoint or shipped model; `images()` gives network inputs to settle the latter with."""
    state = checkpoint(path)
    begin(net, state)
    if state.get("unfolded"):
        settle(net, images())
