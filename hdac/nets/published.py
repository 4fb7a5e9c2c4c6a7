"""The published architectures that hdac compares itself with, at any width: `dac`, `hdac-2022`,
`hdac-2024`, `hdac-hf`.

First-order motion (Siarohin et al., NeurIPS 2019) without Jacobians, as DAC (Konuko, Valenzise,
Lathuiliere, ICASSP 2021) uses it; H-DAC (Konuko, Lathuiliere, Valenzise, ICIP 2022) adds a base
layer at the bottleneck. They see RGB and resynthesise the whole picture; here they stand behind the
interface of `FusionNet`, so that the codec runs them too.

Differs: RGB comes from BT.601 planes by `rgb_from_planes`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.errors import UsageError
from hdac.nets.blocks import compute_dtype, warp
from hdac.nets.fusion import LARGEST, Fused, Reference
from hdac.nets.keypoints import VARIANCE, soft_argmax
from hdac.nets.motion import Motion, upsample_flow
from hdac.nets.planes import luma

Name = Literal["dac", "hdac-2022", "hdac-2024", "hdac-hf"]
NAMES: tuple[Name, ...] = ("dac", "hdac-2022", "hdac-2024", "hdac-hf")
MAX_FEATURES = 1024
#: Side of the picture that the motion network sees: 1/4 of 256, whatever the frame's size.
SMALL = 64


@dataclass(frozen=True)
class PublishedConfig:
    """`width` 1 is the published network; 1/4 has a sixteenth of its multiplications. Raises
    `UsageError` for what no such network has."""

    name: Name = "dac"
    keypoints: int = 10
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in NAMES or not 0 < self.width <= 1 or not 0 < self.keypoints <= LARGEST:
            raise UsageError(f"{self}: name one of {NAMES}, width above 0 and at most 1 are needed")

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


def up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2.0), *same(inputs, outputs))


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
        self.ups = nn.ModuleList([up(skips[i], outs[i]) for i in reversed(range(5))])
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
    """Thumbnail `(N, 3, 64, 64)` (Y, U, V) -> keypoints `(N, K, 2)` in [-1, 1]."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.hourglass = Hourglass(config, 32, 3)
        self.head = nn.Conv2d(self.hourglass.outputs, config.keypoints, 7)

    def forward(self, image: Tensor) -> Tensor:
        y, uv = (image[:, :1] * 255 - 16) / 219, (image[:, 1:] * 255 - 128) / 224
        rgb = torch.einsum("rc,nchw->nrhw", _TO_RGB.to(image), torch.cat([y, uv], 1))
        logits = self.head(self.hourglass(rgb))
        side = torch.linspace(-1, 1, logits.shape[-1], device=image.device)
        return soft_argmax(logits, side, side)


class DenseMotion(nn.Module):
    """Keypoints of both pictures and the reference at 64x64 -> flow and occlusion there (equations
    5 to 7, Jacobians identity)."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        k = config.keypoints
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
        moved = warp(small.repeat_interleave(k + 1, 0), field).view(n, k + 1, 3, h, w)
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
        self.config = config
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
            self.join = nn.Conv2d(c512, c256, 3, padding=1)
        self.up1, self.up2 = up(c256, c128), up(c128, c64)
        if config.name == "hdac-hf":
            # what pooling loses of the moved reference comes back beside the up blocks
            self.skip2 = nn.Conv2d(c128, c128, 3, padding=1)
            self.skip1 = nn.Conv2d(c64, c64, 3, padding=1)
        self.last = nn.Conv2d(c64, 3, 7, padding=3)

    def encode(self, planes: Tensor, qp: Tensor) -> Encoded:
        """planes `(N, 6, H/2, W/2)` float32 in [0, 1]; qp is not used."""
        rgb = rgb_from_planes(planes)
        dtype = compute_dtype(self.last.weight)
        f1 = self.first(rgb.to(dtype, memory_format=torch.channels_last))
        f2 = self.down1(f1)
        small = F.interpolate(rgb, size=(SMALL, SMALL), mode="area")
        return Encoded(rgb, small, self.down2(f2), f2, f1)

    def forward(
        self, planes: Tensor, qp: Tensor, reference: Reference, keypoints: Tensor, mask: Tensor
    ) -> Fused:
        """As `FusionNet.forward`; qp is not used."""
        there: Encoded = reference.features
        dtype = compute_dtype(self.last.weight)
        flow, open_ = self.motion(there.small.to(dtype), keypoints, reference.keypoints)
        h, w = there.f4.shape[-2:]
        if (h, w) != (SMALL, SMALL):
            flow = F.interpolate(flow, size=(h, w), mode="bilinear", align_corners=False)
            flow = flow * flow.new_tensor([w / SMALL, h / SMALL])[:, None, None]
            open_ = F.interpolate(open_, size=(h, w), mode="bilinear", align_corners=False)
        x = warp(there.f4, flow) * open_.to(dtype)
        mask = mask.float().view(-1, 1, 1, 1)
        name = self.config.name
        if name == "dac":
            for block in self.tower:
                x = block(x)
        else:
            rgb = (rgb_from_planes(planes) * mask).to(dtype, memory_format=torch.channels_last)
            if name == "hdac-2022":
                y = self.base_first(F.interpolate(rgb, scale_factor=0.25, mode="area"))
                for block, beside in zip(self.tower, self.base_tower, strict=True):
                    y = beside(y)
                    x = block(x) + y
            else:
                y = self.base_down2(self.base_down1(self.base_first(rgb)))
                x = torch.cat([x, y], 1)
                for block in self.tower:
                    x = block(x)
                x = self.join(x)
        full = upsample_flow(flow, 4) * 4
        if name == "hdac-hf":
            open2, open1 = (F.interpolate(open_, scale_factor=s).to(dtype) for s in (2.0, 4.0))
            half = upsample_flow(flow, 2) * 2
            x = self.up1(x) + self.skip2(warp(there.f2, half) * open2)
            x = self.up2(x) + self.skip1(warp(there.f1, full) * open1)
        else:
            x = self.up2(self.up1(x))
        moved = planes_from_rgb(warp(there.rgb, full))
        small = F.avg_pool2d(flow * 4, 2)
        motion = Motion(small, small, flow * 4, open_)
        return Fused(planes_from_rgb(torch.sigmoid(self.last(x).float())), moved, motion)
