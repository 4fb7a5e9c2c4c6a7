"""Clips in memory and random samples of them.

Everything a step needs is decoded once: originals and coded versions as uint8 planes (about 8 GB
    for the whole set).
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hdac.training.pack import AnchorPoint, Version, load_index
from hdac.training.reading import Frames, read_frames


@dataclass(frozen=True)
class Clip:
    original: Frames
    versions: tuple[tuple[Version, Frames], ...]
    anchors: tuple[AnchorPoint, ...] = ()


class Batch(NamedTuple):
    """Runs of T following pictures. Planes float32 in [0, 1]; `mask` `(N,)`: 1 fuses, 0
    animates."""

    target: Tensor  # (T, N, 6, h, w)
    base: Tensor  # (T, N, 6, h, w)
    reference: Tensor  # (N, 6, h, w), the decoded first picture
    reference_original: Tensor
    qp: Tensor  # (T, N)
    qp_intra: Tensor
    mask: Tensor


def load_clip(
    original: Path, pack: Path, versions: list[Version], anchors: list[AnchorPoint]
) -> Clip:
    return Clip(
        read_frames(original),
        tuple((v, read_frames(pack / v.stream)) for v in versions),
        tuple(anchors),
    )


def load(pack: Path, originals: Path | None = None) -> list[Clip]:
    """All clips of a pack; `originals`: folder of the clips themselves (None: the pack's copies).
    Raises `UsageError`."""
    index = load_index(pack)
    names = sorted({v.clip for v in index.versions})
    jobs = [
        (
            originals / f"{name}.mp4" if originals else pack / index.originals[name],
            pack,
            [v for v in index.versions if v.clip == name],
            [a for a in index.anchors if a.clip == name],
        )
        for name in names
    ]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: load_clip(*job), jobs))


def planes_of(frames: Frames, t: int, box: tuple[int, int, int], flip: bool) -> Tensor:
    top, left, size = box
    y = frames.y[t, top : top + size, left : left + size]
    uv = frames.uv[t, :, top // 2 : (top + size) // 2, left // 2 : (left + size) // 2]
    if flip:
        y, uv = y[:, ::-1], uv[:, :, ::-1]
    luma = torch.from_numpy(np.ascontiguousarray(y))[None, None]
    chroma = torch.from_numpy(np.ascontiguousarray(uv))[None]
    return torch.cat([F.pixel_unshuffle(luma, 2), chroma], 1)


class Sampler:
    """Random crops of random (reference, target) pairs. The state is that of one `random.Random`,
    so that a run resumes."""

    def __init__(self, clips: list[Clip], seed: int, animate: float = 0.2) -> None:
        self.clips, self.rng, self.animate = clips, random.Random(seed), animate

    def batch(self, count: int, crop: int, length: int = 1) -> Batch:
        rng, rows = self.rng, []
        qps, refs, masks = [], [], []
        for _ in range(count):
            clip = rng.choice(self.clips)
            version, coded = rng.choice(clip.versions)
            t = rng.randrange(1, len(coded.y) - length + 1)
            height, width = coded.y.shape[1:]
            box = (
                2 * rng.randint(0, (height - crop) // 2),
                2 * rng.randint(0, (width - crop) // 2),
                crop,
            )
            flip = rng.random() < 0.5
            origin = version.start
            times = range(t, t + length)
            planes = torch.cat(
                [
                    *(planes_of(clip.original, origin + i, box, flip) for i in times),
                    *(planes_of(coded, i, box, flip) for i in times),
                    planes_of(coded, 0, box, flip),
                    planes_of(clip.original, origin, box, flip),
                ]
            ).float()
            gain = rng.uniform(0.75, 1.2)
            shift = rng.uniform(-20, 20)
            planes[:, :4] = ((planes[:, :4] - 125) * gain + 125 + shift).clamp_(0, 255)
            tint = torch.tensor([[rng.gauss(0, 6)], [rng.gauss(0, 6)]])
            planes[:, 4:] = (
                (planes[:, 4:] - 128) * rng.uniform(0.7, 1.3) + 128 + tint[None, :, :, None]
            ).clamp_(0, 255)
            rows.append(planes / 255)
            qps.append([version.qp(i) for i in times])
            refs.append(version.qp_intra)
            masks.append(0.0 if rng.random() < self.animate else 1.0)
        stacked = torch.stack(rows, 1)
        target, base = stacked[:length].contiguous(), stacked[length : 2 * length].contiguous()
        reference, original = stacked[-2].contiguous(), stacked[-1].contiguous()
        qp = torch.tensor(qps).float().T.contiguous()
        return Batch(
            target, base, reference, original, qp, torch.tensor(refs).float(), torch.tensor(masks)
        )
