"""Put videos side by side, with PSNR-Y and MS-SSIM against the first: an .mp4 of all frames or a
.png of one.

SRC and DEC are anything that `hdac encode` reads, or .hdac files.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.cli.common import (
    add_json,
    add_max_pixels,
    parse_pixels,
    progress,
    read_stream,
    result,
    say_notes,
)
from hdac.errors import StreamError

if TYPE_CHECKING:
    from hdac.video.picture import Picture
    from hdac.video.reader import VideoInfo


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("source", metavar="SRC")
    sub.add_argument("decoded", metavar="DEC", nargs="+")
    sub.add_argument("-o", "--output", required=True, metavar="side_by_side.mp4|.png", type=Path)
    text = "frame of a .png (default: the middle one)"
    sub.add_argument("--frame", type=int, metavar="N", help=text)
    sub.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    add_max_pixels(sub)
    add_json(sub)


def load(name: str, max_pixels: int) -> tuple[VideoInfo, list[Picture]]:
    """All pictures of a video or an .hdac file, that one's of at most `max_pixels`; says its
    notes."""
    from hdac.bitstream.container import SUFFIX, read_header
    from hdac.bitstream.cursor import Cursor
    from hdac.codec.files import decode, video_info
    from hdac.video.reader import VideoReader

    path = Path(name)
    if path.suffix.lower() == SUFFIX:
        data = read_stream(path)
        try:
            info = video_info(read_header(Cursor(data)), path)
            return info, [frame.picture for frame in decode(data, max_pixels=max_pixels)]
        except StreamError as error:
            raise type(error)(f"{name}: {error}") from error
    reader = VideoReader(name)
    pictures = list(reader)
    say_notes(name, reader.notes)
    return reader.info, pictures


def run(options: argparse.Namespace) -> None:
    from hdac.bench.raw import rate_note
    from hdac.bench.sheets import (
        Column,
        captions,
        check_same,
        no_ms_ssim,
        scores,
        write_sheets,
    )
    from hdac.video.writer import check_output

    pixels, inputs = parse_pixels(options.max_pixels), (options.source, *options.decoded)
    check_output(options.output, options.force, (".mp4", ".png"), inputs)
    info, source = load(options.source, pixels)
    columns = [Column(f"source\n{Path(options.source).name}", source)]
    rows, lines = [], []
    for name in options.decoded:
        theirs, pictures = load(name, pixels)
        if note := rate_note(info.fps, theirs.fps):
            say_notes(name, [note])
        check_same(name, source, pictures)
        found = scores(source, pictures)
        rows.append({"file": name, **{k: round(v, 4) for k, v in found.items()}})
        lines.append(f"{name}: {captions(found)}")
        columns.append(Column(f"{Path(name).name}\n{captions(found)}", pictures))
    if note := no_ms_ssim(source[0]):
        say_notes(options.source, [note])
    with progress("writing", len(source)) as done:
        write_sheets(options.output, columns, info, options.force, options.frame, done)
    data: dict[str, object] = {"output": str(options.output), "scores": rows}
    result(options, data, "\n".join([*lines, str(options.output)]))
