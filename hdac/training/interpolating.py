"""Frame interpolation's part of training: triples of pictures of a pack of faces, the loss, and
what is measured on val."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from hdac.nets.interpolate import InterpolateNet
from hdac.training.clips import planes_of
from hdac.training.faces import Faces
from hdac.training.loop import trains_in_bf16
from hdac.training.losses import picture_loss
from hdac.training.task import SampledTask
from hdac.training.validate import picture_planes, psnr_y

#: Frames from one that is sent to the next, at most.
FARTHEST = 4


class Triple(NamedTuple):
    """Planes `(N, 6, h, w)` float32 in [0, 1], and the share `(N,)` of the time from `before` to
    `after` at which `between` is."""

    before: Tensor
    after: Tensor
    share: Tensor
    between: Tensor


class TripleSampler:
    """Random crops, mirrored, forwards and backwards. The state is that of one `random.Random`, so
    that a run resumes."""

    def __init__(self, clips: list[Faces], seed: int) -> None:
        self.clips, self.rng = clips, random.Random(seed)

    def batch(self, count: int, crop: int) -> Triple:
        """crop: side in pixels, a multiple of 16."""
        shares, rows = zip(*(self._row(crop) for _ in range(count)), strict=True)
        before, after, between = (torch.cat(part).float() / 255 for part in zip(*rows, strict=True))
        return Triple(before, after, torch.tensor(shares), between)

    def _row(self, side: int) -> tuple[float, list[Tensor]]:
        rng, clip = self.rng, self.rng.choice(self.clips)
        step = rng.randint(2, FARTHEST)
        passed, flip, back = rng.randint(1, step - 1), rng.random() < 0.5, rng.random() < 0.5
        start = rng.randrange(len(clip.points) - step)
        height, width = clip.pictures.y.shape[1:]
        box = (
            2 * rng.randint(0, (height - side) // 2),
            2 * rng.randint(0, (width - side) // 2),
            side,
        )
        ends = (start + step, start) if back else (start, start + step)
        times = *ends, start + (step - passed if back else passed)
        return passed / step, [planes_of(clip.pictures, t, box, flip) for t in times]


class InterpolateTask(SampledTask[TripleSampler]):
    """`Task` of networks that interpolate."""

    def terms(
        self, net: InterpolateNet, generator: torch.Generator, progress: float
    ) -> dict[str, Tensor]:
        config, device = self._config, self._device.type
        batch = Triple(
            *(t.to(self._device) for t in self._sampler.batch(config.batch, config.crop))
        )
        with torch.autocast(device, torch.bfloat16, enabled=trains_in_bf16(device)):
            made = net(*batch[:3])
        picture = picture_loss(made, batch.between, config.weight_chroma).mean()
        return {"total": picture, "picture": picture}


# ---- validation


@dataclass(frozen=True)
class InterpolateValidation:
    """PSNR-Y (dB), means over pictures of val, halfway between two that are two or four frames
    apart: of the network, and of the mean of the two."""

    pictures: int
    two: float
    four: float
    two_blend: float
    four_blend: float

    def row(self) -> dict[str, float | int | str]:
        return {k: round(v, 4) for k, v in vars(self).items()}

    def text(self) -> str:
        return (
            f"validation: PSNR-Y between pictures two frames apart {self.two:.2f} dB (blend "
            f"{self.two_blend:.2f}), four {self.four:.2f} dB ({self.four_blend:.2f}); "
            f"{self.pictures} pictures"
        )


def validate(net: InterpolateNet, clips: list[Faces], pictures: int = 6) -> InterpolateValidation:
    """`pictures` pictures of each clip and distance, evenly spread."""
    net = copy.deepcopy(net).eval().to("cpu", torch.float32)
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with torch.inference_mode():
        for clip in clips:
            for away, rows in found.items():
                for i in range(1, pictures + 1):
                    t = i * (len(clip.points) - 1 - away) // pictures
                    t = max(t, away)
                    a, b, wanted = (
                        picture_planes(clip.pictures, k) for k in (t - away, t + away, t)
                    )
                    made = net(a, b, torch.full((1,), 0.5)).clamp(0, 1)
                    rows.append((psnr_y(made, wanted), psnr_y((a + b) / 2, wanted)))
    (two, two_blend), (four, four_blend) = (
        map(fmean, zip(*rows, strict=True)) for rows in found.values()
    )
    return InterpolateValidation(sum(map(len, found.values())), two, four, two_blend, four_blend)
