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

from hdac.layers.resample import upsample
from hdac.training.pack import AnchorPoint, Version, load_index
from hdac.training.reading import Frames, read_frames
from hdac.video.picture import Picture

#: Code values of the six planes that gains leave where they are: luma's middle, no colour.
CENTRES = torch.tensor([125.0] * 4 + [128.0] * 2)


@dataclass(frozen=True)
class Clip:
    original: Frames
    versions: tuple[tuple[Version, Frames], ...]
    anchors: tuple[AnchorPoint, ...] = ()


class Batch(NamedTuple):
    """Pictures and their references. Planes `(N, 6, h, w)` float32 in [0, 1], the others `(N,)`;
    `mask`: 1 fuses, 0 animates."""

    target: Tensor
    base: Tensor
    reference: Tensor  # the decoded first picture
    reference_original: Tensor
    qp: Tensor
    qp_intra: Tensor
    mask: Tensor


def load(pack: Path, originals: Path | None = None) -> list[Clip]:
    """All clips of a pack; `originals`: folder of clips themselves (of others, the pack's copies).
    Raises `UsageError`."""
    index = load_index(pack)

    def original(name: str) -> Path:
        path = originals / f"{name}.mp4" if originals else None
        return path if path and path.exists() else pack / index.originals[name]

    def clip(name: str) -> Clip:
        return Clip(
            read_frames(original(name)),
            tuple((v, _coded(pack, v)) for v in index.versions if v.clip == name),
            tuple(a for a in index.anchors if a.clip == name),
        )

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(clip, sorted({v.clip for v in index.versions})))


def _coded(pack: Path, version: Version) -> Frames:
    """The pictures of a version, at full size."""
    frames = read_frames(pack / version.stream)
    if version.scale == 1:
        return frames
    small = (Picture(y, *uv) for y, uv in zip(*frames, strict=True))
    large = [upsample(picture, version.scale) for picture in small]
    y, uv = np.stack([p.y for p in large]), np.stack([[p.u, p.v] for p in large])
    first = read_frames(pack / version.first)
    y[0], uv[0] = first.y[0], first.uv[0]
    return Frames(y, uv)


def planes_of(frames: Frames, t: int, box: tuple[int, int, int], flip: bool) -> Tensor:
    """A square part of picture `t` as planes `(1, 6, h, w)` uint8; box: top, left and side in
    pixels, of which there is what is within the picture; flip: mirrored."""
    top, left, size = box
    y = frames.y[t, top : top + size, left : left + size]
    uv = frames.uv[t, :, top // 2 : (top + size) // 2, left // 2 : (left + size) // 2]
    if flip:
        y, uv = y[:, ::-1], uv[:, :, ::-1]
    luma = torch.from_numpy(y.copy())[None, None]
    chroma = torch.from_numpy(uv.copy())[None]
    return torch.cat([F.pixel_unshuffle(luma, 2), chroma], 1)


class Sampler:
    """Random crops of random (reference, target) pairs. The state is that of one `random.Random`,
    so that a run resumes."""

    def __init__(self, clips: list[Clip], seed: int, animate: float = 0.2) -> None:
        self.clips, self.rng, self.animate = clips, random.Random(seed), animate

    def batch(self, count: int, crop: int) -> Batch:
        rows, numbers = [], []
        for _ in range(count):
            clip = self.rng.choice(self.clips)
            version, coded = self.rng.choice(clip.versions)
            t = self.rng.randrange(1, len(coded.y))
            rows.append(self._planes(clip, version, coded, t, crop))
            mask = float(self.rng.random() >= self.animate)
            numbers.append((version.qp(t), version.qp_intra, mask))
        planes = (part.contiguous() for part in torch.stack(rows, 1))
        return Batch(*planes, *torch.tensor(numbers).float().T.contiguous())

    def _planes(self, clip: Clip, version: Version, coded: Frames, t: int, crop: int) -> Tensor:
        """Target, base, reference and its original, `(4, 6, h, w)`, with one crop, mirroring, gain,
        offset and tint."""
        rng, (height, width) = self.rng, coded.y.shape[1:]
        down, right = rng.randint(0, (height - crop) // 2), rng.randint(0, (width - crop) // 2)
        box, flip, start = (2 * down, 2 * right, crop), rng.random() < 0.5, version.start
        pictures = ((clip.original, start + t), (coded, t), (coded, 0), (clip.original, start))
        planes = torch.cat([planes_of(*picture, box, flip) for picture in pictures]).float()
        return tinted(planes, rng)


def tinted(planes: Tensor, rng: random.Random) -> Tensor:
    """Pictures `(M, 6, h, w)` of code values with one random gain, offset and tint, in [0, 1]."""
    from kornia.enhance import denormalize

    gain, offset = rng.uniform(0.75, 1.2), rng.uniform(-20, 20)
    tint, saturation = (rng.gauss(0, 6), rng.gauss(0, 6)), rng.uniform(0.7, 1.3)
    gains = torch.tensor([gain] * 4 + [saturation] * 2)
    centres = CENTRES + torch.tensor([offset] * 4 + [*tint])
    return denormalize(planes - CENTRES[:, None, None], centres, gains).clamp_(0, 255) / 255
