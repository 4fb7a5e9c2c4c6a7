"""`hdac datasets verify`: what a run would find of the clips of a set, found before it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from hdac.bench.datasets import Source, checked, choose, directory, split_name, whatever
from hdac.bitstream.container import MAX_PIXELS
from hdac.errors import HdacError, UsageError
from hdac.layers.base import MIN_SIDE
from hdac.video.naming import parse_name
from hdac.video.reader import VideoReader

#: The frame rate in the head of a y4m file; 0 stands for an unknown one.
_Y4M_RATE = re.compile(rb" F0*[1-9]")


class Verified(NamedTuple):
    """A clip, whether a run can have it, and "ok" or what is to be said of it; `there`: a file of
    its name is."""

    name: str
    fine: bool
    text: str = "ok"
    there: bool = True


def is_raw(path: Path) -> bool:
    return path.suffix.lower() == ".yuv" and not path.is_dir()


def check_rate(path: Path) -> None:
    """Raises `UsageError` for raw video and folders of pictures whose name says no frame rate, and
    for y4m that says none: a rate in kbps would be of a guess."""
    raw = is_raw(path)
    if path.suffix.lower() == ".y4m" and path.is_file():
        with path.open("rb") as file:
            if not _Y4M_RATE.search(file.readline(1000)):
                raise UsageError(
                    f"{path}: its head says no frame rate (F); make a set of it by "
                    "`hdac datasets prepare --fps RATE`"
                )
    if not raw and not path.is_dir():
        return
    if parse_name(path.stem if raw else path.name).fps is None:
        example = "head_256x256_24.yuv" if raw else "head_24fps"
        raise UsageError(
            f"{path}: no frame rate; put it into the name, as in {example}, or make a set of it by "
            "`hdac datasets prepare --fps RATE`"
        )


def check_clip(path: Path) -> tuple[str, ...]:
    """Reads a clip as a run does, all of it; what was converted or damaged. Raises what a run
    would."""
    check_rate(path)
    reader = VideoReader(path)
    for _ in reader:
        pass
    info = reader.info
    size, pixels = f"{info.width}x{info.height}", info.width * info.height
    if min(info.width, info.height) < MIN_SIDE - 1 or pixels > MAX_PIXELS:  # odd ones are padded
        raise UsageError(
            f"pictures of {size}; hdac's codecs take {MIN_SIDE}x{MIN_SIDE} to {MAX_PIXELS} pixels: "
            "`hdac datasets prepare --scale WxH`"
        )
    return reader.damage


def _verified(source: Source, note: str = "") -> Verified:
    try:
        damage = check_clip(source.path)
    except (HdacError, OSError, ValueError) as error:
        return Verified(source.name, False, str(error))
    said = "; ".join(filter(None, (note, *damage)))
    return Verified(source.name, True, f"present; {said}" if said else "ok")


def verify(text: str, data: str | None = None) -> list[Verified]:
    """Every clip of `NAME`, `NAME:SPLIT`, `folder:PATH` or a .toml: is it there, is it the right
    one, can it be read to its end? Raises `UsageError` if the set or its folder is not there."""
    name, path = split_name(text)
    if name == "folder":
        return [_verified(s) for s in directory(path)]
    dataset, folder, sequences = choose(text, data)
    if not sequences:
        note = "SHA-256 {}..., the recipe has no hash to compare"
        return [_verified(s, note.format(s.sha256[:12])) for s in whatever(dataset, folder)]
    rows = []
    for sequence in sequences:
        try:
            rows.append(_verified(checked(dataset, folder, sequence)))
        except HdacError as error:
            there = (folder / sequence.path).exists()
            rows.append(Verified(sequence.name, False, str(error), there))
    return rows
