"""Samples, the sensor model, detector maps, data folders and the training loop, on small made-up data."""

import json
import math

import cv2
import numpy as np
import pytest
import torch

from heatmark_training import detector_samples, landmark_samples, landmark_task, preprocess, sensor_model, train_loop
from heatmark_training.datasets import Shards
from heatmark_training.detection import DetectionMetrics, decode
from heatmark_training.landmark_samples import LandmarkSource
from heatmark_training.landmark_set import MIRROR, bounding_box, five_points, roll_angle
from heatmark_training.networks import Landmarker


def face_points(centre, size, rng):
    """A made-up face: 70 points in a box of about `size`, mirror pairs mirrored."""
    p = np.empty((70, 2))
    half = rng.uniform(-0.5, 0.5, (70, 2))
    p[:] = half
    p[MIRROR] = np.where(np.arange(70)[:, None] <= MIRROR[:, None], half * (-1, 1), p[MIRROR])
    return (p * size + centre).astype(np.float32)


def test_faces_of_a_rotated_view_lie_under_its_points(monkeypatch):
    """In a scene whose values encode positions, each point must find its own value."""
    rng = np.random.default_rng(4)
    rolls = np.array([detector_samples.random_roll(rng) for _ in range(400)])
    assert 0.5 < (rolls == 0).mean() < 0.7 and 1.5 < np.abs(rolls).max() <= detector_samples.MAX_ROLL
    rows, columns = np.mgrid[:240, :320]
    places = (columns + 400 * rows).astype(np.float32)  # linear, so that sampling keeps it
    points = np.stack([face_points((130.0, 100.0), 40, rng), face_points((200.0, 150.0), 30, rng)])
    values = [f[:, 0] - 0.5 + 400 * (f[:, 1] - 0.5) for f in points]
    for angle in (0.0, 0.4, -1.0, detector_samples.MAX_ROLL, -detector_samples.MAX_ROLL):
        monkeypatch.setattr(detector_samples, "random_roll", lambda _, angle=angle: angle)
        checked = 0
        for _ in range(30):
            image, faces = detector_samples.compose_mosaic(lambda _: (places, points, np.zeros((2, 70), np.uint8)), rng)
            for p, _ in faces:
                inside = ((p > 1) & (p < (detector_samples.W - 1, detector_samples.H - 1))).all()
                if not inside or len(faces) > 2:  # other views of a mosaic may cover some
                    continue
                sampled = preprocess.bilinear(image, p[:, 0], p[:, 1])
                assert min(np.abs(sampled - v).mean() for v in values) < 0.5 * 400
                checked += 1
        assert checked > 5


