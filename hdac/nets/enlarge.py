"""Super-resolution of a picture by 2, after every decoder: what bicubic enlargement lacks.

Sub-pixel convolutions (Shi et al., "Real-Time Single Image and Video Super-Resolution Using an
Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016) after residual blocks at the smallest
size. Differs: 4:2:0 planes in and out, a residual to bicubic enlargement, and a convolution after
the last shuffle, so that neighbouring samples come from the same weights and show no lattice.

Nothing is normalised over the picture and all reach is local: a picture may be enlarged in patches
that overlap by `EnlargeNet.reach` (Agarwal et al., BMVC 2022, enlarge by patches, too).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import ResBlock, compute_dtype, conv3, start_at_zero
from hdac.nets.planes import luma
from hdac.runtime.enlarging import reach_of

_LARGEST = 256


@dataclass(frozen=True)
class EnlargeConfig:
    """Everything that decides the shape of the network (stored in the weights file). Raises
    `UsageError` for numbers that no network has."""

    channels: int = 32  # at half the picture's size
    blocks: int = 4  # residual blocks there
    shuffled: tuple[int, int] = (16, 4)  # channels at the picture's size, and at twice that

    def __post_init__(self) -> None:
        numbers = (self.channels, self.blocks, *self.shuffled)
        if not all(isinstance(n, int) and 1 <= n <= _LARGEST for n in numbers):
            raise UsageError(f"{self}: numbers from 1 to {_LARGEST} are needed")


class EnlargeNet(nn.Module):
    """Planes `(N, 6, h, w)` in [0, 1] -> planes `(N, 6, 2h, 2w)` of the picture of twice the size,
    before clipping. Starts as bicubic enlargement."""

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
        y = bicubic(luma(planes)) + self.luma(twice).float()
        uv = bicubic(planes[:, 4:]) + self.chroma(same).float()
        return torch.cat([F.pixel_unshuffle(y, 2), uv], 1)


def bicubic(x: Tensor) -> Tensor:
    """Twice the size; samples lie at the middle of their squares."""
    return F.interpolate(x, scale_factor=2.0, mode="bicubic", align_corners=False)
