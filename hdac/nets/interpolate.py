"""Frame interpolation: a picture between two decoded ones, of which nothing was sent.

Agarwal et al. (BMVC 2022, arXiv 2210.03692) send fewer frames and interpolate the others at the
receiver. Ours: one hourglass finds how both pictures move to the time between them and which to
believe, as Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation"
(ECCV 2022), do in several passes; a few convolutions repair the blend.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import ResBlock, are_counts, compute_dtype, conv3, start_at_zero
from hdac.nets.fusion import warp_planes

_LARGEST = 256
#: Pixels of the frame that an output of 1 of the motion head moves.
_REACH = 4.0


@dataclass(frozen=True)
class InterpolateConfig:
    """Everything that decides the shape of the network (stored in the weights file). Raises
    `UsageError` for numbers that no network has."""

    interpolated: tuple[int, int, int] = (32, 48, 64)  # channels at 1/4, 1/8 and 1/16 of the frame
    repaired: int = 16  # channels at 1/2

    def __post_init__(self) -> None:
        numbers = (*self.interpolated, self.repaired)
        if not are_counts(numbers, _LARGEST):
            raise UsageError(f"{self}: numbers from 1 to {_LARGEST} are needed")


class InterpolateNet(nn.Module):
    """Two pictures and a time between them -> planes `(N, 6, H/2, W/2)` before clipping, H and W
    multiples of 16. Starts as a blend."""

    def __init__(self, config: InterpolateConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or InterpolateConfig()
        w4, w8, w16 = config.interpolated
        self.d4 = conv3(13, w4, 2)
        self.d8 = nn.Sequential(conv3(w4, w8, 2), ResBlock(w8))
        self.d16 = nn.Sequential(conv3(w8, w16, 2), ResBlock(w16))
        self.u8 = nn.Sequential(conv3(w16 + w8, w8), ResBlock(w8))
        self.u4 = nn.Sequential(conv3(w8 + w4, w4), ResBlock(w4))
        self.motion = start_at_zero(nn.Conv2d(w4, 5, 3, padding=1))
        self.known = nn.Conv2d(w4, config.repaired, 1)
        self.repair = nn.Sequential(conv3(12 + config.repaired, config.repaired),
                                    ResBlock(config.repaired))  # fmt: skip
        self.last = start_at_zero(nn.Conv2d(config.repaired, 6, 3, padding=1))

    def forward(self, before: Tensor, after: Tensor, share: Tensor) -> Tensor:
        """before, after: planes `(N, 6, H/2, W/2)` in [0, 1]; share: `(N,)` of the time from one to
        the other that has passed, in (0, 1)."""
        dtype, at = compute_dtype(self.motion.weight), share.view(-1, 1, 1, 1)
        given = torch.cat([before - 0.5, after - 0.5, at.expand_as(before[:, :1])], 1)
        x4 = self.d4(given.to(dtype, memory_format=torch.channels_last))
        x8 = self.d8(x4)
        y8 = self.u8(torch.cat([_twice(self.d16(x8)), x8], 1))
        y4 = self.u4(torch.cat([_twice(y8), x4], 1))
        out = self.motion(y4).float()
        moved_before = warp_planes(before, _REACH * at * out[:, :2])
        moved_after = warp_planes(after, _REACH * (1 - at) * out[:, 2:4])
        belief = torch.sigmoid(out[:, 4:] + torch.log((1 - at) / at))
        belief = F.interpolate(belief, scale_factor=2.0, mode="bilinear", align_corners=False)
        blend = belief * moved_before + (1 - belief) * moved_after
        seen = torch.cat([moved_before - 0.5, moved_after - 0.5], 1).to(dtype)
        repaired = self.last(self.repair(torch.cat([_twice(self.known(y4)), seen], 1)))
        return blend + repaired.float()


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)
