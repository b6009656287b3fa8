"""The reports' pictures and the numbers behind them."""

import cv2
import numpy as np

from heatmark_training import figures
from heatmark_training.landmark_set import COUNT


def faces(n=24):
    rng = np.random.default_rng(3)
    truth = rng.uniform(-0.6, 0.6, (n, COUNT, 2)).astype(np.float32)
    truth[:, 0], truth[:, 1] = -0.6, 0.6  # every face is 1.2 wide and high
    return truth


def test_errors_are_percent_of_the_face_size():
    truth = faces()
    off = truth + np.array([0.06, 0.0], np.float32)
    assert np.allclose(figures.errors(off, truth), 5.0, atol=1e-3)
    assert np.allclose(figures.share_within(figures.errors(off, truth), [4.9, 5.1]), [0, 100])


def test_pictures_show_what_was_wrong(tmp_path):
    truth = faces()
    points = truth + np.linspace(0, 0.3, len(truth), dtype=np.float32)[:, None, None]
    images = np.zeros((len(truth), 1, 96, 96), np.float32)
    figures.examples(tmp_path / "e.png", images, points, truth, columns=4)
    picture = cv2.imread(str(tmp_path / "e.png"))
    assert picture.shape == (3 * figures.SIDE, 4 * figures.SIDE, 3)
    red = lambda row: (picture[row * figures.SIDE:(row + 1) * figures.SIDE, :, 2] > 200).sum()
    assert red(0) > 0 and red(2) > 0
    each = figures.errors(points, truth)
    for draw in (figures.curves, figures.regions):
        draw(tmp_path / "p.png", {"a": [each, each + 1], "b": [each]})
        assert cv2.imread(str(tmp_path / "p.png")).std() > 5
