"""Labels from visible pictures: shifts, labels and errors, without the mesh."""

import cv2
import numpy as np
import pytest

from heatmark_training import paired


def scene(moved, rng):
    """A textured head per move in a visible picture (Lab) and, moved, in a thermal one; the points of each."""
    visible = np.full((480, 640, 3), 90, np.float32)
    thermal = np.full((480, 640), 0.2, np.float32)
    faces = []
    for k, (dx, dy) in enumerate(moved):
        centre = np.array([130 + 190 * k, 240])
        marks = rng.uniform(-0.4, 0.4, (9, 2)) * (80, 100)
        for picture, at, level in ((visible, centre, (160, 20, 20)), (thermal, centre + (dx, dy), (0.8,))):
            cv2.ellipse(picture, tuple(map(int, at)), (45, 60), 0, 0, 360, level, -1)
            for x, y in marks:
                cv2.circle(picture, (int(at[0] + x), int(at[1] + y)), 6, (0.5,) * len(level), -1)
        faces.append(centre + rng.uniform(-0.5, 0.5, (68, 2)) * (90, 120))
    noise = rng.normal(0, 0.01, thermal.shape).astype(np.float32)
    return visible, thermal + noise, faces


def test_faces_are_moved_to_where_their_edges_agree():
    rng = np.random.default_rng(1)
    moved = [(-4, -20), (-2, -16), (0, -22)]
    visible, thermal, faces = scene(moved, rng)
    found = paired.choose_shifts([paired.edge_correlation(visible, thermal, p) for p in faces])
    assert all(np.abs(m - true).max() <= 1 and agreed > 0.5 for (m, agreed), true in zip(found, moved))


def test_a_face_without_edges_is_moved_as_the_others():
    rng = np.random.default_rng(2)
    visible, thermal, faces = scene([(3, 12), (4, 13), (3, 12)], rng)
    thermal[:, 420:] = 0.2 + rng.normal(0, 0.01, thermal[:, 420:].shape)  # the last face cannot be seen
    found = paired.choose_shifts([paired.edge_correlation(visible, thermal, p) for p in faces])
    assert found[2][1] < paired.MIN_CORRELATION and np.abs(found[2][0] - (3, 12)).max() <= 1
    assert np.abs(found[0][0] - (3, 12)).max() <= 1


def test_faces_at_the_border_and_no_faces_do():
    rng = np.random.default_rng(3)
    visible, thermal, faces = scene([(0, -8)], rng)
    edge = faces[0] - faces[0].min(0) + (-30, 10)
    (move, agreed), = paired.choose_shifts([paired.edge_correlation(visible, thermal, edge)])
    assert np.isfinite(move).all() and np.isfinite(agreed)
    assert paired.yolo_lines([]) == ""


def test_a_line_is_a_box_and_its_points_in_shares():
    points = np.random.default_rng(4).uniform(0.2, 0.4, (68, 2))
    points[0], points[1] = (0.1, 0.25), (0.5, 0.45)
    (line,) = paired.yolo_lines([points]).splitlines()
    numbers = np.array(line.split(), float)
    assert len(numbers) == 1 + 4 + 136 and numbers[1] == pytest.approx(0.3) and numbers[3] == pytest.approx(0.4)
    assert np.abs(numbers[5:].reshape(68, 2) - points).max() < 1e-5


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit, match="a.png: is not a picture"):
        paired.read_picture(tmp_path / "a.png", cv2.IMREAD_COLOR)
