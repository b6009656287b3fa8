"""Losses. Points and errors are in crop units (the crop spans -1..1)."""

import torch
from torch import Tensor
from torch.nn import functional as F

LOG_SCALE = (-6.0, 2.0)  # clamp of the predicted log-scale s
OCCLUDED = (1.0, 0.6, 0.3)  # weight of visible, self-occluded and object-occluded points


def distance(points: Tensor, truth: Tensor) -> Tensor:
    """Radial error per point `[..., 70]`, smooth at zero."""
    return torch.sqrt(((points - truth) ** 2).sum(-1) + 1e-6)


def laplace_nll(error: Tensor, log_scale: Tensor) -> Tensor:
    """Negative log-likelihood per point of p(d) ~ exp(-d / b) / b^2 in the plane, without constants.

    b = exp(s) / 2, so that exp(s) is the expected error.
    """
    s = log_scale.clamp(*LOG_SCALE)
    return 2 * error * torch.exp(-s) + 2 * s


def bounding_boxes(points: Tensor) -> Tensor:
    """Boxes `[n, 4]` around points `[n, 70, 2]`."""
    return torch.cat([points.amin(1), points.amax(1)], 1)


def landmarks(out: Tensor, truth: Tensor, visibility: Tensor, present: Tensor,
              nll_weight: float) -> tuple[Tensor, dict[str, float]]:
    """Landmark loss of a batch, and its parts for the log.

    out `[n, 70, 3]`, truth `[n, 70, 2]`, visibility u8 `[n, 70]`, present 0/1 `[n]`;
    `nll_weight` in 0..1 brings in the likelihood after the plain error has fallen.
    Errors are relative to the face size, so that a small face counts like a large one,
    and the box of all points is held to the true box (the scale of profiles).
    """
    table = torch.tensor(OCCLUDED, device=out.device)
    weight = table[visibility.long()] * present[:, None]
    total = weight.sum().clamp(min=1)
    d = distance(out[..., :2], truth)
    box = bounding_boxes(truth)
    size = (box[:, 2:] - box[:, :2]).amax(1).clamp(min=0.1)
    relative = (d / size[:, None] * weight).sum() / total
    nll = (laplace_nll(d, out[..., 2]) * weight).sum() / total
    extent = ((bounding_boxes(out[..., :2]) - box).abs().mean(1) / size * present).sum() / present.sum().clamp(min=1)
    loss = 15 * relative + 5 * extent + nll_weight * 0.5 * nll
    return loss, {"error": float(relative.detach()), "nll": float(nll.detach())}


def presence(logit: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy of the presence logit `[n, 1]`; `weight` `[n]` is 0 where neither answer is right."""
    raw = F.binary_cross_entropy_with_logits(logit[:, 0], target, reduction="none")
    return (raw * weight).sum() / weight.sum().clamp(min=1)


def focal(logit: Tensor, target: Tensor, ignore: Tensor) -> Tensor:
    """CenterNet's penalty-reduced focal loss (alpha 2, beta 4; arXiv:1904.07850) over `[n, 1, h, w]`, per face.

    target: 1 at face centres, a Gaussian around; ignore: 1 where no answer counts.
    """
    p = torch.sigmoid(logit).clamp(1e-5, 1 - 1e-5)
    hit = (target > 0.999).float()
    positive = -torch.log(p) * (1 - p) ** 2 * hit
    negative = -torch.log(1 - p) * p**2 * (1 - target) ** 4 * (1 - hit) * (1 - ignore)
    return (positive.sum() + negative.sum()) / hit.sum().clamp(min=1)


def geometry(geom: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Smooth L1 over the 14 box and point maps `[n, 14, h, w]` where `weight` `[n, 1, h, w]` is positive."""
    share = torch.tensor([1.0, 1.0, 2.0, 2.0] + [1.0] * 10, device=geom.device)[None, :, None, None]
    each = F.smooth_l1_loss(geom, target, beta=0.05, reduction="none") * share
    return (each * weight).sum() / weight.sum().clamp(min=1)


def feature_distillation(student: Tensor, teacher: Tensor, weight: Tensor) -> Tensor:
    """Mean squared difference of feature maps `[n, c, h, w]` in units of the teacher's spread per channel; `weight`
    `[n]`."""
    spread = teacher.detach().std((0, 2, 3), keepdim=True) + 0.1
    each = (((student - teacher.detach()) / spread) ** 2).mean((1, 2, 3))
    return (each * weight).sum() / weight.sum().clamp(min=1)


def output_distillation(student: Tensor, teacher: Tensor, weight: Tensor) -> Tensor:
    """Distance to the teacher's points, with more weight where the teacher is certain, and to its log-scales; outputs
    `[n, 70, 3]`, `weight` `[n]`."""
    teacher = teacher.detach()
    d = distance(student[..., :2], teacher[..., :2])
    s = teacher[..., 2].clamp(*LOG_SCALE)
    trust = torch.exp(-s)
    trust = trust / trust.mean()
    each = (10 * d * trust + 0.2 * (student[..., 2] - s).abs()).mean(1)
    return (each * weight).sum() / weight.sum().clamp(min=1)
