"""The one-stream tracker: a stem for each modality, one trunk for both, and a head to which the template is bound.

At run time the template is constant: `Bind` turns its features into weights of 1x1 convolutions, so that a frame costs
one pass of plain convolutions over the search crop. Without one modality its stem is left out and the other stem's output
doubled; all other weights are shared by the three modes.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .networks import Block, block_sequence
from .track_preprocess import TEMPLATE_CELLS

#: The three modes.
MODES = ("both", "thermal", "visible")


class TrackSize(NamedTuple):
    """Channels of the stems (at strides 2 and 4), channels and layers at strides 4 and 8 and of the wide stage at
    stride 8, channels and 3x3 layers of the head. The first layer of a stage changes the width, except at stride 4."""

    stem: tuple[int, int]
    quarter: int
    eighth: tuple[int, int]
    wide: tuple[int, int]
    head: tuple[int, int]


#: Sizes of trackers.
TRACK_SIZES = {
    "nano": TrackSize((8, 12), 1, (24, 2), (40, 1), (32, 1)),
    "small": TrackSize((12, 20), 1, (40, 3), (56, 2), (48, 2)),
    "base": TrackSize((16, 32), 2, (64, 5), (80, 4), (64, 3)),
    "teacher": TrackSize((24, 48), 2, (96, 5), (120, 4), (96, 3)),
}


#: Where a trunk may join the modalities, and the stride there; "quarter" is what ships.
MERGES = {"input": 1, "quarter": 4, "eighth": 8}


class Trunk(nn.Module):
    """Crops of either modality or both to features at stride 8."""

    def __init__(self, size: TrackSize, merge_at: str = "quarter") -> None:
        """`merge_at`: one of MERGES. At "input" the crops become one of four channels; a missing one is zero, the
        other counts twice."""
        super().__init__()
        a, b = size.stem
        (width, layers), (wide, more) = size.eighth, size.wide
        stem, quarter = [(a, 2), (b, 2)], [(b, 1)] * size.quarter
        eighth = [(width, 2), *[(width, 1)] * (layers - 1)]
        joined = {"input": 4, "quarter": b, "eighth": width}[merge_at]
        self.visible: nn.Module
        self.thermal: nn.Module
        if merge_at == "input":
            self.visible, self.thermal = (nn.ConstantPad3d((0, 0, 0, 0, *pad), 0.0) for pad in ((0, 1), (3, 0)))
            quarter = stem + quarter
        else:
            if merge_at == "eighth":
                stem, quarter, eighth = stem + quarter + eighth[:1], [], eighth[1:]
            self.visible, self.thermal = block_sequence(3, stem), block_sequence(1, stem)
        self.quarter = block_sequence(joined, quarter)
        self.eighth = block_sequence(width if merge_at == "eighth" else b, eighth)
        self.wide = block_sequence(width, [(wide, 1), *[(wide, 1)] * (more - 1)])
        #: Channels of the features, of the stage before and of them, and the stride of the merged stems.
        self.width, self.widths, self.stride = wide, (width, wide), MERGES[merge_at]

    def stems(self, visible: Tensor | None, thermal: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Outputs of the stems, visible and thermal."""
        return (None if visible is None else self.visible(visible),
                None if thermal is None else self.thermal(thermal))

    def stages(self, merged: Tensor) -> list[Tensor]:
        """Outputs of the trunk's three stages; the last are the features."""
        quarter = self.quarter(merged)
        eighth = self.eighth(quarter)
        return [quarter, eighth, self.wide(eighth)]

    def forward(self, visible: Tensor | None, thermal: Tensor | None, rows: int | None = None) -> Tensor:
        """Features `[rows, width, h / 8, w / 8]` of the inputs, see `merge`."""
        return self.stages(merge(*self.stems(visible, thermal), rows))[-1]


def merge(visible: Tensor | None, thermal: Tensor | None, rows: int | None = None) -> Tensor:
    """The sum of the stems' outputs; one alone counts twice.

    In a batch of `rows` samples the thermal inputs are those of the first ones and the visible inputs those of the
    last ones; where both overlap, the samples have both.
    """
    if visible is None or thermal is None:
        only = thermal if visible is None else visible
        assert only is not None
        return only + only
    rows = rows if rows is not None else len(thermal)
    first, last = rows - len(visible), len(thermal)
    parts = [thermal[:first] * 2, thermal[first:] + visible[:last - first], visible[last - first:] * 2]
    return torch.cat([p for p in parts if len(p)])


class Bound(NamedTuple):
    """A template as weights: `match` `[n, 64, width]`, `mix` gates `[n, width]`."""

    match: Tensor
    gates: Tensor


