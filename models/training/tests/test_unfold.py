"""Shipped models as a start of training."""

import copy

import numpy as np
import pytest
import torch

import export
import nets
import unfold
from test_nets import shaken


def product(about, folder):
    """An exported network and its file."""
    torch.manual_seed(5)
    net = shaken(unfold.build(about))
    state = {"describe": {"channels": 1, **about}, "average": net.state_dict(), "metrics": {}}
    torch.save(state, folder / "best.pt")
    export.export(folder / "best.pt", "model", folder)
    return net, folder / "model.onnx"


KINDS = [{"task": "face-landmarks", "size": size} for size in ("nano", "small", "base")] + [{"task": "face-detector"}]


@pytest.mark.parametrize("about", KINDS)
def test_an_unfolded_product_answers_as_it_did_and_settling_changes_nothing(about, tmp_path):
    net, path = product(about, tmp_path)
    again = unfold.build(about)
    images = np.random.default_rng(2).uniform(-1, 1, (8, 1, 96, 96)).astype(np.float32)
    nets.begin(again, unfold.checkpoint(path))
    unfolded = copy.deepcopy(again)
    unfold.begin_from(again, path, lambda: images)
    with torch.no_grad():
        want = net.maps(torch.from_numpy(images))
        for mine in (unfolded.eval(), again.eval()):
            for a, b in zip(want, mine.maps(torch.from_numpy(images))):
                assert (a - b).abs().max() <= 1e-4 * max(1, a.abs().max())
        # Settled, it also answers so with the statistics of the batch, as training takes them.
        for a, b in zip(want, again.train().maps(torch.from_numpy(images))):
            assert (a - b).abs().max() <= 2e-3 * max(1, a.abs().max())
        wrong = unfolded.train().maps(torch.from_numpy(images))[0]
        assert (want[0] - wrong).abs().max() > 0.05 * want[0].abs().max(), "which unsettled norms do not"


def test_what_is_no_product_is_refused(tmp_path):
    _, path = product(KINDS[0], tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(SystemExit, match="model.onnx"):
        unfold.checkpoint(path)
    path.write_bytes(whole)
    card = path.with_suffix(".toml")
    card.write_text(card.read_text().replace("[training]", "[other]"))
    with pytest.raises(SystemExit, match="model.onnx: its card lacks 'training'"):
        unfold.checkpoint(path)
    card.unlink()
    with pytest.raises(SystemExit, match="model.onnx"):
        unfold.checkpoint(path)
