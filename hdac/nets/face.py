"""`hdac-face`, ours for mode animation: landmarks by a shape model beside free keypoints, and SPADE
blocks at brows, eyes, nose and mouth.

What it takes over: landmarks that move the picture and SPADE (`motion_spade`), free keypoints
(first-order motion, as `hdac-s`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hdac.bitstream.motions import MAX_COEFFICIENTS, MAX_KEYPOINTS
from hdac.errors import UsageError
from hdac.motion.face import POSE, steps
from hdac.motion.facemesh import SETS
from hdac.nets.blocks import are_counts
from hdac.nets.generator import (
    Animated,
    Features,
    FlowHead,
    Generator,
    ReferenceEncoder,
    Widths,
)
from hdac.nets.keypoints import KeypointDetector, thumbnail
from hdac.nets.motion_spade import Keypoints, Landmarks

#: Landmarks that the shape model moves.
POINTS = 162
_LARGEST = 1024


@dataclass(frozen=True)
class FaceConfig:
    """Everything that decides the shape of the network. `number`: free keypoints. Raises
    `UsageError` for what no such network has."""

    system: str = "hdac-face"
    number: int = 5
    coefficients: int = 16
    widths: Widths = (32, 64, 96)
    blocks: tuple[int, int, int] = (2, 2, 2)  # residual blocks at 1/2, 1/4, 1/8

    def __post_init__(self) -> None:
        numbers = (self.number, self.coefficients, *self.widths, *self.blocks)
        if not are_counts(numbers, _LARGEST):
            raise UsageError(f"{self}: numbers from 1 to {_LARGEST} are needed")
        if self.number > MAX_KEYPOINTS or self.coefficients > MAX_COEFFICIENTS:
            raise UsageError(
                f"{self}: streams have 1 to {MAX_KEYPOINTS} keypoints (number) and 1 to "
                f"{MAX_COEFFICIENTS} coefficients"
            )


class ShapeModel(nn.Module):
    """Landmarks `(N, 162, 2)` of a pose and coefficients, and back. mean `(162, 2)` around 0, basis
    `(C, 162, 2)`; `weights` `(162,)` of the points where a shape is fitted: in the basis, times
    them, directions are orthonormal."""

    mean: Tensor
    basis: Tensor
    weights: Tensor

    def __init__(self, coefficients: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(POINTS, 2))
        self.register_buffer("basis", torch.zeros(coefficients, POINTS, 2))
        self.register_buffer("weights", torch.ones(POINTS))

    def forward(self, shape: Tensor) -> Tensor:
        """`(N, 4 + C)`: a, b, x, y (a point (u, v) goes to (a u - b v + x, b u + a v + y)) and
        coefficients."""
        flat = shape[:, POSE:] @ self.basis.flatten(1)
        points = self.mean + flat.view(-1, POINTS, 2)
        a, b, x, y = shape[:, :POSE, None].unbind(1)
        u, v = points.unbind(-1)
        return torch.stack([a * u - b * v + x, b * u + a * v + y], -1)

    def fit(self, points: Tensor) -> Tensor:
        """The inverse for the landmarks `(N, 162, 2)` of any face: the similarity that brings the
        mean closest, and the coefficients of what is left."""
        pose = self._pose(points)
        rest = (self._upright(points, pose) - self.mean) * self.weights[:, None].square()
        return torch.cat([pose, rest.flatten(1) @ self.basis.flatten(1).T], 1)

    def upright(self, points: Tensor) -> Tensor:
        """Faces as they are where the mean is."""
        return self._upright(points, self._pose(points))

    def _pose(self, points: Tensor) -> Tensor:
        middle = points.mean(1)
        away, u, v = points - middle[:, None], self.mean[:, 0], self.mean[:, 1]
        size = self.mean.square().sum()
        a = (away[..., 0] * u + away[..., 1] * v).sum(1) / size
        b = (away[..., 1] * u - away[..., 0] * v).sum(1) / size
        return torch.cat([torch.stack([a, b], 1), middle], 1)

    @staticmethod
    def _upright(points: Tensor, pose: Tensor) -> Tensor:
        a, b, x, y = pose[..., None].unbind(1)
        square = (a.square() + b.square()).clamp_min(1e-6)
        u, v = points[..., 0] - x, points[..., 1] - y
        return torch.stack([(a * u + b * v) / square, (a * v - b * u) / square], -1)


class FaceNet(nn.Module):
    """`find` (keypoints), `fit` (a face's shape), `encode` and `forward`."""

    takes = "face"
    features = Features

    def __init__(self, config: FaceConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FaceConfig()
        self.shape = ShapeModel(config.coefficients)
        self.detector = KeypointDetector(config.number)
        self.landmarks, self.keypoints = Landmarks(POINTS), Keypoints(config.number)
        self.encoder = ReferenceEncoder(config.widths)
        candidates = self.landmarks.candidates + self.keypoints.candidates - 1
        self.head = FlowHead(candidates, self.landmarks.maps + self.keypoints.maps)
        self.generator = Generator(config.widths, config.blocks, self.landmarks.drawn)

    def find(self, planes: Tensor) -> Tensor:
        """Keypoints `(N, K, 2)` of pictures `(N, 6, H/2, W/2)`."""
        found: Tensor = self.detector(thumbnail(planes))
        return found

    def fit(self, points: Tensor) -> Tensor:
        """Pose and coefficients `(N, 4 + C)` of all landmarks `(N, 478, 2)` of a face."""
        found: Tensor = self.shape.fit(points[:, SETS[POINTS]])
        return found

    @property
    def step(self) -> Tensor:
        """The quantiser's, of each parameter."""
        found = steps(self.config.coefficients, self.config.number)
        return torch.from_numpy(found).to(self.shape.mean.device)

    def encode(self, planes: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]."""
        found: Features = self.encoder(planes)
        return found

    def forward(
        self, planes: Tensor, features: Features, there: Tensor, here: Tensor, refine: bool = True
    ) -> Animated:
        """planes, features, there: the reference and its parameters `(N, 4 + C + 2 K)`; here: those
        of the picture that is made. `refine`: whether SPADE blocks do."""
        split = POSE + self.config.coefficients
        faces = [self.shape(vector[:, :split]) for vector in (here, there)]
        points = [vector[:, split:].reshape(-1, self.config.number, 2) for vector in (here, there)]
        flows, maps = self.landmarks.propose(*faces)
        free, heat = self.keypoints.propose(*points)
        flows, maps = torch.cat([flows, free[:, 1:]], 1), torch.cat([maps, heat], 1)
        flow, opened = self.head(features.small, flows, maps)
        drawn = None
        if refine:
            h, w = features.f4.shape[-2:]
            drawn = (
                self.landmarks.refine(faces[0], h, w),
                self.landmarks.refine(faces[0], 2 * h, 2 * w),
            )
        made: Animated = self.generator(planes, features, flow, opened, drawn)
        return made
