"""Losses: gradients, optima, invariances."""

import numpy as np
import torch

from heatmark_training import losses
from heatmark_training.landmark_samples import empty_batch
from heatmark_training.landmark_task import error_spread
from heatmark_training.networks import Landmarker
from heatmark_training.stages import distillation


def test_gradients_of_the_landmark_loss():
    torch.manual_seed(0)
    out = torch.randn(2, 70, 3, dtype=torch.float64, requires_grad=True)
    truth = torch.randn(2, 70, 2, dtype=torch.float64)
    visibility = torch.randint(0, 3, (2, 70))
    present = torch.tensor([1.0, 1.0], dtype=torch.float64)
    f = lambda o: losses.landmarks(o, truth, visibility, present, 1.0)[0]
    assert torch.autograd.gradcheck(f, (out,), atol=1e-4)


def test_the_likelihood_is_best_when_exp_s_is_the_mean_error():
    error = torch.distributions.Gamma(2.0, 1 / 0.05).sample((200000,))  # p(d) d dd ~ d exp(-d / b)
    s = torch.tensor(0.0, requires_grad=True)
    optimiser = torch.optim.LBFGS([s], max_iter=50)

    def closure():
        optimiser.zero_grad()
        loss = losses.laplace_nll(error, s).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert abs(float(torch.exp(s.detach())) / float(error.mean()) - 1) < 0.01


def test_absent_faces_pull_no_points():
    out = torch.randn(3, 70, 3, requires_grad=True)
    truth, visibility = torch.zeros(3, 70, 2), torch.zeros(3, 70)
    loss, _ = losses.landmarks(out, truth, visibility, torch.tensor([1.0, 0.0, 1.0]), 1.0)
    loss.backward()
    assert out.grad[1].abs().max() == 0 and out.grad[0].abs().max() > 0


def test_a_small_face_counts_like_a_large_one():
    torch.manual_seed(1)
    truth = torch.randn(1, 70, 2)
    out = torch.cat([truth + 0.05 * torch.randn(1, 70, 2), torch.zeros(1, 70, 1)], -1)
    visibility, present = torch.zeros(1, 70), torch.ones(1)
    large, _ = losses.landmarks(out, truth, visibility, present, 0.0)
    half = torch.cat([out[..., :2] * 0.5, out[..., 2:]], -1)
    small, _ = losses.landmarks(half, truth * 0.5, visibility, present, 0.0)
    assert abs(float(small / large) - 1) < 0.02


def test_crops_without_presence_weight_do_not_count():
    logit = torch.tensor([[5.0], [-5.0]])
    loss = losses.presence(logit, torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]))
    assert float(loss) < 0.01


def test_the_focal_loss_prefers_peaks_and_skips_ignored_cells():
    target = torch.zeros(1, 1, 8, 8)
    target[0, 0, 3, 3] = 1
    ignore = torch.zeros_like(target)
    good, bad = torch.full_like(target, -8.0), torch.full_like(target, -8.0)
    good[0, 0, 3, 3], bad[0, 0, 6, 6] = 8.0, 8.0
    assert losses.focal(good, target, ignore) < 0.01 < losses.focal(bad, target, ignore)
    ignore[0, 0, 6, 6] = 1
    bad[0, 0, 3, 3] = 8.0
    assert losses.focal(bad, target, ignore) < 0.01


def test_distillation_losses_vanish_at_the_teacher_and_leave_it_alone():
    torch.manual_seed(2)
    maps = torch.randn(3, 4, 6, 6, requires_grad=True)
    points = torch.randn(3, 70, 3, requires_grad=True)
    present = torch.tensor([1.0, 0.0, 1.0])
    assert float(losses.feature_distillation(maps, maps, present).detach()) == 0
    assert float(losses.output_distillation(points, points, present).detach()) < 0.02
    other = torch.zeros(3, 4, 6, 6, requires_grad=True)
    losses.feature_distillation(other, maps, present).backward()
    assert maps.grad is None and other.grad[1].abs().max() == 0 and other.grad[0].abs().max() > 0


def test_each_part_of_the_transfer_reaches_what_it_should():
    torch.manual_seed(3)
    teacher = Landmarker("nano", 3).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    batch = empty_batch(4, rgb=True)
    batch.image[:] = rng.normal(size=batch.image.shape)
    batch.rgb[:] = rng.normal(size=batch.rgb.shape)
    batch.points[:] = rng.normal(size=batch.points.shape) * 0.4

    def gradients(*parts):
        torch.manual_seed(4)
        net = Landmarker("nano")
        loss, _ = distillation.transfer_step(teacher, parts)(net, batch, 0.0)
        loss.backward()
        return net.backbone.shallow[0].conv.weight.grad, net.head.votes.weight.grad

    backbone, head = gradients()
    forward_backbone, forward_head = gradients("forward")
    assert torch.allclose(backbone, forward_backbone, atol=1e-6) and not torch.allclose(head, forward_head)
    reverse_backbone, reverse_head = gradients("reverse")
    assert not torch.allclose(backbone, reverse_backbone) and torch.allclose(head, reverse_head, atol=1e-6)
    assert not torch.allclose(backbone, gradients("feature")[0])
    assert all(p.grad is None for p in teacher.parameters())
    assert distillation.fade(0) == 1 and abs(distillation.fade(1)) < 1e-9


def test_the_spread_puts_nine_of_ten_errors_within_their_radius():
    rng = np.random.default_rng(4)
    b = np.exp(rng.normal(-3, 0.5, 50_000))
    error = b * rng.gamma(2, 1, 50_000)  # the radial Laplace density
    assert abs(error_spread(error, np.log(2 * b)) - 1) < 0.02
    assert abs(error_spread(1.5 * error, np.log(2 * b)) - 1.5) < 0.03
