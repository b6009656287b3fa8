"""What the arithmetic of training runs on: a GPU where there is one, and bfloat16 where the hardware has it."""

import contextlib

import torch

#: Where networks and batches live.
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast16():
    """Whether bfloat16 convolutions are fast here: on a GPU, or on a CPU with matrix tiles (AMX) or AVX512-BF16."""
    if DEVICE.type == "cuda":
        return torch.cuda.is_bf16_supported()
    has = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in has)


def arithmetic(name):
    """A context for the forward pass: `auto`, `float32` or `bfloat16` (weights stay float32)."""
    if name == "bfloat16" or name == "auto" and fast16():
        return torch.autocast(DEVICE.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def send(array):
    """An array as a tensor on the device; pictures channels-last."""
    tensor = torch.from_numpy(array).to(DEVICE)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def fetch(tensor):
    """A tensor as an f32 array."""
    return tensor.detach().float().cpu().numpy()
