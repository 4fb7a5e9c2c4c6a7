"""Where networks run."""

from __future__ import annotations

import torch

from hdac.errors import UsageError


def pick_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` -> device. Raises `UsageError`."""
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name}; choose auto, cpu or cuda")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise UsageError("--device cuda: no CUDA device is usable here; choose auto or cpu")
    return torch.device("cuda" if present and name != "cpu" else "cpu")
