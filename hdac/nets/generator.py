"""What the networks of motion models share: the reference's features, one flow out of several, and
a generator that moves the features and repairs what moving leaves.

First-order motion (Siarohin et al., NeurIPS 2019) in its parts. Differs: features move at three
scales and the moved picture is where the generator starts; the last convolutions see the luma at
its full size, so that no lattice of four phases shows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.blocks import ResBlock, compute_dtype, conv3, start_at_zero, warp
from hdac.nets.fusion import warp_planes
from hdac.nets.planes import luma

#: Side of the grid on which motion is found, whatever the frame's size.
GRID = 64
#: Channels at 1/2, 1/4 and 1/8 of the frame.
Widths = tuple[int, int, int]


class Features(NamedTuple):
    """A reference: features at 1/2, 1/4 and 1/8, and Y, U, V on the grid `(N, 3, 64, 64)`."""

    f2: Tensor
    f4: Tensor
    f8: Tensor
    small: Tensor


class Animated(NamedTuple):
    """`planes` `(N, 6, H/2, W/2)` in [0, 1] before clipping; `moved`: the reference moved, same
    shape; `flow` `(N, 2, H/4, W/4)` in pixels of the full frame (None: nothing was moved)."""

    planes: Tensor
    moved: Tensor
    flow: Tensor | None


def small(planes: Tensor) -> Tensor:
    """Y, U, V on the grid by area averaging, from six planes `(N, 6, H/2, W/2)`."""
    yuv = torch.cat([planes[:, :4].mean(1, keepdim=True), planes[:, 4:]], 1)
    return F.adaptive_avg_pool2d(yuv, GRID)


class ReferenceEncoder(nn.Module):
    """Planes -> `Features`, once a GOP."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        w2, w4, w8 = widths
        self.e2 = nn.Sequential(conv3(6, w2), ResBlock(w2))
        self.e4 = nn.Sequential(conv3(w2, w4, 2), ResBlock(w4))
        self.e8 = nn.Sequential(conv3(w4, w8, 2), ResBlock(w8))
        self.last = nn.Conv2d(w8, w8, 1)

    def forward(self, planes: Tensor) -> Features:
        dtype = compute_dtype(self.last.weight)
        f2 = self.e2((planes - 0.5).to(dtype, memory_format=torch.channels_last))
        f4 = self.e4(f2)
        return Features(f2, f4, self.last(self.e8(f4)), small(planes))


class FlowHead(nn.Module):
    """Candidate flows, maps and the reference on the grid -> one flow, and where to believe it.

    Every candidate moves the reference; an hourglass weighs them (first-order motion, equations 5
    to 7) and adds what none of them says.
    """

    def __init__(self, candidates: int, maps: int, width: int = 48) -> None:
        super().__init__()
        self.stem = conv3(3 * candidates + maps + 3, width)
        self.down1 = conv3(width, width, 2)
        self.down2 = conv3(width, 2 * width, 2)
        self.down3 = conv3(2 * width, 2 * width, 2)
        self.middle = nn.Sequential(conv3(2 * width, 2 * width), ResBlock(2 * width))
        self.up2 = conv3(4 * width, 2 * width)
        self.up1 = conv3(3 * width, width)
        self.up0 = conv3(2 * width, width)
        self.out = start_at_zero(nn.Conv2d(width, candidates + 3, 3, padding=1))

    def forward(self, reference: Tensor, flows: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """reference `(N, 3, 64, 64)`; flows `(N, C, 2, 64, 64)` in samples of the grid; maps `(N,
        M, 64, 64)`. Returns a flow `(N, 2, 64, 64)` in such samples and an occlusion `(N, 1, 64,
        64)` in [0, 1]."""
        n, c = flows.shape[:2]
        dtype = compute_dtype(self.out.weight)
        many = reference.unsqueeze(1).expand(-1, c, -1, -1, -1).flatten(0, 1)
        moved = warp(many, flows.flatten(0, 1)).view(n, 3 * c, GRID, GRID)
        known = torch.cat([moved - 0.5, reference - 0.5, maps], 1)
        x = self.stem(known.to(dtype, memory_format=torch.channels_last))
        a = self.down1(x)
        b = self.down2(a)
        y = self.middle(self.down3(b))
        y = self.up2(torch.cat([_twice(y), b], 1))
        y = self.up1(torch.cat([_twice(y), a], 1))
        out = self.out(self.up0(torch.cat([_twice(y), x], 1))).float()
        weights = F.softmax(out[:, :c], 1).unsqueeze(2)
        flow = (weights * flows).sum(1) + out[:, c : c + 2]
        return flow, torch.sigmoid(out[:, c + 2 :] + 2)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)


