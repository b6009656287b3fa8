"""Losses of the trackers. Boxes are x0 y0 x1 y1 in px of the search crop; maps as in `TrackHead`.

The terms of coupled knowledge distillation follow "Breaking Modality Gap in RGBT Tracking" (arXiv 2410.11586), written
anew from its description for feature maps of a small convolutional network.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .track_preprocess import SEARCH, SEARCH_CELLS, STRIDE, UNIT

#: Weights of the losses against the truth, as in the paper; presence is ours.
FOCAL, GIOU, L1, PRESENCE = 1.0, 2.0, 5.0, 1.0
#: Temperature of the response term.
TEMPERATURE = 2.0
#: Share of the search crop's cells that the mask hides.
MASKED_SHARE = 0.25


class Truth(NamedTuple):
    """Boxes `[n, 4]`, present `[n]`, weight `[n]` (0: neither answer is right)."""

    boxes: Tensor
    present: Tensor
    weight: Tensor


def cell_grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the cells' centres in cells, x `[1, 1, w]` and y `[1, h, 1]`, of a map `[n, c, h, w]`."""
    rows, columns = like.shape[-2:]
    x, y = (torch.arange(k, device=like.device, dtype=torch.float32) + 0.5 for k in (columns, rows))
    return x[None, None, :], y[None, :, None]


def score_target(truth: Truth, like: Tensor) -> tuple[Tensor, Tensor]:
    """A Gaussian around every present target's centre `[n, h, w]`, and the cell that holds it (bool)."""
    x, y = cell_grid(like)
    centre = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2 / STRIDE
    size = (truth.boxes[:, 2:] - truth.boxes[:, :2]).clamp(min=2).prod(1).sqrt() / STRIDE
    sigma = (size / 3).clamp(0.7, 2.5)[:, None, None]
    square = (x - centre[:, 0, None, None]) ** 2 + (y - centre[:, 1, None, None]) ** 2
    here = truth.present[:, None, None]
    target = torch.exp(-square / (2 * sigma**2)) * here
    column, row = (centre.long().clamp(0, SEARCH_CELLS - 1)[:, k] for k in (0, 1))
    hit = torch.zeros_like(target, dtype=torch.bool)
    hit[torch.arange(len(hit), device=hit.device), row, column] = truth.present > 0
    return target, hit


def focal(logit: Tensor, target: Tensor, hit: Tensor, weight: Tensor) -> Tensor:
    """Penalty-reduced focal loss (alpha 2, beta 4) over `[n, h, w]`, per present target."""
    p = torch.sigmoid(logit).clamp(1e-5, 1 - 1e-5)
    positive = -torch.log(p) * (1 - p) ** 2
    negative = -torch.log(1 - p) * p**2 * (1 - target) ** 4
    each = torch.where(hit, positive, negative).sum((1, 2)) * weight
    return each.sum() / (hit.any(2).any(1) * weight).sum().clamp(min=1)


def boxes_of(maps: Tensor) -> Tensor:
    """The box that every cell predicts, `[n, 4, h, w]`."""
    x, y = cell_grid(maps)
    cx, cy = (x + maps[:, 1]) * STRIDE, (y + maps[:, 2]) * STRIDE
    w, h = (torch.exp(maps[:, k].clamp(-4, 3)) * UNIT / 2 for k in (3, 4))
    return torch.stack([cx - w, cy - h, cx + w, cy + h], 1)


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes with coordinates in dimension 1."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = [(v[:, 2:] - v[:, :2]).clamp(min=0).prod(1) for v in (a, b)]
    union = (area[0] + area[1] - shared).clamp(min=1e-6)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1).clamp(min=1e-6)
    iou = shared / union
    return iou, iou - (hull - union) / hull


def tracking(maps: Tensor, presence: Tensor, truth: Truth) -> tuple[Tensor, dict[str, float]]:
    """The loss against the truth, and its parts for the log: focal, GIoU and L1 around the target's centre, presence."""
    maps, presence = maps.float(), presence.float()
    target, hit = score_target(truth, maps)
    score = focal(maps[:, 0], target, hit, truth.weight)
    near = target * (target > 0.3) * truth.weight[:, None, None]
    total = near.sum().clamp(min=1)
    predicted, wanted = boxes_of(maps), truth.boxes[:, :, None, None]
    iou, giou = overlap(predicted, wanted)
    shape = ((1 - giou) * near).sum() / total
    distance = ((predicted - wanted).abs().mean(1) / SEARCH * near).sum() / total
    raw = F.binary_cross_entropy_with_logits(presence[:, 0], truth.present, reduction="none")
    there = (raw * truth.weight).sum() / truth.weight.sum().clamp(min=1)
    loss = FOCAL * score + GIOU * shape + L1 * distance + PRESENCE * there
    at_centre = iou[hit].mean() if hit.any() else iou.new_zeros(())
    return loss, {"focal": float(score.detach()), "iou": float(at_centre.detach()), "presence": float(there.detach())}


