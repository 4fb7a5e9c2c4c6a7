"""Validation during training: the EMA network on fixed pictures of `val`, in inference mode as the codec runs it."""

from __future__ import annotations

import copy
from collections import defaultdict
from fractions import Fraction

import torch
from torch import Tensor

from hdac.layers.base import BaseConfig
from hdac.layers.motion import dequantise, quantise
from hdac.nets.fusion import Reference
from hdac.nets.keypoints import thumbnail
from hdac.nets.zoo import CodecNet
from hdac.training.clips import Clip, Frames, planes_of


def psnr_y(a: Tensor, b: Tensor) -> float:
    """PSNR of the four luma phases, planes in [0, 1]."""
    return float(-10 * torch.log10((a[:, :4] - b[:, :4]).square().mean() + 1e-10))


def picture_planes(frames: Frames, t: int) -> Tensor:
    """Picture `t` as planes `(1, 6, H/2, W/2)` in [0, 1]."""
    return planes_of(frames, t, (0, 0, frames.y.shape[1]), False).float() / 255


def validate(net: CodecNet, clips: list[Clip], pictures: int = 3, run: int = 6) -> str:
    """Mean gain over the base layer in PSNR-Y by `qp_base` (steps of 6); PSNR-Y of the animation and of the reference held.

    Recurrent networks see `run` pictures before each that is measured.
    """
    net = copy.deepcopy(net).eval().to("cpu", torch.float32)
    gains: dict[str, list[float]] = defaultdict(list)

    def points(picture: Tensor) -> Tensor:
        return dequantise(quantise(net.detector(thumbnail(picture))[0]))[None]

    with torch.inference_mode():
        for clip in clips:
            for version, coded in clip.versions:
                config = BaseConfig(256, 256, Fraction(25), version.qp_ref, version.qp_base)
                count = len(coded.y)
                held = picture_planes(coded, 0)
                there = points(picture_planes(clip.original, version.start))
                reference = Reference(held, net.encode(held, torch.tensor([float(version.qp_ref)])), there)
                for i in range(1, pictures + 1):
                    t = i * (count - 1) // pictures
                    state = None
                    for s in range(max(1, t - run) if net.config.recurrent else t, t + 1):
                        target, base = picture_planes(clip.original, version.start + s), picture_planes(coded, s)
                        qp, here = torch.tensor([float(config.qp(s))]), points(target)
                        out = net(base, qp, reference, here, torch.ones(1), state)
                        state = out.state
                    fused = out.planes.clamp(0, 1)
                    moved = net(base, qp, reference, here, torch.zeros(1)).planes.clamp(0, 1)
                    gains[str(version.qp_base // 6 * 6)].append(psnr_y(fused, target) - psnr_y(base, target))
                    gains["animation"].append(psnr_y(moved, target))
                    gains["still"].append(psnr_y(held, target))
    mean = {k: sum(v) / len(v) for k, v in gains.items()}
    worse = sum(g < 0 for k, v in gains.items() if k.isdigit() for g in v)
    return "validation " + " ".join(f"{k}: {mean[k]:.3f}" for k in sorted(mean)) + f" pictures worse: {worse}"
