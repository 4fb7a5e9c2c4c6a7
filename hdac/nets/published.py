"""The published architectures that hdac compares itself with, at any width: `dac`, `hdac-2022`,
`hdac-2024`, `hdac-hf`.

First-order motion (Siarohin et al., NeurIPS 2019) without Jacobians, as DAC (Konuko, Valenzise,
Lathuiliere, ICASSP 2021) uses it; H-DAC (Konuko, Lathuiliere, Valenzise, ICIP 2022) adds a base
layer at the bottleneck. They see RGB and resynthesise the whole picture; here they stand behind the
interface of `FusionNet`, so that the codec runs them too.

Differs: RGB comes from BT.601 planes by `rgb_from_planes`. An `edition` of the authors' code
computes as that does; our own was trained with other sampling (`sampling.py`), without
normalisation after the join, and with another reading of high-frequency shuttling.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import compute_dtype
from hdac.nets.fusion import LARGEST, Fused, Reference
from hdac.nets.keypoints import THUMBNAIL, VARIANCE, soft_argmax, thumbnail
from hdac.nets.motion import Motion
from hdac.nets.planes import luma
from hdac.nets.sampling import AuthorsSampling, Sampling, laplacian

Name = Literal["dac", "hdac-2022", "hdac-2024", "hdac-hf"]
NAMES: tuple[Name, ...] = ("dac", "hdac-2022", "hdac-2024", "hdac-hf")
#: Whose details: ours, or those of the authors' code, github.com/Goluck-Konuko/hdac (2022) or
#: .../animation-based-codecs (2024).
Edition = Literal["own", "2022", "2024"]
#: The editions of each architecture.
EDITIONS: dict[Name, tuple[Edition, ...]] = {
    "dac": ("own", "2022", "2024"),
    "hdac-2022": ("own", "2022"),
    "hdac-2024": ("own", "2024"),
    "hdac-hf": ("own", "2024"),
}
MAX_FEATURES = 1024
#: Size of the picture that the motion network sees: 1/4 of 256, whatever the frame's size.
SMALL = (THUMBNAIL, THUMBNAIL)


@dataclass(frozen=True)
class PublishedConfig:
    """`width` 1 is the published network; 1/4 has a sixteenth of its multiplications. Raises
    `UsageError` for what no such network has."""

    name: Name = "dac"
    keypoints: int = 10
    width: float = 1.0
    edition: Edition = "own"

    def __post_init__(self) -> None:
        if self.name not in NAMES or not 0 < self.width <= 1 or not 0 < self.keypoints <= LARGEST:
            raise UsageError(f"{self}: name one of {NAMES}, width above 0 and at most 1 are needed")
        if self.edition not in EDITIONS[self.name]:
            raise UsageError(f"{self}: edition one of {EDITIONS[self.name]} is needed")

    @property
    def authors(self) -> bool:
        """Whether the details are those of the authors' code."""
        return self.edition != "own"

    @property
    def sampling(self) -> Sampling:
        return AuthorsSampling(shrinks=self.edition == "2022") if self.authors else Sampling()

    def channels(self, count: int) -> int:
        return max(4, round(count * self.width))


# ---- colour: six planes of 4:2:0 <-> RGB in [0, 1]

_TO_RGB = torch.tensor([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])


