"""Export the base layer of an .hdac file for any player: .hevc or .vvc (Annex B, the exact bytes)
or .mp4.

A mixed base layer comes out as plain HEVC whose first pictures are not compressed: any software
player shows it, a hardware decoder may find such pictures too large for its level.
"""

from __future__ import annotations

import argparse
import io
from fractions import Fraction
from pathlib import Path

import av

from hdac.atomic import write_atomically
from hdac.bitstream.container import BaseCodec, Cursor, read_header
from hdac.cli.common import add_json, read_stream, result
from hdac.codec.files import base_units
from hdac.errors import UsageError
from hdac.video.writer import check_output


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("input", metavar="IN.hdac", type=Path)
    sub.add_argument(
        "-o", "--output", required=True, metavar="base.hevc|base.vvc|base.mp4", type=Path
    )
    sub.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    data = read_stream(options.input)
    header = read_header(Cursor(data))
    codec = "vvc" if header.base_codec is BaseCodec.VVC else "hevc"
    check_output(options.output, options.force, (f".{codec}", ".mp4"))
    units = list(base_units(data))
    if options.output.suffix.lower() == ".mp4":
        if codec != "hevc":
            raise UsageError(f"{options.output}: VVC in MP4 is not written; export to .vvc")
        out = to_mp4(units, header.fps / header.frame_step)
    else:
        out = b"".join(units)
    write_atomically(options.output, out)
    text = f"{options.output}: {len(units)} pictures, {len(out)} bytes"
    result(
        options, {"output": str(options.output), "pictures": len(units), "bytes": len(out)}, text
    )


def to_mp4(units: list[bytes], fps: Fraction) -> bytes:
    """HEVC access units -> MP4 bytes, one picture each 1/fps seconds."""
    out = io.BytesIO()
    with (
        av.open(io.BytesIO(b"".join(units)), "r", format="hevc") as source,
        av.open(out, "w", format="mp4") as container,
    ):
        stream = container.add_stream_from_template(source.streams.video[0])
        tick = 1 / fps
        stream.time_base = tick
        for index, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream = stream
            packet.pts = packet.dts = index
            packet.duration, packet.time_base = 1, tick
            container.mux(packet)
    return out.getvalue()
