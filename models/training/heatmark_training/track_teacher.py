"""The two-stream teacher with mutual prompts.

After MPLT (MIT licence), the public predecessor of "From Two-Stream to One-Stream" (arXiv 2403.16834), whose own body is
not public: each modality has a stream of its own; at three depths each stream is prompted by the other. A prompt is the sum
of the stream's own features, the prompt before and the other stream's features, each through a gate of channels and
places, the own part also through a fovea. One head reads the sum of both streams.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .networks import block_sequence, load_weights
from .track_networks import TRACK_SIZES, Bind, Bound, Crops, TrackHead, TrackSize, merge

#: Reduction of the channel gate.
REDUCTION = 8
#: First temperature of the fovea.
TEMPERATURE = 10.0


class Stream(nn.Module):
    """Stem and three stages of one modality."""

    def __init__(self, size: TrackSize, channels: int) -> None:
        super().__init__()
        a, b = size.stem
        (width, layers), (wide, more) = size.eighth, size.wide
        self.stem = block_sequence(channels, [(a, 2), (b, 2)])
        self.quarter = block_sequence(b, [(b, 1)] * size.quarter)
        self.eighth = block_sequence(b, [(width, 2), *[(width, 1)] * (layers - 1)])
        self.wide = block_sequence(width, [(wide, 1), *[(wide, 1)] * (more - 1)])

    def parts(self) -> list[nn.Module]:
        """What runs before each prompt."""
        return [nn.Sequential(self.stem, self.quarter), self.eighth, self.wide]


class Gate(nn.Module):
    """Weighs channels by their mean and maximum, then places by the mean and maximum over channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // REDUCTION)
        self.channels = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.places = nn.Conv2d(2, 1, 7, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        """`x` `[n, c, h, w]`, weighed."""
        weight = torch.sigmoid(self.channels(x.mean((2, 3))) + self.channels(x.amax((2, 3))))
        x = x * weight[:, :, None, None]
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.places(pooled))


class Fovea(nn.Module):
    """Features times their softmax over places, times a learnt temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(TEMPERATURE))

    def forward(self, x: Tensor) -> Tensor:
        """`x` `[n, c, h, w]`, concentrated."""
        share = torch.softmax(x.float().flatten(2), 2).view_as(x)
        return x * share * self.temperature


class Prompter(nn.Module):
    """The prompt of one stream at one depth."""

    def __init__(self, channels: int, previous: tuple[int, int] | None) -> None:
        """`previous`: channels of the prompt before, and the stride to this depth."""
        super().__init__()
        self.own, self.other, self.fovea = Gate(channels), Gate(channels), Fovea()
        self.adapt = nn.Conv2d(previous[0], channels, 1, previous[1]) if previous else None
        self.before = Gate(channels) if previous else None
        self.out = nn.Conv2d(channels, channels, 1)
        # At first the streams are alone, as they were trained.
        nn.init.normal_(self.out.weight, 0, 1e-3)
        nn.init.zeros_(self.out.bias)

    def forward(self, own: Tensor, previous: Tensor | None, other: Tensor) -> Tensor:
        """A prompt of the shape of `own`, to be added to it."""
        total = self.fovea(self.own(own)) + self.other(other)
        if self.before is not None and self.adapt is not None and previous is not None:
            total = total + self.before(self.adapt(previous))
        return self.out(total)


class MutualTeacher(nn.Module):
    """Two streams, six prompters and a joint head."""

    def __init__(self, size: str = "teacher", prompts: bool = True) -> None:
        """Without `prompts` the streams meet in the head's sum alone."""
        super().__init__()
        layers = TRACK_SIZES[size]
        self.visible, self.thermal = Stream(layers, 3), Stream(layers, 1)
        b, width, self.width = layers.stem[1], layers.eighth[0], layers.wide[0]
        depths = [(b, None), (width, (b, 2)), (self.width, (width, 1))] if prompts else []
        self.to_visible = nn.ModuleList(Prompter(c, previous) for c, previous in depths)
        self.to_thermal = nn.ModuleList(Prompter(c, previous) for c, previous in depths)
        self.bind, self.head = Bind(self.width), TrackHead(self.width, *layers.head)

    def joint_stages(self, crops: Crops) -> list[Tensor]:
        """Sums of both streams (`track_networks.merge`) after each of the three depths; samples without one modality
        have no prompts."""
        visible, thermal = crops.visible, crops.thermal
        if visible is None or thermal is None:
            stream, x = (self.thermal, thermal) if visible is None else (self.visible, visible)
            out = []
            for part in stream.parts():
                x = part(x)
                out.append(x + x)
            return out
        rows = crops.rows if crops.rows is not None else len(thermal)
        first = rows - len(visible)
        both = len(thermal) - first
        prompt_v = prompt_t = None
        out = []
        for k, (part_v, part_t) in enumerate(zip(self.visible.parts(), self.thermal.parts())):
            visible, thermal = part_v(visible), part_t(thermal)
            if both and self.to_visible:
                own_v, own_t = visible[:both], thermal[first:]
                prompt_v, prompt_t = (self.to_visible[k](own_v, prompt_v, own_t),
                                      self.to_thermal[k](own_t, prompt_t, own_v))
                visible = torch.cat([own_v + prompt_v, visible[both:]])
                thermal = torch.cat([thermal[:first], own_t + prompt_t])
            out.append(merge(visible, thermal, rows))
        return out

    def trunk(self, visible: Tensor | None, thermal: Tensor | None, rows: int | None = None) -> Tensor:
        """Joint features `[rows, width, h / 8, w / 8]`."""
        return self.joint_stages(Crops(visible, thermal, rows))[-1]

    def bound(self, template: Crops) -> Bound:
        """The template as weights."""
        return self.bind(self.trunk(*template))

    def forward(self, template: Crops, search: Crops) -> tuple[Tensor, Tensor]:
        """Map and presence logit."""
        return self.head(self.trunk(*search), self.bound(template))


@torch.no_grad()
def init_stream(stream: Stream, state: dict[str, Any], modality: str) -> None:
    """Starts a stream from a checkpoint of `track-single`, of the same size or smaller."""
    prefix = f"trunk.{modality}."
    average = {}
    for name, value in state["average"].items():
        if name.startswith(prefix):
            average["stem." + name.removeprefix(prefix)] = value
        elif name.startswith(("trunk.quarter.", "trunk.eighth.", "trunk.wide.")):
            average[name.removeprefix("trunk.")] = value
    load_weights(stream, {"average": average})


