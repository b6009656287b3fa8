"""Lower precision."""

import numpy as np
import torch

from heatmark_training import device
from heatmark_training.networks import Landmarker
from random_networks import randomise_batch_norms


def test_bfloat16_is_for_the_layers_alone_and_close_to_float32():
    torch.manual_seed(1)
    net = randomise_batch_norms(Landmarker("nano", 1)).to(device.DEVICE)
    image = device.to_device(np.random.default_rng(0).uniform(-1, 1, (4, 1, 96, 96)).astype(np.float32))
    with torch.no_grad():
        with device.autocast("float32"):
            whole = net(image)[0]
        with device.autocast("bfloat16"):
            features, short = net.backbone(image), net(image)[0]
    assert features.dtype == torch.bfloat16 and short.dtype == torch.float32
    difference = np.abs(device.to_numpy(whole) - device.to_numpy(short)).max()
    assert 0 < difference < 0.1, "rounded, and no more than that"
    assert device.to_numpy(features).dtype == np.float32


def test_auto_chooses_what_the_hardware_is_fast_at(monkeypatch):
    for fast, kind in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(device, "bfloat16_is_fast", lambda fast=fast: fast)
        with device.autocast("auto"):
            x = torch.ones(2, 2, device=device.DEVICE)
            assert (x @ x).dtype == kind