def response(student: Tensor, teacher: Tensor, student_presence: Tensor, teacher_presence: Tensor,
             truth: Truth) -> Tensor:
    """Response term: Bernoulli divergence to the teacher's scores and presence at TEMPERATURE, and L1 to its boxes around
    the target's centre where the teacher's IoU with the truth is above a half."""
    student, teacher = student.float(), teacher.float().detach()
    t = TEMPERATURE

    def divergence(mine: Tensor, theirs: Tensor) -> Tensor:
        p = torch.sigmoid(theirs / t)
        entropy = -(p * F.logsigmoid(theirs / t) + (1 - p) * F.logsigmoid(-theirs / t))
        return (F.binary_cross_entropy_with_logits(mine / t, p, reduction="none") - entropy) * t**2

    # Scores count where either sees something: the empty part of the map is the same for all.
    _, hit = score_target(truth, teacher)
    target, _ = score_target(truth, teacher)
    each = divergence(student[:, 0], teacher[:, 0])
    interest = torch.maximum(torch.sigmoid(teacher[:, 0]), torch.sigmoid(student[:, 0].detach()))
    score = (each * interest).sum() / interest.sum().clamp(min=1)
    mine, theirs = boxes_of(student), boxes_of(teacher)
    iou, _ = overlap(theirs, truth.boxes[:, :, None, None])
    good = target * (target > 0.3) * (iou > 0.5) * truth.weight[:, None, None]
    boxes = ((mine - theirs).abs().mean(1) / UNIT * good).sum() / good.sum().clamp(min=1)
    there = divergence(student_presence.float()[:, 0], teacher_presence.float().detach()[:, 0]).mean()
    return score + boxes + there


def feature(student: Tensor, teacher: Tensor) -> Tensor:
    """Feature term: mean squared difference of maps `[n, c, h, w]` in units of the teacher's spread per channel."""
    student, teacher = student.float(), teacher.float().detach()
    spread = teacher.std((0, 2, 3), keepdim=True) + 0.1
    return (((student - teacher) / spread) ** 2).mean()


def instance_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per sample and channel over all positions, `[n, c, 1, 1]`."""
    x = x.float()
    return x.mean((2, 3), keepdim=True), torch.sqrt(x.var((2, 3), unbiased=False, keepdim=True) + 1e-5)


def style(a: Tensor, b: Tensor) -> Tensor:
    """Style term: squared differences of means and of standard deviations per channel; its gradient pulls both."""
    (mean_a, spread_a), (mean_b, spread_b) = instance_statistics(a), instance_statistics(b)
    return ((mean_a - mean_b) ** 2 + (spread_a - spread_b) ** 2).mean()


def content(student: Tensor, teacher: Tensor) -> Tensor:
    """Content term: mean squared difference of instance-normalised maps; blind to means and deviations, so that it cannot
    pull the style."""
    (mean_s, spread_s), (mean_t, spread_t) = instance_statistics(student), instance_statistics(teacher.detach())
    return (((student.float() - mean_s) / spread_s - (teacher.detach().float() - mean_t) / spread_t) ** 2).mean()


def mask(n: int, stride: int, generator: torch.Generator, side: int = SEARCH, share: float = MASKED_SHARE) -> Tensor:
    """Masked modelling: `[n, 1, side / stride, side / stride]` of zeros in a share of the 8 x 8-px cells, else ones; for
    the stems' outputs at `stride`, the same cells for both modalities."""
    cells = side // STRIDE
    hidden = math.floor(share * cells * cells + 0.5)
    order = torch.rand(n, cells * cells, generator=generator).argsort(1).argsort(1)
    keep = (order >= hidden).float().view(n, 1, cells, cells)
    return keep.repeat_interleave(STRIDE // stride, 2).repeat_interleave(STRIDE // stride, 3)
