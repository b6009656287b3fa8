"""Arithmetic of lower precision."""

import numpy as np
import torch

import machine
from nets import Landmarker
from test_nets import shaken


def test_bfloat16_is_for_the_layers_alone_and_close_to_float32():
    torch.manual_seed(1)
    net = shaken(Landmarker("nano", 1)).to(machine.DEVICE)
    image = machine.send(np.random.default_rng(0).uniform(-1, 1, (4, 1, 96, 96)).astype(np.float32))
    with torch.no_grad():
        with machine.arithmetic("float32"):
            whole = net(image)[0]
        with machine.arithmetic("bfloat16"):
            features, short = net.backbone(image), net(image)[0]
    assert features.dtype == torch.bfloat16 and short.dtype == torch.float32
    difference = np.abs(machine.fetch(whole) - machine.fetch(short)).max()
    assert 0 < difference < 0.1, "rounded, and no more than that"
    assert machine.fetch(features).dtype == np.float32


def test_auto_takes_what_the_hardware_is_fast_at(monkeypatch):
    for fast, kind in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(machine, "fast16", lambda fast=fast: fast)
        with machine.arithmetic("auto"):
            x = torch.ones(2, 2, device=machine.DEVICE)
            assert (x @ x).dtype == kind
