"""The fusion network `hdac-s`: base picture + warped reference -> picture, at 1/2, 1/4, 1/8 and 1/16 of the frame.

Ours. The motion comes from `motion.py`; the residual on top of the base layer starts at zero, so that the untrained
network *is* its base layer. With the base layer masked out the same weights animate the reference from keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.blocks import ResBlock, conv3, warp
from hdac.nets.keypoints import KeypointDetector
from hdac.nets.motion import Matching, Motion, MotionPyramid, enlarge
from hdac.nets.planes import luma


@dataclass(frozen=True)
class FusionConfig:
    """Everything that decides the shape of the network (stored in the weights file)."""

    keypoints: int = 10
    widths: tuple[int, int, int, int] = (32, 64, 96, 128)  # channels at 1/2, 1/4, 1/8, 1/16
    match: int = 32  # channels of the matching features


class Features(NamedTuple):
    """One picture, encoded: features at 1/4, 1/8, 1/16 and matching features."""

    f4: Tensor
    f8: Tensor
    f16: Tensor
    match: Matching


class Reference(NamedTuple):
    """A reference picture with everything that is computed once per refresh."""

    planes: Tensor  # (N, 6, H/2, W/2) in [0, 1]
    features: Features
    keypoints: Tensor  # (N, K, 2)


class Fused(NamedTuple):
    """`planes` `(N, 6, H/2, W/2)` in [0, 1] before clipping; `warped`: the reference moved, same shape; `motion`."""

    planes: Tensor
    warped: Tensor
    motion: Motion


class FusionNet(nn.Module):
    """`detector` is `KeypointDetector`; `encode` and `forward` are the decoder's side."""

    def __init__(self, config: FusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FusionConfig()
        w2, w4, w8, w16 = config.widths
        self.detector = KeypointDetector(config.keypoints)
        self.motion = MotionPyramid(config.keypoints, config.match)
        # picture encoder, shared by base and reference (siamese: matching needs comparable features)
        self.e2 = conv3(7, w2)
        self.e4 = nn.Sequential(conv3(w2, w4, 2), conv3(w4, w4))
        self.e8 = nn.Sequential(conv3(w4, w8, 2), conv3(w8, w8))
        self.e16 = nn.Sequential(conv3(w8, w16, 2), nn.Conv2d(w16, w16, 1), nn.ReLU(inplace=True))
        self.m4, self.m8, self.m16 = (nn.Conv2d(w, config.match, 1) for w in (w4, w8, w16))
        # fusion, coarse to fine
        self.d16 = nn.Sequential(nn.Conv2d(2 * w16, w16, 1), nn.ReLU(inplace=True))
        self.u16 = nn.Conv2d(w16, w8, 1)
        self.d8 = nn.Sequential(nn.Conv2d(3 * w8, w8, 1), nn.ReLU(inplace=True), ResBlock(w8))
        self.u8 = nn.Conv2d(w8, w4, 1)
        self.d4 = nn.Sequential(nn.Conv2d(3 * w4, w4, 1), nn.ReLU(inplace=True), ResBlock(w4), ResBlock(w4))
        self.u4 = nn.Conv2d(w4, w2, 1)
        self.stem2 = conv3(15, w2)
        self.d2 = nn.Sequential(conv3(2 * w2, w2), ResBlock(w2))
        self.out = nn.Conv2d(w2, 6, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def compute_dtype(self, device: torch.device) -> torch.dtype:
        """Type of the features: that of the weights, or autocast's. Pictures stay float32: bf16 has 8 bits of mantissa."""
        if torch.is_autocast_enabled(device.type):
            return torch.get_autocast_dtype(device.type)
        return self.out.weight.dtype

    def encode(self, planes: Tensor, qp: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1], H and W multiples of 16; qp `(N,)`, 0 to 51 (HEVC scale)."""
        dtype = self.compute_dtype(planes.device)
        n, _, h, w = planes.shape
        level = (qp / 51).view(n, 1, 1, 1).expand(n, 1, h, w)
        f4 = self.e4(self.e2(torch.cat([planes - 0.5, level], 1).to(dtype, memory_format=torch.channels_last)))
        f8 = self.e8(f4)
        f16 = self.e16(f8)
        match = (self._comparable(m(f)) for m, f in ((self.m16, f16), (self.m8, f8), (self.m4, f4)))
        return Features(f4, f8, f16, Matching(*match))

    @staticmethod
    def _comparable(x: Tensor) -> Tensor:
        """Zero mean over the picture, unit length over channels: inner products are then correlation coefficients."""
        centred = x.float() - x.float().mean((2, 3), keepdim=True)
        return F.normalize(centred, dim=1, eps=1e-3).to(x.dtype)

    def forward(self, base: Tensor, qp: Tensor, reference: Reference, keypoints: Tensor, mask: Tensor) -> Fused:
        """base: planes `(N, 6, H/2, W/2)` float32 in [0, 1] coded at `qp` `(N,)`; keypoints `(N, K, 2)` of the current
        picture; mask `(N,)`: 1 fuses, 0 ignores the base layer and animates the reference alone."""
        dtype = self.compute_dtype(base.device)
        mask = mask.float().view(-1, 1, 1, 1)
        m = mask.to(dtype)
        here = self.encode(base, qp)
        if torch.is_grad_enabled() or not bool((mask == 1).all()):
            here = Features(here.f4 * m, here.f8 * m, here.f16 * m, Matching(*(s * m for s in here.match)))
        there = reference.features
        motion = self.motion(keypoints, reference.keypoints, here.match, there.match, m)

        flow8, trust8 = F.avg_pool2d(motion.flow, 2), F.avg_pool2d(motion.trust, 2)
        flow16, trust16 = F.avg_pool2d(flow8, 2), F.avg_pool2d(trust8, 2)
        moved = warp_planes(reference.planes, motion.flow)
        x = self.d16(torch.cat([here.f16, warp(there.f16, flow16 / 16) * trust16.to(dtype)], 1))
        x = F.interpolate(self.u16(x), scale_factor=2.0)
        x = self.d8(torch.cat([x, here.f8, warp(there.f8, flow8 / 8) * trust8.to(dtype)], 1))
        x = F.interpolate(self.u8(x), scale_factor=2.0)
        x = self.d4(torch.cat([x, here.f4, warp(there.f4, motion.flow / 4) * motion.trust.to(dtype)], 1))
        x = F.interpolate(self.u4(x), scale_factor=2.0)

        start = base * mask + moved * (1 - mask)
        trust = F.interpolate(motion.trust, scale_factor=2.0)
        known = [start - 0.5, (moved - start) * trust, trust, (mask / 51) * qp.view(-1, 1, 1, 1) + 0 * trust, mask + 0 * trust]
        fine = self.stem2(torch.cat(known, 1).to(dtype, memory_format=torch.channels_last))
        residual = self.out(self.d2(torch.cat([x, fine], 1)))
        return Fused(start + residual.float(), moved, motion)


def warp_planes(planes: Tensor, flow: Tensor) -> Tensor:
    """Moves a picture by a flow at 1/4 of the frame: luma at full resolution (its half-size phases alias), chroma at half."""
    y = warp(luma(planes), enlarge(flow, 4))
    uv = warp(planes[:, 4:], enlarge(flow, 2) / 2)
    return torch.cat([F.pixel_unshuffle(y, 2), uv], 1)
