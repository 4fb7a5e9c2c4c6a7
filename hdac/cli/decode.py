"""Decode an .hdac file to a video.

OUT by its suffix: .mp4 (H.264, visually lossless), .mkv (FFV1), .y4m and .yuv (lossless), or a
folder of PNG; - is y4m on stdout. Of a damaged file all that verifies is written (exit code 1).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.cli.common import (
    add_device,
    add_input,
    add_json,
    add_max_pixels,
    parse_pixels,
    progress,
    read_stream,
    result,
    say_notes,
)
from hdac.errors import DamagedError, IncompleteError

if TYPE_CHECKING:
    from hdac.bitstream.container import Header
    from hdac.video.info import VideoInfo


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_input(sub)
    sub.add_argument("-o", "--output", required=True, metavar="OUT", type=Path)
    sub.add_argument(
        "--level",
        default="fused",
        help="fused (the best that the file holds), base or animation (default fused)",
    )
    sub.add_argument("--strict", action="store_true", help="write nothing of a damaged file")
    sub.add_argument("-f", "--force", action="store_true", help="overwrite OUT")
    add_max_pixels(sub)
    add_device(sub)
    add_json(sub)


def video_info(header: Header, path: Path, frames: int | None = None) -> VideoInfo:
    """What a writer must know of a stream."""
    from hdac.video.info import VideoInfo

    return VideoInfo(path, header.width, header.height, header.fps, frames, *header.colour)


def run(options: argparse.Namespace) -> int:
    from hdac.bitstream.container import read_header
    from hdac.bitstream.cursor import Cursor
    from hdac.codec.decoder import check_level
    from hdac.codec.files import decode
    from hdac.video.writer import VideoWriter, check_output

    pixels = parse_pixels(options.max_pixels)
    data = read_stream(options.input)
    header = read_header(Cursor(data))
    check_level(header, options.level)
    check_output(options.output, options.force, inputs=(options.input,))
    levels, missing = Counter[str](), list[str]()
    start = time.perf_counter()
    with (
        progress("decoding", None) as told,
        VideoWriter(
            video_info(header, options.output), options.force, timed=bool(header.clock)
        ) as writer,
    ):
        try:
            for frame in decode(data, options.level, options.device, options.strict, pixels):
                writer.write(frame.picture, frame.time)
                levels[frame.level] += 1
                told(frame.number + 1)
        except IncompleteError as error:
            missing.append(str(error))
        if not levels:
            raise DamagedError(f"{options.input}: 0 frames in the stream")
    notes = [*missing, *writer.notes]
    say_notes(options.input, missing)
    say_notes(options.output, writer.notes)
    frames = sum(levels.values())
    shown = ", ".join(f"{count} {level}" for level, count in sorted(levels.items()))
    summary: dict[str, object] = {
        "output": str(options.output), "frames": frames, "fps": str(header.fps),
        "levels": dict(levels), "notes": notes, "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip
    result(
        options,
        summary,
        f"{options.output}: {frames} frames of {header.width}x{header.height} ({shown})",
    )
    return 1 if missing else 0