class Spade(nn.Module):
    """Features, normalised over the picture and then scaled and shifted by what maps say of each
    place, as a residual block that starts as the identity (SPADE: Park et al., CVPR 2019, equation
    1)."""

    def __init__(self, channels: int, maps: int, hidden: int = 32) -> None:
        super().__init__()
        self.shared = conv3(maps, hidden)
        self.scale = nn.Conv2d(hidden, channels, 3, padding=1)
        self.shift = nn.Conv2d(hidden, channels, 3, padding=1)
        self.last = start_at_zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, maps: Tensor) -> Tensor:
        known = self.shared(maps.to(x.dtype))
        plain = F.instance_norm(x.float()).to(x.dtype)
        return x + self.last(F.relu(plain * (1 + self.scale(known)) + self.shift(known)))


class Generator(nn.Module):
    """Reference, flow and occlusion -> picture. `maps`: channels of what refines it (0: nothing
    does)."""

    def __init__(self, widths: Widths, blocks: tuple[int, int, int], maps: int) -> None:
        super().__init__()
        w2, w4, w8 = widths
        b2, b4, b8 = blocks
        self.d8 = nn.Sequential(*(ResBlock(w8) for _ in range(b8)))
        self.u8 = nn.Conv2d(w8, w4, 1)
        self.d4 = nn.Sequential(conv3(2 * w4, w4), *(ResBlock(w4) for _ in range(b4)))
        self.u4 = nn.Conv2d(w4, w2, 1)
        self.d2 = nn.Sequential(conv3(2 * w2 + 7, w2), *(ResBlock(w2) for _ in range(b2)))
        self.refined4 = Spade(w4, maps) if maps else None
        self.refined2 = Spade(w2, maps) if maps else None
        self.chroma = start_at_zero(nn.Conv2d(w2, 2, 3, padding=1))
        self.full = nn.Conv2d(w2, 8, 1)
        self.fine = conv3(9, 8)
        self.luma = start_at_zero(nn.Conv2d(8, 1, 3, padding=1))

    def forward(
        self,
        planes: Tensor,
        features: Features,
        flow: Tensor,
        opened: Tensor,
        maps: tuple[Tensor, Tensor] | None,
        there8: Tensor | None = None,
    ) -> Animated:
        """planes and features: of the reference; flow, opened: of `FlowHead`; maps: at 1/4 and at
        1/2 of the frame, or None: nothing is refined; there8: features at 1/8 that were moved
        already."""
        f2, f4, f8, _ = features
        h, w = f4.shape[-2:]
        flow4 = F.interpolate(flow, size=(h, w), mode="bilinear", align_corners=False)
        # (numbers of a tensor would be constants of an exported graph)
        flow4 = torch.stack([flow4[:, 0] * (4 * w / GRID), flow4[:, 1] * (4 * h / GRID)], 1)
        open4 = F.interpolate(opened, size=(h, w), mode="bilinear", align_corners=False)
        open2 = F.interpolate(opened, size=(2 * h, 2 * w), mode="bilinear", align_corners=False)
        flow8, open8 = F.avg_pool2d(flow4, 2), F.avg_pool2d(open4, 2)
        flow2 = F.interpolate(flow4, size=(2 * h, 2 * w), mode="bilinear", align_corners=False)

        dtype = f4.dtype
        if there8 is None:
            there8 = warp(f8, flow8 / 8)
        x = self.u8(self.d8(there8 * open8.to(dtype)))
        x = self.d4(torch.cat([_twice(x), warp(f4, flow4 / 4) * open4.to(dtype)], 1))
        if maps is not None and self.refined4 is not None:
            x = self.refined4(x, maps[0])
        moved = warp_planes(planes, flow4)
        beside = torch.cat([moved - 0.5, open2], 1).to(dtype, memory_format=torch.channels_last)
        there2 = warp(f2, flow2 / 2) * open2.to(dtype)
        x = self.d2(torch.cat([_twice(self.u4(x)), there2, beside], 1))
        if maps is not None and self.refined2 is not None:
            x = self.refined2(x, maps[1])
        y = luma(moved)
        full = F.interpolate(
            self.full(x).float(), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        fine = self.fine(torch.cat([full, y - 0.5], 1).to(dtype, memory_format=torch.channels_last))
        made = y + self.luma(fine).float()
        chroma = moved[:, 4:] + self.chroma(x).float()
        return Animated(torch.cat([F.pixel_unshuffle(made, 2), chroma], 1), moved, flow4)
