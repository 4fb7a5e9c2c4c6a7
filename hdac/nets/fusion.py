"""The fusion network `hdac-s`: base picture + warped reference -> picture, at 1/2, 1/4, 1/8 (and
1/16) of the frame.

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

from hdac.nets.blocks import ResBlock, conv3, correlation, warp
from hdac.nets.keypoints import MIN_KEYPOINTS, KeypointDetector
from hdac.nets.motion import Matching, Motion, MotionPyramid, enlarge
from hdac.nets.planes import luma


@dataclass(frozen=True)
class FusionConfig:
    """Everything that decides the shape of the network (stored in the weights file)."""

    keypoints: int = 10
    widths: tuple[int, int, int, int] = (32, 64, 96, 128)  # channels at 1/2, 1/4, 1/8, 1/16
    match: int = 32  # channels of the matching features
    blocks: tuple[int, int, int] = (1, 2, 1)  # residual blocks of the fusion at 1/2, 1/4, 1/8
    coarsest: int = 16  # fusion starts at 1/16, or at 1/8
    recurrent: bool = False  # the picture before is a second source
    nested: bool = False  # trained to work with its first k keypoints alone, too


class Features(NamedTuple):
    """One picture, encoded: features at 1/4, 1/8, 1/16 and matching features."""

    f4: Tensor
    f8: Tensor
    f16: Tensor
    match: Matching


class Reference(NamedTuple):
    """A reference picture with everything that is computed once per refresh."""

    planes: Tensor  # (N, 6, H/2, W/2) in [0, 1]
    features: Any  # what the network's own `encode` returned
    keypoints: Tensor  # (N, K, 2)


class State(NamedTuple):
    """What a recurrent network keeps of the picture before: what it showed, its features at 1/4,
    its base's matching features."""

    planes: Tensor  # (N, 6, H/2, W/2) in [0, 1]
    f4: Tensor
    match: Matching


class Look(NamedTuple):
    """A picture as far as it does not depend on the one before: features after fusion at 1/8
    (enlarged to 1/4), and what the finer scales need. Several pictures can be looked at side by
    side."""

    x: Tensor
    here: Features
    there4: Tensor  # the reference's features at 1/4, moved
    moved: Tensor
    motion: Motion
    base: Tensor
    qp: Tensor
    mask: Tensor


