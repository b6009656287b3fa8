"""Losses: gradients, optima, invariances."""

import torch

import losses


def test_gradients_of_the_landmark_loss():
    torch.manual_seed(0)
    out = torch.randn(2, 70, 3, dtype=torch.float64, requires_grad=True)
    truth = torch.randn(2, 70, 2, dtype=torch.float64)
    seen = torch.randint(0, 3, (2, 70))
    present = torch.tensor([1.0, 1.0], dtype=torch.float64)
    f = lambda o: losses.landmarks(o, truth, seen, present, 1.0)[0]
    assert torch.autograd.gradcheck(f, (out,), atol=1e-4)


def test_the_likelihood_is_best_when_exp_s_is_the_mean_error():
    error = torch.distributions.Gamma(2.0, 1 / 0.05).sample((200000,))  # p(d) d dd ~ d exp(-d / b)
    s = torch.tensor(0.0, requires_grad=True)
    optimiser = torch.optim.LBFGS([s], max_iter=50)

    def closure():
        optimiser.zero_grad()
        loss = losses.laplace(error, s).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert abs(float(torch.exp(s.detach())) / float(error.mean()) - 1) < 0.01


def test_absent_faces_pull_no_points():
    out = torch.randn(3, 70, 3, requires_grad=True)
    truth, seen = torch.zeros(3, 70, 2), torch.zeros(3, 70)
    loss, _ = losses.landmarks(out, truth, seen, torch.tensor([1.0, 0.0, 1.0]), 1.0)
    loss.backward()
    assert out.grad[1].abs().max() == 0 and out.grad[0].abs().max() > 0


def test_a_small_face_counts_like_a_large_one():
    torch.manual_seed(1)
    truth = torch.randn(1, 70, 2)
    out = torch.cat([truth + 0.05 * torch.randn(1, 70, 2), torch.zeros(1, 70, 1)], -1)
    seen, present = torch.zeros(1, 70), torch.ones(1)
    large, _ = losses.landmarks(out, truth, seen, present, 0.0)
    half = torch.cat([out[..., :2] * 0.5, out[..., 2:]], -1)
    small, _ = losses.landmarks(half, truth * 0.5, seen, present, 0.0)
    assert abs(float(small / large) - 1) < 0.02


def test_unsure_crops_do_not_count_for_presence():
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
