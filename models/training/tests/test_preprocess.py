"""The geometry and properties of preprocessing."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from heatmark_training import preprocess
from heatmark_training.landmark_set import FIVE_MIRROR, MIRROR, five_points


def test_the_mirror_map_is_that_of_the_runtime():
    text = (Path(__file__).resolve().parents[3] / "src" / "landmarks.rs").read_text()
    table = re.search(r"MIRROR: \[u8; COUNT\] = \[(.*?)\];", text, re.S).group(1)
    numbers = [int(n) for n in re.findall(r"\d+", re.sub(r"//.*", "", table))]
    assert numbers == MIRROR.tolist()
    assert (MIRROR[MIRROR] == np.arange(70)).all()


def test_five_points_mirror_with_the_set():
    p = np.random.default_rng(0).normal(size=(70, 2))
    assert np.allclose(five_points(p)[FIVE_MIRROR], five_points(p[MIRROR]))


def test_points_survive_the_round_trip():
    rng = np.random.default_rng(1)
    p = rng.uniform(0, 160, (70, 2))
    back = preprocess.crop_to_frame(preprocess.frame_to_crop(p, (70.0, 55.0), 23.0, 0.4), (70.0, 55.0), 23.0, 0.4)
    assert np.abs(back - p).max() < 1e-9


def test_a_box_becomes_a_square_crop_around_it():
    centre, half = preprocess.crop_of_box((10, 20, 30, 60))
    assert centre.tolist() == [20, 40] and half == pytest.approx(28)


@pytest.mark.parametrize("half,angle", [(12, 0.0), (30, 0.5), (60, -1.0), (160, 0.2)])
def test_the_fast_sampler_follows_the_definition(half, angle):
    rng = np.random.default_rng(2)
    frame = np.cumsum(rng.normal(0, 4, (120, 160)), 1).astype(np.float32)
    want = preprocess.resample_reference(frame, (71.3, 48.8), half, angle, 48)
    got = preprocess.resample(frame, (71.3, 48.8), half, angle, 48)
    # OpenCV rounds sample positions to 1/32 px.
    assert np.abs(got - want).max() < 0.05 * np.ptp(frame) and np.abs(got - want).mean() < 0.003 * np.ptp(frame)


def test_a_point_lands_where_the_formula_says():
    frame = np.zeros((120, 160), np.float32)
    frame[40, 90] = 1  # its centre is (90.5, 40.5)
    out = preprocess.resample_reference(frame, (80.0, 50.0), 24.0, 0.3, 96)
    i, j = np.unravel_index(out.argmax(), out.shape)
    u, v = preprocess.frame_to_crop(np.array([[90.5, 40.5]]), (80.0, 50.0), 24.0, 0.3)[0]
    assert abs((j + 0.5) / 96 * 2 - 1 - u) < 1.5 / 96 and abs((i + 0.5) / 96 * 2 - 1 - v) < 1.5 / 96


@pytest.mark.parametrize("scale,k", [(0.2, 1), (1.0, 1), (1.02, 2), (3.0, 3), (99.0, 6)])
def test_subsamples(scale, k):
    assert preprocess.subsamples(scale) == k


def test_normalising_ignores_gain_and_offset_of_strong_pictures():
    image = np.random.default_rng(3).normal(30000, 400, (96, 96)).astype(np.float32)
    a = preprocess.normalise(image, 0.0)
    b = preprocess.normalise(image * 3 - 5000, 0.0)
    assert np.abs(a - b).max() < 2e-3 and a.min() == -1 and a.max() == 1


def test_a_flat_picture_stays_flat():
    image = np.full((96, 96), 30000, np.float32)
    image[::3] += 2  # 20 mK of noise
    assert np.ptp(preprocess.normalise(image, preprocess.FLOOR["centikelvin"])) < 0.2


def test_percentiles_are_sorted_samples():
    image = np.arange(96 * 96, dtype=np.float32).reshape(96, 96)
    sub = np.sort(image[::2, ::2].ravel())
    lo, hi = preprocess.percentile_limits(image, 0.01)
    assert lo == sub[math.floor(0.01 * 2303 + 0.5)] and hi == sub[math.floor(0.99 * 2303 + 0.5)]


def test_the_letterbox_keeps_aspect_and_centre():
    frame = np.random.default_rng(4).normal(0, 50, (120, 160)).astype(np.float32)
    x, (s, x0, y0) = preprocess.detector_input(frame, 0.0)
    assert x.shape == (preprocess.INPUT_CHANNELS, 128, 160) and (s, x0, y0) == (1.0, 0.0, -4.0)
    lo, hi = preprocess.percentile_limits(np.concatenate([frame[:1]] * 4 + [frame] + [frame[-1:]] * 4), 0.005)
    inside = np.clip((frame - lo) / (hi - lo), 0, 1) * 2 - 1
    assert np.abs(x[0, 4:124] - inside).max() < 1e-4
    assert np.array_equal(x[0, 0], x[0, 4]) and np.array_equal(x[0, 127], x[0, 123])
    assert preprocess.detector_input(np.zeros((348, 464)), 2.0)[0].shape == (preprocess.INPUT_CHANNELS, 256, 320)


def test_local_contrast_is_that_of_the_window():
    image = np.random.default_rng(5).normal(29500, 60, (40, 50)).astype(np.float32)
    image[:, 30:] += 1500
    got, reach = preprocess.local_contrast(image, 20.0), preprocess.CONTRAST_WINDOW // 2
    padded = np.pad(image.astype(np.float64), reach, mode="edge")
    for i, j in ((0, 0), (39, 49), (20, 29), (20, 30), (7, 12)):
        around = padded[i:i + preprocess.CONTRAST_WINDOW, j:j + preprocess.CONTRAST_WINDOW]
        want = np.clip((image[i, j] - around.mean()) / (2 * around.std() + 20), -preprocess.CONTRAST_LIMIT, preprocess.CONTRAST_LIMIT)
        assert abs(got[i, j] - want) < 1e-3
    assert np.abs(preprocess.local_contrast(np.full((30, 30), 30000, np.float32), 20.0)).max() == 0
