"""Motion-SPADE: a warped reference, refined by SPADE blocks at eyes and lips, from one of three
conditionings: fixed landmarks, learned keypoints, or a map of regions; and `agarwal`, learned
keypoints without refinement.

After Oquab et al., "Low Bandwidth Video-Chat Compression using Deep Generative Models" (2020,
arXiv 2012.00328), and Agarwal et al., "Compressing Video Calls using Synthetic Talking Heads"
(BMVC 2022, arXiv 2210.03692). Ours to choose: how landmarks and regions propose flows, all widths.
Differs: Agarwal et al. generate with the whole of first-order motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.bitstream.motions import MAX_KEYPOINTS
from hdac.errors import UsageError
from hdac.motion.facemesh import SETS
from hdac.motion.keypoints import STEP
from hdac.motion.regions import REFINED, REGIONS
from hdac.nets.blocks import are_counts
from hdac.nets.conditioning import REACHES, draw, group_members, region_flows, spread_flows
from hdac.nets.generator import (
    GRID,
    Animated,
    Features,
    FlowHead,
    Generator,
    ReferenceEncoder,
    Widths,
)
from hdac.nets.keypoints import KeypointDetector, gaussians, thumbnail

SYSTEMS = ("motion-spade-static", "motion-spade-dynamic", "motion-spade-map")
#: Keypoints without refinement.
PLAIN = "agarwal"
_LARGEST = 1024


@dataclass(frozen=True)
class MotionSpadeConfig:
    """Everything that decides the shape of the network. `number`: landmarks or keypoints of a
    picture. Raises `UsageError` for what no such network has."""

    system: str = "motion-spade-static"
    number: int = 68
    refined: bool = True  # by SPADE
    widths: Widths = (32, 64, 96)
    blocks: tuple[int, int, int] = (2, 2, 2)  # residual blocks at 1/2, 1/4, 1/8

    def __post_init__(self) -> None:
        numbers = (self.number, *self.widths, *self.blocks)
        if self.system not in (*SYSTEMS, PLAIN) or not are_counts(numbers, _LARGEST):
            known = ", ".join((*SYSTEMS, PLAIN))
            raise UsageError(
                f"{self}: system one of {known}, numbers from 1 to {_LARGEST} are needed"
            )
        if self.system == SYSTEMS[0] and self.number not in SETS:
            raise UsageError(f"{self}: landmarks {', '.join(map(str, SETS))} are there")
        if self.system == PLAIN and self.refined:
            raise UsageError(f"{self}: {self.system} is not refined")
        if self.system in (SYSTEMS[1], PLAIN) and self.number > MAX_KEYPOINTS:
            raise UsageError(f"{self}: streams have 1 to {MAX_KEYPOINTS} keypoints (number)")


class Landmarks(nn.Module):
    """Fixed points: their displacements, spread over the picture, propose flows; heat maps of their
    groups say where what is."""

    candidates = 1 + len(REACHES)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.members = group_members(number)
        self.maps = 2 * len(self.members)
        self.drawn = len(self.members)

    def propose(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        maps = [draw(points, self.members, GRID, GRID, 1.5) for points in (here, there)]
        return spread_flows(here, there), torch.cat(maps, 1)

    def refine(self, here: Tensor, height: int, width: int) -> Tensor:
        return draw(here, self.members, height, width, 1.0)


class Keypoints(nn.Module):
    """Learned points, as first-order motion has them, without Jacobians."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.candidates, self.maps, self.drawn = number + 1, number, number

    def propose(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        shift = (there - here) * (GRID / 2)
        shift = torch.cat([torch.zeros_like(shift[:, :1]), shift], 1)
        flows = shift[..., None, None].expand(-1, -1, -1, GRID, GRID)
        return flows, gaussians(here, GRID, GRID) - gaussians(there, GRID, GRID)

    def refine(self, here: Tensor, height: int, width: int) -> Tensor:
        return gaussians(here, height, width)


class Regions(nn.Module):
    """A map of regions `(N, 64, 64)`: each proposes how it moved and stretched as a whole."""

    candidates, maps, drawn = 1 + REGIONS, 2 * REGIONS, len(REFINED)

    def propose(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        both = [one_hot(labels) for labels in (here, there)]
        return region_flows(*both), torch.cat(both, 1)

    def refine(self, here: Tensor, height: int, width: int) -> Tensor:
        shown = one_hot(here)[:, list(REFINED)]
        return F.interpolate(shown, size=(height, width), mode="bilinear", align_corners=False)


def one_hot(labels: Tensor) -> Tensor:
    """`(N, 64, 64)` numbers of regions, as floats -> `(N, 8, 64, 64)`."""
    numbers = torch.arange(REGIONS, device=labels.device, dtype=labels.dtype)
    return (labels.unsqueeze(1) == numbers[:, None, None]).float()


def _conditioning(config: MotionSpadeConfig) -> Landmarks | Keypoints | Regions:
    if config.system == SYSTEMS[0]:
        return Landmarks(config.number)
    return Regions() if config.system == SYSTEMS[2] else Keypoints(config.number)


class MotionSpadeNet(nn.Module):
    """`find` (learned keypoints alone), `encode` and `forward`. takes: what its parameters are;
    step: of the quantiser of what it finds."""

    step = STEP
    features = Features

    def __init__(self, config: MotionSpadeConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MotionSpadeConfig()
        self.conditioning = conditioning = _conditioning(config)
        self.takes = type(conditioning).__name__.lower()
        if isinstance(conditioning, Keypoints):
            self.detector = KeypointDetector(config.number)
        self.encoder = ReferenceEncoder(config.widths)
        self.head = FlowHead(conditioning.candidates, conditioning.maps)
        drawn = conditioning.drawn if config.refined else 0
        self.generator = Generator(config.widths, config.blocks, drawn)

    def find(self, planes: Tensor) -> Tensor:
        """Keypoints `(N, K, 2)` of pictures `(N, 6, H/2, W/2)`."""
        found: Tensor = self.detector(thumbnail(planes))
        return found

    def encode(self, planes: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]."""
        found: Features = self.encoder(planes)
        return found

    def forward(
        self, planes: Tensor, features: Features, there: Tensor, here: Tensor, refine: bool = True
    ) -> Animated:
        """planes, features, there: the reference and its parameters; here: those of the picture
        that is made. `refine`: whether SPADE blocks do."""
        flows, maps = self.conditioning.propose(here, there)
        flow, opened = self.head(features.small, flows, maps)
        drawn = None
        if self.config.refined and refine:
            h, w = features.f4.shape[-2:]
            drawn = (
                self.conditioning.refine(here, h, w),
                self.conditioning.refine(here, 2 * h, 2 * w),
            )
        made: Animated = self.generator(planes, features, flow, opened, drawn)
        return made
