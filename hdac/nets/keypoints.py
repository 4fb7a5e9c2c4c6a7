"""Keypoint detector of the animation layer: a small hourglass on a 64x64 thumbnail, soft-argmax.

First-order motion (Siarohin et al., NeurIPS 2019, section 3.1) without Jacobians, as in DAC (Konuko
et al., ICASSP 2021). Differs: 64x64 4:2:0 thumbnail as input, a narrower hourglass.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.blocks import conv3

#: Side of the thumbnail that the detector sees, whatever the frame's size.
THUMBNAIL = 64
#: Variance of a keypoint's Gaussian in normalised coordinates (as in first-order motion).
VARIANCE = 0.01


def thumbnail(planes: Tensor) -> Tensor:
    """`(N, 3, 64, 64)` (Y, U, V in [0, 1]) by area averaging, from six planes `(N, 6, H/2,
    W/2)`."""
    small = torch.cat([planes[:, :4].mean(1, keepdim=True), planes[:, 4:]], 1)
    return F.adaptive_avg_pool2d(small, THUMBNAIL)


def axis(size: int, device: torch.device) -> Tensor:
    """Pixel centres of an axis in [-1, 1]."""
    return (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1


def gaussians(points: Tensor, height: int, width: int) -> Tensor:
    """Heat maps `(N, K, height, width)` of keypoints `(N, K, 2)` (x, y in [-1, 1])."""
    dx = axis(width, points.device) - points[..., 0:1]
    dy = axis(height, points.device) - points[..., 1:2]
    gx, gy = torch.exp(dx.square() / (-2 * VARIANCE)), torch.exp(dy.square() / (-2 * VARIANCE))
    return gy[..., :, None] * gx[..., None, :]


def soft_argmax(logits: Tensor, x: Tensor, y: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean places `(N, K, 2)` of maps `(N, K, h, w)`; x `(w,)`, y `(h,)`: the pixels' places."""
    logits = logits.float()
    heat = F.softmax(logits.flatten(2) / temperature, -1).view_as(logits)
    return torch.stack([(heat.sum(2) * x).sum(-1), (heat.sum(3) * y).sum(-1)], -1)


class KeypointDetector(nn.Module):
    """Thumbnail `(N, 3, 64, 64)` -> keypoints `(N, K, 2)`, (x, y) in [-1, 1] (-1 and 1 are the
    frame's borders)."""

    def __init__(self, keypoints: int = 10, width: int = 32) -> None:
        super().__init__()
        self.stem = conv3(3, width)
        self.down1 = conv3(width, width, 2)
        self.down2 = conv3(width, 2 * width, 2)
        self.down3 = conv3(2 * width, 2 * width, 2)
        self.middle = conv3(2 * width, 2 * width)
        self.up2 = conv3(4 * width, 2 * width)
        self.up1 = conv3(3 * width, width)
        self.head = nn.Conv2d(width, keypoints, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        a = self.down1(self.stem(image - 0.5))  # 32
        b = self.down2(a)  # 16
        c = self.middle(self.down3(b))  # 8
        b = self.up2(torch.cat([F.interpolate(c, scale_factor=2.0), b], 1))
        a = self.up1(torch.cat([F.interpolate(b, scale_factor=2.0), a], 1))
        logits = self.head(a)
        h, w = logits.shape[2:]
        return soft_argmax(logits, axis(w, logits.device), axis(h, logits.device))
