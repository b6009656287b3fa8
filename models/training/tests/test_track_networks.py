"""Folding, export and modes of the trackers."""

import copy
import tomllib

import numpy as np
import onnx
import pytest
import torch

from heatmark_training import export, track_networks, track_quantise
from heatmark_training.networks import fold_batch_norms
from heatmark_training.quantisation import QdqRewriter, calibrate, exact_session
from heatmark_training.track_evaluate import OnnxPredictor, TorchPredictor
from heatmark_training.track_export import parity, run_tracker
from heatmark_training.track_networks import MODES, Crops, Tracker, merge, track_mflop
from heatmark_training.track_onnx import OUTPUTS, in_mode, tracker_model
from heatmark_training.track_preprocess import HIGH, LOW
from heatmark_training.track_samples import TrackSource
from heatmark_training.track_sequences import TrackSets
from random_networks import randomise_batch_norms
from tiny_sequences import write_set


@pytest.fixture(scope="module")
def nano():
    """A nano with random batch norms and binding."""
    torch.manual_seed(2)
    net = randomise_batch_norms(Tracker("nano"))
    torch.nn.init.normal_(net.bind.gate.weight, 0, 0.5)
    torch.nn.init.normal_(net.bind.project.weight, 0, 0.2)
    return net


def crops(n, side, seed):
    """Random inputs."""
    g = torch.Generator().manual_seed(seed)
    return Crops(*(torch.rand((n, c, side, side), generator=g) * 3 - 1 for c in (3, 1)))


@pytest.mark.parametrize("size,budget", [("nano", 25), ("small", 90), ("base", 325)])
def test_sizes_keep_their_budget(size, budget):
    net = Tracker(size)
    assert 0.98 * budget < track_mflop(net) < 1.01 * budget
    assert track_mflop(net, "thermal") < track_mflop(net, "visible") < track_mflop(net)


@pytest.mark.parametrize("size", track_networks.TRACK_SIZES)
def test_the_exported_tracker_matches_torch(size):
    torch.manual_seed(3)
    net = randomise_batch_norms(Tracker(size))
    model = tracker_model(fold_batch_norms(copy.deepcopy(net)))
    assert parity(net, model) < 1e-4 and parity(net, model, side=192) < 1e-4
    names = {name for node in model.graph.node for name in node.output}
    assert {"merge", "features", "match", "mix", "head", "map", "presence"} <= names


@pytest.mark.parametrize("mode", MODES)
def test_modes_of_the_exported_tracker_match_torch(nano, mode, tmp_path):
    onnx.save(tracker_model(fold_batch_norms(copy.deepcopy(nano))), tmp_path / "t.onnx")
    mine, theirs = OnnxPredictor(str(tmp_path / "t.onnx"), mode), TorchPredictor(copy.deepcopy(nano))
    template, search = ({m: getattr(c, m).numpy() for m in ("thermal", "visible") if mode in ("both", m)}
                        for c in (crops(2, 64, 1), crops(2, 128, 2)))
    features = theirs.bind(template)
    assert np.abs(mine.bind(template) - features).max() < 1e-4 * np.abs(features).max()
    for a, b in zip(mine.predict(features, search), theirs.predict(features, search)):
        assert np.abs(a - b).max() < 1e-4 * max(1, np.abs(b).max())


def test_a_missing_modality_leaves_no_weights_behind(nano):
    model = tracker_model(fold_batch_norms(copy.deepcopy(nano)))
    thermal = in_mode(model, "thermal")
    assert [i.name for i in thermal.graph.input] == ["thermal", "template"]
    assert len(thermal.graph.initializer) == len(model.graph.initializer) - 4
    assert [i.name for i in model.graph.input] == ["visible", "thermal", "template"], "the model stays as it is"


