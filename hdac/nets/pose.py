"""Face-vid2vid, narrow: keypoints in space, turned with the head and moved by the expression, move
a volume of features.

After Wang et al., "One-Shot Free-View Neural Talking-Head Synthesis for Video Conferencing" (CVPR
2021), equations 1 to 5. Ours to choose: a volume of 8 slices at 1/8 of the frame, poses that fit
landmarks, keypoints and expression by one small network of a 64x64 thumbnail, convolutions over the
plane with depth in the channels, and the generator that the other systems have.

Axes: x to the right, y down, z towards the viewer, all in [-1, 1]; a volume is warped as many
planes, between which is interpolated (no runtime warps volumes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.bitstream.motions import MAX_KEYPOINTS
from hdac.errors import UsageError
from hdac.motion.facemesh import EYES, LEFT_BROW, NOSE, OVAL, RIGHT_BROW
from hdac.motion.pose import POSE, STEPS, steps
from hdac.nets.blocks import ResBlock, are_counts, compute_dtype, conv3, start_at_zero, warp
from hdac.nets.generator import (
    GRID,
    Animated,
    Features,
    Generator,
    ReferenceEncoder,
    Widths,
)
from hdac.nets.keypoints import axis, thumbnail

SYSTEM = "fv2v"
_LARGEST = 1024
#: Landmarks that hardly move in a face: eyes, brows, nose and the upper half of the outline.
RIGID = np.unique(np.concatenate([EYES, NOSE, RIGHT_BROW, LEFT_BROW, OVAL[:10], OVAL[-9:]]))
#: Side of the grid on which motion in space is found, and slices of the volume.
SIDE, SLICES = 32, 8
#: Variance of a keypoint's Gaussian in space.
_VARIANCE = 0.02
#: How far an expression moves a keypoint, and a person's keypoints lie from the usual, at most.
_EXPRESSION, _PERSON = 0.25, 0.5
#: Square of a head's scale, at least: less than that of one level.
_SMALLEST = STEPS[2] ** 2 / 2


@dataclass(frozen=True)
class PoseConfig:
    """Everything that decides the shape of the network. `number`: keypoints. Raises `UsageError`
    for what no such network has."""

    system: str = SYSTEM
    number: int = 10
    widths: Widths = (32, 64, 96)
    blocks: tuple[int, int, int] = (2, 2, 2)  # residual blocks at 1/2, 1/4, 1/8

    def __post_init__(self) -> None:
        numbers = (self.number, *self.widths, *self.blocks)
        if self.system != SYSTEM or not are_counts(numbers, _LARGEST):
            raise UsageError(f"{self}: system {SYSTEM}, numbers from 1 to {_LARGEST} are needed")
        if self.number > MAX_KEYPOINTS:
            raise UsageError(f"{self}: streams have 1 to {MAX_KEYPOINTS} keypoints (number)")
        if self.widths[2] % SLICES:
            raise UsageError(f"{self}: channels at 1/8 are those of {SLICES} slices")


def rotation(angles: Tensor) -> Tensor:
    """Matrices `(N, 3, 3)` of yaw, pitch and roll `(N, 3)` in radians: R(roll) R(yaw) R(pitch),
    about z, y and x."""
    (sy, sp, sr), (cy, cp, cr) = angles.sin().unbind(1), angles.cos().unbind(1)
    rows = [
        torch.stack([cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp], 1),
        torch.stack([sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp], 1),
        torch.stack([-sy, cy * sp, cy * cp], 1),
    ]
    return torch.stack(rows, 1)


class Head(nn.Module):
    """How heads are turned: what of their landmarks hardly moves, as places in space (x to the
    right, y down, z to the viewer; middle 0, mean square distance from it 1)."""

    inverse: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("inverse", torch.zeros(3, len(RIGID)))

    def learn(self, places: Tensor) -> None:
        """places `(P, 3)` of the landmarks `RIGID` (`hdac.training.head_pose`)."""
        self.inverse.copy_(torch.linalg.pinv(places))

    def fit(self, points: Tensor) -> Tensor:
        """Yaw, pitch, roll (radians; turns about y, x and z in the order of `rotation`), x, y and
        scale `(N, 6)` of faces `(N, 478, 2)`: those that bring the places nearest."""
        seen = points[:, RIGID]
        middle = seen.mean(1)
        matrix = (self.inverse @ (seen - middle[:, None])).transpose(1, 2)  # (N, 2, 3)
        size = matrix.square().sum(2).sqrt()
        x = matrix[:, 0] / size[:, :1].clamp_min(1e-6)
        y = matrix[:, 1] - x * (x * matrix[:, 1]).sum(1, keepdim=True)
        y = y / y.square().sum(1, keepdim=True).sqrt().clamp_min(1e-6)
        (x0, x1, x2), (y0, y1, y2) = x.unbind(1), y.unbind(1)
        z0, z1, z2 = x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0
        yaw = torch.asin((-z0).clamp(-1, 1))
        angles = torch.stack([yaw, torch.atan2(z1, z2), torch.atan2(y0, x0)], 1)
        return torch.cat([angles, middle, size.mean(1, keepdim=True)], 1)


class KeypointFinder(nn.Module):
    """Thumbnail `(N, 3, 64, 64)` -> what the expression adds to a person's keypoints in space, and
    those, `(N, 6 K)`."""

    usual: Tensor

    def __init__(self, number: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv3(3, width, 2), ResBlock(width), conv3(width, 2 * width, 2), ResBlock(2 * width),
            conv3(2 * width, 3 * width, 2), ResBlock(3 * width), conv3(3 * width, 3 * width, 2),
            nn.Flatten(), nn.Linear(3 * width * 16, 128), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.head = nn.Linear(128, 6 * number)
        nn.init.normal_(self.head.weight, 0, 1e-3)
        nn.init.zeros_(self.head.bias)
        # on the front half of a sphere, evenly (golden angle)
        k = torch.arange(number, dtype=torch.float32)
        z = 1 - (k + 0.5) / number
        around, away = k * 2.39996, (1 - z.square()).sqrt()
        place = torch.stack([away * around.cos(), away * around.sin(), z - 0.5], 1)
        self.register_buffer("usual", place.flatten())

    def forward(self, image: Tensor) -> Tensor:
        expression, person = self.head(self.body(image - 0.5)).float().tanh().chunk(2, 1)
        return torch.cat([_EXPRESSION * expression, self.usual + _PERSON * person], 1)


def places(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Keypoints `(N, K, 3)` in the frame, and the matrix `(N, 3, 3)` that turns and scales."""
    half = (parameters.shape[1] - POSE) // 2
    pose, expression, person = parameters.split([POSE, half, half], 1)
    turn = rotation(pose[:, :3]) * pose[:, 5, None, None]
    points = (person + expression).view(len(pose), -1, 3) @ turn.transpose(1, 2)
    move = torch.cat([pose[:, 3:5], torch.zeros_like(pose[:, :1])], 1)
    return points + move[:, None], turn


