"""Training packs: every clip's base layer, coded with the codec's own settings at random operating points.

A pack is a folder with `pack.json` and one HEVC elementary stream for each version of each clip. The originals stay
where they are (`HDAC_DATA`).
"""

from __future__ import annotations

import json
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av

from hdac.codec.operating import default_qp_ref
from hdac.layers.base import BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.video.picture import Picture


@dataclass(frozen=True)
class Version:
    """One coded version of a clip: the GOP starts at picture `start`; `sizes` are the access units' bytes."""

    clip: str
    start: int
    qp_ref: int
    qp_base: int
    stream: str
    sizes: tuple[int, ...]


def read_clip(path: Path) -> list[Picture]:
    """All pictures of a clip that already is 8-bit 4:2:0 (as the training clips are)."""
    with av.open(str(path)) as container:
        return [Picture.from_av(frame) for frame in container.decode(video=0)]


def code(path: Path, out: Path, name: str, start: int, qp_ref: int, qp_base: int) -> Version:
    """Codes one version of one clip to `out/name`."""
    pictures = read_clip(path)[start:]
    config = BaseConfig(pictures[0].width, pictures[0].height, Fraction(25), qp_ref, qp_base)
    encoder = HevcEncoder(config, len(pictures))
    units = [coded.data for picture in pictures for coded in encoder.push(picture)]
    (out / name).write_bytes(b"".join(units))
    return Version(path.stem, start, qp_ref, qp_base, name, tuple(map(len, units)))


def build(clips: list[Path], out: Path, versions: int = 2, seed: int = 0, workers: int = 2) -> Path:
    """Codes `versions` versions of each clip; returns the path of `pack.json`.

    The first version starts at the clip's first picture, the others in its first third, so that references differ.
    """
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    jobs = []
    for path in clips:
        with av.open(str(path)) as container:
            frames = container.streams.video[0].frames
        for version in range(versions):
            start = 0 if version == 0 else rng.randrange(max(1, frames // 3))
            qp_base = rng.choice(range(30, 52))
            qp_ref = min(max(default_qp_ref(qp_base) + rng.randint(-7, 4), 16), 44)
            jobs.append((path, out, f"{path.stem}_{version}.hevc", start, qp_ref, qp_base))
    with ProcessPoolExecutor(workers) as pool:
        done = list(pool.map(code, *zip(*jobs, strict=True)))
    index = out / "pack.json"
    index.write_text(json.dumps({"schema": "hdac-pack/1", "versions": [asdict(v) for v in done]}))
    return index


def load_index(pack: Path) -> list[Version]:
    """The versions listed in a pack."""
    data = json.loads((pack / "pack.json").read_text())
    if data.get("schema") != "hdac-pack/1":
        raise ValueError(f"{pack}: schema {data.get('schema')!r}; expected 'hdac-pack/1'. Build it again with `hdac train pack`")
    return [Version(**{**v, "sizes": tuple(v["sizes"])}) for v in data["versions"]]
