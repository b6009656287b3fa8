"""Calibration ranges, quantisation and the files of int8 models."""

import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from heatmark_training import export, networks, quantisation, quantise
from heatmark_training.preprocess import INPUT_CHANNELS
from random_networks import randomise_batch_norms


@pytest.fixture(scope="module")
def pair():
    """A float model and the same in int8, with the pictures that its ranges were taken from."""
    torch.manual_seed(3)
    model, shape = export.build(randomise_batch_norms(networks.Landmarker("nano")), {"task": "face-landmarks", "size": "nano"})
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(0, 0.2, (12, *shape)), -1)
    images = np.clip(smooth - smooth.mean(), -1, 1).astype(np.float32)
    ranges = {t: (h.low, h.high) for t, h in quantisation.calibrate([(model, [{"image": i[None]} for i in images])]).items()}
    return model, quantisation.QdqRewriter(model, ranges).run(), images


def test_all_convolutions_read_integers(pair):
    model, small, _ = pair
    maker = {o: n for n in small.graph.node for o in n.output}
    convs = [n for n in small.graph.node if n.op_type == "Conv"]
    assert len(convs) == sum(n.op_type == "Conv" for n in model.graph.node)
    constants = {w.name: numpy_helper.to_array(w) for w in small.graph.initializer}
    for conv in convs:
        assert all(maker[i].op_type == "DequantizeLinear" for i in conv.input)
        weight, bias = (constants[maker[i].input[0]] for i in conv.input[1:])
        assert weight.dtype == np.int8 and bias.dtype == np.int32 and np.abs(weight.astype(int)).max() == 127
    # The picture is between -1 and 1, and -1, 0 and 1 are multiples of its scale.
    low, high = quantisation.INPUT_RANGE
    step, zero = constants["image.scale"].item(), constants["image.zero"].item()
    assert (convs[0].input[0], step, zero) == ("image.dq", np.float32(1 / 127), 128)
    assert low == -128 / 127 and np.isclose((255 - zero) * step, high)
    # The outputs are not quantised again.
    outputs = {o.name for o in small.graph.output}
    assert outputs == {o.name for o in model.graph.output}
    assert all(maker[o].op_type != "DequantizeLinear" for o in outputs)


def test_int8_outputs_are_close_to_float(pair):
    model, small, images = pair
    for image in images[:4]:
        want = quantisation.exact_session(model).run(None, {"image": image[None]})
        got = quantisation.exact_session(small).run(None, {"image": image[None]})
        for a, b in zip(want, got):
            assert 0 < np.abs(a - b).mean() < 0.05 * np.abs(a).max()


def test_quantising_leaves_the_float_model_alone(pair):
    model, _, images = pair
    before = model.SerializeToString()
    quantisation.QdqRewriter(model, {t: (0.0, 1.0) for t in quantisation.quantised_parts(model.graph)[1]}).run()
    quantisation.calibrate([(model, [{"image": images[:1]}])])
    assert model.SerializeToString() == before


def test_weights_are_multiples_of_their_scale_and_biases_fit():
    weight = np.random.default_rng(1).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    weight[2] = 0
    bias = np.array([0.1, -2, 3, 0], np.float32)
    numbers, scale = quantisation.quantise_weights(weight, bias, np.float32(0.01))
    back = numbers * scale[:, None, None, None]
    assert np.abs(back - weight).max() <= 0.5001 * scale.max()
    steps = bias / (scale * 0.01)
    assert np.abs(steps).max() <= 2**29 * 1.001 and not numbers[2].any()


