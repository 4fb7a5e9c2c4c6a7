"""Super-resolution's part of training: clips, their halves as they are and as decoders show them,
in a folder of NumPy files that several trainings map at once; samples, loss terms, and what is
measured on val.

    <clip>.y.npy, <clip>.uv.npy              the first pictures of a clip
    <clip>.half<N>-y.npy, .half<N>-uv.npy    the same at half the size; 0: not coded
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from hdac.errors import UsageError
from hdac.layers.base import HEVC_ENCODERS, BaseConfig
from hdac.nets.enlarge import EnlargeNet
from hdac.training.arrays import save_whole
from hdac.training.clips import planes_of
from hdac.training.loop import trains_in_bf16
from hdac.training.losses import picture_loss
from hdac.training.pools import processes
from hdac.training.reading import Frames
from hdac.training.task import SampledTask
from hdac.training.validate import picture_planes, psnr_y

#: QPs of pictures after the first, before the cascade, both ends included.
QPS = 24, 44
#: First pictures are coded at a QP this much lower.
_FINER = 6
#: Pictures of a clip: those next to each other are much alike.
PICTURES = 30


@dataclass(frozen=True)
class Halves:
    """A clip and versions of it at half its size, the first of which is not coded."""

    name: str
    pictures: Frames
    versions: tuple[Frames, ...]


def build(clips: list[Path], out: Path, versions: int, workers: int = 2) -> None:
    """Makes the folder, `versions` coded halves of each clip; what is there already stays."""
    out.mkdir(parents=True, exist_ok=True)
    with processes(workers) as pool:
        list(pool.map(_write, clips, [out] * len(clips), [versions] * len(clips)))


def _write(path: Path, out: Path, versions: int) -> None:
    from hdac.layers.codecs import open_base
    from hdac.layers.resample import downsample
    from hdac.video.reader import VideoReader

    last = out / f"{path.stem}.y.npy"
    if last.exists():
        return
    reader = VideoReader(path)
    info, pictures = reader.info, list(islice(reader, PICTURES))
    size = info.width // 2, info.height // 2
    if size[0] % 2 or size[1] % 2:
        raise UsageError(f"{path}: {info.width}x{info.height}; sides that are multiples of 4 fit")
    scaled = list(islice(VideoReader(path, size), PICTURES))
    averaged = [downsample(picture, 2) for picture in pictures]
    rng = random.Random(path.stem)
    stacks = {"half0-": averaged}
    for number in range(1, versions + 1):
        qp, encoder = rng.randint(*QPS), HEVC_ENCODERS[number % len(HEVC_ENCODERS)]
        config = BaseConfig(*size, Fraction(info.fps), qp - _FINER, qp, encoder=encoder)
        made, base = [], open_base("hevc", config, None, len(pictures))
        for picture in rng.choice((scaled, averaged)):
            made += base.push(picture)
        made += base.flush()
        base.close()
        stacks[f"half{number}-"] = [coded.picture for coded in made]
    for kind, stack in {**stacks, "": pictures}.items():
        np.save(out / f"{path.stem}.{kind}uv.npy", np.array([[p.u, p.v] for p in stack]))
        save_whole(out / f"{path.stem}.{kind}y.npy", np.array([p.y for p in stack]))


def load(folder: Path) -> list[Halves]:
    """All clips of a folder, mapped. Raises `UsageError` if it has none."""

    def stack(name: str) -> Frames:
        paths = (folder / f"{name}{kind}.npy" for kind in ("y", "uv"))
        return Frames(*(np.load(path, mmap_mode="r") for path in paths))

    def clip(name: str) -> Halves:
        count = len(list(folder.glob(f"{name}.half*-y.npy")))
        halves = tuple(stack(f"{name}.half{n}-") for n in range(count))
        return Halves(name, stack(f"{name}."), halves)

    names = sorted(path.name.removesuffix(".y.npy") for path in folder.glob("*.y.npy"))
    if not names:
        raise UsageError(f"{folder}: no halves; make them with `hdac train halves --pack DIR`")
    return [clip(name) for name in names]


class HalfSampler:
    """Random crops, mirrored, of random pictures of random versions. The state is that of one
    `random.Random`, so that a run resumes."""

    def __init__(self, clips: list[Halves], seed: int) -> None:
        self.clips, self.rng = clips, random.Random(seed)

    def batch(self, count: int, crop: int) -> tuple[Tensor, Tensor]:
        """Halves `(N, 6, crop/4, crop/4)` and what they are halves of, `(N, 6, crop/2, crop/2)`,
        float32 in [0, 1]; crop: a multiple of 4."""
        given, wanted = zip(*(self._row(crop // 2) for _ in range(count)), strict=True)
        return torch.cat(given).float() / 255, torch.cat(wanted).float() / 255

    def _row(self, side: int) -> tuple[Tensor, Tensor]:
        rng, clip = self.rng, self.rng.choice(self.clips)
        half, flip = rng.choice(clip.versions), rng.random() < 0.5
        t, (height, width) = rng.randrange(len(half.y)), half.y.shape[1:]
        top, left = (2 * rng.randint(0, (length - side) // 2) for length in (height, width))
        return (
            planes_of(half, t, (top, left, side), flip),
            planes_of(clip.pictures, t, (2 * top, 2 * left, 2 * side), flip),
        )


class EnlargeTask(SampledTask[HalfSampler]):
    """`Task` of networks that enlarge."""

    def terms(
        self, net: EnlargeNet, generator: torch.Generator, progress: float
    ) -> dict[str, Tensor]:
        config, device = self._config, self._device.type
        batch = self._sampler.batch(config.batch, config.crop)
        given, wanted = (planes.to(self._device) for planes in batch)
        with torch.autocast(device, torch.bfloat16, enabled=trains_in_bf16(device)):
            made = net(given)
        picture = picture_loss(made, wanted, config.weight_chroma).mean()
        seen = torch.zeros_like(picture)
        if self._perceptual is not None:
            seen = self._perceptual(made, wanted, generator).mean()
        total = config.weight_picture * picture + config.weight_perceptual * seen
        return {"total": total, "picture": picture, "perceptual": seen}


# ---- validation


@dataclass(frozen=True)
class EnlargeValidation:
    """PSNR-Y (dB), means over pictures of val: what the network makes of halves as they are and as
    they were coded, and Lanczos enlargement of the same."""

    pictures: int
    plain: float
    coded: float
    plain_lanczos: float
    coded_lanczos: float

    def row(self) -> dict[str, float | int | str]:
        return {k: round(v, 4) for k, v in vars(self).items()}

    def text(self) -> str:
        return (
            f"validation: PSNR-Y {self.plain:.2f} dB (Lanczos {self.plain_lanczos:.2f}), of coded "
            f"halves {self.coded:.2f} dB ({self.coded_lanczos:.2f}); {self.pictures} pictures"
        )


def validate(net: EnlargeNet, clips: list[Halves], pictures: int = 2) -> EnlargeValidation:
    """`pictures` pictures of each version of each clip, evenly spread."""
    net = copy.deepcopy(net).eval().to("cpu", torch.float32)
    start = EnlargeNet(net.config).eval()  # untrained: Lanczos
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with torch.inference_mode():
        for clip in clips:
            for number, half in enumerate(clip.versions):
                for i in range(1, pictures + 1):
                    t = i * (len(half.y) - 1) // pictures
                    given, wanted = picture_planes(half, t), picture_planes(clip.pictures, t)
                    ours, theirs = (psnr_y(n(given).clamp(0, 1), wanted) for n in (net, start))
                    found[number > 0].append((ours, theirs))
    (plain, plain_lanczos), (coded, coded_lanczos) = (
        map(fmean, zip(*found[kind], strict=True)) for kind in (False, True)
    )
    total = sum(map(len, found.values()))
    return EnlargeValidation(total, plain, coded, plain_lanczos, coded_lanczos)
