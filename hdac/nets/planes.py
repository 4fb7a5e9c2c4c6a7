"""Six planes at half size, the form in which every network sees a frame (`runtime.planes`)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def luma(planes: Tensor) -> Tensor:
    """Luma at full resolution, `(N, 1, H, W)`, from six planes `(N, 6, H/2, W/2)`."""
    return F.pixel_shuffle(planes[:, :4], 2)
