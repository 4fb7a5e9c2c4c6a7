"""Canonical sources and raw video: what every result of an experiment depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from hdac.errors import ToolError, UsageError
from hdac.metrics.contract import Clip
from hdac.video.colour import resolve_matrix
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader

#: FFmpeg's names of raw video that a codec's decoder may write.
RawFormat = Literal["yuv420p", "yuv420p10le"]
FORMATS: tuple[str, ...] = get_args(RawFormat)


def read_clip(
    path: Path,
    frames: int | None,
    size: tuple[int, int] | None = None,
    say: Callable[[Iterable[str]], object] = lambda _: None,
) -> Clip:
    """The canonical source: even sides, 8-bit limited-range 4:2:0 in the matrix it is tagged with.
    `say` gets what was converted, left out or damaged."""
    reader = VideoReader(path, size)
    pictures = []
    for picture in reader:
        pictures.append(picture)
        if len(pictures) == frames:
            break
    say(reader.notes)
    return Clip(pictures, reader.info.fps, resolve_matrix(reader.info.matrix, pictures[0].height))


def rate_note(source: Fraction, decoded: Fraction) -> str | None:
    """A warning where pictures of the same number are not of the same time."""
    if abs(decoded / source - 1) < Fraction(1, 2000):  # containers round
        return None
    return f"{decoded} frames per second, the source has {source}: compared picture by picture"


def read_raw(path: Path, width: int, height: int, pix_fmt: str) -> Iterator[Picture]:
    """Planar 4:2:0 of 8 or 10 bits; 10 bits are rounded to 8. Raises `UsageError` for another
    format, `ToolError` for an incomplete picture."""
    if pix_fmt not in FORMATS:
        allowed = ", ".join(map(repr, FORMATS))
        raise UsageError(f"raw video in {pix_fmt!r} is not read; allowed are {allowed}")
    ten = pix_fmt == "yuv420p10le"
    samples = width * height * 3 // 2
    with path.open("rb") as file:
        while data := file.read(samples * (2 if ten else 1)):
            if len(data) != samples * (2 if ten else 1):
                raise ToolError(f"{path.name} ends in the middle of a picture")
            flat = np.frombuffer(data, dtype="<u2" if ten else np.uint8)
            if ten:
                flat = np.minimum((flat + 2) >> 2, 255).astype(np.uint8)
            y, u, v = np.split(flat, [width * height, width * height * 5 // 4])
            yield Picture(
                y.reshape(height, width), u.reshape(height // 2, -1), v.reshape(height // 2, -1)
            )
