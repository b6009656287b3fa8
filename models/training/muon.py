"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) for convolutions under batch norm.

A weight matrix moves along its momentum made orthogonal, so that directions that the gradient favours little are
learnt as fast as the others. What such a convolution answers does not depend on its norm: the norm is held, and the
rate is the share of it that one step moves. A checkpoint of any norm is thus trained on at the same speed, where the
growing norms under AdamW slow a long training down.
"""

import torch
from torch.optim import AdamW, Optimizer

from machine import fast16
from nets import Block

#: Newton-Schulz polynomial of the method: takes singular values from (0, 1] to about 0.7..1.2 in five rounds.
ROUNDS, (A, B, C) = 5, (3.4445, -4.7750, 2.0315)


def orthogonal(matrix):
    """The nearest matrix with orthogonal rows (or columns, of which there are fewer), roughly."""
    x = matrix.bfloat16() if fast16() else matrix
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=B, alpha=C), x, beta=A)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(Optimizer):
    """Nesterov momentum, orthogonal updates, held norms; `lr` is the share of its norm that a weight moves by."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        """One update."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"], state["norm"] = torch.zeros_like(p), p.norm()
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                way = p.grad.lerp(state["momentum"], group["momentum"])
                turn = orthogonal(way.flatten(1)).view_as(p)
                p.sub_(turn * (group["lr"] * state["norm"] / (turn.norm() + 1e-9)))
                p.mul_(state["norm"] / (p.norm() + 1e-9))


def optimisers(net, rate, turn, decay):
    """Muon at `turn` for the convolutions under batch norm, AdamW at `rate` for all else; only the latter where
    `turn` is 0. Their `lr` now is the peak of their schedule."""
    held = [m.conv.weight for m in net.modules() if isinstance(m, Block) and m.conv.weight.requires_grad and turn]
    rest = [p for p in net.parameters() if p.requires_grad and all(p is not q for q in held)]
    flat, deep = [p for p in rest if p.ndim < 2], [p for p in rest if p.ndim >= 2]
    plain = AdamW([{"params": deep, "weight_decay": decay}, {"params": flat, "weight_decay": 0.0}], lr=rate)
    return [Muon(held, turn), plain] if held else [plain]
