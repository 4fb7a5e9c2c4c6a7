"""Decode an .hdac file, or a VVC stream with face parameters (.266), to a video.

OUT by its suffix: .mp4 (H.264, visually lossless), .mkv (FFV1), .y4m and .yuv (lossless), or a
folder of PNG; - is y4m on stdout. mp4 and mkv keep the sound, as it was coded. Of a damaged file
all that verifies is written (exit code 1).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hdac.cli.common import (
    add_device,
    add_input,
    add_json,
    add_max_pixels,
    add_no_audio,
    parse_pixels,
    parse_turn,
    progress,
    read_stream,
    result,
    say_notes,
)
from hdac.errors import DamagedError, IncompleteError, UsageError

if TYPE_CHECKING:
    from hdac.bitstream.container import Header
    from hdac.codec.audio import Audio
    from hdac.codec.decoder import Frame


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_input(sub, gfv=True)
    sub.add_argument("-o", "--output", required=True, metavar="OUT", type=Path)
    sub.add_argument(
        "--level",
        default="fused",
        help="fused (the best that the file holds), base or animation (default fused)",
    )
    sub.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="network for a .266 whose own is not here (an .hdac file names its own)",
    )
    larger = "enlarge the pictures by a network, up to 4 times a side, in the same shape"
    sub.add_argument("--size", metavar="WxH", help=larger)
    sub.add_argument(
        "--between",
        default="motion",
        help="what frames that were not sent (encode --every) are made of: motion (parameters in "
        "between), or pictures (those before and after, a fifth of the work) (default motion)",
    )
    turn = "turn heads further to the right, up and clockwise, -45 to 45 degrees (files of fv2v)"
    sub.add_argument("--rotate", metavar="YAW,PITCH,ROLL", help=turn)
    add_no_audio(sub)
    sub.add_argument("--strict", action="store_true", help="write nothing of a damaged file")
    sub.add_argument("-f", "--force", action="store_true", help="overwrite OUT")
    add_max_pixels(sub)
    add_device(sub)
    add_json(sub)


class _Opened(NamedTuple):
    """A stream of either kind."""

    header: Header
    frames: Iterator[Frame]
    notes: list[str]
    audio: Audio | None = None


def _open(options: argparse.Namespace, data: bytes, pixels: int) -> _Opened:
    from hdac.bitstream.container import read_header
    from hdac.bitstream.cursor import Cursor
    from hdac.codec.audio import Audio
    from hdac.codec.decoder import check_level, check_turn
    from hdac.codec.files import decode
    from hdac.codec.gfv.stream import GfvStream, is_annex_b

    level, device, strict = options.level, options.device, options.strict
    if is_annex_b(data):
        if options.rotate is not None:
            raise UsageError(f"--rotate: {options.input} is a .266, which sends no head pose")
        stream = GfvStream(data, pixels)
        return _Opened(
            stream.header, stream.decode(level, device, options.model, strict), stream.notes
        )
    header = read_header(Cursor(data))
    if options.model is not None:
        raise UsageError(f"--model {options.model}: an .hdac file names its own network")
    check_level(header, level)
    audio = None if options.no_audio else Audio(data, strict)
    turn = None if options.rotate is None else parse_turn(options.rotate)
    check_turn(header, level, turn)
    frames = decode(data, level, device, strict, pixels, options.between, turn)
    return _Opened(header, frames, [], audio)


def _enlarged(options: argparse.Namespace, opened: _Opened, pixels: int) -> _Opened:
    """The stream at the size that was asked for."""
    from hdac.codec.enlarged import enlarged, enlarged_header
    from hdac.video.info import parse_size

    larger = enlarged_header(opened.header, parse_size(options.size), pixels)
    frames = enlarged(opened.frames, opened.header, larger, options.device)
    return opened._replace(header=larger, frames=frames)


def run(options: argparse.Namespace) -> int:
    from hdac.codec.files import video_info
    from hdac.video.writer import VideoWriter, check_output

    pixels = parse_pixels(options.max_pixels)
    data = read_stream(options.input)
    opened = _open(options, data, pixels)
    if options.size:
        opened = _enlarged(options, opened, pixels)
    header, audio = opened.header, opened.audio
    check_output(options.output, options.force, inputs=(options.input,))
    say_notes(options.input, opened.notes)
    levels, missing = Counter[str](), list[str]()
    start = time.perf_counter()
    with (
        progress("decoding", None) as told,
        VideoWriter(
            video_info(header, options.output), options.force, bool(header.clock), audio or ()
        ) as writer,
    ):
        try:
            for frame in opened.frames:
                writer.write(frame.picture, frame.time)
                levels[frame.level] += 1
                told(frame.number + 1)
        except IncompleteError as error:
            missing.append(str(error))
        if not levels:
            raise DamagedError("0 frames in the stream")
    missing += audio.damage.lines() if audio else []
    notes = [*opened.notes, *missing, *writer.notes]
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
