"""Whole stages on a handful of made-up faces."""

import json

import numpy as np
import pytest
import torch

import nets
import train
from test_nets import shaken

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
    """One step so slow that it changes nothing; the network that came of it."""
    command = [stage, "--data", data, "--out", out, "--steps", 1, "--rate", 1e-9, "--turn", 1e-9, "--batch", 4, "--inline", *more]
    monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
    train.main()
    return torch.load(out / "best.pt", map_location="cpu", weights_only=False)["average"]


@pytest.fixture
def begun(tmp_path):
    """A thermal nano, and where it lies."""
    torch.manual_seed(5)
    net = shaken(nets.Landmarker("nano"))
    state = {"describe": {"task": "face-landmarks", "size": "nano", "channels": 1}, "average": net.state_dict(),
             "metrics": {}}
    torch.save(state, tmp_path / "thermal.pt")
    return net.state_dict(), tmp_path / "thermal.pt"


def test_the_rgb_teacher_and_the_transfer_begin_where_they_are_told_to(monkeypatch, tmp_path, data, begun):
    weights, path = begun
    first = next(k for k, v in weights.items() if v.ndim == 4)
    rgb = run(monkeypatch, "teacher-rgb", data, tmp_path / "rgb", "--size", "nano", "--init", path)
    assert rgb[first].shape[1] == 3
    assert torch.allclose(rgb[first][:, :1], weights[first], atol=1e-5), "the first colour is seen as heat was"
    assert rgb[first][:, 1:].abs().max() < 1e-5
    teacher = tmp_path / "rgb" / "best.pt"
    for begin in (["--init", path], []):
        out = tmp_path / f"thermal-{len(begin)}"
        thermal = run(monkeypatch, "transfer", data, out, "--size", "nano", "--teacher", teacher, *begin)
        assert torch.allclose(thermal[first], weights[first], atol=1e-5) == bool(begin)


def test_the_ablation_begins_nowhere(monkeypatch, tmp_path, data, begun):
    with pytest.raises(SystemExit):
        run(monkeypatch, "ablation", data, tmp_path / "out", "--teacher", begun[1], "--init", begun[1])
