"""4:2:0 pictures as six planes at half size, the form in which every network sees a frame.

The four luma phases and the two chroma planes of a 4:2:0 picture all have half the frame's size, so
a frame becomes one `(6, H/2, W/2)` tensor without any colour conversion or resampling.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: Size multiple that a padded frame has (the coarsest scale of the networks is 1/16 of the frame).
MULTIPLE = 16


def planes_from_yuv(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> Tensor:
    """Six planes of one picture, padded by edge replication to a multiple of 16.

    y: `(H, W)` uint8, u, v: `(H/2, W/2)` uint8, limited range, H and W even.
    Returns `(1, 6, H'/2, W'/2)` float32 in [0, 1] (code value / 255).
    """
    height, width = y.shape
    luma = torch.from_numpy(y.astype(np.float32)).div_(255)[None, None]
    chroma = torch.from_numpy(np.stack([u, v])).float().div_(255)[None]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    if down or right:
        luma = F.pad(luma, (0, right, 0, down), mode="replicate")
        chroma = F.pad(chroma, (0, right // 2, 0, down // 2), mode="replicate")
    return torch.cat([F.pixel_unshuffle(luma, 2), chroma], 1)


def yuv_from_planes(
    planes: Tensor, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The inverse of `planes_from_yuv`, rounded and cropped to `height` x `width` (both even)."""
    codes = planes.float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
    luma = F.pixel_shuffle(codes[:, :4], 2)[0, 0, :height, :width]
    chroma = codes[0, 4:, : height // 2, : width // 2]
    return luma.numpy(), chroma[0].numpy(), chroma[1].numpy()


def luma(planes: Tensor) -> Tensor:
    """Luma at full resolution, `(N, 1, H, W)`, from six planes `(N, 6, H/2, W/2)`."""
    return F.pixel_shuffle(planes[:, :4], 2)