def test_a_mixed_batch_equals_its_parts(nano):
    # Rows: thermal alone, both, both, visible alone.
    template, search = crops(4, 64, 3), crops(4, 128, 4)
    mixed = [Crops(c.visible[1:], c.thermal[:3], 4) for c in (template, search)]
    with torch.no_grad():
        together = nano(*mixed)
        parts = [nano(*(Crops(c.visible[rows], c.thermal[rows]).mode(mode) for c in (template, search)))
                 for mode, rows in (("thermal", slice(0, 1)), ("both", slice(1, 3)), ("visible", slice(3, 4)))]
    for k, whole in enumerate(together):
        assert torch.allclose(whole, torch.cat([p[k] for p in parts]), atol=1e-5)


def test_a_batch_without_pairs_merges():
    thermal, visible = torch.ones(2, 1, 1, 1), torch.full((1, 1, 1, 1), 5.0)
    assert merge(visible, thermal, 3).flatten().tolist() == [2, 2, 10]


def test_another_template_gives_other_weights(nano):
    with torch.no_grad():
        a, b = (nano.bind(nano.trunk(*crops(1, 64, seed))) for seed in (5, 6))
    assert (a.match - b.match).abs().max() > 0.01 and (a.gates - b.gates).abs().max() > 0.001
    assert torch.allclose(a.match.norm(dim=2), nano.bind.scale.abs().expand(1, 64), atol=1e-3)


def test_export_writes_the_model_its_card_and_golden_values(nano, tmp_path):
    state = {"describe": {"task": "tracker", "size": "nano", "seed": 4}, "average": nano.state_dict(),
             "metrics": {"both_iou": 0.5, "auroc": float("nan")}}
    torch.save(state, tmp_path / "best.pt")
    assert export.export(tmp_path / "best.pt", "track-nano", tmp_path / "out", "a recipe", threshold=0.4) < 1e-4
    card = tomllib.loads((tmp_path / "out/track-nano.toml").read_text())
    assert card["task"] == "tracker" and card["tracker"]["features"] == 40 and card["decoding"]["presence"] == 0.4
    assert card["training"]["recipe"] == "a recipe" and card["metrics"] == {"both_iou_synthetic": 0.5}
    with open(tmp_path / "out/track-nano.golden.npy", "rb") as f:
        visible, thermal, template, maps, presence = (np.load(f) for _ in range(5))
    assert visible.dtype == thermal.dtype == np.uint8 and template.shape == (1, 40, 8, 8)
    inputs = {"visible": visible / np.float32(127.5) - 1, "thermal": thermal / np.float32(127.5) - 1,
              "template": template}
    got = run_tracker(onnx.load(tmp_path / "out/track-nano.onnx"), inputs)
    assert np.allclose(got["map"], maps, atol=1e-5) and np.allclose(got["presence"], presence, atol=1e-5)


def test_a_quantised_tracker_answers_like_the_float_one(tmp_path):
    torch.manual_seed(5)
    model = tracker_model(fold_batch_norms(randomise_batch_norms(Tracker("nano"))))
    keep = track_quantise.float_nodes(model)
    batch = TrackSource(TrackSets(str(write_set(tmp_path / "set", 4)))).batch(12, np.random.default_rng(1))
    samples = track_quantise.Samples(model, batch)
    assert all(samples.inputs.values()), "samples of every mode"
    histograms = calibrate([(in_mode(model, mode), one) for mode, one in samples.inputs.items()], keep)
    small = QdqRewriter(model, {t: (h.low, h.high) for t, h in histograms.items()}, keep, (LOW, HIGH)).run()
    maker = {o: n for n in small.graph.node for o in n.output}
    convs = [n for n in small.graph.node if n.op_type == "Conv"]
    floats = [c for c in convs if maker.get(c.input[1]) is None or maker[c.input[1]].op_type != "DequantizeLinear"]
    assert len(floats) == 3 and len(convs) > 12, "the binding's own, and the two that the template makes"
    want, got = samples.evaluate(model), samples.evaluate(small)
    assert want.keys() == got.keys()
    for mode, inputs in samples.inputs.items():
        pairs = zip(*(exact_session(in_mode(m, mode)).run(list(OUTPUTS), inputs[0]) for m in (model, small)))
        for a, b in pairs:
            assert 0 < np.abs(a - b).mean() < 0.1 * max(1, np.abs(a).max()), mode
