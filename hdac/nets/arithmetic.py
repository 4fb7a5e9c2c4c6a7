"""Where networks run, and which number format convolutions are fastest in on this machine.

Asking the processor is not enough: of two Xeons with bf16 instructions, one ran our 3x3
convolutions at 450 GFLOP/s in bf16 and 228 in fp32, the other at 213 and 398. So both are timed in
turn, once a process (60 to 90 ms).
"""

from __future__ import annotations

import time
from functools import cache

import torch
import torch.nn.functional as F

from hdac.errors import UsageError


def convolution_rate(dtype: torch.dtype, device: str = "cpu", repeats: int = 6) -> float:
    """GFLOP/s of a 3x3 convolution, 64 channels at 64x64, channels last: the best of `repeats`
    runs."""
    x = torch.ones(1, 64, 64, 64, device=device).to(dtype, memory_format=torch.channels_last)
    w = torch.ones(64, 64, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            F.conv2d(x, w, padding=1)
            if device != "cpu":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    return 2 * 64 * 64 * 9 * 64 * 64 / best / 1e9


@cache
def fast_dtype(device: str) -> torch.dtype:
    """bf16 where it is clearly faster than fp32 on `device` ("cpu" or "cuda"), else fp32."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.float32
    rounds = [
        (convolution_rate(torch.bfloat16), convolution_rate(torch.float32)) for _ in range(3)
    ]  # a busy moment may hide one
    bf16, fp32 = map(max, zip(*rounds, strict=True))
    return torch.bfloat16 if bf16 > 1.15 * fp32 else torch.float32


def pick_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` -> device. Raises `UsageError`."""
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name}; choose auto, cpu or cuda")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise UsageError("--device cuda: no CUDA device is usable here; choose auto or cpu")
    return torch.device("cuda" if present and name != "cpu" else "cpu")
