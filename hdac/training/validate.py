"""Validation during training: the EMA network on fixed pictures of `val`, in inference mode as the codec runs it."""

from __future__ import annotations

import copy
from collections import defaultdict

import torch
from torch import Tensor

from hdac.layers.base import BaseConfig
from hdac.layers.motion import dequantise, quantise
from hdac.nets.fusion import FusionNet, Reference
from hdac.nets.keypoints import thumbnail
from hdac.training.clips import Clip, Frames, _planes


def psnr_y(a: Tensor, b: Tensor) -> float:
    """PSNR of the four luma phases, planes in [0, 1]."""
    return float(-10 * torch.log10((a[:, :4] - b[:, :4]).square().mean() + 1e-10))


def validate(net: FusionNet, clips: list[Clip], pictures: int = 4) -> str:
    """Mean gain over the base layer in PSNR-Y for low, middle and high QPs, the animation's PSNR-Y and how well it is moved."""
    net = copy.deepcopy(net).eval().to("cpu", torch.bfloat16)
    net.detector.float()
    gains: dict[str, list[float]] = defaultdict(list)
    with torch.inference_mode():
        for clip in clips:
            for version, coded in clip.versions:
                config = BaseConfig(256, 256, 25, version.qp_ref, version.qp_base)  # type: ignore[arg-type]
                count = len(coded.y)

                def planes(frames: Frames, t: int) -> Tensor:
                    return _planes(frames, t, (0, 0, frames.y.shape[1]), False).float() / 255

                def points(t: int) -> Tensor:
                    found = net.detector(thumbnail(planes(clip.original, version.start + t)))
                    return dequantise(quantise(found[0]))[None]

                picture = planes(coded, 0)
                reference = Reference(picture, net.encode(picture, torch.tensor([float(version.qp_ref)])), points(0))
                for i in range(1, pictures + 1):
                    t = i * (count - 1) // pictures
                    target, base = planes(clip.original, version.start + t), planes(coded, t)
                    qp = torch.tensor([float(config.qp(t))])
                    here = points(t)
                    fused = net(base, qp, reference, here, torch.ones(1)).planes.clamp(0, 1)
                    moved = net(base, qp, reference, here, torch.zeros(1)).planes.clamp(0, 1)
                    gains[str(version.qp_base // 6 * 6)].append(psnr_y(fused, target) - psnr_y(base, target))
                    gains["animation"].append(psnr_y(moved, target))
                    gains["still"].append(psnr_y(picture, target))
    mean = {k: sum(v) / len(v) for k, v in gains.items()}
    worse = sum(g < 0 for k, v in gains.items() if k.isdigit() for g in v)
    return "validation " + " ".join(f"{k}: {mean[k]:.3f}" for k in sorted(mean)) + f" pictures worse: {worse}"
