"""The trackers' losses, each against a case worked out by hand."""

import math

import pytest
import torch

from heatmark_training import track_losses as losses
from heatmark_training.track_losses import Truth

ONE = torch.ones(1)


def truth(box=(48, 40, 80, 72), present=1.0, weight=1.0):
    """One sample's truth."""
    return Truth(torch.tensor([box], dtype=torch.float32), torch.tensor([present]), torch.tensor([weight]))


def maps_of(box, logit=6.0, elsewhere=-12.0):
    """A map whose every cell predicts a box, and whose score is high where the box's centre lies."""
    x0, y0, x1, y1 = box
    maps = torch.full((1, 5, 16, 16), elsewhere)
    x, y = losses.cell_grid(maps)
    maps[:, 1], maps[:, 2] = (x0 + x1) / 16 - x, (y0 + y1) / 16 - y
    maps[:, 3], maps[:, 4] = math.log((x1 - x0) / 32), math.log((y1 - y0) / 32)
    maps[0, 0, int((y0 + y1) / 16), int((x0 + x1) / 16)] = logit
    return maps


def test_the_score_target_is_a_gaussian_at_the_centre():
    target, hit = losses.score_target(truth(), torch.zeros(1, 5, 16, 16))
    # The centre (64, 56) px is at 8, 7 cells: a half cell from the middle of cell (8, 7); sigma 32 / 8 / 3.
    assert hit[0].nonzero().tolist() == [[7, 8]]
    assert target[0, 7, 8] == pytest.approx(math.exp(-0.5 / (2 * (4 / 3) ** 2)), rel=1e-5)
    assert losses.score_target(truth(present=0.0), torch.zeros(1, 5, 16, 16))[0].max() == 0


def test_focal_of_two_cells():
    logit = torch.tensor([[[0.0, 0.0]]])
    target, hit = torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[True, False]]])
    # Positive: -log(.5) .5^2; negative: -log(.5) .5^2 (1 - .5)^4.
    want = math.log(2) / 4 * (1 + 1 / 16)
    assert losses.focal(logit, target, hit, ONE) == pytest.approx(want, rel=1e-5)
    assert losses.focal(logit, target, hit, 0 * ONE) == 0


def test_boxes_and_their_overlap():
    box = losses.boxes_of(maps_of((48, 40, 80, 72)))
    assert torch.allclose(box[0, :, 3, 5], torch.tensor([48.0, 40, 80, 72]), atol=1e-4)
    iou, giou = losses.overlap(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]]))
    assert iou == pytest.approx(1 / 3) and giou == pytest.approx(1 / 3)
    iou, giou = losses.overlap(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[2.0, 0, 3, 1]]))
    assert iou == 0 and giou == pytest.approx(-1 / 3)


def test_tracking_is_small_for_the_truth_and_weighs_its_parts():
    right, _ = losses.tracking(maps_of((48, 40, 80, 72)), torch.tensor([[9.0]]), truth())
    assert right < 0.01
    # 8 px too far right: IoU 24 / 40, the hull adds nothing; L1: two of four sides by 8 of 128 px.
    maps = maps_of((48, 40, 80, 72))
    maps[:, 1] += 1
    shifted, values = losses.tracking(maps, torch.tensor([[9.0]]), truth())
    assert values["iou"] == pytest.approx(0.6, abs=1e-4)
    assert shifted - right == pytest.approx(losses.GIOU * 0.4 + losses.L1 * 4 / 128, abs=1e-4)


def test_ignored_samples_weigh_nothing():
    maps, presence = maps_of((0, 0, 32, 32)).requires_grad_(), torch.zeros(1, 1, requires_grad=True)
    losses.tracking(maps, presence, truth(weight=0.0))[0].backward()
    assert maps.grad.abs().max() == 0 and presence.grad.abs().max() == 0


def test_an_absent_target_trains_scores_and_presence_but_no_boxes():
    maps, presence = maps_of((0, 0, 32, 32), logit=2.0).requires_grad_(), torch.zeros(1, 1, requires_grad=True)
    losses.tracking(maps, presence, truth((-1, -1, -1, -1), present=0.0))[0].backward()
    assert maps.grad[:, 0].abs().max() > 0 and maps.grad[:, 1:].abs().max() == 0 and presence.grad > 0


