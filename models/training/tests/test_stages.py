"""Whole stages on a handful of made-up faces."""

import json

import numpy as np
import pytest
import torch

import bank
import nets
import sample
import train
from data import Shards
from points import FLIP, MIRROR
from student import predict
from test_nets import shaken
from unfold import load

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


def test_a_bank_holds_what_fresh_samples_are_and_what_the_teacher_says(monkeypatch, tmp_path, data, begun):
    for name, teacher in (("plain", []), ("told", ["--teacher", begun[1]])):
        command = ["bank", "--data", data, "--out", tmp_path / name, "--count", 50, "--batch", 16, *teacher]
        monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
        train.main()
    fresh = sample.Source(Shards(str(data))).batch(16, np.random.default_rng([1, 1]))
    part = bank.Bank(str(tmp_path / "told")).parts[0]
    assert np.abs(part["image"][16:32] / 127.5 - 1 - fresh.image).max() < 0.005
    assert (part["points"][16:32] == fresh.points).all() and (part["present"][16:32] == fresh.present).all()
    net, _ = load(begun[1])
    assert np.abs(predict(net, fresh.image)[0] - part["told"][16:32]).max() < 0.05

    told, plain = bank.Bank(str(tmp_path / "t*")), bank.Bank(str(tmp_path / "plain"))
    assert len(told) == 50 and plain.batch(4, np.random.default_rng(1)).told is None
    batch = told.batch(40, np.random.default_rng(3))
    again = told.batch(40, np.random.default_rng(3))
    assert all((v == w).all() for v, w in zip(vars(batch).values(), vars(again).values()) if v is not None)
    mirrored = 0
    for n in range(40):
        ways = [(batch.image[n], batch.points[n], batch.told[n]),
                (batch.image[n][..., ::-1], batch.points[n][MIRROR] * FLIP, batch.told[n][MIRROR] * [-1, 1, 1])]
        hits = [way for way, (x, y, t) in enumerate(ways)
                if any(np.allclose(x, part["image"][i] / 127.5 - 1, atol=1e-6) and np.allclose(y, part["points"][i])
                       and np.allclose(t, part["told"][i]) for i in range(50))]
        assert hits, n
        mirrored += hits == [1]
    assert 5 < mirrored < 35
    with pytest.raises(SystemExit, match="some banks have"):
        bank.Bank(f"{tmp_path}/told,{tmp_path}/plain")
    np.save(tmp_path / "plain" / "points.npy", np.zeros((49, 70, 2), np.float32))
    with pytest.raises(SystemExit, match="points.npy"):
        bank.Bank(str(tmp_path / "plain"))


def test_answers_of_both_sides_are_those_of_the_mirror_image_mirrored(data, begun):
    image = sample.Source(Shards(str(data))).batch(6, np.random.default_rng(2)).image
    net, _ = load(begun[1])
    net.eval()
    with torch.inference_mode():
        one, both = bank.answers(net, image, False), bank.answers(net, image, True)
        turned = bank.answers(net, np.ascontiguousarray(image[..., ::-1]), True)
    assert np.abs(both - one).max() > 1e-4
    assert np.abs(bank.mirrored(both) - turned).max() < 1e-5


def test_a_student_learns_from_banks(monkeypatch, tmp_path, data, begun):
    command = ["bank", "--data", data, "--out", tmp_path / "bank", "--count", 20, "--teacher", begun[1]]
    monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
    train.main()
    run(monkeypatch, "student", data, tmp_path / "out", "--size", "nano", "--bank", tmp_path / "bank")
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["logit"] > 0
