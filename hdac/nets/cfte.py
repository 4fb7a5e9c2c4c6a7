"""Compact feature temporal evolution: a picture is 4x4 numbers that the network finds itself, and
motion is what it infers from how they differ from the reference's.

After Chen et al., "Beyond Keypoint Coding: Temporal Evolution Inference with Compact Feature
Representation for Talking Face Video Compression" (DCC 2022). Ours to choose: the motion is grown
from the features and weighed as other systems' motion is (`nets.generator`), all widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.bitstream.motions import FEATURE_SIDE, MAX_CHANNELS
from hdac.errors import UsageError
from hdac.motion.feature import FEATURE_LEVELS
from hdac.nets.blocks import are_counts, conv3, start_at_zero
from hdac.nets.generator import (
    GRID,
    Animated,
    Features,
    FlowHead,
    Generator,
    ReferenceEncoder,
    Widths,
)
from hdac.nets.keypoints import thumbnail

SYSTEM = "cfte"
_LARGEST, _PLACES = 1024, FEATURE_SIDE * FEATURE_SIDE
#: Channels of the motion at 4x4 and at each doubling after it; maps for the grid's network.
_GROWN, _MAPS = (64, 64, 48, 32, 24), 8
#: What the last layer's numbers are multiplied by, in samples of the grid: heads move by several.
_REACH = 4.0
#: Side of the flow that is in proportion to the difference of features.
_COARSE = 16


@dataclass(frozen=True)
class CfteConfig:
    """Everything that decides the shape of the network. `number`: channels of the feature. Raises
    `UsageError` for what no such network has."""

    system: str = SYSTEM
    number: int = 1
    widths: Widths = (32, 64, 96)
    blocks: tuple[int, int, int] = (2, 2, 2)  # residual blocks at 1/2, 1/4, 1/8

    def __post_init__(self) -> None:
        numbers = (self.number, *self.widths, *self.blocks)
        if self.system != SYSTEM or not are_counts(numbers, _LARGEST):
            raise UsageError(f"{self}: system {SYSTEM}, numbers from 1 to {_LARGEST} are needed")
        if self.number > MAX_CHANNELS:
            raise UsageError(f"{self}: number is 1 to {MAX_CHANNELS} channels")


def _keep_scale(layer: nn.Module) -> None:
    """He et al. (ICCV 2015): through layers of the usual weights a few numbers would fade."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


class FeatureFinder(nn.Module):
    """Thumbnail `(N, 3, 64, 64)` -> feature `(N, C, 4, 4)` in [-1, 1]."""

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv3(3, width), conv3(width, width, 2), conv3(width, 2 * width, 2),
            conv3(2 * width, 2 * width, 2), conv3(2 * width, 2 * width, 2),
        )  # fmt: skip
        self.head = nn.Linear(_PLACES * 2 * width, _PLACES * channels)
        # over pictures: what an untrained network finds would drown in the quantiser's noise
        self.spread = nn.BatchNorm1d(_PLACES * channels, affine=False, momentum=0.03)
        self.channels = channels
        self.body.apply(_keep_scale)

    def forward(self, image: Tensor) -> Tensor:
        found = self.spread(self.head(self.body(image - 0.5).flatten(1)).float())
        return torch.tanh(found).view(-1, self.channels, FEATURE_SIDE, FEATURE_SIDE)


class Evolution(nn.Module):
    """Features of the reference and of a picture -> a flow `(N, 2, 64, 64)` in samples of the grid,
    and maps. Every number of the features bears on every place: their places mean little. Each
    moves the picture in a way of its own, in proportion, which is where training finds its
    beginning; what is grown from both features corrects that."""

    maps = _MAPS

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixed = nn.Sequential(nn.Linear(2 * _PLACES * channels, 128), nn.ReLU())
        self.spread = nn.Linear(128, _PLACES * _GROWN[0])
        self.grown = nn.ModuleList([conv3(a, b) for a, b in pairwise(_GROWN)])
        self.shown = conv3(_GROWN[-1], _MAPS)
        self.apply(_keep_scale)
        self.linear = nn.Linear(_PLACES * channels, 2 * _COARSE * _COARSE, bias=False)
        nn.init.zeros_(self.linear.weight)
        self.last = start_at_zero(nn.Conv2d(_GROWN[-1], 2, 3, padding=1))

    def forward(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        away = (here - there).flatten(1)
        known = torch.cat([away, there.flatten(1)], 1)
        x = F.relu(self.spread(self.mixed(known))).view(-1, _GROWN[0], FEATURE_SIDE, FEATURE_SIDE)
        for grow in self.grown:
            x = F.interpolate(
                grow(x).float(), scale_factor=2.0, mode="bilinear", align_corners=False
            ).to(x.dtype)
        coarse = self.linear(away).float().view(-1, 2, _COARSE, _COARSE)
        even = F.interpolate(coarse, size=(GRID, GRID), mode="bilinear", align_corners=False)
        return _REACH * (even + self.last(x).float()), self.shown(x).float()


class CfteNet(nn.Module):
    """`find`, `encode` and `forward`. takes: what its parameters are; step: of the quantiser of
    what it finds."""

    takes = "feature"
    step = 1 / FEATURE_LEVELS
    features = Features

    def __init__(self, config: CfteConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CfteConfig()
        self.finder = FeatureFinder(config.number)
        self.evolution = Evolution(config.number)
        self.encoder = ReferenceEncoder(config.widths)
        self.head = FlowHead(2, self.evolution.maps)
        self.generator = Generator(config.widths, config.blocks, 0)

    def find(self, planes: Tensor) -> Tensor:
        """Features `(N, C, 4, 4)` of pictures `(N, 6, H/2, W/2)`."""
        found: Tensor = self.finder(thumbnail(planes))
        return found

    def encode(self, planes: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]."""
        found: Features = self.encoder(planes)
        return found

    def forward(
        self, planes: Tensor, features: Features, there: Tensor, here: Tensor, refine: bool = True
    ) -> Animated:
        """planes, features, there: the reference and its compact feature; here: that of the picture
        that is made. Nothing is refined."""
        flow, maps = self.evolution(here, there)
        flows = torch.stack([torch.zeros_like(flow), flow], 1)
        assert flows.shape[-1] == GRID
        found, opened = self.head(features.small, flows, maps)
        made: Animated = self.generator(planes, features, found, opened, None)
        return made
