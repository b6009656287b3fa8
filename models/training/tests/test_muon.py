"""The optimiser of convolutions under batch norm."""

import pytest
import torch

from heatmark_training import train_loop
from heatmark_training.muon import Muon, optimisers, orthogonalise
from heatmark_training.networks import Block, Landmarker


@pytest.mark.parametrize("shape", [(8, 9), (64, 288), (96, 16)])
def test_updates_are_nearly_orthogonal_and_keep_the_directions(shape):
    torch.manual_seed(1)
    matrix = torch.randn(shape) * torch.logspace(0, -2, shape[1])
    out = orthogonalise(matrix)
    assert out.shape == matrix.shape and out.dtype == matrix.dtype
    strengths = torch.linalg.svdvals(out)
    assert strengths.max() < 1.35 and strengths.median() > 0.6
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(out.flatten(), (u @ v).flatten(), dim=0) > 0.9


def test_a_step_moves_by_its_share_and_keeps_the_norm():
    torch.manual_seed(2)
    for size in (0.01, 1.0, 50.0):
        weight = torch.nn.Parameter(torch.randn(16, 8, 3, 3) * size)
        before = weight.detach().clone()
        weight.grad = torch.randn_like(weight) * 1e-3
        Muon([weight], lr=0.05).step()
        assert weight.norm().item() == pytest.approx(before.norm().item(), rel=1e-5)
        assert (weight - before).norm().item() == pytest.approx(0.05 * before.norm().item(), rel=0.1)


def test_every_weight_has_one_optimiser_and_muon_has_the_blocks_alone():
    net = Landmarker("nano")
    muon, plain = optimisers(net, 1e-3, 0.02, 1e-4)
    by_muon = [p for group in muon.param_groups for p in group["params"]]
    rest = [p for group in plain.param_groups for p in group["params"]]
    assert {id(p) for p in by_muon} == {id(m.conv.weight) for m in net.modules() if isinstance(m, Block)}
    assert sorted(map(id, by_muon + rest)) == sorted(map(id, net.parameters()))
    assert [group["weight_decay"] for group in plain.param_groups] == [1e-4, 0.0]
    assert len(optimisers(net, 1e-3, 0.0, 1e-4)) == 1


def test_a_resumed_run_ends_where_one_run_would(tmp_path):
    """With every second step in a run of its own, weights are those of one run."""
    x, y = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(3)), torch.ones(8, 6, 8, 8)

    def go(name, stops):
        for n, steps in enumerate(stops):
            torch.manual_seed(4)
            run = train_loop.Run(tmp_path / name, n > 0)
            budget = train_loop.Budget(steps)
            budget.progress = lambda: 0.5 if budget.done < steps else 1.0  # the same rate whatever the budget
            train_loop.train(torch.nn.Sequential(Block(4, 6)), run, budget, lambda rng: x,
                       lambda net, batch, _: (((net(batch) - y) ** 2).mean(), {}), lambda net: {}, 1, 1e-2, {},
                       prefetch=False, precision="float32", muon_lr=0.05)
        return torch.load(tmp_path / name / "last.pt", weights_only=False)

    once, twice = go("once", [6]), go("twice", [2, 4, 6])
    for name, value in once["net"].items():
        assert torch.allclose(value, twice["net"][name], atol=1e-6), name
