"""`hdac datasets prepare`: canonical pictures of a set as lossless files, and a recipe that fixes
them by their hashes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from hdac.atomic import check_apart, write_atomically
from hdac.bench.datasets import SCHEMA, Source, file_hash
from hdac.bench.names import file_stem
from hdac.bench.verify import check_rate, is_raw
from hdac.errors import UsageError
from hdac.video.colour import resolve_matrix
from hdac.video.info import VideoInfo
from hdac.video.naming import parse_name
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader
from hdac.video.writer import VideoWriter


def _toml(text: str) -> str:
    """A TOML string: one of JSON, but for the one control that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


Size = tuple[int, int]


class Wanted(NamedTuple):
    """What is made of each source. size: (width, height) of raw .yuv whose name does not say it;
    scale: what all are scaled to; fps: frames per second instead of the source's own; frames: the
    first so many."""

    size: Size | None = None
    scale: Size | None = None
    fps: Fraction | None = None
    frames: int | None = None


def prepare(
    sources: list[Source],
    out: Path,
    wanted: Wanted,
    force: bool,
    progress: Callable[[str], None],
) -> Path:
    """Writes `<name>.mkv` (FFV1) for each source and `dataset.toml`; returns the recipe's path.
    Raises `UsageError`."""
    if wanted.frames is not None and wanted.frames < 1:
        raise UsageError(f"--frames {wanted.frames}; at least 1 frame is needed")
    recipe = out / "dataset.toml"
    if recipe.exists() and not force:
        raise UsageError(f"{recipe} exists; choose another --out or give -f to overwrite it")
    targets = {s.name: out / f"{file_stem(s.name)}.mkv" for s in sources}
    for target in targets.values():
        check_apart(target, [s.path for s in sources])
    _check_raw(sources, wanted)
    out.mkdir(parents=True, exist_ok=True)
    media = "public" if all(s.media == "public" for s in sources) else "private"
    lines = [
        f'schema = "{SCHEMA}"',
        f"title = {_toml(out.name)}",
        'place = "path"',
        f'media = "{media}"',
        'licence = "that of the sources"',
    ]
    for source in sources:
        progress(source.name)
        target = targets[source.name]
        reader = VideoReader(source.path, raw_size(source.path, wanted), wanted.fps)
        native, count = reader.info, 0
        info = _scaled_info(native, wanted.scale)
        with VideoWriter(replace(info, path=target), force) as writer:
            for picture in itertools.islice(reader, wanted.frames):
                writer.write(scaled(picture, native, wanted.scale))
                count += 1
        for note in (*reader.notes, *_retimed(source.path, native)):
            progress(f"{source.name}: {note}")
        lines += [
            "", "[[sequence]]", f"name = {_toml(source.name)}", f'path = "{target.name}"',
            f'sha256 = "{file_hash(target)}"', f"frames = {count}", f'fps = "{info.fps}"',
            f"width = {info.width}", f"height = {info.height}",
            f"source_path = {_toml(f'{source.path.name}, SHA-256 {source.sha256}')}",
        ]  # fmt: skip
    write_atomically(recipe, ("\n".join(lines) + "\n").encode())
    return recipe


def _retimed(path: Path, taken: VideoInfo) -> list[str]:
    """What is to be said where `--fps` is not the rate that a clip says it has."""
    try:
        check_rate(path)
        own = VideoReader(path, (taken.width, taken.height) if is_raw(path) else None).info.fps
    except UsageError:
        return []
    if own == taken.fps:
        return []
    return [f"{float(own):.6g} frames per second by itself, not {float(taken.fps):.6g}"]


def _check_raw(sources: list[Source], wanted: Wanted) -> None:
    """Raises `UsageError` where a size or a rate would be guessed, or is none of these clips'."""
    if wanted.size and not any(is_raw(s.path) for s in sources):
        raise UsageError(
            f"--size {wanted.size[0]}x{wanted.size[1]}: it is that of raw .yuv, and none of the "
            "clips is; --scale is what pictures are scaled to"
        )
    for source in sources:
        size = raw_size(source.path, wanted)
        if not wanted.fps:
            check_rate(source.path)
        if is_raw(source.path):
            VideoReader(source.path, size, wanted.fps)


def raw_size(path: Path, wanted: Wanted) -> Size | None:
    """The size that a clip is to be read in; None: its own. Raises `UsageError` where its name says
    another one."""
    if not is_raw(path) or wanted.size is None:
        return None
    named = parse_name(path.stem).size
    if named not in (None, wanted.size):
        said, given = (f"{width}x{height}" for width, height in (named, wanted.size))
        raise UsageError(
            f"{path.name}: its name says {said}, --size {given}; correct the name, or leave --size "
            "out (--scale is what pictures are scaled to)"
        )
    return wanted.size


def _scaled_info(native: VideoInfo, scale: Size | None) -> VideoInfo:
    """The matrix is that of the source: an untagged one goes by the number of lines."""
    if scale is None:
        return native
    matrix = resolve_matrix(native.matrix, native.height)
    return replace(native, width=scale[0], height=scale[1], matrix=matrix)


def scaled(picture: Picture, native: VideoInfo, scale: Size | None) -> Picture:
    """A picture in another size: the mean of areas when shrinking by two or more, else bicubic."""
    if scale in (None, (native.width, native.height)):
        return picture
    width, height = scale
    small = native.width >= 2 * width and native.height >= 2 * height
    frame = picture.cropped(native.width, native.height).to_av()
    method = "AREA" if small else "BICUBIC"
    return Picture.from_av(frame.reformat(width, height, interpolation=method)).padded()
