"""Two student branches, the shape of CKD (arXiv 2410.11586), for the ablation: it tells what one stream costs.

Each modality has a stem and a trunk of its own, and one head reads the features of both side by side. As there, the head
may leave out 30 % of the search crop's cells, the same ones in both branches: those that are least like the template's
centre in the modality that likes them more. There this happens between blocks and saves work; here, where convolutions
want whole maps, it happens once, before the head, and such cells are zero.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .track_networks import TRACK_SIZES, Bind, Bound, Crops, TrackHead, Tracker, TrackSize, merge
from .track_preprocess import TEMPLATE_CELLS
from .track_teacher import Stream

#: Share of the cells that stay.
KEPT_SHARE = 0.7

#: Outputs of a branch's stem, before the mask, and of its three stages.
Stages = list[Tensor]


def run_branch(stream: Stream, crop: Tensor, hidden: Tensor | None = None) -> Stages:
    """One branch; `hidden`: the mask of the search crop's cells `[n, 1, h / 4, w / 4]`."""
    x = stream.stem(crop)
    out = [x]
    if hidden is not None:
        x = x * hidden
    for part in (stream.quarter, stream.eighth, stream.wide):
        x = part(x)
        out.append(x)
    return out


class Branches(nn.Module):
    """The trunk: features of both modalities side by side, visible first; without one its half is zero and the other
    counts twice."""

    def __init__(self, size: TrackSize) -> None:
        super().__init__()
        self.visible, self.thermal = Stream(size, 3), Stream(size, 1)
        #: Channels of both, and of one branch's last two stages; stride of the stems.
        self.width, self.widths, self.stride = 2 * size.wide[0], (size.eighth[0], size.wide[0]), 4

    def beside(self, visible: Tensor | None, thermal: Tensor | None, rows: int | None = None) -> Tensor:
        """Features of both branches as one map; rows as in `merge`."""
        half = self.width // 2
        return merge(None if visible is None else F.pad(visible, (0, 0, 0, 0, 0, half)),
                     None if thermal is None else F.pad(thermal, (0, 0, 0, 0, half, 0)), rows)

    def forward(self, visible: Tensor | None, thermal: Tensor | None, rows: int | None = None) -> Tensor:
        """Features `[rows, width, h / 8, w / 8]`."""
        return self.beside(None if visible is None else run_branch(self.visible, visible)[-1],
                           None if thermal is None else run_branch(self.thermal, thermal)[-1], rows)


class JointHead(TrackHead):
    """A head that may leave out cells first."""

    def __init__(self, width: int, channels: int, layers: int, eliminate: bool) -> None:
        super().__init__(width, channels, layers)
        self.eliminate = eliminate

    def forward(self, features: Tensor, bound: Bound) -> tuple[Tensor, Tensor]:
        """Map and presence, as `TrackHead`."""
        return super().forward(features * kept(features, bound) if self.eliminate else features, bound)


@torch.no_grad()
def kept(features: Tensor, bound: Bound) -> Tensor:
    """The cells that stay, `[n, 1, h, w]` of 0 and 1, by their likeness to the template's four centre cells: the larger
    of both modalities', whose parts of features and template are compared each by itself."""
    n, width, h, w = features.shape
    side = TEMPLATE_CELLS
    first = side // 2 - 1
    centre = bound.match.view(n, side, side, 2, width // 2)[:, first:first + 2, first:first + 2].mean((1, 2))
    halves = features.float().view(n, 2, width // 2, h * w)
    like = torch.einsum("nmc,nmcp->nmp", F.normalize(centre, dim=2), F.normalize(halves, dim=2)).amax(1)
    rank = like.argsort(1, descending=True).argsort(1)
    return (rank < round(KEPT_SHARE * h * w)).view(n, 1, h, w).to(features.dtype)


class TwoBranches(Tracker):
    """A tracker of two branches."""

    def __init__(self, size: str = "nano", eliminate: bool = False) -> None:
        super().__init__(size)
        layers = TRACK_SIZES[size]
        self.trunk = Branches(layers)
        self.bind = Bind(self.trunk.width)
        self.head = JointHead(self.trunk.width, *layers.head, eliminate)

    def look(self, template: Crops, search: Crops, hidden: Tensor | None) -> tuple[Stages, Stages, Tensor, Tensor]:
        """Stages of the visible and of the thermal branch, map and presence of paired or mixed samples; `hidden`: as in
        `run_branch`, for all rows."""
        visible, thermal, rows = search
        assert visible is not None and thermal is not None
        count = rows if rows is not None else len(thermal)
        bound = self.bind(self.trunk(*template))
        v = run_branch(self.trunk.visible, visible, None if hidden is None else hidden[count - len(visible):])
        t = run_branch(self.trunk.thermal, thermal, None if hidden is None else hidden[:len(thermal)])
        return v, t, *self.head(self.trunk.beside(v[-1], t[-1], rows), bound)
