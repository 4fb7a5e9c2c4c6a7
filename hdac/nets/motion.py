"""Dense motion from the reference to the current picture: keypoints first, then explicit matching
with the base layer.

1. `SparseMotion`: every keypoint proposes its own displacement, a small network assigns pixels to
   keypoints (first-order motion, Siarohin et al., NeurIPS 2019, equations 5 to 7, without
   Jacobians). Works without a base layer.
2. `MotionPyramid`: from 1/16 to 1/4 of the frame, cost volumes between base features and warped
   reference features correct the flow (PWC-Net, Sun et al., CVPR 2018). Differs: starts from the
   keypoints' flow; a mask switches the base off.

Flow is backward, (dx, dy), in pixels of the full frame at every scale.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.blocks import conv3, correlation, start_at_zero, warp
from hdac.nets.keypoints import gaussians
from hdac.runtime.protocol import FAR


class Matching(NamedTuple):
    """Unit-length matching features of one picture at 1/16, 1/8 and 1/4 of the frame, each `(N, 32,
    h, w)`."""

    s16: Tensor
    s8: Tensor
    s4: Tensor


class Motion(NamedTuple):
    """What the motion network found. Flows `(N, 2, h, w)` float32 in full-frame pixels;
    `confidence` `(N, 1, H/4, W/4)` in [0, 1] says where the moved reference shows what the current
    picture shows."""

    sparse: Tensor  # 1/8, from keypoints alone
    coarse: Tensor  # 1/8, after matching at 1/16 and 1/8
    flow: Tensor  # 1/4
    confidence: Tensor


def upsample_flow(x: Tensor, factor: int) -> Tensor:
    """Bilinear, values unchanged: flows are in pixels of the full frame at every scale."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


class SparseMotion(nn.Module):
    """Keypoints of both pictures -> flow at 1/8 of the frame."""

    def __init__(self, keypoints: int, match: int, width: int = 64) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.fine = conv3(keypoints + 2 * match + 1, width)
        self.down = conv3(width, width, 2)
        self.coarse = nn.Sequential(conv3(width, width), conv3(width, width))
        self.join = conv3(2 * width, width)
        self.masks = nn.Conv2d(width, keypoints + 1, 3, padding=1)

    def forward(
        self, here: Tensor, there: Tensor, base: Tensor, reference: Tensor, mask: Tensor
    ) -> Tensor:
        """here, there: keypoints of the current picture and of the reference, `(N, k, 2)` in [-1,
        1], k of K; base, reference: matching features at 1/8; mask `(N, 1, 1, 1)`: 1 with, 0
        without a base layer."""
        n = here.shape[0]
        h, w = reference.shape[2:]
        here, there = (self._all(points) for points in (here, there))
        heat = gaussians(here, h, w) - gaussians(there, h, w)
        heat = heat.to(reference.dtype, memory_format=torch.channels_last)
        known = mask.expand(n, 1, h, w).contiguous(memory_format=torch.channels_last)
        x = self.fine(torch.cat([heat, base, reference, known], 1))
        y = upsample_flow(self.coarse(self.down(x)), 2)
        absent = F.pad((here[..., 0] > FAR / 2).float(), (1, 0))[..., None, None]
        logits = self.masks(self.join(torch.cat([x, y], 1))).float()
        weight = F.softmax(logits - 1e9 * absent, 1)
        away = there - here  # from -1 to 1 are 8 w by 8 h pixels
        shift = torch.cat([away[..., :1] * (w * 4.0), away[..., 1:] * (h * 4.0)], -1)
        # the first mask is the still background
        return torch.einsum("nkhw,nkc->nchw", weight[:, 1:], shift)

    def _all(self, points: Tensor) -> Tensor:
        """All K keypoints: those that are missing lie far away, where their heat maps are zero."""
        return F.pad(points, (0, 0, 0, self.keypoints - points.shape[1]), value=FAR)


class Level(nn.Module):
    """One scale of the matching pyramid: where around the flow so far does the reference look like
    the base?

    The cost volume answers twice: by soft-argmax, from which motion is learned at once, and through
    convolutions that correct it and say how much of it to believe.
    """

    def __init__(self, match: int, radius: int, hidden: int, width: int, inherited: int) -> None:
        super().__init__()
        self.radius = radius
        side = torch.arange(-radius, radius + 1, dtype=torch.float32)
        steps = torch.stack(torch.meshgrid(side, side, indexing="xy")).reshape(2, -1)
        self.register_buffer("steps", steps, persistent=False)
        # logarithm of the softmax's inverse temperature
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.body = conv3((2 * radius + 1) ** 2 + 2 * match + 6 + inherited, width)
        self.state = conv3(width, hidden)
        self.out = start_at_zero(nn.Conv2d(hidden, 4, 3, padding=1))

    def forward(
        self,
        flow: Tensor,
        base: Tensor,
        reference: Tensor,
        mask: Tensor,
        scale: int,
        state: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Flow so far `(N, 2, h, w)` and features at 1/`scale` -> better flow, confidence as a
        logit, and the state for the next scale."""
        n, _, h, w = reference.shape
        moved = warp(reference, flow * (1 / scale))
        cost = correlation(base, moved, self.radius)
        chance = F.softmax(cost.float() * self.sharpness.exp(), 1)
        found = torch.einsum("nkhw,ck->nchw", chance, self.steps.float()) * mask.float()
        peak = chance.square().sum(1, keepdim=True)
        numbers = torch.cat([flow * (1 / (4 * scale)), found, peak, mask.expand(n, 1, h, w)], 1)
        known = [cost, base, moved, numbers.to(cost.dtype, memory_format=torch.channels_last)]
        if state is not None:
            known.append(state)
        hidden = self.state(self.body(torch.cat(known, 1)))
        out = self.out(hidden).float()
        believed = torch.sigmoid(out[:, 2:3] + 2)
        return flow + (believed * found + out[:, :2]) * scale, out[:, 3:], hidden


class MotionPyramid(nn.Module):
    """Keypoints and matching features -> `Motion`."""

    def __init__(self, keypoints: int, match: int = 32, hidden: int = 32) -> None:
        super().__init__()
        self.sparse = SparseMotion(keypoints, match)
        self.l16 = Level(match, 4, hidden, 64, 0)
        self.l8 = Level(match, 3, hidden, 64, hidden)
        self.l4 = Level(match, 2, hidden, 32, hidden)

    def forward(
        self, here: Tensor, there: Tensor, base: Matching, reference: Matching, mask: Tensor
    ) -> Motion:
        """base: zeros where `mask` `(N, 1, 1, 1)` is 0."""
        sparse = self.sparse(here, there, base.s8, reference.s8, mask)
        flow, _, state = self.l16(F.avg_pool2d(sparse, 2), base.s16, reference.s16, mask, 16, None)
        # the sparse flow's detail at 1/8 is kept: only the correction found at 1/16 is upsampled
        flow = sparse + upsample_flow(flow - F.avg_pool2d(sparse, 2), 2)
        coarse, _, state = self.l8(flow, base.s8, reference.s8, mask, 8, upsample_flow(state, 2))
        flow, state = upsample_flow(coarse, 2), upsample_flow(state, 2)
        flow, confidence, _ = self.l4(flow, base.s4, reference.s4, mask, 4, state)
        return Motion(sparse, coarse, flow, torch.sigmoid(confidence))
