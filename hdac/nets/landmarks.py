"""Facial landmarks of a thumbnail: where the face is, then its points in a crop of the thumbnail.

Ours; a student of MediaPipe's face mesh (Kartynnik et al., "Real-time Facial Surface Geometry from
Monocular Video on Mobile GPUs", 2019), which finds its points in an upright crop, too. Differs: the
crop comes from a network of our own, of the same thumbnail; one picture at a time, without the
picture before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import ResBlock, compute_dtype, conv3
from hdac.nets.keypoints import axis

#: Side of the crop of the thumbnail, in samples.
CROP = 96
#: MediaPipe's points at the middle of the hairline, and of the chin.
_FOREHEAD, _CHIN = 10, 152
#: Side of the crop over that of the thumbnail for an untrained network.
_USUAL = 0.75
_LARGEST = 1024


@dataclass(frozen=True)
class LandmarkConfig:
    """Everything that decides the shape of the network (stored in the weights file). Raises
    `UsageError` for numbers above 1024."""

    points: int = 478
    widths: tuple[int, int, int, int] = (16, 32, 64, 128)  # at 1/2, 1/4, 1/8, 1/16 of the crop
    blocks: tuple[int, int, int] = (1, 2, 1)  # residual blocks at 1/4, 1/8, 1/16
    bottleneck: int = 128
    passes: int = 1  # through the crop: those after the first crop around the points so far

    def __post_init__(self) -> None:
        numbers = (self.points, *self.widths, *self.blocks, self.bottleneck, self.passes)
        if not all(isinstance(n, int) and 0 <= n <= _LARGEST for n in numbers):
            raise UsageError(f"{self}: numbers from 0 to {_LARGEST} are needed")


class Located(NamedTuple):
    """`points` `(N, P, 2)`, (x, y) in [-1, 1] (-1 and 1 are the thumbnail's borders); `crop` `(N,
    2, 3)`: the similarity that takes places in the crop to places in the thumbnail."""

    points: Tensor
    crop: Tensor


class LandmarkNet(nn.Module):
    """Thumbnail `(N, 3, 128, 128)` (Y, U, V in [0, 1]) -> `Located`."""

    def __init__(self, config: LandmarkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LandmarkConfig()
        w2, w4, w8, w16 = config.widths
        b4, b8, b16 = config.blocks
        self.finder = nn.Sequential(
            *(conv3(i, o, 2) for i, o in ((3, 16), (16, 32), (32, 48), (48, 64))),
            nn.Flatten(), nn.Linear(64 * 16, 32), nn.ReLU(inplace=True), nn.Linear(32, 4),
        )  # fmt: skip
        self.features = nn.Sequential(
            conv3(3, w2, 2),
            conv3(w2, w4, 2), *(ResBlock(w4) for _ in range(b4)),
            conv3(w4, w8, 2), *(ResBlock(w8) for _ in range(b8)),
            conv3(w8, w16, 2), *(ResBlock(w16) for _ in range(b16)),
            nn.Conv2d(w16, 24, 1), nn.ReLU(inplace=True), nn.Flatten(),
        )  # fmt: skip
        self.squeeze = nn.Linear(24 * (CROP // 16) ** 2, config.bottleneck)
        self.shape = nn.Linear(config.bottleneck, 2 * config.points)
        last = self.finder[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def locate(self, thumbnail: Tensor) -> Tensor:
        """The crop `(N, 2, 3)` of the face."""
        dtype = compute_dtype(self.shape.weight)
        small = F.avg_pool2d(thumbnail - 0.5, 2)
        found = self.finder(small.to(dtype, memory_format=torch.channels_last)).float()
        a, b, x, y = found.unbind(1)
        a = a + _USUAL
        return similarity(a, b, x, y)

    def points_in(self, thumbnail: Tensor, crop: Tensor) -> Tensor:
        """Points `(N, P, 2)` in the thumbnail, of the face that is in a crop."""
        dtype = compute_dtype(self.shape.weight)
        side = axis(CROP, crop.device)
        places = torch.stack([side.expand(CROP, -1), side[:, None].expand(-1, CROP)], -1)
        grid = moved(places.reshape(1, -1, 2), crop).view(-1, CROP, CROP, 2)
        face = F.grid_sample(thumbnail, grid, padding_mode="border", align_corners=False) - 0.5
        features = self.features(face.to(dtype, memory_format=torch.channels_last))
        shape = self.shape(F.relu(self.squeeze(features))).float()
        return moved(shape.view(-1, self.config.points, 2), crop)

    def forward(self, thumbnail: Tensor) -> Located:
        crop = self.locate(thumbnail)
        points = self.points_in(thumbnail, crop)
        for _ in range(1, self.config.passes):
            crop = crop_around(points)
            points = self.points_in(thumbnail, crop)
        return Located(points, crop)


def moved(points: Tensor, crop: Tensor) -> Tensor:
    """Places `(N, P, 2)` in crops `(N, 2, 3)` -> in the thumbnail."""
    return points @ crop[:, :, :2].transpose(1, 2) + crop[:, :, 2].unsqueeze(1)


def similarity(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Crops `(N, 2, 3)`: (1, 0) goes (a, b) away from their middle (x, y); each `(N,)`."""
    return torch.stack([torch.stack([a, -b, x], 1), torch.stack([b, a, y], 1)], 1)


def crop_around(points: Tensor) -> Tensor:
    """The crop `(N, 2, 3)` of faces `(N, 478, 2)`: upright from chin to forehead, 1.25 times the
    longer side of their box."""
    up = points[:, _FOREHEAD] - points[:, _CHIN]
    right = F.normalize(torch.stack([-up[:, 1], up[:, 0]], 1))
    turn = torch.stack([right, torch.stack([-right[:, 1], right[:, 0]], 1)], 1)
    level = points @ turn.transpose(1, 2)
    low, high = level.amin(1), level.amax(1)
    middle = ((low + high) / 2).unsqueeze(1) @ turn
    axes = 0.625 * (high - low).amax(1, keepdim=True) * right
    return similarity(axes[:, 0], axes[:, 1], middle[:, 0, 0], middle[:, 0, 1])
