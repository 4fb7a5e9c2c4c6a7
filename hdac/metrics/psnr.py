"""PSNR of luma."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hdac.layers.reference import luma_mse
from hdac.video.picture import Picture


def psnr_y(x: Picture, x_hat: Picture) -> float:
    """PSNR of Y' in dB, peak 255; identical pictures give 100."""
    error = luma_mse(x, x_hat)
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))


def mean_psnr_y(xs: Sequence[Picture], x_hats: Sequence[Picture]) -> float:
    """Mean over frames of per-frame PSNR-Y (evaluation protocol, key `psnr-y`)."""
    return sum(map(psnr_y, xs, x_hats)) / len(xs)
