"""Encode a video to an .hdac file, or to a VVC stream with face parameters (.266).

INPUT is anything FFmpeg's libraries open (files, pipes, URLs), a raw .yuv (its size in its name, as
in head_256x256_25fps.yuv, or by --size), a folder of PNG or JPEG pictures, or - for stdin. The
sound of a file is kept (not in a .266, nor of pipes and URLs).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.cli.common import (
    add_audio,
    add_device,
    add_json,
    parse_audio,
    parse_bitrate,
    parse_fps,
    parse_refresh,
    parse_scale,
    progress,
    result,
    say,
    say_notes,
)
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.video.reader import VideoReader


def add_arguments(sub: argparse.ArgumentParser) -> None:
    def add(*names: str, **about: object) -> None:
        sub.add_argument(*names, **about)  # type: ignore[arg-type]

    add("input", metavar="INPUT", help="video file, URL, raw .yuv, folder of pictures or -")
    add(
        "-o", "--output", required=True, metavar="OUT.hdac|OUT.266", type=Path,
        help="file, or - (stdout); .266 is what `hdac export --gfv` makes",
    )  # fmt: skip
    add("--qp-base", type=int, metavar="N", help="QP of the base layer, 0 to 51 (default 44)")
    add(
        "--qp-intra", type=int, metavar="N",
        help="QP of reference pictures, 0 to 51 (default: what goes with --qp-base)",
    )  # fmt: skip
    add("--bitrate", metavar="8k", help="target rate in bit/s (k: kbit/s) instead of QPs")
    add("--mode", default="hybrid", help="hybrid, animation or base (default hybrid)")
    add(
        "--model", metavar="NAME|FILE",
        help="network: see `hdac models` (default hdac-s; mode animation: hdac-face)",
    )  # fmt: skip
    add("--tune", default="psnr", help="psnr (fidelity) or perceptual (default psnr)")
    add(
        "--allow-loss", type=float, metavar="DB",
        help="PSNR-Y that a fused picture may lose to its base picture, 0 to 100 (default 0, "
        "perceptual 1.5)",
    )  # fmt: skip
    add(
        "--base-codec",
        help="hevc, vvc, mixed (first pictures VVC) or auto (fewest bits) (default mixed where "
        "Kvazaar and libvvenc are there and can do what is asked for, else hevc; of a .266: vvc)",
    )  # fmt: skip
    add(
        "--base-encoder", default="auto",
        help="of HEVC: x265, kvazaar (fewer bits, slower) or auto (kvazaar where it can)",
    )  # fmt: skip
    scale = "base layer at 1/N: 1, 2, 4 or auto (default: 1, or 2 if better at --bitrate)"
    add("--base-scale", default="auto", metavar="N|auto", help=scale)
    add(
        "--keypoints", type=int, metavar="K",
        help="keypoints or landmarks of a frame (default: what suits network and --bitrate)",
    )  # fmt: skip
    add(
        "--scalable", action="store_true",
        help="keypoints follow the head finely, for `hdac decode --level animation`",
    )  # fmt: skip
    add(
        "--every", type=int, default=1, metavar="N",
        help="mode animation: send parameters of one frame in N, 1 to 8 (default 1)",
    )  # fmt: skip
    add("--preset", help="effort: fast, medium, slow or slower (default slow, vvc: medium)")
    add(
        "--refresh", default="auto",
        help="new reference pictures: auto, never, every N frames, or drift (mode animation: where "
        "pictures have become too far from their sources) (default auto)",
    )  # fmt: skip
    add("--live", action="store_true", help="a packet a frame, numbered, for a lossy line")
    add("--size", metavar="WxH", help="scale to this size; of .yuv: the size of its pictures")
    add("--square", action="store_true", help="resample pixels that are not square")
    add("--fps", metavar="RATE", help="constant frame rate instead of the source's times")
    add("--frames", type=int, metavar="N", help="code only the first N frames")
    add_audio(sub)
    add("--ffmpeg", metavar="PATH", help="FFmpeg executable, for Kvazaar and VVC")
    text = "what networks compute in: int8, fp32, bf16 (default auto: int8 where there is one)"
    add("--precision", default="auto", help=text)
    add("--strict", action="store_true", help="refuse a damaged INPUT")
    add("-f", "--force", action="store_true", help="overwrite OUT.hdac")
    add_device(sub)
    add_json(sub)


def check_whole(source: VideoReader) -> None:
    """Raises `UsageError` if the source is damaged."""
    if source.damage:
        raise UsageError(
            f"{source.name}: {'; '.join(source.damage)} (without --strict what can be decoded is "
            "coded)"
        )


def run(options: argparse.Namespace) -> None:
    from hdac.atomic import write_atomically
    from hdac.bitstream.container import SUFFIX, Colour
    from hdac.codec.config import EncoderConfig
    from hdac.codec.files import encode, inspect
    from hdac.codec.gfv.export import export_gfv
    from hdac.codec.gfv.stream import SUFFIX as SUFFIX_GFV
    from hdac.runtime.models import DEFAULT
    from hdac.video.reader import VideoReader, parse_size
    from hdac.video.writer import check_output

    gfv = options.output.suffix.lower() == SUFFIX_GFV
    if gfv and options.base_codec is None:
        options.base_codec = "vvc"
    if gfv and options.model is None:
        options.model = DEFAULT  # the messages have keypoints
    if gfv and (options.base_codec != "vvc" or options.mode == "base"):
        raise UsageError(
            f"{options.output}: --base-codec {options.base_codec} in --mode {options.mode}; a .266 "
            "needs --base-codec vvc and --mode hybrid or animation"
        )
    named = (
        "mode", "qp_base", "qp_intra", "model", "tune", "allow_loss", "base_codec",
        "base_encoder", "keypoints", "scalable", "every", "preset", "live",
        "precision", "device", "ffmpeg",
    )  # fmt: skip
    config = EncoderConfig(
        kbps=parse_bitrate(options.bitrate) if options.bitrate else None,
        refresh=parse_refresh(options.refresh),
        base_scale=parse_scale(options.base_scale),
        **{name: getattr(options, name) for name in named},
    )
    if options.frames is not None and options.frames < 1:
        raise UsageError(f"--frames {options.frames}; at least 1 frame is needed")
    check_output(options.output, options.force, (SUFFIX, SUFFIX_GFV), (options.input,))
    fps = parse_fps(options.fps) if options.fps else None
    size = parse_size(options.size) if options.size else None
    kbps = parse_audio(options)
    audio = None if gfv else kbps
    source = VideoReader(options.input, size, fps, options.frames, options.square, audio)
    if options.strict:
        check_whole(source)
    info, said = source.info, len(source.notes)
    say_notes(source.name, source.notes)
    colour = Colour(info.matrix, info.primaries, info.transfer)
    start, found = time.perf_counter(), list[str]()
    with progress("encoding", info.frames) as told:
        data = encode(
            source, info.width, info.height, info.fps, config, colour, told, info.frames,
            times=info.times, audio=source.audio, on_note=found.append,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    if options.strict:  # of a pipe it is known now
        check_whole(source)
    say_notes(source.name, [*source.notes[said:], *found])
    made = inspect(data, max_pixels=info.width * info.height)
    exported = export_gfv(data, max_pixels=info.width * info.height) if gfv else None
    if exported is not None:
        data = exported.stream
        say_notes(options.output, exported.notes)
    if str(options.output) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_atomically(options.output, data)
    summary = {
        "output": str(options.output),
        **made.to_json(),
        "notes": [*source.notes, *found],
        "seconds": round(seconds, 3),
        **({} if exported is None else {"gfv": exported.to_json()}),
    }
    wanted = config.target_kbps
    if wanted is not None and not 0.85 < made.kbps / wanted < 1.15:
        say(
            f"hdac: {made.kbps:.2f} kbps is as near to {wanted:g} kbps as this source gets with "
            f"--mode {config.mode}"
        )
    qps = ", ".join(sorted({f"{ref}/{base}" for ref, base in made.qps}))
    text = (
        f"{options.output}: {made.frames} frames, {made.bytes} bytes, {made.kbps:.2f} kbps "
        f"(QP {qps}, {made.refreshes} refreshes)"
    )
    if made.bits.audio:
        text += f", audio {made.audio_kbps:.2f} kbps"
    if exported is not None:
        text += f" as .hdac; {len(data)} bytes as .266; {exported.describe()}"
    result(options, summary, text)
