"""The device that networks run on: a GPU where there is one, and bfloat16 where the hardware is fast at it."""

import contextlib
from typing import ContextManager

import numpy as np
import torch

#: Where networks and batches live.
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

#: Choices of `autocast`.
PRECISIONS = ("auto", "float32", "bfloat16")


def bfloat16_is_fast() -> bool:
    """Whether bfloat16 convolutions are fast here: on a GPU, or on a CPU with matrix tiles (AMX) or AVX512-BF16."""
    if DEVICE.type == "cuda":
        return torch.cuda.is_bf16_supported()
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in probes)


def autocast(precision: str) -> ContextManager:
    """A context for the forward pass: `auto`, `float32` or `bfloat16` (weights stay float32)."""
    if precision == "bfloat16" or precision == "auto" and bfloat16_is_fast():
        return torch.autocast(DEVICE.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def to_device(array: np.ndarray) -> torch.Tensor:
    """An array as a tensor on the device; pictures channels-last."""
    tensor = torch.from_numpy(array).to(DEVICE)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as an f32 array."""
    return tensor.detach().float().cpu().numpy()
