"""Decode an .hdac file to a video.

OUT by its suffix: .mp4 (H.264, visually lossless), .mkv (FFV1), .y4m and .yuv (lossless), or a
    folder of PNG.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from hdac.bitstream.container import Cursor, Header, read_header
from hdac.cli.common import add_device, add_json, progress, read_stream, result
from hdac.codec.decoder import LEVELS, check_level
from hdac.codec.files import decode
from hdac.errors import DamagedError
from hdac.video.reader import VideoInfo
from hdac.video.writer import VideoWriter, check_output


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("input", metavar="IN.hdac", type=Path)
    sub.add_argument("-o", "--output", required=True, metavar="OUT", type=Path)
    sub.add_argument(
        "--level",
        default="fused",
        help=f"{', '.join(LEVELS)} (default fused: the best that the file holds; "
        "animation mostly holds the reference unless the file was made with --scalable or --mode animation)",
    )
    sub.add_argument("-f", "--force", action="store_true", help="overwrite OUT")
    add_device(sub)
    add_json(sub)


def video_info(header: Header, path: Path, frames: int | None = None) -> VideoInfo:
    """What a writer must know of a stream."""
    colour = header.colour
    return VideoInfo(
        path,
        header.width,
        header.height,
        header.fps,
        frames,
        colour.matrix,
        colour.primaries,
        colour.transfer,
    )


def run(options: argparse.Namespace) -> None:
    data = read_stream(options.input)
    header = read_header(Cursor(data))
    check_level(header, options.level)
    check_output(options.output, options.force)
    levels: Counter[str] = Counter()
    start = time.perf_counter()
    with (
        progress("decoding", None) as told,
        VideoWriter(video_info(header, options.output), options.force) as writer,
    ):
        for frame in decode(data, options.level, options.device):
            writer.write(frame.picture)
            levels[frame.level] += 1
            told(frame.number + 1)
        if not levels:
            raise DamagedError(f"{options.input}: 0 frames in the stream")
    frames = sum(levels.values())
    shown = ", ".join(f"{count} {level}" for level, count in sorted(levels.items()))
    summary: dict[str, object] = {
        "output": str(options.output), "frames": frames, "fps": str(header.fps), "levels": dict(levels),
        "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip
    result(
        options,
        summary,
        f"{options.output}: {frames} frames of {header.width}x{header.height} ({shown})",
    )
