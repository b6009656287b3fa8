"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) for convolutions under batch norm.

A weight matrix moves along its orthogonalised momentum, so that directions with small gradients are
learnt as fast as the others. The output of a convolution under batch norm does not depend on the norm of its weights:
the norm stays fixed, and the learning rate is the share of it that one step moves. A checkpoint of any norm then trains
at the same speed, whereas norms that grow under AdamW slow a long training down.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from .device import bfloat16_is_fast
from .networks import Block

#: Newton-Schulz polynomial of the method: takes singular values from (0, 1] to about 0.7..1.2 in five iterations.
ITERATIONS, (A, B, C) = 5, (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Approximately the nearest matrix with orthonormal rows, or columns if there are fewer of them."""
    x = matrix.bfloat16() if bfloat16_is_fast() else matrix
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=B, alpha=C), x, beta=A)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(Optimizer):
    """Nesterov momentum, orthogonal updates, fixed norms; `lr` is the share of its norm by which a weight moves."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One update; takes no closure."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"], state["norm"] = torch.zeros_like(p), p.norm()
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                direction = p.grad.lerp(state["momentum"], group["momentum"])
                update = orthogonalise(direction.flatten(1)).view_as(p)
                p.sub_(update * (group["lr"] * state["norm"] / (update.norm() + 1e-9)))
                p.mul_(state["norm"] / (p.norm() + 1e-9))


def optimisers(net: nn.Module, lr: float, muon_lr: float, weight_decay: float) -> list[Optimizer]:
    """Muon at `muon_lr` for the convolutions under batch norm, AdamW at `lr` for the rest; only AdamW if `muon_lr`
    is 0. Both rates are the peaks of the schedule."""
    by_muon = [m.conv.weight for m in net.modules()
               if isinstance(m, Block) and m.conv.weight.requires_grad and muon_lr]
    rest = [p for p in net.parameters() if p.requires_grad and all(p is not q for q in by_muon)]
    vectors, matrices = [p for p in rest if p.ndim < 2], [p for p in rest if p.ndim >= 2]
    adamw = AdamW([{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}], lr=lr)
    return [Muon(by_muon, muon_lr), adamw] if by_muon else [adamw]