class SpaceFlow(nn.Module):
    """Keypoints of both pictures and the reference -> a flow in space, one in the plane, and where
    to believe them."""

    def __init__(self, number: int, width: int = 64) -> None:
        super().__init__()
        self.stem = conv3(number * SLICES + 3 * (number + 1), width)
        self.down1 = conv3(width, width, 2)
        self.down2 = conv3(width, 2 * width, 2)
        self.middle = nn.Sequential(conv3(2 * width, 2 * width), ResBlock(2 * width))
        self.up1 = conv3(3 * width, width)
        self.up0 = conv3(2 * width, width)
        self.out = start_at_zero(nn.Conv2d(width, (number + 2) * SLICES + 3, 3, padding=1))

    def forward(self, reference: Tensor, here: Tensor, there: Tensor) -> tuple[Tensor, ...]:
        """reference `(N, 3, 64, 64)`; here, there: parameters. Returns a flow `(N, 8, 3, 32, 32)`
        of the slices, in [-1, 1], one `(N, 2, 64, 64)` in samples of the grid, and an occlusion
        `(N, 1, 64, 64)`."""
        (points, turn), (points0, turn0) = places(here), places(there)
        n, k, _ = points.shape
        x, z = axis(SIDE, points.device), axis(SLICES, points.device)
        full = (SLICES, SIDE, SIDE)
        grid = torch.stack([
            x.expand(full), x[:, None].expand(full), z[:, None, None].expand(full)
        ])  # fmt: skip
        # equation 2: what was around a keypoint is around it again
        back = turn0 @ _inverse(turn)
        away = grid[None, None] - points[..., None, None, None]
        moved = torch.einsum("nij,nkjdhw->nkidhw", back, away) + points0[..., None, None, None]
        flows = torch.cat([torch.zeros_like(moved[:, :1]), moved - grid[None, None]], 1)
        heat = _heat(away) - _heat(grid[None, None] - points0[..., None, None, None])

        small = F.avg_pool2d(reference, 2)
        flat = self._at_keypoints(points, points0, back, x)
        many = small.unsqueeze(1).expand(-1, k, -1, -1, -1).flatten(0, 1)
        shown = warp(many, flat.flatten(0, 1) * (SIDE / 2)).view(n, 3 * k, SIDE, SIDE)
        known = torch.cat([heat.flatten(1, 2), shown - 0.5, small - 0.5], 1)
        a = self.stem(known.to(compute_dtype(self.out.weight), memory_format=torch.channels_last))
        b = self.down1(a)
        y = self.middle(self.down2(b))
        y = self.up1(torch.cat([F.interpolate(y, scale_factor=2.0), b], 1))
        out = self.out(self.up0(torch.cat([F.interpolate(y, scale_factor=2.0), a], 1))).float()

        weights = F.softmax(out[:, : (k + 1) * SLICES].view(n, k + 1, *full), 1)
        flow = (weights.unsqueeze(2) * flows).sum(1).transpose(1, 2)
        seen = F.softmax(out[:, (k + 1) * SLICES : (k + 2) * SLICES], 1)
        plane = (flow[:, :, :2] * seen.unsqueeze(2)).sum(1) * (GRID / 2) + out[:, -3:-1]
        both = torch.cat([plane, torch.sigmoid(out[:, -1:] + 2)], 1)
        both = F.interpolate(both, size=(GRID, GRID), mode="bilinear", align_corners=False)
        return flow, both[:, :2], both[:, 2:]

    @staticmethod
    def _at_keypoints(points: Tensor, points0: Tensor, back: Tensor, x: Tensor) -> Tensor:
        """Flows `(N, K, 2, 32, 32)` in the plane at each keypoint's depth, in [-1, 1]."""
        away = torch.stack([x.expand(SIDE, -1), x[:, None].expand(-1, SIDE)])
        away = away[None, None] - points[..., :2, None, None]
        moved = torch.einsum("nij,nkjhw->nkihw", back[:, :2, :2], away)
        return moved + (points0 - points)[..., :2, None, None] - away


