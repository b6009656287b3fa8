"""The average of two networks' weights."""

import pytest
import torch

from heatmark_training.average import average_weights, main


def test_it_lies_between_and_counters_are_the_new_ones():
    new = {"w": torch.tensor([1.0, 3.0]), "steps": torch.tensor(7)}
    old = {"w": torch.tensor([0.0, 1.0]), "steps": torch.tensor(2)}
    got = average_weights(new, old, 0.75)
    assert got["w"].tolist() == [0.75, 2.5] and int(got["steps"]) == 7
    assert average_weights(new, old, 1.0)["w"].tolist() == [1.0, 3.0]


def test_networks_of_other_shapes_are_refused():
    with pytest.raises(SystemExit):
        average_weights({"w": torch.zeros(2)}, {"w": torch.zeros(3)}, 0.5)
    with pytest.raises(SystemExit):
        average_weights({"w": torch.zeros(2)}, {"v": torch.zeros(2)}, 0.5)


def test_a_shipped_model_cannot_be_averaged_with_a_trained_one(monkeypatch):
    monkeypatch.setattr("sys.argv", ["average.py", "best.pt", "face.onnx", "--share", "0.5", "--data", "d", "--out", "o"])
    with pytest.raises(SystemExit, match="first.pt"):
        main()
