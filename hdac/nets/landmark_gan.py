"""Pictures from landmarks without warping: the reference and the landmarks of both pictures go
through residual down- and upsampling blocks, with self-attention, to a picture.

After the codec of Collabora (Edel, 2022): a generator as in Johnson et al. (ECCV 2016), attention
at 1/8 of the frame on the way down and at 1/4 on the way up (32x32 and 64x64 of 256x256), against a
critic (`nets.critic`), with as many landmarks as the stream affords. Ours to choose: landmarks are
drawn by the parts of the face; what is made is added to the reference; all widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.motion.facemesh import SETS
from hdac.nets.blocks import ResBlock, are_counts, compute_dtype, conv3, start_at_zero
from hdac.nets.conditioning import draw, group_members
from hdac.nets.generator import Animated, Widths
from hdac.nets.planes import luma

SYSTEM = "landmark-gan"
#: Side on which landmarks are drawn, whatever the frame's size, and deviation of a point in it.
DRAWN, _REACH = 128, 1.2
#: Side to which keys and values of attention are pooled: the cost of a place is then the same in
#: frames of any size.
KEYS = 32
_LARGEST = 1024


@dataclass(frozen=True)
class LandmarkGanConfig:
    """Everything that decides the shape of the network. `number`: landmarks of a picture, at most;
    `nested`: or one of the smaller sets. Raises `UsageError` for what no such network has."""

    system: str = SYSTEM
    number: int = 162
    nested: bool = True
    widths: Widths = (32, 64, 120)  # at 1/2, 1/4 and 1/8 of the frame
    blocks: int = 6  # residual blocks at 1/8

    def __post_init__(self) -> None:
        numbers = (*self.widths, self.blocks)
        if self.system != SYSTEM or not are_counts(numbers, _LARGEST):
            raise UsageError(f"{self}: system {SYSTEM}, numbers from 1 to {_LARGEST} are needed")
        if self.number not in SETS:
            raise UsageError(f"{self}: landmarks {', '.join(map(str, SETS))} are there")


class Features(NamedTuple):
    """What a reference adds to the first layer of every picture: `(N, w2, H/2, W/2)`."""

    stem: Tensor


class _Down(nn.Module):
    """A residual block to half the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.b = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.skip(F.avg_pool2d(x, 2)) + self.b(F.relu(self.a(x))))


class _Up(nn.Module):
    """A residual block to twice the side; bilinear, so that no lattice shows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.a = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.b = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.interpolate(
            self.skip(x).float(), scale_factor=2.0, mode="bilinear", align_corners=False
        ).to(x.dtype)
        return F.relu(wide + self.b(F.relu(self.a(F.relu(wide)))))


class Attention(nn.Module):
    """Every place looks at all others, pooled to 32x32; starts as the identity.

    (Self-attention of SAGAN: Zhang et al., ICML 2019, equations 1 to 3. Differs: keys and values
    are pooled, products divided by the root of the channels.)
    """

    def __init__(self, channels: int, inner: int = 32) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, inner, 1)
        self.last = start_at_zero(nn.Conv2d(inner, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, KEYS)
        parts = self.query(x), self.key(pooled), self.value(pooled)
        q, k, v = (part.float().flatten(2).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        n, inner = seen.shape[:2]
        there = seen.reshape(n, inner, *x.shape[2:])
        return x + self.last(there.to(x.dtype))


class LandmarkGanNet(nn.Module):
    """`encode` and `forward`; landmarks that are not sent are far away (`runtime.protocol.FAR`)."""

    takes = "landmarks"
    features = Features

    def __init__(self, config: LandmarkGanConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LandmarkGanConfig()
        w2, w4, w8 = config.widths
        self.members = group_members(config.number)
        parts = 2 * len(self.members)
        self.reference = nn.Conv2d(6, w2, 5, padding=2)
        self.drawn = nn.Conv2d(parts, w2, 5, padding=2, bias=False)
        self.down4, self.down8 = _Down(w2, w4), _Down(w4, w8)
        self.where = conv3(parts + w8, w8)
        self.attention8 = Attention(w8)
        self.middle = nn.Sequential(*(ResBlock(w8) for _ in range(config.blocks)))
        self.up4 = _Up(w8, w4)
        self.attention4 = Attention(w4)
        self.up2 = _Up(w4, w2)
        self.chroma = start_at_zero(nn.Conv2d(w2, 2, 3, padding=1))
        self.full = nn.Conv2d(w2, 8, 1)
        self.fine = conv3(9, 8)
        self.luma = start_at_zero(nn.Conv2d(8, 1, 3, padding=1))

    def encode(self, planes: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]."""
        dtype = compute_dtype(self.reference.weight)
        given = (planes - 0.5).to(dtype, memory_format=torch.channels_last)
        return Features(self.reference(given))

    def forward(
        self, planes: Tensor, features: Features, there: Tensor, here: Tensor, refine: bool = True
    ) -> Animated:
        """planes, features, there: the reference and its landmarks `(N, K, 2)`; here: those of the
        picture that is made. `moved` is the reference, nothing is; nor is anything refined."""
        dtype = features.stem.dtype
        maps = torch.cat(
            [draw(points, self.members, DRAWN, DRAWN, _REACH) for points in (there, here)], 1
        )
        at2 = F.interpolate(maps, size=planes.shape[-2:], mode="bilinear", align_corners=False)
        stem = features.stem + self.drawn(at2.to(dtype, memory_format=torch.channels_last))
        x = self.down8(self.down4(F.relu(stem)))
        # averages of lines are faint: what a part's place is counts, not how thick it is drawn
        at8 = F.interpolate(
            F.max_pool2d(maps, 4), size=x.shape[-2:], mode="bilinear", align_corners=False
        )
        x = self.middle(self.attention8(self.where(torch.cat([at8.to(x.dtype), x], 1))))
        x = self.up2(self.attention4(self.up4(x)))
        y = luma(planes)
        full = F.interpolate(
            self.full(x).float(), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        fine = self.fine(torch.cat([full, y - 0.5], 1).to(dtype, memory_format=torch.channels_last))
        made = [F.pixel_unshuffle(self.luma(fine).float(), 2), self.chroma(x).float()]
        return Animated(planes + torch.cat(made, 1), planes, None)