@pytest.fixture
def folder(tmp_path):
    """Twelve faces whose points are drawn as bright dots."""
    rng = np.random.default_rng(0)
    path = tmp_path / "faces-1"
    path.mkdir()
    thermal = np.full((60, 128, 128), 29500, np.uint16)
    points = np.stack([face_points((64 + rng.normal(0, 3), 64), rng.uniform(36, 80), rng) for _ in range(60)])
    for image, face in zip(thermal, points):
        for x, y in face:
            image[int(y), int(x)] = 31000
    np.save(path / "thermal.npy", thermal)
    np.save(path / "points.npy", points)
    np.save(path / "visibility.npy", np.zeros((60, 70), np.uint8))
    np.save(path / "pose.npy", rng.normal(0, 30, (60, 3)).astype(np.float32))
    np.save(path / "rgb.npy", np.repeat(((thermal - 29500) // 8).astype(np.uint8)[..., None], 3, 3))
    (path / "meta.json").write_text(json.dumps({"seed": 1}))
    return path


def dots(image, points):
    """A blurred input, and the pixels of it that points well inside lie in."""
    at = ((points + 1) * 48 - 0.5).round().astype(int)
    return cv2.GaussianBlur(image, (0, 0), 2.0), at[((at >= 4) & (at < 92)).all(1)]


def test_truth_follows_the_picture(folder, monkeypatch):
    monkeypatch.setattr(sensor_model, "simulate", lambda image, face, rng: (image, 20.0))
    source = LandmarkSource(Shards(str(folder)), negatives=0.0, rgb=True)
    batch = source.batch(24, np.random.default_rng(3))
    for image, rgb, points in zip(batch.image[:, 0], batch.rgb, batch.points):
        for view in (image, rgb.mean(0)):
            heat, at = dots(view, points)
            on = heat[at[:, 1], at[:, 0]].mean()
            assert on > heat.mean() + 0.5 * heat.std(), "points lie on the bright dots"


def test_most_crops_are_near_the_face_and_along_it():
    rng = np.random.default_rng(5)
    upright = face_points((0.0, 0.0), 20, rng)
    upright[36:42], upright[42:48] = (-5, -4), (5, -4)
    t = math.radians(25)
    face = upright @ np.array([[math.cos(t), math.sin(t)], [-math.sin(t), math.cos(t)]])
    assert roll_angle(upright) == 0 and roll_angle(face) == pytest.approx(t, abs=1e-6)
    assert roll_angle(upright * [0.05, 1.0]) is None, "eyes in one place"
    b = bounding_box(face)
    placed = [landmark_samples.place_crop(b, roll_angle(face), rng) for _ in range(2000)]
    size = max(b[2:] - b[:2])
    middle = (b[:2] + b[2:]) / 2
    near = [np.hypot(*(c - middle)) < 0.1 * size and abs(h / (0.7 * size) - 1) < 0.2 for c, h, _, _ in placed]
    along = [abs(angle - t) < 0.2 for _, _, angle, _ in placed]
    assert 0.7 < np.mean(near) < 0.97 and 0.4 < np.mean(along) < 0.7


def test_a_batch_depends_on_its_seed_alone(folder):
    source = LandmarkSource(Shards(str(folder)))
    a, b = (source.batch(16, np.random.default_rng([1, 5])) for _ in range(2))
    assert np.array_equal(a.image, b.image) and np.array_equal(a.points, b.points)
    assert np.isfinite(a.image).all() and abs(a.image).max() <= 1.5 and 0 < a.present.sum() <= 16


@pytest.mark.parametrize("seed", range(40))
def test_the_sensor_model_gives_finite_pictures(seed):
    rng = np.random.default_rng(seed)
    side = int(rng.integers(12, 128))
    image = 29500 + 300 * rng.normal(size=(side, side)).astype(np.float32)
    out, floor = sensor_model.simulate(image, (side * 0.2, side * 0.2, side * 0.8, side * 0.8), rng)
    assert out.shape == image.shape and np.isfinite(out).all() and floor in preprocess.FLOOR.values()
    flat, _ = sensor_model.simulate(np.full((side, side), 29500, np.float32), (0, 0, side, side), rng)
    assert np.isfinite(flat).all()


def test_crops_away_from_faces_hold_none():
    rng = np.random.default_rng(1)
    boxes = np.array([[60, 30, 100, 80], [np.nan] * 4])
    for _ in range(200):
        centre, half = landmark_samples.place_away_from(np.zeros((120, 160)), boxes, rng) or (np.array([-999, 0.0]), 1.0)
        near = np.hypot(*(centre - (80, 55))) < 0.6 * 50
        assert not (near and 1 / 2.2 < half / (0.7 * 50) < 2.2)


def test_new_folders_count_once_complete(folder):
    shards = Shards(str(folder.parent / "faces-*"))
    assert len(shards.train) == 59 and len(shards.held_out) == 1
    other = folder.parent / "faces-2"
    other.mkdir()
    for name in ("thermal", "points", "visibility", "pose"):
        np.save(other / f"{name}.npy", np.load(folder / f"{name}.npy"))
    assert shards.refresh() == 0
    (other / "meta.json").write_text("{}")
    assert shards.refresh() == 1 and len(shards.train) == 118 and shards.refresh() == 0
    assert len(shards.draw(np.random.default_rng(0), 100)) == 100


def test_rare_poses_are_drawn_more_often(tmp_path):
    pose = np.zeros((100, 2, 3), np.float32)
    pose[:, 1] = np.nan  # one face a scene
    pose[0, 0], pose[1, 0], pose[2, 0] = (90, 0, 0), (0, -45, 0), np.nan
    for name, array in {"thermal": np.zeros((100, 4, 4), np.uint16), "points": np.zeros((100, 2, 70, 2), np.float32),
                        "visibility": np.zeros((100, 2, 70), np.uint8), "pose": pose}.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "meta.json").write_text("{}")
    shards = Shards(str(tmp_path))
    drawn = np.bincount([i for _, i in shards.draw(np.random.default_rng(0), 50_000)], minlength=98)
    usual = drawn[3:98].mean()
    assert drawn[0] == pytest.approx(2.6 * usual, rel=0.15) and drawn[1] == pytest.approx(2.6 * usual, rel=0.15)
    assert drawn[2] == pytest.approx(usual, rel=0.15) and (drawn[98:] == 0).all()  # the last are held out


def test_missing_data_is_a_plain_error(tmp_path):
    with pytest.raises(SystemExit, match="no complete data folder"):
        Shards(str(tmp_path / "x-*"))


def test_target_maps_decode_to_their_faces():
    rng = np.random.default_rng(2)
    faces = [face_points((40.3, 50.8), 30, rng), face_points((110.0, 70.2), 9, rng),
             face_points((100.0, 20.0), 4, rng)]
    maps = detector_samples.empty_batch(1)
    for face in faces:
        detector_samples.draw_targets(maps, 0, face, 1.0)
    heat = np.where(maps.heat[0, 0] > 0.999, 6.0, -6.0)
    boxes, points, scores = decode(heat, maps.geom[0])
    assert len(boxes) == 2 and (scores > 0.99).all() and maps.ignore.sum() > 0
    for face in faces[:2]:
        n = np.argmin(np.abs(boxes - bounding_box(face)).sum(1))
        assert np.abs(boxes[n] - bounding_box(face)).max() < 1e-3 and np.abs(points[n] - five_points(face)).max() < 1e-3
    # Every weighted cell of the larger face gives the same box.
    i, j = np.nonzero(maps.weight[0, 0])
    assert len(i) > 4 and maps.weight.sum() == pytest.approx(2, abs=1e-5)
    g = maps.geom[0][:, i, j]
    right = (4 * (j + 0.5 + g[0]) + 4 * np.exp(g[2]))[j < 18]
    assert np.abs(right - bounding_box(faces[0])[2]).max() < 1e-3


@pytest.fixture
def scenes(tmp_path):
    """Scenes of two faces drawn as bright dots, of which the second is small, hidden, or not there."""
    rng = np.random.default_rng(4)
    path = tmp_path / "scenes-1"
    path.mkdir()
    thermal = np.full((30, 120, 160), 29500, np.uint16)
    points = np.full((30, 2, 70, 2), np.nan, np.float32)
    visibility = np.zeros((30, 2, 70), np.uint8)
    for n, image in enumerate(thermal):
        points[n, 0] = face_points((60 + rng.normal(0, 8), 60), rng.uniform(40, 60), rng)
        if n % 3:
            points[n, 1] = face_points((130, 50), 5 if n % 3 == 1 else 40, rng)
            visibility[n, 1] = 2 if n % 3 == 2 else 0
        for x, y in points[n][np.isfinite(points[n]).all((1, 2))].reshape(-1, 2):
            image[int(np.clip(y, 0, 119)), int(np.clip(x, 0, 159))] = 31000
    np.save(path / "thermal.npy", thermal)
    np.save(path / "points.npy", points)
    np.save(path / "visibility.npy", visibility)
    (path / "meta.json").write_text("{}")
    return Shards(str(path))


def on_the_dots(image, points):
    """The share of points at bright spots of an input."""
    heat, at = dots(image, points)
    around = cv2.dilate(heat, np.ones((3, 3)))
    return (around[at[:, 1], at[:, 0]] > np.median(heat) + 0.02).mean()


def test_faces_of_scenes_are_the_visible_ones_and_their_truth_follows_the_picture(folder, scenes, monkeypatch):
    monkeypatch.setattr(sensor_model, "simulate", lambda image, face, rng: (image, 20.0))
    visible = landmark_samples.visible_scene_faces(scenes.folders, scenes.train)
    assert len(visible) == len(scenes.train) and {f for _, _, f in visible} == {0}
    source = LandmarkSource(Shards(str(folder)), scenes, negatives=0.0, scene_share=1.0)
    batch = source.batch(24, np.random.default_rng(3))
    held_out = landmark_samples.held_out_scene_faces(scenes, 10)
    assert len(held_out.image) == len(scenes.held_out)
    for b in (batch, held_out):
        assert all(on_the_dots(image, points) > 0.9 for image, points in zip(b.image[:, 0], b.points))
        assert (b.present == 1).all() and (b.visibility == 0).all()
    half = LandmarkSource(Shards(str(folder)), scenes, negatives=0.0, scene_share=0.5)
    assert not np.array_equal(half.batch(8, np.random.default_rng(3)).points, batch.points[:8])


def test_faces_of_scenes_without_scenes_or_with_rgb_are_refused(folder, scenes):
    with pytest.raises(SystemExit, match="scenes"):
        LandmarkSource(Shards(str(folder)), None, scene_share=0.5)
    with pytest.raises(SystemExit, match="RGB"):
        LandmarkSource(Shards(str(folder)), scenes, rgb=True, scene_share=0.5)


def test_average_precision_of_known_cases():
    truth = np.array([[0, 0, 20, 20], [50, 50, 80, 80.0]])
    perfect, wrong = DetectionMetrics(), DetectionMetrics()
    perfect.add(truth, [0.9, 0.8], truth, [True, True])
    assert perfect.result()["ap50"] == 100 and perfect.result()["box_error"] == 0
    wrong.add(np.array([[100, 100, 120, 120], truth[0]]), [0.9, 0.8], truth, [True, True])
    assert wrong.result()["ap50"] == pytest.approx(25)  # half the faces, at half precision
    shielded = DetectionMetrics()
    shielded.add(truth, [0.9, 0.8], truth, [True, False])
    assert shielded.result()["ap50"] == 100


def test_training_falls_and_resumes(folder, tmp_path):
    # The same crops in every step: the dots of these faces follow no rule.
    eight = LandmarkSource(Shards(str(folder)), negatives=0.0).batch(8, np.random.default_rng(0))

    def go(steps, resume):
        torch.manual_seed(0)
        run = train_loop.Run(tmp_path / "run", resume)

        def step(net, batch, progress):
            batch = landmark_task.batch_tensors(batch)
            return landmark_task.task_loss(net(batch[0]), batch, progress)

        return train_loop.train(Landmarker("nano"), run, train_loop.Budget(steps), lambda _: eight, step,
                          lambda net: {"checked": 1.0}, 1, 2e-3, {"task": "face-landmarks", "size": "nano"}, muon_lr=0.02)

    go(12, False)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=False)
    assert state["done"] == 12 and state["metrics"] == {"checked": 1.0}
    go(200, True)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=False)
    assert state["done"] == 200 and state["describe"]["steps"] == 200
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    for name in ("error", "nll"):
        losses = [line[name] for line in lines if name in line]
        assert losses[-1] < losses[0], name
    assert losses[-1] < 0.8 * losses[0] and any("resumed_at" in line for line in lines)


def test_a_failure_while_making_batches_reaches_the_loop():
    def broken(_):
        raise OSError("disk gone")

    source = train_loop.Prefetch(broken, 0)
    with pytest.raises(OSError, match="disk gone"):
        source.next()
    source.close()
