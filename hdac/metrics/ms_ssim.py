"""MS-SSIM of luma (Wang, Simoncelli, Bovik, 2003; package pytorch-msssim)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pytorch_msssim import ms_ssim

from hdac.errors import UsageError
from hdac.video.picture import Picture

#: Five scales of an 11-tap window need more than this many pixels on the shorter side.
MIN_SIDE = 161


def ms_ssim_y(xs: Sequence[Picture], x_hats: Sequence[Picture], batch: int = 16) -> float:
    """Mean over frames of MS-SSIM of Y' (linear, key `ms-ssim-y`). Raises `UsageError` for pictures below 161 pixels a side."""
    if min(xs[0].y.shape) < MIN_SIDE:
        raise UsageError(f"MS-SSIM of {xs[0].width}x{xs[0].height} pictures; both sides must be at least {MIN_SIDE}")
    total = 0.0
    for at in range(0, len(xs), batch):
        pair = [torch.from_numpy(np.stack([p.y for p in side[at : at + batch]])[:, None]).float() for side in (xs, x_hats)]
        total += float(ms_ssim(*pair, data_range=255, size_average=False).sum())
    return total / len(xs)
