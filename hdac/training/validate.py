"""Validation during training: the EMA network on fixed pictures of `val`, in inference mode as the
codec runs it."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hdac.codec.operating import ENHANCEMENT_KBPS
from hdac.motion.keypoints import dequantise, quantise
from hdac.nets.fusion import Reference
from hdac.nets.zoo import CodecNet
from hdac.runtime.planes import MULTIPLE
from hdac.training.clips import Clip, planes_of
from hdac.training.pack import Version
from hdac.training.reading import Frames
from hdac.video.fidelity import psnr


@dataclass(frozen=True)
class Validation:
    """gains: mean gain over the base layer in PSNR-Y, dB, by `qp_base`; animation, still: PSNR-Y of
    the animated and of the held reference; worse: pictures that lost, of how many; bd_rate: mean
    BD-rate (PSNR-Y, %) against x265-tuned, None where the pack has no anchor or bjontegaard is not
    installed."""

    gains: dict[int, float]
    animation: float
    still: float
    worse: int
    pictures: int
    bd_rate: float | None

    def row(self) -> dict[str, float | int | str]:
        """One line of `validation.csv`."""
        gains = {f"gain_{qp}": round(gain, 4) for qp, gain in sorted(self.gains.items())}
        return {
            **gains,
            "animation": round(self.animation, 3),
            "still": round(self.still, 3),
            "worse": self.worse,
            "pictures": self.pictures,
            "bd_rate": "" if self.bd_rate is None else round(self.bd_rate, 2),
        }

    def text(self) -> str:
        gains = ", ".join(
            f"{gain:+.3f} dB at qp_base {qp}" for qp, gain in sorted(self.gains.items())
        )
        bd = "n/a" if self.bd_rate is None else f"{self.bd_rate:+.2f} %"
        return (
            f"validation: {gains}; BD-rate (PSNR-Y, against x265-tuned) {bd}; "
            f"animation {self.animation:.2f} dB, reference held {self.still:.2f} dB; "
            f"{self.worse} of {self.pictures} pictures worse than the base layer"
        )


def psnr_y(a: Tensor, b: Tensor) -> float:
    """PSNR of the four luma phases, planes in [0, 1]."""
    return psnr(255**2 * float((a[:, :4] - b[:, :4]).square().mean()))


def picture_planes(frames: Frames, t: int, multiple: int = 2) -> Tensor:
    """Picture `t` as planes `(1, 6, H/2, W/2)` in [0, 1]; what its sides have beyond a multiple is
    cut off."""
    height, width = (side - side % multiple for side in frames.y.shape[1:])
    cut = Frames(frames.y[:, :height, :width], frames.uv[:, :, : height // 2, : width // 2])
    return planes_of(cut, t, (0, 0, max(height, width)), False).float() / 255


def _bd_rate(clip: Clip, times: list[int], ours: dict[float, float]) -> float | None:
    """Of one clip; `ours`: PSNR-Y by kbps."""
    try:
        from hdac.bench.bd import bd_rate, curve
    except ImportError:
        return None
    if not clip.anchors:
        return None
    qualities = [fmean(a.psnr_y[t] for t in times) for a in clip.anchors]
    anchor = curve([a.kbps for a in clip.anchors], qualities)
    return bd_rate(anchor, curve(list(ours), list(ours.values()))).value


class _Measured(NamedTuple):
    """PSNR-Y of pictures of one coded version, dB: fused, of the base layer, animated, of the
    reference held."""

    fused: list[float]
    base: list[float]
    animated: list[float]
    held: list[float]


def _measure(
    net: CodecNet, clip: Clip, version: Version, coded: Frames, times: list[int]
) -> _Measured:
    def told(picture: Tensor) -> Tensor:
        points = net.detector(net.thumbnail(picture)).numpy()
        return torch.from_numpy(dequantise(quantise(points)))

    def qp(t: int) -> Tensor:
        return torch.tensor([float(version.qp(t))])

    def planes(frames: Frames, t: int) -> Tensor:
        return picture_planes(frames, t, MULTIPLE)

    held = planes(coded, 0)
    there = told(planes(clip.original, version.start))
    moving = fusing = Reference(held, net.encode(held, qp(0)), there)
    if net.derives_keypoints:
        fusing = moving._replace(keypoints=net.detector(net.thumbnail(held)))
    found = _Measured([], [], [], [])
    for t in times:
        target, base = planes(clip.original, version.start + t), planes(coded, t)
        coded_points = told(target)
        points = net.detector(net.thumbnail(base)) if net.derives_keypoints else coded_points
        fused = net(base, qp(t), fusing, points, torch.ones(1)).planes
        animated = net(base, qp(t), moving, coded_points, torch.zeros(1)).planes
        pictures = (fused.clamp(0, 1), base, animated.clamp(0, 1), held)
        for values, picture in zip(found, pictures, strict=True):
            values.append(psnr_y(picture, target))
    return found


def validate(net: CodecNet, clips: list[Clip], pictures: int = 3) -> Validation:
    """`pictures` pictures of each version, evenly spread."""
    net = copy.deepcopy(net).eval().to("cpu", torch.float32)
    gains: dict[int, list[float]] = defaultdict(list)
    animation, still, rates = list[float](), list[float](), list[float]()
    with torch.inference_mode():
        for clip in clips:
            curve = dict[float, float]()
            for version, coded in clip.versions:
                times = [i * (len(coded.y) - 1) // pictures for i in range(1, pictures + 1)]
                found = _measure(net, clip, version, coded, times)
                gains[version.qp_base] += np.subtract(found.fused, found.base).tolist()
                animation += found.animated
                still += found.held
                curve[version.kbps + ENHANCEMENT_KBPS] = fmean(found.fused)
            rate = _bd_rate(clip, times, curve)
            rates += [] if rate is None else [rate]
    each = [gain for values in gains.values() for gain in values]
    return Validation(
        {qp: fmean(values) for qp, values in gains.items()},
        fmean(animation),
        fmean(still),
        sum(gain < 0 for gain in each),
        len(each),
        fmean(rates) if rates else None,
    )
