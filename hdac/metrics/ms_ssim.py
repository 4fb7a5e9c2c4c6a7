"""MS-SSIM of luma (Wang, Simoncelli, Bovik, 2003; package pytorch-msssim)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pytorch_msssim import ms_ssim

from hdac.errors import UsageError
from hdac.video.picture import Picture

#: Five scales need 16 * (window - 1) + 1 pixels on the shorter side: 161 for the standard window of 11.
MIN_SIDE = 49


def window(side: int) -> int:
    """11 taps; on pictures with less than 161 pixels on the shorter side the largest odd window that fits."""
    return min(11, ((side - 1) // 16) // 2 * 2 + 1)


def ms_ssim_y(xs: Sequence[Picture], x_hats: Sequence[Picture], batch: int = 16) -> float:
    """Mean over frames of MS-SSIM of Y' (linear, key `ms-ssim-y`); `window` taps. Raises `UsageError` below 49 pixels a side."""
    if min(xs[0].y.shape) < MIN_SIDE:
        raise UsageError(f"MS-SSIM of {xs[0].width}x{xs[0].height} pictures; both sides must be at least {MIN_SIDE}")
    total = 0.0
    for at in range(0, len(xs), batch):
        pair = [torch.from_numpy(np.stack([p.y for p in side[at : at + batch]])[:, None]).float() for side in (xs, x_hats)]
        total += float(ms_ssim(*pair, data_range=255, size_average=False, win_size=window(min(xs[0].y.shape))).sum())
    return total / len(xs)