def test_response_vanishes_at_the_teacher_and_counts_scores_boxes_and_presence():
    box, there = (48, 40, 80, 72), torch.tensor([[1.0]])
    teacher = maps_of(box)
    assert losses.response(teacher, teacher, there, there, truth()) == pytest.approx(0, abs=1e-5)
    # Presence logits 0 and 2 log 3 at temperature 2: probabilities 1/2 and 3/4.
    other = torch.tensor([[2 * math.log(3)]])
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    got = losses.response(teacher, teacher, torch.zeros(1, 1), other, truth())
    assert got == pytest.approx(4 * divergence, abs=1e-4)
    # The student's box 8 px to the right: two of four sides by 8 of 32 px.
    student = teacher.clone()
    student[:, 1] += 1
    assert losses.response(student, teacher, there, there, truth()) == pytest.approx(4 / 32, abs=1e-4)


def test_response_ignores_boxes_of_a_teacher_that_is_wrong():
    there = torch.tensor([[1.0]])
    teacher = maps_of((0, 0, 16, 16), logit=-12.0)
    student = teacher.clone()
    student[:, 1] += 1
    assert losses.response(student, teacher, there, there, truth()) == pytest.approx(0, abs=1e-5)


def test_feature_is_in_units_of_the_teachers_spread():
    teacher = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2)
    spread = math.sqrt(2) + 0.1
    assert losses.feature(teacher + 0.5, teacher) == pytest.approx((0.5 / spread) ** 2, rel=1e-5)


def test_style_compares_means_and_deviations():
    a = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2)  # mean 1, deviation 1
    b = torch.tensor([1.0, 7.0]).view(1, 1, 1, 2)  # mean 4, deviation 3
    assert losses.style(a, b) == pytest.approx(9 + 4, rel=1e-4)


def test_content_compares_what_normalisation_leaves():
    a = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2)
    assert losses.content(3 * a + 5, a) == pytest.approx(0, abs=1e-4)
    # Normalised -1, 1 against 1, -1.
    assert losses.content(-a, a) == pytest.approx(4, rel=1e-4)


def test_style_pulls_both_modalities():
    g = torch.Generator().manual_seed(1)
    a, b = (torch.randn((2, 3, 8, 8), generator=g) * k + k for k in (1, 2))
    a.requires_grad_()
    b.requires_grad_()
    losses.style(a, b).backward()
    # Descent moves the smaller mean up and the larger one down.
    assert (a.grad.mean((0, 2, 3)) < 0).all() and (b.grad.mean((0, 2, 3)) > 0).all()


def test_content_cannot_pull_the_style_nor_the_teacher():
    g = torch.Generator().manual_seed(2)
    student, teacher = (torch.randn((2, 3, 8, 8), generator=g) for _ in range(2))
    student = (2 * student + 3).requires_grad_()
    teacher.requires_grad_()
    losses.content(student, teacher).backward()
    assert teacher.grad is None
    # No step along a change of means or of deviations.
    centred = (student - student.mean((2, 3), keepdim=True)).detach()
    assert student.grad.mean((2, 3)).abs().max() < 1e-7
    assert (student.grad * centred).mean((2, 3)).abs().max() < 1e-6
    assert student.grad.abs().max() > 1e-5


def test_style_cannot_pull_the_content():
    g = torch.Generator().manual_seed(3)
    a, b = (torch.randn((1, 2, 8, 8), generator=g) * k + k for k in (1, 2))
    a.requires_grad_()
    losses.style(a, b).backward()
    # A small step leaves the normalised map as it was.
    moved = (a - 10 * a.grad).detach()
    assert losses.content(moved, a.detach()) < 1e-6 < losses.style(moved, a.detach())


def test_the_mask_hides_a_quarter_of_the_cells_in_whole_cells():
    keep = losses.mask(3, 4, torch.Generator().manual_seed(4))
    assert keep.shape == (3, 1, 32, 32) and set(keep.unique().tolist()) == {0.0, 1.0}
    cells = keep.view(3, 16, 2, 16, 2)
    assert (cells.amax((2, 4)) == cells.amin((2, 4))).all()
    assert ((1 - keep).mean((1, 2, 3)) == 0.25).all()
    assert (keep[0] != keep[1]).any()
    assert losses.mask(1, 8, torch.Generator()).shape == (1, 1, 16, 16)
