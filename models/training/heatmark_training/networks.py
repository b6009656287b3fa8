"""The networks: plain 3x3 and 1x1 convolutions, which the runtime's kernels run fastest.

A block trains as ``relu(bn(conv(x)) + x)`` and exports as one 3x3 convolution with bias: the batch
norm folds into the weights and the identity into the centre tap. This costs nothing in training,
unlike the 1x1 branches of RepVGG (a third slower on a CPU).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .landmark_set import COUNT
from .preprocess import INPUT_CHANNELS

#: The voting grid: 12 x 12 cells, stride 8.
CELLS = 12


class Block(nn.Module):
    """3x3 (or 1x1) convolution, batch norm, identity where shapes allow, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3, identity: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.identity = identity and inputs == outputs and stride == 1
        if self.identity:
            nn.init.constant_(self.norm.weight, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h / stride, w / stride]`."""
        y = self.norm(self.conv(x))
        return F.relu(y + x if self.identity else y, inplace=True)

    def fold(self) -> nn.Sequential:
        """The same function as one convolution with bias and a ReLU (evaluation mode)."""
        conv, norm = self.conv, self.norm
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        weight = conv.weight.detach() * scale[:, None, None, None]
        if self.identity:
            centre = conv.kernel_size[0] // 2
            weight[torch.arange(len(scale)), torch.arange(len(scale)), centre, centre] += 1
        out = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
        out.weight.data, out.bias.data = weight, (norm.bias - norm.running_mean * scale).detach()
        return nn.Sequential(out, nn.ReLU())


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Replaces every Block, and whatever else has a `fold`, below `module` by its folded form, in place; returns it."""
    for name, child in module.named_children():
        if hasattr(child, "fold"):
            setattr(module, name, child.fold())
        else:
            fold_batch_norms(child)
    return module


#: Layers as (channels, stride).
Layers = Sequence[tuple[int, int]]


class Size(NamedTuple):
    """The layers of a backbone: `shallow` ends at stride 8, `deep` at stride 16, `wide` at stride 32."""

    shallow: Layers
    deep: Layers
    wide: Layers = ()


#: Sizes of landmark networks.
SIZES = {
    "nano": Size([(8, 2), (16, 2), (16, 1), (32, 2)], [(64, 2), (64, 1), (64, 1)]),
    "small": Size([(16, 2), (32, 2), (32, 1), (64, 2)], [(96, 2), (96, 1), (96, 1)]),
    "base": Size([(16, 2), (32, 2), (32, 1), (96, 2), *[(96, 1)] * 2],
                 [(128, 2), *[(128, 1)] * 4], [(192, 2), *[(192, 1)] * 4]),
    "teacher": Size([(24, 2), (48, 2), (48, 1), (80, 2), (80, 1), (80, 1)], [(128, 2), (128, 1), (128, 1)]),
}


def block_sequence(inputs: int, layers: Layers) -> nn.Sequential:
    """Blocks in a row."""
    blocks = []
    for outputs, stride in layers:
        blocks.append(Block(inputs, outputs, stride))
        inputs = outputs
    return nn.Sequential(*blocks)


def upsample(x: Tensor) -> Tensor:
    """Twice the size, nearest neighbour."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Backbone(nn.Module):
    """`[n, c, 96, 96]` to features `[n, width, 12, 12]`."""

    def __init__(self, size: str = "small", channels: int = 1) -> None:
        super().__init__()
        shallow, deep, wide = SIZES[size]
        self.width, self.depth = shallow[-1][0], deep[-1][0]
        self.shallow, self.deep = block_sequence(channels, shallow), block_sequence(self.width, deep)
        self.wide = (nn.Sequential(block_sequence(self.depth, wide), Block(wide[-1][0], self.depth, kernel=1))
                     if wide else None)
        self.down, self.join = Block(self.depth, self.width, kernel=1), Block(self.width, self.width)

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The deep map `[n, depth, 6, 6]` and the features: what compression distils."""
        near = self.shallow(x)
        deep = self.deep(near)
        if self.wide is not None:
            deep = deep + upsample(self.wide(deep))
        return deep, self.join(near + upsample(self.down(deep)))

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        return self.stages(x)[1]


def soft_argmax(votes: Tensor) -> Tensor:
    """Votes `[n, 4 * 70, 12, 12]` to points `[n, 70, 3]`: u, v and the log of the expected error, by a soft-argmax
    with offsets.

    The channels are, 70 each: weight logits, u and v from the cell's centre, log-scales. Each point is
    the mean of what all cells predict, weighted by the softmax of their logits.
    """
    with torch.autocast(votes.device.type, enabled=False):
        return _soft_argmax(votes.float())


def _soft_argmax(votes: Tensor) -> Tensor:
    n, _, rows, columns = votes.shape
    logits, predicted = votes.reshape(n, 4, COUNT, rows * columns).split([1, 3], 1)
    weight = torch.softmax(logits, -1)
    u = (torch.arange(columns, device=votes.device) + 0.5) / columns * 2 - 1
    v = (torch.arange(rows, device=votes.device) + 0.5) / rows * 2 - 1
    centres = torch.stack([u.repeat(rows), v.repeat_interleave(columns), torch.zeros_like(u).repeat(rows)], 1)
    return (predicted * weight).sum(-1).transpose(1, 2) + weight[:, 0] @ centres


class Head(nn.Module):
    """Features to points `[n, 70, 3]` and a presence logit `[n, 1]`. Without batch norm, so that it
    reads a teacher's features as well as its own."""

    def __init__(self, size: str = "small") -> None:
        super().__init__()
        width = SIZES[size].shallow[-1][0]
        self.votes = nn.Conv2d(width, 4 * COUNT, 1)
        self.look, self.presence = nn.Conv2d(width, 16, 3, 2, 1), nn.Linear(16 * (CELLS // 2) ** 2, 1)
        nn.init.normal_(self.votes.weight, 0, 0.01)
        with torch.no_grad():
            self.votes.bias.zero_()
            self.votes.bias[3 * COUNT:] = -2.0

    def maps(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Votes `[n, 280, 12, 12]` and presence."""
        return self.votes(features), self.presence(F.relu(self.look(features)).flatten(1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Points and presence."""
        votes, presence = self.maps(features)
        return soft_argmax(votes), presence


class Landmarker(nn.Module):
    """Backbone and head: points `[n, 70, 3]` (`soft_argmax`) and presence `[n, 1]`."""

    def __init__(self, size: str = "small", channels: int = INPUT_CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        self.backbone, self.head = Backbone(size, channels), Head(size)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Points and presence of `[n, c, 96, 96]`."""
        return self.head(self.backbone(x))

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs of the exported network: votes `[n, 12, 12, 280]` and presence."""
        votes, presence = self.head.maps(self.backbone(x))
        return votes.permute(0, 2, 3, 1), presence


class Detector(nn.Module):
    """`[n, c, H, W]` (multiples of 32) to `heat` `[n, 1, H/4, W/4]` and `geom` `[n, 14, H/4, W/4]`."""

    def __init__(self, channels: int = INPUT_CHANNELS, a: int = 16, b: int = 24, c: int = 48, d: int = 64) -> None:
        """`a`..`d`: channels of the layers."""
        super().__init__()
        self.channels = channels
        self.stride4 = nn.Sequential(Block(channels, a, 2), Block(a, b, 2))
        self.stride8 = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.stride16 = nn.Sequential(Block(c, d, 2), Block(d, d))
        self.stride32 = nn.Sequential(Block(d, d, 2), Block(d, d), Block(d, d))
        self.join16 = Block(d, d)
        self.down8, self.join8 = Block(d, c, kernel=1), Block(c, c)
        self.down4, self.join4 = Block(c, b, kernel=1), Block(b, b)
        self.heat, self.geom = nn.Conv2d(b, 1, 1), nn.Conv2d(b, 14, 1)
        nn.init.constant_(self.heat.bias, -4.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of `detection.decode`."""
        s4 = self.stride4(x)
        s8 = self.stride8(s4)
        s16 = self.stride16(s8)
        y = self.join16(s16 + upsample(self.stride32(s16)))
        y = self.join8(s8 + upsample(self.down8(y)))
        y = self.join4(s4 + upsample(self.down4(y)))
        return self.heat(y), self.geom(y)

    maps = forward


def averaged_weights(state: dict[str, Any]) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint, without the adapters of compression."""
    average = state["average"]
    if any(k.startswith("student.") for k in average):
        average = {k.removeprefix("student."): v for k, v in average.items() if k.startswith("student.")}
    return average


@torch.no_grad()
def load_weights(net: nn.Module, state: dict[str, Any]) -> None:
    """Loads a checkpoint's averaged weights into `net`, which may be wider and have more layers.

    A smaller network's weights become the corner of the larger one's (Net2Net, arXiv:1511.05641); what
    leads from the new channels into the old ones starts at zero, and so does what a new residual block adds, so that
    `net` computes what the smaller one did, except for its other new layers.
    """
    mine, theirs = net.state_dict(), averaged_weights(state)
    for name, old in theirs.items():
        new = mine[name]
        if old.shape == new.shape:
            new.copy_(old)
            continue
        if old.ndim != new.ndim or any(a > b for a, b in zip(old.shape, new.shape)):
            raise SystemExit(f"{name}: cannot start {list(new.shape)} from {list(old.shape)}")
        if new.ndim > 1:
            new[:old.shape[0], old.shape[1]:] = 0
        new[tuple(slice(n) for n in old.shape)] = old
    for name, module in net.named_modules():
        if isinstance(module, Block) and module.identity and f"{name}.conv.weight" not in theirs:
            nn.init.zeros_(module.norm.weight)
        if name.endswith("wide") and not any(k.startswith(name) for k in theirs):
            nn.init.constant_(module[-1].norm.weight, 0.1)


def mflop(net: nn.Module, shape: tuple[int, ...]) -> float:
    """2 x multiply-adds of convolutions and linear layers for one input of `shape` (without the batch), in
    millions."""
    total, hooks = [0], []

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            k = layer.kernel_size[0] * layer.kernel_size[1]
            total[0] += 2 * out[0].numel() * layer.in_channels * k // layer.groups
        else:
            total[0] += 2 * layer.in_features * layer.out_features

    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            hooks.append(layer.register_forward_hook(count))
    mode = net.training
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, *shape))
    net.train(mode)
    for hook in hooks:
        hook.remove()
    return total[0] / 1e6
