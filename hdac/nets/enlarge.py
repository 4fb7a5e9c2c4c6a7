"""Super-resolution of a picture by 2, after every decoder: what Lanczos enlargement lacks.

Sub-pixel convolutions (Shi et al., "Real-Time Single Image and Video Super-Resolution Using an
Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016) after residual blocks at the smallest
size. Differs: 4:2:0 planes in and out, a residual to Lanczos enlargement, and a convolution after
the last shuffle, so that neighbouring samples come from the same weights and show no lattice.

Nothing is normalised over the picture and all reach is local: a picture may be enlarged in patches
that overlap by `EnlargeNet.reach` (Agarwal et al., BMVC 2022, enlarge by patches, too).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import ResBlock, are_counts, compute_dtype, conv3, start_at_zero
from hdac.nets.planes import luma
from hdac.runtime.enlarging import reach_of

_LARGEST = 256


def _lanczos_taps(lobes: int) -> list[float]:
    """Of a sample a quarter to the left of one, from `lobes` samples left of that one on."""
    away = [k + 0.25 for k in range(-lobes, lobes)]
    weights = [
        lobes * math.sin(math.pi * d) * math.sin(math.pi * d / lobes) / (math.pi * d) ** 2
        for d in away
    ]
    return [weight / sum(weights) for weight in weights]


_TAPS = _lanczos_taps(3)


@dataclass(frozen=True)
class EnlargeConfig:
    """Everything that decides the shape of the network (stored in the weights file). Raises
    `UsageError` for numbers that no network has."""

    channels: int = 32  # at half the picture's size
    blocks: int = 4  # residual blocks there
    shuffled: tuple[int, int] = (16, 4)  # channels at the picture's size, and at twice that

    def __post_init__(self) -> None:
        numbers = (self.channels, self.blocks, *self.shuffled)
        if not are_counts(numbers, _LARGEST):
            raise UsageError(f"{self}: numbers from 1 to {_LARGEST} are needed")


class EnlargeNet(nn.Module):
    """Planes `(N, 6, h, w)` in [0, 1] -> planes `(N, 6, 2h, 2w)` of the picture of twice the size,
    before clipping. Starts as Lanczos enlargement."""

    def __init__(self, config: EnlargeConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or EnlargeConfig()
        same, twice = config.shuffled
        self.body = nn.Sequential(
            conv3(6, config.channels), *(ResBlock(config.channels) for _ in range(config.blocks))
        )
        self.once = nn.Conv2d(config.channels, 4 * same, 3, padding=1)
        self.again = nn.Conv2d(same, 4 * twice, 3, padding=1)
        self.luma = start_at_zero(nn.Conv2d(twice, 1, 3, padding=1))
        self.chroma = start_at_zero(nn.Conv2d(same, 2, 3, padding=1))

    @property
    def reach(self) -> int:
        """Samples of the planes that what is made of one depends on, to each side."""
        return reach_of(self.config.blocks)

    def forward(self, planes: Tensor) -> Tensor:
        given = (planes - 0.5).to(compute_dtype(self.once.weight))
        same = F.relu(F.pixel_shuffle(self.once(self.body(given)), 2))
        twice = F.relu(F.pixel_shuffle(self.again(same), 2))
        y = lanczos(luma(planes)) + self.luma(twice).float()
        uv = lanczos(planes[:, 4:]) + self.chroma(same).float()
        return torch.cat([F.pixel_unshuffle(y, 2), uv], 1)


def lanczos(x: Tensor) -> Tensor:
    """Twice the size by the Lanczos window of three lobes; samples lie at the middle of their
    squares, those at the edge go on outside."""
    return _double_columns(_double_columns(x).transpose(2, 3)).transpose(2, 3)


def _double_columns(x: Tensor) -> Tensor:
    width, lobes = x.shape[-1], len(_TAPS) // 2
    padded = F.pad(x, (lobes, lobes, 0, 0), mode="replicate")
    there = [padded[..., k : k + width] for k in range(2 * lobes + 1)]
    left = sum(tap * part for tap, part in zip(_TAPS, there[:-1], strict=True))
    right = sum(tap * part for tap, part in zip(reversed(_TAPS), there[1:], strict=True))
    return torch.stack([left, right], -1).flatten(-2)  # type: ignore[list-item]
