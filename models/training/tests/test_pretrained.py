"""Shipped models as initial weights of training."""

import copy

import numpy as np
import pytest
import torch

from heatmark_training import export, networks, pretrained
from random_networks import randomise_batch_norms


def exported(about, folder):
    """An exported network and its file."""
    torch.manual_seed(5)
    net = randomise_batch_norms(pretrained.build(about))
    state = {"describe": {"channels": 1, **about}, "average": net.state_dict(), "metrics": {}}
    torch.save(state, folder / "best.pt")
    export.export(folder / "best.pt", "model", folder)
    return net, folder / "model.onnx"


KINDS = [{"task": "face-landmarks", "size": size} for size in ("nano", "small", "base")] + [{"task": "face-detector"}]


@pytest.mark.parametrize("about", KINDS)
def test_an_unfolded_model_computes_the_same_and_so_it_does_calibrated(about, tmp_path):
    net, path = exported(about, tmp_path)
    again = pretrained.build(about)
    images = np.random.default_rng(2).uniform(-1, 1, (8, 1, 96, 96)).astype(np.float32)
    networks.load_weights(again, pretrained.read_checkpoint(path))
    unfolded = copy.deepcopy(again)
    pretrained.init_from(again, path, lambda: images)
    with torch.no_grad():
        want = net.maps(torch.from_numpy(images))
        for mine in (unfolded.eval(), again.eval()):
            for a, b in zip(want, mine.maps(torch.from_numpy(images))):
                assert (a - b).abs().max() <= 1e-4 * max(1, a.abs().max())
        # Calibrated, it also does so with the statistics of the batch, which training uses.
        for a, b in zip(want, again.train().maps(torch.from_numpy(images))):
            assert (a - b).abs().max() <= 2e-3 * max(1, a.abs().max())
        wrong = unfolded.train().maps(torch.from_numpy(images))[0]
        assert (want[0] - wrong).abs().max() > 0.05 * want[0].abs().max(), "which uncalibrated norms do not"


def test_a_file_that_is_no_model_is_refused(tmp_path):
    _, path = exported(KINDS[0], tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(SystemExit, match="model.onnx"):
        pretrained.read_checkpoint(path)
    path.write_bytes(whole)
    card = path.with_suffix(".toml")
    card.write_text(card.read_text().replace("[training]", "[other]"))
    with pytest.raises(SystemExit, match="model.onnx: its card lacks 'training'"):
        pretrained.read_checkpoint(path)
    card.unlink()
    with pytest.raises(SystemExit, match="model.onnx"):
        pretrained.read_checkpoint(path)
