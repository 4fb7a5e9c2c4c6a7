"""Export the base layer of an .hdac file for any player: .hevc or .vvc (Annex B, the exact bytes)
or .mp4, which keeps the sound; with --gfv, the whole file as a standard stream: .266, VVC with face
parameters.

A mixed base layer comes out as plain HEVC whose first pictures are not compressed: any software
player shows it, a hardware decoder may find such pictures too large for its level.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.cli.common import (
    add_input,
    add_json,
    add_max_pixels,
    add_no_audio,
    parse_pixels,
    read_stream,
    result,
    say_notes,
)
from hdac.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from hdac.video.opus import OpusPacket


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_input(sub)
    sub.add_argument(
        "-o", "--output", required=True, metavar="base.hevc|base.vvc|base.mp4|OUT.266", type=Path
    )
    sub.add_argument(
        "--gfv",
        action="store_true",
        help="with generative face video messages (H.274), of files with --base-codec vvc: .266",
    )
    add_no_audio(sub)
    sub.add_argument("-f", "--force", action="store_true", help="overwrite the output")
    add_max_pixels(sub)
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    import av

    from hdac.atomic import write_atomically
    from hdac.bitstream.container import BaseCodec, Mode, read_header
    from hdac.bitstream.cursor import Cursor
    from hdac.codec.audio import Audio
    from hdac.codec.files import base_units, decode
    from hdac.video.writer import check_output

    pixels = parse_pixels(options.max_pixels)
    data = read_stream(options.input)
    header = read_header(Cursor(data))
    codec = "vvc" if header.base_codec is BaseCodec.VVC else "hevc"
    if options.gfv:
        _export_gfv(options, data, pixels)
        return
    if str(options.output) == "-":
        raise UsageError(f"-: give a file name, .{codec} or .mp4")
    check_output(options.output, options.force, (f".{codec}", ".mp4"), (options.input,))
    units, notes = list(base_units(data, pixels)), list[str]()
    if not units:
        raise DamagedError("the stream has no pictures: it is damaged, or empty")
    mp4 = options.output.suffix.lower() == ".mp4"
    timed = mp4 and header.mode is not Mode.ANIMATION  # which has pictures for few frames
    audio = Audio(data)
    sound = [] if options.no_audio else list(audio)
    if sound and not timed:
        notes.append("the sound is left out (hdac decode keeps it)")
        sound = []
    notes += audio.damage.lines() if timed else []
    times = [index / header.fps for index in range(len(units) + 1)]
    if header.clock and not mp4:
        notes.append(f"{options.output.suffix} has no frame times (.mp4 keeps them)")
    elif timed and (header.clock or header.live):
        frames = decode(data, "base", max_pixels=pixels)
        shown = [frame.time for frame in frames if frame.level != "concealed"]
        if not shown:
            raise DamagedError("none of the stream's pictures is shown: it is damaged")
        times = [*shown, max(shown[-1] + 1 / header.fps, len(shown) / header.fps)]
    if mp4:
        if codec != "hevc":
            raise UsageError(f"{options.output}: VVC in MP4 is not written; export to .vvc")
        try:
            out = to_mp4(units, times, sound)
        except (av.error.FFmpegError, OverflowError) as error:
            raise DamagedError(
                f"its base layer and times do not go into MP4 ({error}): it is damaged, or export "
                "to .hevc"
            ) from error
    else:
        out = b"".join(units)
    write_atomically(options.output, out)
    say_notes(options.output, notes)
    text = f"{options.output}: {len(units)} pictures, {len(out)} bytes"
    made: dict[str, object] = {
        "output": str(options.output), "pictures": len(units), "bytes": len(out), "notes": notes,
    }  # fmt: skip
    result(options, made, text)


def _export_gfv(options: argparse.Namespace, data: bytes, pixels: int) -> None:
    from hdac.atomic import write_atomically
    from hdac.codec.gfv.export import export_gfv
    from hdac.codec.gfv.stream import SUFFIX
    from hdac.video.writer import check_output

    if str(options.output) == "-":
        raise UsageError(f"-: give a file name, {SUFFIX}")
    check_output(options.output, options.force, (SUFFIX,), (options.input,))
    made = export_gfv(data, pixels)
    write_atomically(options.output, made.stream)
    say_notes(options.output, made.notes)
    text = (
        f"{options.output}: {made.pictures} pictures, {len(made.stream)} bytes; {made.describe()}"
    )
    result(options, {"output": str(options.output), **made.to_json()}, text)


def to_mp4(
    units: list[bytes], times: Sequence[Fraction], audio: Sequence[OpusPacket] = ()
) -> bytes:
    """HEVC access units -> MP4 bytes; times: seconds at which each picture and the end is shown;
    audio: the sound, in the order of time. Of times that do not grow a picture's is the next tick
    after the one before, as in hostile streams."""
    import av

    from hdac.video.remux import OpusTrack

    out = io.BytesIO()
    with (
        av.open(io.BytesIO(b"".join(units)), "r", format="hevc") as source,
        av.open(out, "w", format="mp4") as container,
    ):
        stream = container.add_stream_from_template(source.streams.video[0])
        tick = min(b - a for a, b in pairwise(times) if b > a)
        fits = max(tick.as_integer_ratio()) < 1 << 31 and all(t % tick == 0 for t in times)
        tick = tick if fits else Fraction(1, 1000)
        stream.time_base = tick
        track = OpusTrack(container, audio[0], iter(audio[1:]), tick) if audio else None
        shift = track.shift if track else 0
        packets, least = (p for p in source.demux(video=0) if p.size), 0
        for packet, (start, end) in zip(packets, pairwise(times), strict=False):
            packet.stream, packet.time_base = stream, tick
            packet.pts = packet.dts = max(least, round(start / tick) + shift)
            packet.duration = max(1, round((end - start) / tick))
            least = packet.pts + 1
            if track:
                track.write(packet.pts)
            container.mux(packet)
        if track:
            track.write()
    return out.getvalue()
