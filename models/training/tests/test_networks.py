"""Folding, export and the budget of the networks."""

import copy

import numpy as np
import onnx
import pytest
import torch

from heatmark_training import export, networks
from heatmark_training.preprocess import INPUT_CHANNELS
from random_networks import randomise_batch_norms


@pytest.mark.parametrize("inputs,outputs,stride,kernel", [(8, 8, 1, 3), (8, 16, 2, 3), (8, 8, 1, 1), (4, 8, 1, 3)])
def test_a_folded_block_computes_the_same(inputs, outputs, stride, kernel):
    block = randomise_batch_norms(networks.Block(inputs, outputs, stride, kernel))
    x = torch.randn(2, inputs, 9, 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(block(x), block.fold()(x), atol=1e-5)


@pytest.mark.parametrize("about", [{"task": "face-landmarks", "size": "nano"},
                                   {"task": "face-landmarks", "size": "small"},
                                   {"task": "face-landmarks", "size": "base"}, {"task": "face-detector"}])
def test_export_matches_torch(about, tmp_path):
    torch.manual_seed(3)
    net = randomise_batch_norms(networks.Detector() if about["task"] == "face-detector" else networks.Landmarker(about["size"]))
    model, shape = export.build(net, about)
    assert export.parity(net, model, shape) < 1e-4
    assert {n.op_type for n in model.graph.node} <= {"Conv", "Relu", "Add", "Resize", "Flatten", "Gemm", "Transpose"}


def test_the_detector_takes_larger_frames():
    net = randomise_batch_norms(networks.Detector())
    model, _ = export.build(net, {"task": "face-detector"})
    heat, geom = export.run(model, np.zeros((1, INPUT_CHANNELS, 256, 320), np.float32))
    assert heat.shape == (1, 1, 64, 80) and geom.shape == (1, 14, 64, 80)


@pytest.mark.parametrize("size,low,high", [("nano", 10, 20), ("small", 45, 60), ("base", 170, 200)])
def test_sizes_keep_their_budget(size, low, high):
    assert low < networks.mflop(networks.Landmarker(size), (INPUT_CHANNELS, 96, 96)) < high


def test_a_larger_network_starts_where_the_smaller_one_ended():
    torch.manual_seed(5)
    small, base = randomise_batch_norms(networks.Landmarker("small", 1)), networks.Landmarker("base", 2).eval()
    networks.load_weights(base, {"average": small.state_dict()})
    x = torch.randn(2, 2, 96, 96, generator=torch.Generator().manual_seed(2))
    
    def near(a, b):
        return all(torch.allclose(p, q, atol=1e-4) for p, q in zip(a, b))

    with torch.no_grad():
        expected = small.eval()(x[:, :1])
        base.backbone.wide, wide = None, base.backbone.wide
        assert near(base(x), expected)
        base.backbone.wide = wide
        assert not near(base(x), expected)
    with pytest.raises(SystemExit, match="cannot start"):
        networks.load_weights(networks.Landmarker("nano"), {"average": small.state_dict()})


def test_the_detector_keeps_its_budget():
    assert 60 < networks.mflop(networks.Detector(), (INPUT_CHANNELS, 128, 160)) < 90


def test_a_card_and_its_golden_agree_with_the_model(tmp_path):
    tomllib = pytest.importorskip("tomllib")
    net = randomise_batch_norms(networks.Landmarker("nano", 2))
    torch.save({"average": net.state_dict(), "metrics": {"nme": 5.0},
                "describe": {"task": "face-landmarks", "size": "nano", "steps": 3, "channels": 2}}, tmp_path / "best.pt")
    export.export(tmp_path / "best.pt", "n", tmp_path, 'a "quoted" recipe')
    card = tomllib.loads((tmp_path / "n.toml").read_text())
    assert card["input"]["height"] == 96 and card["training"]["recipe"] == 'a "quoted" recipe'
    assert card["input"]["percentiles"] == [1, 99] and card["golden"]["file"] == "n.golden.npy"
    with open(tmp_path / "n.golden.npy", "rb") as f:
        image, *want = (np.load(f) for _ in range(3))
    assert image.dtype == np.uint8 and np.ptp(image) > 200
    got = export.run(onnx.load(tmp_path / card["file"]), image.astype(np.float32) / 127.5 - 1)
    for a, b, declared in zip(got, want, card["outputs"]):
        assert np.abs(a - b).max() < 1e-5 and list(b.shape) == declared["shape"]


def test_folding_leaves_the_original_alone():
    net = randomise_batch_norms(networks.Landmarker("nano"))
    before = copy.deepcopy(net.state_dict())
    export.build(net, {"task": "face-landmarks", "size": "nano"})
    assert all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values()))
