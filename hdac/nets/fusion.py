"""The fusion network `hdac-s`: base picture + warped reference -> picture, at 1/2, 1/4 and 1/8 of
the frame.

Ours. The motion comes from `motion.py`; the residual on top of the base layer starts at zero, so
that the untrained network *is* its base layer. With the base layer masked out the same weights
animate the reference from keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import LowPass, ResBlock, compute_dtype, conv3, start_at_zero, warp
from hdac.nets.keypoints import KeypointDetector, thumbnail
from hdac.nets.motion import Matching, Motion, MotionPyramid, upsample_flow
from hdac.nets.planes import luma

#: The largest number that a configuration may have, in any place (they come from files, too).
LARGEST = 1024


@dataclass(frozen=True)
class FusionConfig:
    """Everything that decides the shape of the network (stored in the weights file); as it is,
    `hdac-s`. Raises `UsageError` for numbers above `LARGEST`."""

    keypoints: int = 10
    widths: tuple[int, int, int, int] = (32, 64, 96, 128)  # channels at 1/2, 1/4, 1/8, 1/16
    match: int = 32  # channels of the matching features
    blocks: tuple[int, int, int] = (3, 4, 0)  # residual blocks of the fusion at 1/2, 1/4, 1/8
    nested: bool = False  # trained to work with its first k keypoints alone, too
    low_pass: bool = False  # what is added passes `LowPass`

    def __post_init__(self) -> None:
        numbers = (self.keypoints, *self.widths, self.match, *self.blocks)
        if not all(isinstance(n, int) and 0 <= n <= LARGEST for n in numbers):
            raise UsageError(f"{self}: numbers from 0 to {LARGEST} are needed")


class Features(NamedTuple):
    """One picture, encoded: features at 1/4 and 1/8, and matching features."""

    f4: Tensor
    f8: Tensor
    match: Matching


class Reference(NamedTuple):
    """A reference picture with everything that is computed once per refresh."""

    planes: Tensor  # (N, 6, H/2, W/2) in [0, 1]
    features: Any  # what the network's own `encode` returned
    keypoints: Tensor  # (N, K, 2)


class Fused(NamedTuple):
    """`planes` `(N, 6, H/2, W/2)` in [0, 1] before clipping; `moved`: the reference moved, same
    shape; `motion`."""

    planes: Tensor
    moved: Tensor
    motion: Motion


class FusionNet(nn.Module):
    """`detector` is `KeypointDetector`; `encode` and `forward` are the decoder's side."""

    #: Where there is a base picture its own keypoints serve instead of coded ones (figures:
    #: CHANGELOG, format version 5).
    derives_keypoints = True

    def __init__(self, config: FusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FusionConfig()
        w2, w4, w8, w16 = config.widths
        self.detector = KeypointDetector(config.keypoints)
        self.motion = MotionPyramid(config.keypoints, config.match)
        # picture encoder, shared by base and reference (siamese: matching needs comparable
        # features)
        self.e2 = conv3(7, w2)
        self.e4 = nn.Sequential(conv3(w2, w4, 2), conv3(w4, w4))
        self.e8 = nn.Sequential(conv3(w4, w8, 2), conv3(w8, w8))
        self.e16 = nn.Sequential(conv3(w8, w16, 2), nn.Conv2d(w16, w16, 1), nn.ReLU(inplace=True))
        self.m4, self.m8, self.m16 = (nn.Conv2d(w, config.match, 1) for w in (w4, w8, w16))
        # fusion, coarse to fine
        b2, b4, b8 = config.blocks
        self.d8 = joined(2 * w8, w8, b8)
        self.u8 = nn.Conv2d(w8, w4, 1)
        self.d4 = joined(3 * w4, w4, b4)
        self.u4 = nn.Conv2d(w4, w2, 1)
        self.stem2 = conv3(15, w2)
        self.d2 = nn.Sequential(conv3(2 * w2, w2), *(ResBlock(w2) for _ in range(b2)))
        self.out = start_at_zero(nn.Conv2d(w2, 6, 3, padding=1))
        self.low_pass = LowPass() if config.low_pass else nn.Identity()

    def thumbnail(self, planes: Tensor) -> Tensor:
        """What `detector` sees of a picture, from planes `(N, 6, H/2, W/2)`."""
        return thumbnail(planes)

    def encode(self, planes: Tensor, qp: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1], H and W multiples of 16; qp `(N,)`, 0 to 51
        (HEVC scale)."""
        n, _, h, w = planes.shape
        level = (qp / 51).view(n, 1, 1, 1).expand(n, 1, h, w)
        picture = torch.cat([planes - 0.5, level], 1)
        dtype = compute_dtype(self.out.weight)
        f4 = self.e4(self.e2(picture.to(dtype, memory_format=torch.channels_last)))
        f8 = self.e8(f4)
        f16 = self.e16(f8)
        match = (self._comparable(m(f)) for m, f in ((self.m16, f16), (self.m8, f8), (self.m4, f4)))
        return Features(f4, f8, Matching(*match))

    @staticmethod
    def _comparable(x: Tensor) -> Tensor:
        """Zero mean over the picture, unit length over channels: inner products are then
        correlation coefficients."""
        values = x.float()
        centred = values - values.mean((2, 3), keepdim=True)
        return F.normalize(centred, dim=1, eps=1e-3).to(x.dtype)

    def forward(
        self, planes: Tensor, qp: Tensor, reference: Reference, keypoints: Tensor, mask: Tensor
    ) -> Fused:
        """planes: the base picture, `(N, 6, H/2, W/2)` float32 in [0, 1], coded at `qp` `(N,)`;
        keypoints `(N, K, 2)` of the current picture; mask `(N,)`: 1 fuses, 0 ignores the base layer
        and animates the reference alone."""
        dtype = compute_dtype(self.out.weight)
        mask = mask.float().view(-1, 1, 1, 1)
        m = mask.to(dtype)
        f4, f8, match = self.encode(planes, qp)
        there: Features = reference.features
        base = Matching(*(s * m for s in match))
        motion = self.motion(keypoints, reference.keypoints, base, there.match, m)
        flow8, confidence8 = F.avg_pool2d(motion.flow, 2), F.avg_pool2d(motion.confidence, 2)

        there8 = warp(there.f8, flow8 / 8) * confidence8.to(dtype)
        x = self.u8(self.d8(torch.cat([f8 * m, there8], 1)))
        there4 = warp(there.f4, motion.flow / 4) * motion.confidence.to(dtype)
        x = self.u4(self.d4(torch.cat([F.interpolate(x, scale_factor=2.0), f4 * m, there4], 1)))

        moved = warp_planes(reference.planes, motion.flow)
        start = planes * mask + moved * (1 - mask)
        confidence = F.interpolate(motion.confidence, scale_factor=2.0)
        fine = [start - 0.5, (moved - start) * confidence, confidence]
        fine += [(mask / 51) * qp.view(-1, 1, 1, 1) + 0 * confidence, mask + 0 * confidence]
        y = self.stem2(torch.cat(fine, 1).to(dtype, memory_format=torch.channels_last))
        x = self.d2(torch.cat([F.interpolate(x, scale_factor=2.0), y], 1))
        return Fused(start + self.low_pass(self.out(x).float()), moved, motion)


def joined(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """1x1 convolution, ReLU and residual blocks."""
    rest = (ResBlock(outputs) for _ in range(blocks))
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True), *rest)


def warp_planes(planes: Tensor, flow: Tensor) -> Tensor:
    """Moves a picture by a flow at 1/4 of the frame: luma at full resolution (its half-size phases
    alias), chroma at half."""
    y = warp(luma(planes), upsample_flow(flow, 4))
    uv = warp(planes[:, 4:], upsample_flow(flow, 2) / 2)
    return torch.cat([F.pixel_unshuffle(y, 2), uv], 1)
