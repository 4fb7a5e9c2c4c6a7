"""Error and PSNR of 8-bit pictures: the one definition that codec, metrics and training share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # a machine that trains has no PyAV
    from hdac.video.picture import Picture, Plane

#: dB of identical pictures, and the most that PSNR says.
CAP = 100.0


def plane_mse(a: Plane, b: Plane) -> float:
    """Mean squared error of code values, summed as scikit-video does."""
    return float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))


def luma_mse(a: Picture, b: Picture) -> float:
    """Mean squared error of luma code values."""
    return plane_mse(a.y, b.y)


def psnr(mse: float) -> float:
    """Decibels of a mean squared error of code values, peak 255, at most `CAP`."""
    return min(CAP, 10 * math.log10(255**2 / mse)) if mse else CAP
