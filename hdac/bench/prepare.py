"""`hdac datasets prepare`: canonical pictures of a set as lossless files, and a recipe that fixes
them by their hashes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hdac.atomic import write_atomically
from hdac.bench.datasets import SCHEMA, Source, file_hash
from hdac.bench.names import file_stem
from hdac.errors import UsageError
from hdac.video.reader import VideoReader
from hdac.video.writer import VideoWriter


def _toml(text: str) -> str:
    """A TOML string: one of JSON, but for the one control that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def prepare(
    sources: list[Source],
    out: Path,
    size: tuple[int, int] | None,
    frames: int | None,
    force: bool,
    progress: Callable[[str], None],
) -> Path:
    """Writes `<name>.mkv` (FFV1) for each source and `dataset.toml`; returns the recipe's path.
    Raises `UsageError`."""
    if frames is not None and frames < 1:
        raise UsageError(f"--frames {frames}; at least 1 frame is needed")
    recipe = out / "dataset.toml"
    if recipe.exists() and not force:
        raise UsageError(f"{recipe} exists; choose another --out or give -f to overwrite it")
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
        reader = VideoReader(source.path, size)
        target = out / f"{file_stem(source.name)}.mkv"
        info, count = reader.info, 0
        with VideoWriter(replace(info, path=target), force) as writer:
            for picture in itertools.islice(reader, frames):
                writer.write(picture)
                count += 1
        lines += [
            "", "[[sequence]]", f"name = {_toml(source.name)}", f'path = "{target.name}"',
            f'sha256 = "{file_hash(target)}"', f"frames = {count}", f'fps = "{info.fps}"',
            f"width = {info.width}", f"height = {info.height}",
            f"source_path = {_toml(f'{source.path.name}, SHA-256 {source.sha256}')}",
        ]  # fmt: skip
    write_atomically(recipe, ("\n".join(lines) + "\n").encode())
    return recipe
