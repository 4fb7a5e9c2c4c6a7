"""What motion models are trained on: clips, coded pictures of each as references, and the landmarks
of every picture, in a folder of NumPy files that several trainings map at once.

    <clip>.y.npy, <clip>.uv.npy                the pictures
    <clip>.reference-y.npy, -uv.npy, .qps.npy  references; number of the picture, and QP
    <clip>.points.npy                          landmarks (T, 478, 2), as the codec finds them
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hdac.errors import UsageError
from hdac.motion.facemesh import MIRROR
from hdac.training.arrays import save_whole
from hdac.training.clips import planes_of, tinted
from hdac.training.pools import processes
from hdac.training.reading import Frames

Floats: TypeAlias = npt.NDArray[np.floating]

#: Side of the pictures, to which clips are scaled.
SIDE = 256
#: QPs of references, both ends included.
QPS = 24, 46
#: A picture is at most so many after its reference.
REACH = 250


@dataclass(frozen=True)
class Faces:
    """A clip: its pictures, references, which pictures those are and their QPs `(R, 2)`, and the
    landmarks of its pictures."""

    name: str
    pictures: Frames
    references: Frames
    numbers: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]


class FaceBatch(NamedTuple):
    """Planes `(N, 6, H/2, W/2)` float32 in [0, 1]: the picture, its decoded reference and that
    one's original; landmarks `(N, 478, 2)` of reference and picture, in [-1, 1]."""

    target: Tensor
    reference: Tensor
    reference_original: Tensor
    there: Tensor
    here: Tensor


def build(clips: list[Path], out: Path, references: int, workers: int = 2) -> None:
    """Makes the folder, `references` coded pictures of each clip; what is there already stays."""
    out.mkdir(parents=True, exist_ok=True)
    with processes(workers) as pool:
        list(pool.map(_write, clips, [out] * len(clips), [references] * len(clips)))


def _write(path: Path, out: Path, references: int) -> None:
    from hdac.layers.base import BaseConfig
    from hdac.layers.codecs import open_base
    from hdac.motion.facemesh import FaceTracker
    from hdac.runtime.backends import open_landmarks
    from hdac.runtime.models import resolve_model
    from hdac.video.reader import VideoReader

    last = out / f"{path.stem}.points.npy"
    if last.exists():
        return
    reader = VideoReader(path, (SIDE, SIDE))
    pictures, info = list(reader), reader.info
    track = FaceTracker(open_landmarks(resolve_model("landmarks", "fp32")), float(info.fps))
    points = [track(picture) for picture in pictures]
    rng, coded, numbers = random.Random(path.stem), [], []
    for r in range(references):
        number = 0 if r == 0 else rng.randrange(max(1, len(pictures) - 10))
        qp = rng.randint(*QPS)
        config = BaseConfig(info.width, info.height, Fraction(info.fps), qp, qp, preset="medium")
        encoder = open_base("hevc", config, None, 1)
        made = encoder.push(pictures[number]) + encoder.flush()
        encoder.close()
        coded.append(made[0].picture)
        numbers.append((number, qp))
    for kind, stack in (("", pictures), ("reference-", coded)):
        np.save(out / f"{path.stem}.{kind}y.npy", np.array([p.y for p in stack]))
        np.save(out / f"{path.stem}.{kind}uv.npy", np.array([[p.u, p.v] for p in stack]))
    np.save(out / f"{path.stem}.qps.npy", np.array(numbers))
    save_whole(last, np.array(points, np.float32))


def load(folder: Path) -> list[Faces]:
    """All clips of a folder, mapped. Raises `UsageError` if it has none."""

    def stack(name: str, kind: str) -> npt.NDArray[np.uint8]:
        found: npt.NDArray[np.uint8] = np.load(folder / f"{name}.{kind}.npy", mmap_mode="r")
        return found

    names = [path.name.removesuffix(".points.npy") for path in sorted(folder.glob("*.points.npy"))]
    if not names:
        raise UsageError(f"{folder}: no faces; make them with `hdac train faces --pack DIR`")
    return [
        Faces(
            name,
            Frames(stack(name, "y"), stack(name, "uv")),
            Frames(stack(name, "reference-y"), stack(name, "reference-uv")),
            np.load(folder / f"{name}.qps.npy"),
            np.load(folder / f"{name}.points.npy"),
        )
        for name in names
    ]


class FaceSampler:
    """Random (reference, picture) pairs, mirrored and tinted; whole pictures. The state is that of
    one `random.Random`, so that a run resumes."""

    def __init__(self, clips: list[Faces], seed: int) -> None:
        self.clips, self.rng = clips, random.Random(seed)

    def batch(self, count: int) -> FaceBatch:
        rows = [self._row(self.rng.choice(self.clips)) for _ in range(count)]
        planes, points = zip(*rows, strict=True)
        return FaceBatch(
            *(part.contiguous() for part in torch.stack(planes, 1)),
            *torch.stack(points, 1).contiguous(),
        )

    def _row(self, clip: Faces) -> tuple[Tensor, Tensor]:
        """Picture, reference and its original `(3, 6, H/2, W/2)`, landmarks `(2, 478, 2)`."""
        rng, total = self.rng, len(clip.points)
        r = rng.randrange(len(clip.numbers))
        start = int(clip.numbers[r, 0])
        t = rng.randrange(max(0, start - REACH), min(total, start + REACH))
        flip, side = rng.random() < 0.5, clip.pictures.y.shape[1]
        shown = ((clip.pictures, t), (clip.references, r), (clip.pictures, start))
        planes = torch.cat([planes_of(*one, (0, 0, side), flip) for one in shown]).float()
        points = clip.points[[start, t]]
        if flip:
            points = points[:, MIRROR] * np.array([-1, 1], np.float32)
        return tinted(planes, rng), torch.from_numpy(points)
