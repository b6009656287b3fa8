"""The stage that trains the presence head on the detector's false positives."""

import numpy as np
import torch

from heatmark_training.networks import Landmarker
from heatmark_training.preprocess import DETECTOR_HEIGHT, DETECTOR_WIDTH, INPUT_CHANNELS
from heatmark_training.stages import presence


class FixedDetector(torch.nn.Module):
    """A detector that finds 32 px faces at two cells of its map."""

    channels = INPUT_CHANNELS

    def forward(self, x):
        n = len(x)
        heat = torch.full((n, 1, DETECTOR_HEIGHT // 4, DETECTOR_WIDTH // 4), -9.0)
        geom = torch.zeros(n, 14, DETECTOR_HEIGHT // 4, DETECTOR_WIDTH // 4)
        heat[:, :, 10, 10] = heat[:, :, 16, 30] = 2.0
        geom[:, 2:4] = float(np.log(32 / 8))
        return heat, geom


def scene_with_a_face_at(x, y):
    """A scene of 160x120 px whose face of 30 px has its centre there; the letterbox adds 4 rows on top."""
    points = np.full((1, 1, 70, 2), np.nan, np.float32)
    angle = np.linspace(0, 2 * np.pi, 70)
    points[0, 0] = np.stack([x + 15 * np.cos(angle), y + 15 * np.sin(angle)], 1)
    return np.full((1, 120, 160), 29500, np.uint16), points, np.zeros((1, 1, 70), np.uint8)


def test_a_false_positive_lies_on_no_face_visible_or_hidden():
    # The cells' centres are (42, 42) and (122, 66) of the input, (42, 38) and (122, 62) of the scene.
    thermal, points, visibility = scene_with_a_face_at(42, 38)
    for hidden in (0, 2):
        found = presence.false_positives(FixedDetector(), thermal, points, np.full_like(visibility, hidden))
        assert len(found) == 1 and found[0][0] == 0
        assert np.allclose(found[0][1], [106, 46, 138, 78], atol=0.01)
    points[:] = np.nan
    assert len(presence.false_positives(FixedDetector(), thermal, points, visibility)) == 2


def test_only_the_presence_head_is_trained():
    torch.manual_seed(1)
    net = Landmarker("nano")
    head = presence.PresenceHead(net)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x = torch.randn(8, INPUT_CHANNELS, 96, 96)
    head.train()
    optimiser = torch.optim.SGD(head.parameters(), 0.1)
    head(x).sum().backward()
    optimiser.step()
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert changed and all(k.startswith(("head.look", "head.presence")) for k in changed)
    net.eval()
    assert torch.allclose(head.eval()(x), net(x)[1], atol=1e-5)
