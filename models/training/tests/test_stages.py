"""Whole stages on a handful of made-up faces."""

import json

import numpy as np
import pytest
import torch

from heatmark_training import networks, train
from heatmark_training.datasets import Shards
from heatmark_training.landmark_samples import LandmarkSource
from heatmark_training.landmark_set import FLIP, MIRROR
from heatmark_training.landmark_task import predict
from heatmark_training.precomputed import PrecomputedSamples, mirror_outputs
from heatmark_training.pretrained import load
from heatmark_training.stages.precompute import teacher_outputs
from random_networks import randomise_batch_norms

COUNT = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of face crops with colour."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(3)
    points = rng.uniform(40, 90, (COUNT, 70, 2)).astype(np.float32)
    np.save(folder / "thermal.npy", rng.integers(29000, 31000, (COUNT, 128, 128), np.uint16))
    np.save(folder / "rgb.npy", rng.integers(0, 256, (COUNT, 128, 128, 3), np.uint8))
    np.save(folder / "points.npy", points)
    np.save(folder / "visibility.npy", np.zeros((COUNT, 70), np.uint8))
    (folder / "meta.json").write_text(json.dumps({}))
    return folder


def run(monkeypatch, stage, data, out, *more):
    """One step so small that it changes nothing; the resulting weights."""
    command = [stage, "--data", data, "--out", out, "--steps", 1, "--lr", 1e-9, "--muon-lr", 1e-9, "--batch", 4,
               "--inline", *more]
    monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
    train.main()
    return torch.load(out / "best.pt", map_location="cpu", weights_only=False)["average"]


@pytest.fixture
def thermal_nano(tmp_path):
    """A thermal nano's weights, and the path of its checkpoint."""
    torch.manual_seed(5)
    net = randomise_batch_norms(networks.Landmarker("nano"))
    state = {"describe": {"task": "face-landmarks", "size": "nano", "channels": 1}, "average": net.state_dict(),
             "metrics": {}}
    torch.save(state, tmp_path / "thermal.pt")
    return net.state_dict(), tmp_path / "thermal.pt"


def test_the_rgb_teacher_and_the_transfer_start_from_init(monkeypatch, tmp_path, data, thermal_nano):
    weights, path = thermal_nano
    first = next(k for k, v in weights.items() if v.ndim == 4)
    rgb = run(monkeypatch, "teacher-rgb", data, tmp_path / "rgb", "--size", "nano", "--init", path)
    assert rgb[first].shape[1] == 3
    assert torch.allclose(rgb[first][:, :1], weights[first], atol=1e-5), "the first colour replaces heat"
    assert rgb[first][:, 1:].abs().max() < 1e-5
    teacher = tmp_path / "rgb" / "best.pt"
    for init in (["--init", path], []):
        out = tmp_path / f"thermal-{len(init)}"
        thermal = run(monkeypatch, "transfer", data, out, "--size", "nano", "--teacher", teacher, *init)
        assert torch.allclose(thermal[first], weights[first], atol=1e-5) == bool(init)


def test_the_ablation_takes_no_init(monkeypatch, tmp_path, data, thermal_nano):
    with pytest.raises(SystemExit):
        run(monkeypatch, "ablation", data, tmp_path / "out", "--teacher", thermal_nano[1], "--init", thermal_nano[1])


def test_precomputed_samples_are_fresh_ones_with_the_teachers_outputs(monkeypatch, tmp_path, data, thermal_nano):
    for name, teacher in (("plain", []), ("taught", ["--teacher", thermal_nano[1]])):
        command = ["precompute", "--data", data, "--out", tmp_path / name, "--count", 50, "--batch", 16, *teacher]
        monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
        train.main()
    fresh = LandmarkSource(Shards(str(data))).batch(16, np.random.default_rng([1, 1]))
    part = PrecomputedSamples(str(tmp_path / "taught")).parts[0]
    assert np.abs(part["image"][16:32] / 127.5 - 1 - fresh.image).max() < 0.005
    assert (part["points"][16:32] == fresh.points).all() and (part["present"][16:32] == fresh.present).all()
    net, _ = load(thermal_nano[1])
    assert np.abs(predict(net, fresh.image)[0] - part["teacher"][16:32]).max() < 0.05

    taught, plain = PrecomputedSamples(str(tmp_path / "t*")), PrecomputedSamples(str(tmp_path / "plain"))
    assert len(taught) == 50 and plain.batch(4, np.random.default_rng(1)).teacher is None
    batch = taught.batch(40, np.random.default_rng(3))
    again = taught.batch(40, np.random.default_rng(3))
    assert all((v == w).all() for v, w in zip(vars(batch).values(), vars(again).values()) if v is not None)
    mirrored = 0
    for n in range(40):
        versions = [(batch.image[n], batch.points[n], batch.teacher[n]),
                (batch.image[n][..., ::-1], batch.points[n][MIRROR] * FLIP, batch.teacher[n][MIRROR] * [-1, 1, 1])]
        hits = [version for version, (x, y, t) in enumerate(versions)
                if any(np.allclose(x, part["image"][i] / 127.5 - 1, atol=1e-6) and np.allclose(y, part["points"][i])
                       and np.allclose(t, part["teacher"][i]) for i in range(50))]
        assert hits, n
        mirrored += hits == [1]
    assert 5 < mirrored < 35
    with pytest.raises(SystemExit, match="some folders have"):
        PrecomputedSamples(f"{tmp_path}/taught,{tmp_path}/plain")
    np.save(tmp_path / "plain" / "points.npy", np.zeros((49, 70, 2), np.float32))
    with pytest.raises(SystemExit, match="points.npy"):
        PrecomputedSamples(str(tmp_path / "plain"))


def test_mirror_averaged_outputs_of_the_mirror_image_are_mirrored(data, thermal_nano):
    image = LandmarkSource(Shards(str(data))).batch(6, np.random.default_rng(2)).image
    net, _ = load(thermal_nano[1])
    net.eval()
    with torch.inference_mode():
        one, both = teacher_outputs(net, image, False), teacher_outputs(net, image, True)
        mirrored = teacher_outputs(net, np.ascontiguousarray(image[..., ::-1]), True)
    assert np.abs(both - one).max() > 1e-4
    assert np.abs(mirror_outputs(both) - mirrored).max() < 1e-5


def test_a_student_learns_from_precomputed_samples(monkeypatch, tmp_path, data, thermal_nano):
    command = ["precompute", "--data", data, "--out", tmp_path / "samples", "--count", 20, "--teacher", thermal_nano[1]]
    monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
    train.main()
    run(monkeypatch, "student", data, tmp_path / "out", "--size", "nano", "--precomputed", tmp_path / "samples")
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["output"] > 0