def rgb_from_planes(planes: Tensor) -> Tensor:
    """`(N, 6, H/2, W/2)` limited range, code / 255 -> `(N, 3, H, W)` RGB in about [0, 1]
    (BT.601)."""
    y = (luma(planes) * 255 - 16) / 219
    uv = (planes[:, 4:] * 255 - 128) / 224
    uv = F.interpolate(uv, scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.einsum("rc,nchw->nrhw", _TO_RGB.to(planes), torch.cat([y, uv], 1))


def planes_from_rgb(rgb: Tensor) -> Tensor:
    """The inverse; chroma is the mean of 2x2 samples."""
    yuv = torch.einsum("rc,nchw->nrhw", torch.linalg.inv(_TO_RGB).to(rgb), rgb)
    y = F.pixel_unshuffle((yuv[:, :1] * 219 + 16) / 255, 2)
    return torch.cat([y, (F.avg_pool2d(yuv[:, 1:], 2) * 224 + 128) / 255], 1)


# ---- blocks of first-order motion


def same(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*same(inputs, outputs), nn.AvgPool2d(2))


def up(inputs: int, outputs: int, sampling: Sampling) -> nn.Sequential:
    return nn.Sequential(sampling.upsampling(), *same(inputs, outputs))


class Residual(nn.Module):
    """Batch normalisation, ReLU and 3x3 convolution, twice, with a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.n1, self.n2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.c1, self.c2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.c2(F.relu(self.n2(self.c1(F.relu(self.n1(x))))))
        return x + y


class Hourglass(nn.Module):
    """Five levels; the result has `expansion + inputs` channels at the input's size."""

    def __init__(self, config: PublishedConfig, expansion: int, inputs: int) -> None:
        super().__init__()
        outs = [config.channels(min(MAX_FEATURES, expansion * 2**i)) for i in range(6)]
        widths = [inputs, *outs[1:]]
        self.downs = nn.ModuleList([down(a, b) for a, b in itertools.pairwise(widths)])
        skips = [outs[i + 1] + widths[i + 1] for i in range(4)] + [widths[5]]
        sampling = config.sampling
        self.ups = nn.ModuleList([up(skips[i], outs[i], sampling) for i in reversed(range(5))])
        self.outputs = outs[0] + inputs

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for layer in self.downs:
            skips.append(layer(skips[-1]))
        x = skips.pop()
        for layer in self.ups:
            x = torch.cat([layer(x), skips.pop()], 1)
        return x


class KeypointHourglass(nn.Module):
    """Thumbnail `(N, 3, 64, 64)` (Y, U, V; RGB in the authors' editions) -> keypoints `(N, K, 2)`
    in [-1, 1]."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.sees_rgb = config.authors
        self.hourglass = Hourglass(config, 32, 3)
        padding = 3 if config.edition == "2024" else 0
        self.head = nn.Conv2d(self.hourglass.outputs, config.keypoints, 7, padding=padding)

    def forward(self, image: Tensor) -> Tensor:
        if not self.sees_rgb:
            y, uv = (image[:, :1] * 255 - 16) / 219, (image[:, 1:] * 255 - 128) / 224
            image = torch.einsum("rc,nchw->nrhw", _TO_RGB.to(image), torch.cat([y, uv], 1))
        logits = self.head(self.hourglass(image))
        side = torch.linspace(-1, 1, logits.shape[-1], device=image.device)
        return soft_argmax(logits, side, side)


class DenseMotion(nn.Module):
    """Keypoints of both pictures and the reference at 64x64 -> flow and occlusion there (equations
    5 to 7, Jacobians identity)."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        k = config.keypoints
        self.sampling = config.sampling
        self.hourglass = Hourglass(config, 64, (k + 1) * 4)
        self.masks = nn.Conv2d(self.hourglass.outputs, k + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.outputs, 1, 7, padding=3)

    def forward(self, small: Tensor, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """small `(N, 3, h, w)`; returns flow `(N, 2, h, w)` in pixels of `small` and occlusion `(N,
        1, h, w)` in [0, 1]."""
        n, k = here.shape[:2]
        h, w = small.shape[-2:]
        x = torch.linspace(-1, 1, w, device=small.device)
        y = torch.linspace(-1, 1, h, device=small.device)

        def gaussian(points: Tensor) -> Tensor:
            dx, dy = (x - points[..., :1]).square(), (y - points[..., 1:]).square()
            return torch.exp(-(dy[..., :, None] + dx[..., None, :]) / (2 * VARIANCE))

        heat = (gaussian(here) - gaussian(there)).to(small.dtype)
        heat = torch.cat([small.new_zeros(n, 1, h, w), heat], 1)
        # displacement of each keypoint, the first for the background; [-1, 1] is size - 1 pixels
        shift = torch.cat([here.new_zeros(n, 1, 2), there - here], 1)
        shift = shift * here.new_tensor([(w - 1) / 2, (h - 1) / 2])
        field = shift.flatten(0, 1)[:, :, None, None].expand(-1, 2, h, w)
        proposed = self.sampling.propose(small.repeat_interleave(k + 1, 0), field)
        moved = proposed.view(n, k + 1, 3, h, w)
        features = self.hourglass(torch.cat([heat[:, :, None], moved], 2).flatten(1, 2))
        weight = F.softmax(self.masks(features).float(), 1)
        flow = torch.einsum("nkhw,nkc->nchw", weight, shift)
        return flow, torch.sigmoid(self.occlusion(features).float())


class Encoded(NamedTuple):
    """A reference: RGB, RGB at 1/4, and the encoder's features at 1/4, 1/2 and full size."""

    rgb: Tensor
    small: Tensor
    f4: Tensor
    f2: Tensor
    f1: Tensor


class PublishedNet(nn.Module):
    """Behind the interface of `FusionNet`. With `mask` 0, or as `dac`, the base layer is
    ignored."""

    #: As published: keypoints are those of the source, and coded.
    derives_keypoints = False

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.config, self.sampling = config, config.sampling
        c64, c128, c256, c512 = (config.channels(c) for c in (64, 128, 256, 512))
        self.detector = KeypointHourglass(config)
        self.motion = DenseMotion(config)
        self.first, self.down1, self.down2 = same(3, c64, 7), down(c64, c128), down(c128, c256)
        wide = config.name in ("hdac-2024", "hdac-hf")
        self.tower = nn.ModuleList([Residual(c512 if wide else c256) for _ in range(6)])
        if config.name == "hdac-2022":
            self.base_first = same(3, c256, 7)
            self.base_tower = nn.ModuleList([Residual(c256) for _ in range(6)])
        if wide:
            self.base_first = same(3, c64, 7)
            self.base_down1, self.base_down2 = down(c64, c128), down(c128, c256)
            join = same(c512, c256) if config.authors else nn.Conv2d(c512, c256, 3, padding=1)
            self.join: nn.Module = join
        self.up1, self.up2 = up(c256, c128, self.sampling), up(c128, c64, self.sampling)
        if config.name == "hdac-hf" and not config.authors:
            # what pooling loses of the moved reference comes back beside the up blocks
            self.skip2 = nn.Conv2d(c128, c128, 3, padding=1)
            self.skip1 = nn.Conv2d(c64, c64, 3, padding=1)
        self.last = nn.Conv2d(c64, 3, 7, padding=3)

    def thumbnail(self, planes: Tensor) -> Tensor:
        """What `detector` sees of a picture, from planes `(N, 6, H/2, W/2)`."""
        return self._reduced(self._rgb(planes)) if self.config.authors else thumbnail(planes)

    def encode(self, planes: Tensor, qp: Tensor) -> Encoded:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]; qp is not used."""
        rgb = self._rgb(planes)
        dtype = compute_dtype(self.last.weight)
        f1 = self.first(rgb.to(dtype, memory_format=torch.channels_last))
        f2 = self.down1(f1)
        return Encoded(rgb, self._reduced(rgb), self.down2(f2), f2, f1)

    def forward(
        self, planes: Tensor, qp: Tensor, reference: Reference, keypoints: Tensor, mask: Tensor
    ) -> Fused:
        """As `FusionNet.forward`; qp is not used."""
        there: Encoded = reference.features
        dtype = compute_dtype(self.last.weight)
        flow, open_ = self.motion(there.small.to(dtype), keypoints, reference.keypoints)
        h, w = there.f4.shape[-2:]
        flow = self.sampling.resize_flow(flow, (h, w))
        open_ = self.sampling.resize(open_, (h, w))
        x = self.sampling.move(there.f4, flow) * open_.to(dtype)
        x = self._fused(x, planes, mask.float().view(-1, 1, 1, 1))
        full = self.sampling.resize_flow(flow, (4 * h, 4 * w))
        if self.config.name != "hdac-hf":
            x = self.up2(self.up1(x))
        elif self.config.authors:
            x = self.up1(F.normalize(x + laplacian(there.f4)))
            x = self.up2(F.normalize(x + laplacian(there.f2)))
        else:
            open2, open1 = (F.interpolate(open_, scale_factor=s).to(dtype) for s in (2.0, 4.0))
            half = self.sampling.resize_flow(flow, (2 * h, 2 * w))
            x = self.up1(x) + self.skip2(self.sampling.move(there.f2, half) * open2)
            x = self.up2(x) + self.skip1(self.sampling.move(there.f1, full) * open1)
        moved = planes_from_rgb(self.sampling.move(there.rgb, full))
        small = F.avg_pool2d(flow * 4, 2)
        motion = Motion(small, small, flow * 4, open_)
        return Fused(planes_from_rgb(torch.sigmoid(self.last(x).float())), moved, motion)

    def _fused(self, x: Tensor, planes: Tensor, mask: Tensor) -> Tensor:
        """Moved features of the reference at 1/4, and the base picture where `mask` is 1."""
        name, authors = self.config.name, self.config.authors
        if name == "dac":
            for block in self.tower:
                x = block(x)
            return x
        # ours were trained on black pictures where there is no base layer, theirs on zero features
        rgb = self._rgb(planes) if authors else self._rgb(planes) * mask
        rgb = rgb.to(x.dtype, memory_format=torch.channels_last)
        mask = mask.to(x.dtype) if authors else torch.ones_like(mask, dtype=x.dtype)
        if name == "hdac-2022":
            y = self.base_first(self.sampling.reduce(rgb, (x.shape[-2], x.shape[-1])))
            for block, beside in zip(self.tower, self.base_tower, strict=True):
                y = beside(y)
                x = block(x) + y * mask
            return x
        y = self.base_down2(self.base_down1(self.base_first(rgb)))
        x = torch.cat([x, y * mask], 1)
        for block in self.tower:
            x = block(x)
        joined: Tensor = self.join(x)
        return joined

    def _rgb(self, planes: Tensor) -> Tensor:
        """`rgb_from_planes`; the authors' networks have only seen what 8-bit RGB can be."""
        rgb = rgb_from_planes(planes)
        return rgb.clamp(0, 1) if self.config.authors else rgb

    def _reduced(self, rgb: Tensor) -> Tensor:
        return self.sampling.reduce(rgb, SMALL)