def _heat(away: Tensor) -> Tensor:
    """Heat maps `(N, K, 8, 32, 32)` of what is so far `(N, K, 3, 8, 32, 32)` away."""
    return torch.exp(away.square().sum(2) / (-2 * _VARIANCE))


def _inverse(turn: Tensor) -> Tensor:
    """Of matrices that turn and scale; finite at scale 0 too, which a damaged stream may say."""
    return turn.transpose(1, 2) / turn[:, 0].square().sum(1).clamp_min(_SMALLEST)[:, None, None]


def warp_volume(volume: Tensor, flow: Tensor) -> Tensor:
    """A volume `(N, 8 C, h, w)`, slice after slice, moved by a flow `(N, 8, 3, h, w)` in [-1, 1]:
    each slice is made of all, each as far as what is looked for lies between it and the next."""
    n, channels, h, w = volume.shape
    slices = axis(SLICES, volume.device)
    made = []
    for number in range(SLICES):
        one = flow[:, number]
        step = torch.stack([one[:, 0] * (w / 2), one[:, 1] * (h / 2)], 1)
        moved = warp(volume, step).view(n, SLICES, channels // SLICES, h, w)
        depth = (one[:, 2] + slices[number]).clamp(float(slices[0]), float(slices[-1]))
        near = F.relu(1 - (depth[:, None] - slices[:, None, None]).abs() * (SLICES / 2))
        made.append((moved * near.unsqueeze(2).to(moved.dtype)).sum(1))
    return torch.cat(made, 1)


class PoseNet(nn.Module):
    """`fit` (how a head is turned), `find` (keypoints), `encode` and `forward`."""

    takes = "pose"
    features = Features

    def __init__(self, config: PoseConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or PoseConfig()
        self.head, self.finder = Head(), KeypointFinder(config.number)
        self.flow = SpaceFlow(config.number)
        self.encoder = ReferenceEncoder(config.widths)
        wide = config.widths[2]
        self.project = nn.Sequential(nn.Conv2d(wide, wide, 1), nn.ReLU(inplace=True))
        self.generator = Generator(config.widths, config.blocks, 0)

    def fit(self, points: Tensor) -> Tensor:
        """Pose `(N, 6)` of all landmarks `(N, 478, 2)` of a face."""
        found: Tensor = self.head.fit(points)
        return found

    def find(self, planes: Tensor) -> Tensor:
        """What an expression adds to keypoints, and a person's keypoints, `(N, 6 K)`, of pictures
        `(N, 6, H/2, W/2)`."""
        found: Tensor = self.finder(thumbnail(planes))
        return found

    @property
    def step(self) -> Tensor:
        """The quantiser's, of each parameter."""
        return torch.from_numpy(steps(self.config.number)).to(self.finder.usual.device)

    def encode(self, planes: Tensor) -> Features:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]. Features at 1/8 are the volume."""
        found: Features = self.encoder(planes)
        return found

    def forward(
        self, planes: Tensor, features: Features, there: Tensor, here: Tensor, refine: bool = True
    ) -> Animated:
        """planes, features, there: the reference and its parameters `(N, 6 + 6 K)`; here: those of
        the picture that is made, the person's keypoints the same. Nothing is refined."""
        space, flow, opened = self.flow(features.small, here, there)
        n, (h, w) = len(planes), features.f8.shape[-2:]
        space = F.interpolate(
            space.flatten(1, 2), size=(h, w), mode="bilinear", align_corners=False
        )
        moved = warp_volume(features.f8, space.view(n, SLICES, 3, h, w))
        made: Animated = self.generator(planes, features, flow, opened, None, self.project(moved))
        return made
