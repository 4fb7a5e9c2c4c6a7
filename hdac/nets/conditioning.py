"""What parameters say to a network: flows that they propose, and maps drawn of them. Flows are in
samples of the grid of 64x64, backward."""

from __future__ import annotations

import torch
from torch import Tensor

from hdac.motion.facemesh import GROUPS, SETS
from hdac.nets.generator import GRID
from hdac.nets.keypoints import axis

#: Standard deviations of the weights that spread displacements, in halves of the frame's side.
REACHES = (0.06, 0.15, 0.4)
#: Weight of standing still: points beyond three deviations move nothing.
_STILL = 0.011
#: Weight, in samples, of standing still for a region: one that is hardly there moves nothing.
_EMPTY = 4.0


def group_members(number: int) -> list[list[int]]:
    """Of each group of landmarks, which places in a set of so many points are of it."""
    places = SETS[number].tolist()
    return [[i for i, point in enumerate(places) if point in group] for group in GROUPS]


def bells(points: Tensor, height: int, width: int, reach: tuple[float, float]) -> Tensor:
    """Gaussians `(N, K, height, width)` of points `(N, K, 2)`; reach: deviations in x and y, in
    halves of the frame's side."""
    dx = (axis(width, points.device) - points[..., 0:1]) / reach[0]
    dy = (axis(height, points.device) - points[..., 1:2]) / reach[1]
    gx, gy = torch.exp(-0.5 * dx.square()), torch.exp(-0.5 * dy.square())
    return gy[..., :, None] * gx[..., None, :]


def draw(points: Tensor, members: list[list[int]], height: int, width: int, reach: float) -> Tensor:
    """A map `(N, G, height, width)` of each group of points: the largest of their Gaussians of
    `reach` samples."""
    maps = bells(points, height, width, (2 * reach / width, 2 * reach / height))
    empty = torch.zeros_like(maps[:, 0])
    return torch.stack([maps[:, m].amax(1) if m else empty for m in members], 1)


def spread_flows(here: Tensor, there: Tensor) -> Tensor:
    """Flows `(N, 1 + R, 2, 64, 64)`: none, and the points' displacements spread over each of
    `REACHES`, weaker far from all points."""
    shift = (there - here) * (GRID / 2)
    flows = [here.new_zeros(len(here), 2, GRID, GRID)]
    for reach in REACHES:
        weights = bells(here, GRID, GRID, (reach, reach))
        total = weights.sum(1, keepdim=True) + _STILL
        flows.append(torch.einsum("nkhw,nkc->nchw", weights, shift) / total)
    return torch.stack(flows, 1)


def region_flows(here: Tensor, there: Tensor) -> Tensor:
    """Flows `(N, 1 + R, 2, 64, 64)` of maps of regions `(N, R, 64, 64)`: none, and each region
    moved and stretched along both axes as its samples' mean and deviation were."""
    side = axis(GRID, here.device) * (GRID / 2)

    def moments(maps: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        profile = maps.sum(dim)  # (N, R, 64)
        total = profile.sum(-1) + 1e-3
        mean = (profile * side).sum(-1) / total
        spread = (profile * (side - mean.unsqueeze(-1)).square()).sum(-1) / total
        return mean, (spread + 1).sqrt()

    certain = [maps.sum((2, 3)) for maps in (here, there)]
    sure = torch.minimum(*certain)
    sure = (sure / (sure + _EMPTY))[..., None]
    axes = []
    for dim in (2, 3):  # along x, along y
        (mean, spread), (mean0, spread0) = moments(here, dim), moments(there, dim)
        stretch = (spread0 / spread)[..., None]
        axes.append(((side - mean[..., None]) * stretch + mean0[..., None] - side) * sure)
    x, y = axes  # (N, R, 64)
    flow_x = x[:, :, None, :].expand(-1, -1, GRID, -1)
    flow_y = y[:, :, :, None].expand(-1, -1, -1, GRID)
    flows = torch.stack([flow_x, flow_y], 2)
    return torch.cat([torch.zeros_like(flows[:, :1]), flows], 1)