def test_ranges_hold_zero_and_leave_out_the_stated_share():
    histogram = quantisation.Histogram(0.0, 10.0)
    histogram.add(np.concatenate([np.random.default_rng(0).uniform(0, 1, 100_000), [10.0]]))
    assert quantisation.RANGES["min-max"](histogram) == (0.0, 10.0)
    assert quantisation.RANGES["99.99 %"](histogram)[1] == pytest.approx(1, abs=0.01)
    low, high = quantisation.RANGES["least squares"](histogram)
    assert low == 0 and 0.9 < high <= 10
    two_sided = quantisation.Histogram(-3.0, 5.0)
    two_sided.add(np.linspace(-3, 5, 1000))
    for method in quantisation.RANGES.values():
        low, high = method(two_sided)
        scale, zero = quantisation.scale_and_zero_point(low, high)
        assert low < 0 < high and abs(float(scale) * int(zero) + low) <= float(scale) / 2 * 1.001


def test_the_card_is_the_float_models_with_its_own_files(pair, tmp_path):
    tomllib = pytest.importorskip("tomllib")
    _, small, _ = pair
    net = randomise_batch_norms(networks.Landmarker("nano"))
    torch.save({"average": copy.deepcopy(net.state_dict()), "metrics": {"nme": 5.0},
                "describe": {"task": "face-landmarks", "size": "nano", "steps": 3, "channels": INPUT_CHANNELS}}, tmp_path / "best.pt")
    export.export(tmp_path / "best.pt", "n", tmp_path, "recipe")
    quantise.write(small, tmp_path / "n.onnx", tmp_path / "n-int8.onnx", {"nme_synthetic": 5.1}, "ranges by guess")
    old, new = (tomllib.loads((tmp_path / f).read_text()) for f in ("n.toml", "n-int8.toml"))
    assert new["name"] == "n-int8" and new["file"] == "n-int8.onnx" and new["sha256"] != old["sha256"]
    assert {k: new[k] for k in ("input", "outputs", "decoding", "decode", "licence", "task")} == \
        {k: old[k] for k in ("input", "outputs", "decoding", "decode", "licence", "task")}
    assert new["training"]["quantised_from"] == old["sha256"] and 0.005 <= new["golden"]["tolerance"] < 0.2
    with open(tmp_path / new["golden"]["file"], "rb") as f:
        image, *want = (np.load(f) for _ in range(3))
    got = quantisation.exact_session(onnx.load(tmp_path / "n-int8.onnx")).run(None, {"image": image.astype(np.float32) / 127.5 - 1})
    assert all(np.abs(a - b).max() < 1e-5 for a, b in zip(got, want))


def test_a_detector_is_evaluated_on_scenes_and_hardly_changes(tmp_path):
    rng = np.random.default_rng(4)
    count, face = 120, rng.uniform(-18, 18, (70, 2)) + (80, 60)
    thermal = rng.normal(29500, 30, (count, 120, 160))
    thermal[:, 42:78, 62:98] += 800
    for name, array in {"thermal": thermal.astype(np.uint16), "visibility": np.zeros((count, 1, 70), np.uint8),
                        "points": np.broadcast_to(face, (count, 1, 70, 2)).astype(np.float32)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "meta.json").write_text("{}")
    task = quantise.DetectorTask(None, str(tmp_path), 2)
    torch.manual_seed(5)
    model, shape = export.build(randomise_batch_norms(networks.Detector()), {"task": "face-detector"})
    images = task.source.batch(4, rng).image
    assert images.shape == (4, *shape)
    ranges = {t: (h.low, h.high) for t, h in quantisation.calibrate([(model, [{"image": i[None]} for i in images])]).items()}
    small = quantisation.QdqRewriter(model, ranges).run()
    found = [task.evaluate(m, half, 0.25) for m in (model, small) for half in (0, 1)]
    assert all(0 <= f["ap50"] <= 100 and 0 <= f["hard_ap50"] <= 100 for f in found)
    for want, got in zip(*(quantisation.exact_session(m).run(None, {"image": images[:1]}) for m in (model, small))):
        assert 0 < np.abs(want - got).mean() < 0.05 * np.abs(want).max()
    with pytest.raises(SystemExit, match="--scenes"):
        quantise.DetectorTask(None, None, 2)
    with pytest.raises(SystemExit, match="--data"):
        quantise.LandmarkTask(None, None, 2)