class Fused(NamedTuple):
    """`planes` `(N, 6, H/2, W/2)` in [0, 1] before clipping; `warped`: the reference moved, same
    shape; `motion`; `state` for the next picture (recurrent networks)."""

    planes: Tensor
    warped: Tensor
    motion: Motion
    state: State | None = None


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
        if config.coarsest == 16:
            self.d16 = nn.Sequential(nn.Conv2d(2 * w16, w16, 1), nn.ReLU(inplace=True))
            self.u16 = nn.Conv2d(w16, w8, 1)
        sources = 3 if config.coarsest == 16 else 2
        self.d8 = nn.Sequential(
            nn.Conv2d(sources * w8, w8, 1),
            nn.ReLU(inplace=True),
            *(ResBlock(w8) for _ in range(b8)),
        )
        self.u8 = nn.Conv2d(w8, w4, 1)
        self.d4 = nn.Sequential(
            nn.Conv2d(3 * w4, w4, 1), nn.ReLU(inplace=True), *(ResBlock(w4) for _ in range(b4))
        )
        self.u4 = nn.Conv2d(w4, w2, 1)
        self.stem2 = conv3(15, w2)
        self.d2 = nn.Sequential(conv3(2 * w2, w2), *(ResBlock(w2) for _ in range(b2)))
        self.out = nn.Conv2d(w2, 6, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)
        if config.recurrent:
            self.follow = Follow(config.match)
            # what the picture before adds starts at zero: a trained network without recurrence can
            # be continued
            self.r4 = nn.Conv2d(w4 + 1, w4, 1, bias=False)
            self.r2 = nn.Conv2d(7, w2, 3, padding=1, bias=False)
            nn.init.zeros_(self.r4.weight)
            nn.init.zeros_(self.r2.weight)

    def takes(self, keypoints: int) -> bool:
        """Whether it works with so many keypoints."""
        count = self.config.keypoints
        return MIN_KEYPOINTS <= keypoints <= count if self.config.nested else keypoints == count

    def compute_dtype(self, device: torch.device) -> torch.dtype:
        """Type of the features: that of the weights, or autocast's. Pictures stay float32: bf16 has
        8 bits of mantissa."""
        if torch.is_autocast_enabled(device.type):
            return torch.get_autocast_dtype(device.type)
        return self.out.weight.dtype

    def encode(self, planes: Tensor, qp: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1], H and W multiples of 16; qp `(N,)`, 0 to 51
        (HEVC scale)."""
        dtype = self.compute_dtype(planes.device)
        n, _, h, w = planes.shape
        level = (qp / 51).view(n, 1, 1, 1).expand(n, 1, h, w)
        f4 = self.e4(
            self.e2(
                torch.cat([planes - 0.5, level], 1).to(dtype, memory_format=torch.channels_last)
            )
        )
        f8 = self.e8(f4)
        f16 = self.e16(f8)
        match = (self._comparable(m(f)) for m, f in ((self.m16, f16), (self.m8, f8), (self.m4, f4)))
        return Features(f4, f8, f16, Matching(*match))

    @staticmethod
    def _comparable(x: Tensor) -> Tensor:
        """Zero mean over the picture, unit length over channels: inner products are then
        correlation coefficients."""
        values = x.float()
        centred = values - values.mean((2, 3), keepdim=True)
        return F.normalize(centred, dim=1, eps=1e-3).to(x.dtype)

    def forward(
        self,
        base: Tensor,
        qp: Tensor,
        reference: Reference,
        keypoints: Tensor,
        mask: Tensor,
        before: State | None = None,
    ) -> Fused:
        """base: planes `(N, 6, H/2, W/2)` float32 in [0, 1] coded at `qp` `(N,)`; keypoints `(N, K,
        2)` of the current picture; mask `(N,)`: 1 fuses, 0 ignores the base layer and animates the
        reference alone; `before`: the `state` of the picture before (None after a refresh, and
        where the base layer is ignored)."""
        return self.fuse(self.look(base, qp, reference, keypoints, mask), before)

    def look(
        self, base: Tensor, qp: Tensor, reference: Reference, keypoints: Tensor, mask: Tensor
    ) -> Look:
        """The part that does not depend on the picture before: encoding, motion, fusion at 1/8 (and
        1/16)."""
        dtype = self.compute_dtype(base.device)
        mask = mask.float().view(-1, 1, 1, 1)
        m = mask.to(dtype)
        here = self.encode(base, qp)
        if torch.is_grad_enabled() or not bool((mask == 1).all()):
            here = Features(
                here.f4 * m, here.f8 * m, here.f16 * m, Matching(*(s * m for s in here.match))
            )
        there: Features = reference.features
        motion = self.motion(keypoints, reference.keypoints, here.match, there.match, m)

        flow8, confidence8 = F.avg_pool2d(motion.flow, 2), F.avg_pool2d(motion.confidence, 2)
        flow16, confidence16 = F.avg_pool2d(flow8, 2), F.avg_pool2d(confidence8, 2)
        moved = warp_planes(reference.planes, motion.flow)
        known8 = [here.f8, warp(there.f8, flow8 / 8) * confidence8.to(dtype)]
        if self.config.coarsest == 16:
            x = self.d16(
                torch.cat([here.f16, warp(there.f16, flow16 / 16) * confidence16.to(dtype)], 1)
            )
            known8.insert(0, F.interpolate(self.u16(x), scale_factor=2.0))
        x = self.d8(torch.cat(known8, 1))
        x = F.interpolate(self.u8(x), scale_factor=2.0)
        there4 = warp(there.f4, motion.flow / 4) * motion.confidence.to(dtype)
        return Look(x, here, there4, moved, motion, base, qp, mask)

    def fuse(self, look: Look, before: State | None = None) -> Fused:
        """The rest: fusion at 1/4 and 1/2, with the picture before where there is one."""
        dtype, mask, motion = look.x.dtype, look.mask, look.motion
        x = torch.cat([look.x, look.here.f4, look.there4], 1)
        start = look.base * mask + look.moved * (1 - mask)
        confidence = F.interpolate(motion.confidence, scale_factor=2.0)
        known = [start - 0.5, (look.moved - start) * confidence, confidence]
        known += [(mask / 51) * look.qp.view(-1, 1, 1, 1) + 0 * confidence, mask + 0 * confidence]
        fine = torch.cat(known, 1).to(dtype, memory_format=torch.channels_last)
        if before is None:
            x, fine = F.relu(self.d4[0](x)), self.stem2(fine)
        else:
            flow, sure = self.follow(look.here.match, before.match)
            sure = (
                sure * mask
            )  # nothing is added where the base layer, and with it the flow, is ignored
            old = torch.cat([warp(before.f4, flow / 4) * sure.to(dtype), sure.to(dtype)], 1)
            x = F.relu(self.d4[0](x) + self.r4(old))
            sure2 = F.interpolate(sure, scale_factor=2.0)
            shown = (warp_planes(before.planes, flow) - start) * sure2
            fine = F.relu(
                self.stem2[0](fine)
                + self.r2(torch.cat([shown, sure2], 1).to(dtype, memory_format=torch.channels_last))
            )
        f4 = self.d4[2:](x)
        x = F.interpolate(self.u4(f4), scale_factor=2.0)
        planes = start + self.out(self.d2(torch.cat([x, fine], 1))).float()
        state = State(planes.clamp(0, 1), f4, look.here.match) if self.config.recurrent else None
        return Fused(planes, look.moved, motion, state)


class Follow(nn.Module):
    """Motion from the picture before: soft-argmax over cost volumes of the two base pictures, at
    1/8 and 1/4 of the frame.

    Both are coded alike and lie close together, so that little has to be learned: how sharp the
    softmax is, how sure a match is.
    """

    def __init__(self, match: int, radius8: int = 3, radius4: int = 2) -> None:
        super().__init__()
        self.radii = (radius8, radius4)
        self.sharpness = nn.Parameter(torch.tensor([3.0, 3.0]))
        self.sure = nn.Sequential(
            nn.Conv2d(match + 3, 16, 1), nn.ReLU(inplace=True), nn.Conv2d(16, 1, 3, padding=1)
        )
        for name, radius in zip(("steps8", "steps4"), self.radii, strict=True):
            side = torch.arange(-radius, radius + 1, dtype=torch.float32)
            self.register_buffer(
                name,
                torch.stack(torch.meshgrid(side, side, indexing="xy")).reshape(2, -1),
                persistent=False,
            )

    def forward(self, here: Matching, before: Matching) -> tuple[Tensor, Tensor]:
        """Flow `(N, 2, H/4, W/4)` in full-frame pixels, and confidence `(N, 1, H/4, W/4)` in [0, 1];
        both float32."""
        chance = F.softmax(
            correlation(here.s8, before.s8, self.radii[0]).float() * self.sharpness[0].exp(), 1
        )
        flow = enlarge(torch.einsum("nkhw,ck->nchw", chance, self.steps8.float()) * 8, 2)
        moved = warp(before.s4, flow / 4)
        cost = correlation(here.s4, moved, self.radii[1]).float()
        chance = F.softmax(cost * self.sharpness[1].exp(), 1)
        flow = flow + torch.einsum("nkhw,ck->nchw", chance, self.steps4.float()) * 4
        peak = chance.square().sum(1, keepdim=True)
        alike = (chance * cost).sum(1, keepdim=True)
        numbers = torch.cat([peak, alike, flow.abs().sum(1, keepdim=True) / 16], 1)
        known = torch.cat([(here.s4 - moved).abs(), numbers.to(moved.dtype)], 1)
        return flow, torch.sigmoid(self.sure(known).float())


def warp_planes(planes: Tensor, flow: Tensor) -> Tensor:
    """Moves a picture by a flow at 1/4 of the frame: luma at full resolution (its half-size phases
    alias), chroma at half."""
    y = warp(luma(planes), enlarge(flow, 4))
    uv = warp(planes[:, 4:], enlarge(flow, 2) / 2)
    return torch.cat([F.pixel_unshuffle(y, 2), uv], 1)