class Bind(nn.Module):
    """Template features to the head's weights.

    Every cell of the template, seen through a learnt linear map, becomes a filter of unit norm times a learnt scale. The
    pooled template gates the search features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project, self.gate = nn.Conv2d(width, width, 1), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.tensor(1.0))
        with torch.no_grad():
            nn.init.dirac_(self.project.weight)
            nn.init.constant_(self.project.bias, -0.3)
            nn.init.normal_(self.gate.weight, 0, 0.01)
            nn.init.constant_(self.gate.bias, 1.0)

    def forward(self, template: Tensor) -> Bound:
        """Template features `[n, width, 8, 8]` to weights."""
        cells = self.project(template).float().flatten(2).transpose(1, 2)
        match = self.scale * cells / cells.square().sum(2, keepdim=True).add(1e-6).sqrt()
        return Bound(match, torch.sigmoid(self.gate(template.mean((2, 3)))))


class Join(nn.Module):
    """Search features and their match to the head's input: `relu(norm(from_match(m) + mix(gates * features)))`."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.from_match = nn.Conv2d(TEMPLATE_CELLS**2, outputs, 1, bias=False)
        self.mix = nn.Conv2d(width, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor, bound: Bound) -> Tensor:
        """`[n, outputs, h, w]` of features `[n, width, h, w]`."""
        n, _, h, w = features.shape
        match = torch.bmm(bound.match.to(features.dtype), features.flatten(2)).view(n, -1, h, w)
        gated = features * bound.gates[:, :, None, None]
        return F.relu(self.norm(self.from_match(F.relu(match)) + self.mix(gated)))

    def fold(self) -> "Join":
        """The same function without a batch norm (evaluation mode): `from_match` has a bias."""
        scale = (self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)).detach()
        out = Join(self.mix.in_channels, len(scale))
        out.from_match = nn.Conv2d(self.from_match.in_channels, len(scale), 1)
        out.from_match.weight.data = self.from_match.weight.detach() * scale[:, None, None, None]
        out.from_match.bias.data = (self.norm.bias - self.norm.running_mean * scale).detach()
        out.mix.weight.data = self.mix.weight.detach() * scale[:, None, None, None]
        out.norm = nn.Identity()
        return out


class TrackHead(nn.Module):
    """Search features and a bound template to the map and the presence logit."""

    def __init__(self, width: int, channels: int, layers: int) -> None:
        super().__init__()
        self.join = Join(width, channels)
        self.blocks = nn.Sequential(*(Block(channels, channels) for _ in range(layers)))
        self.map = nn.Conv2d(channels, 5, 1)
        self.presence = nn.Sequential(nn.Linear(2 * channels, 32), nn.ReLU(), nn.Linear(32, 1))
        nn.init.normal_(self.map.weight, 0, 0.01)
        with torch.no_grad():
            self.map.bias.zero_()
            self.map.bias[0] = -4.0

    def forward(self, features: Tensor, bound: Bound) -> tuple[Tensor, Tensor]:
        """The map `[n, 5, h, w]`: score logit, dx, dy (cells), log(w / 32), log(h / 32) (px of the crop); presence
        `[n, 1]`."""
        x = self.blocks(self.join(features, bound))
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return self.map(x), self.presence(pooled)


class Tracker(nn.Module):
    """Trunk, binding and head."""

    def __init__(self, size: str = "nano", merge_at: str = "quarter") -> None:
        """`merge_at`: one of MERGES; "input" cannot be exported."""
        super().__init__()
        layers = TRACK_SIZES[size]
        self.trunk = Trunk(layers, merge_at)
        self.bind, self.head = Bind(self.trunk.width), TrackHead(self.trunk.width, *layers.head)

    def forward(self, template: "Crops", search: "Crops") -> tuple[Tensor, Tensor]:
        """Map `[n, 5, 16, 16]` and presence logit `[n, 1]`."""
        bound = self.bind(self.trunk(*template))
        return self.head(self.trunk(*search), bound)


class Crops(NamedTuple):
    """Inputs of a trunk; rows as in `merge`. Visible `[v, 3, h, w]`, thermal `[t, 1, h, w]`."""

    visible: Tensor | None
    thermal: Tensor | None
    rows: int | None = None

    def mode(self, mode: str) -> "Crops":
        """One of MODES of samples that have both."""
        return Crops(self.visible if mode != "thermal" else None, self.thermal if mode != "visible" else None)


def track_mflop(net: Tracker, mode: str = "both") -> float:
    """2 x multiply-adds of one frame (search crop 128 x 128, template bound), millions."""
    total = 0

    def count(layer: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            k = layer.kernel_size[0] * layer.kernel_size[1]
            total += 2 * out[0].numel() * layer.in_channels * k
        else:
            total += 2 * layer.in_features * layer.out_features

    parts = [m for part in (net.trunk, net.head) for m in part.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    training = net.training
    net.eval()
    with torch.no_grad():
        bound = net.bind(torch.zeros(1, net.trunk.width, TEMPLATE_CELLS, TEMPLATE_CELLS))
        hooks = [m.register_forward_hook(count) for m in parts]
        search = Crops(torch.zeros(1, 3, 128, 128), torch.zeros(1, 1, 128, 128)).mode(mode)
        features = net.trunk(*search)
        net.head(features, bound)
    net.train(training)
    for hook in hooks:
        hook.remove()
    total += 2 * bound.match[0].numel() * features[0, 0].numel()
    return total / 1e6
