"""Encode a video to an .hdac file.

INPUT is anything FFmpeg's libraries open, a raw .yuv (its size in its name, as in
head_256x256_25fps.yuv, or by --size) or a folder of PNG pictures. 15 to 23 frames a second for
256x256 on two CPU cores, 23 to 38 with --preset fast.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

from hdac.atomic import write_atomically
from hdac.bitstream.container import SUFFIX, Colour
from hdac.cli.common import (
    add_device,
    add_json,
    parse_bitrate,
    parse_fps,
    parse_refresh,
    progress,
    result,
    say,
)
from hdac.codec.config import BASE_CODECS, DEFAULT_QP_BASE, MODES, TUNES, EncoderConfig
from hdac.codec.files import encode, inspect
from hdac.codec.operating import VVC_TO
from hdac.errors import UsageError
from hdac.layers.base import PRESETS
from hdac.nets.zoo import DEFAULT
from hdac.video.reader import VideoReader, parse_size
from hdac.video.writer import check_output


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("input", metavar="INPUT", help="video file, raw .yuv or folder of PNG")
    sub.add_argument("-o", "--output", required=True, metavar="OUT.hdac", type=Path)
    sub.add_argument(
        "--qp-base",
        type=int,
        metavar="N",
        help=f"QP of the base layer, 0 to 51 (default {DEFAULT_QP_BASE})",
    )
    sub.add_argument(
        "--qp-intra",
        type=int,
        metavar="N",
        help="QP of reference pictures, 0 to 51 (default: goes with --qp-base)",
    )
    sub.add_argument(
        "--bitrate", metavar="8k", help="target rate in bit/s (k: kbit/s) instead of QPs"
    )
    sub.add_argument("--mode", default="hybrid", help=f"{', '.join(MODES)} (default hybrid)")
    sub.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME",
        help=f"network, see `hdac models` (default {DEFAULT})",
    )
    sub.add_argument(
        "--tune",
        default="psnr",
        help=f"aim at {' or '.join(TUNES)}: fidelity, or what people see (default psnr)",
    )
    sub.add_argument(
        "--allow-loss", type=float, metavar="DB",
        help="a fused picture may lose this to its base picture in PSNR-Y and still be shown, half of it where the last one was not "
        "(default 0, perceptual 1.5; 100: always fused)",
    )  # fmt: skip
    sub.add_argument(
        "--base-codec",
        default="hevc",
        help=f"{', '.join(BASE_CODECS)} (default hevc; vvc is slow; mixed: first pictures VVC, the others HEVC; auto, fewest bits: "
        f"vvc up to QP {VVC_TO}, else mixed; mixed with --tune perceptual)",
    )
    sub.add_argument(
        "--base-scale",
        type=int,
        default=1,
        metavar="N",
        help="base layer at 1/N of the side: 1, 2 or 4",
    )
    sub.add_argument(
        "--frame-step",
        type=int,
        default=1,
        metavar="N",
        help="base pictures for every Nth frame: 1, 2 or 4",
    )
    sub.add_argument(
        "--keypoints",
        type=int,
        metavar="K",
        help="keypoints of a frame, 5 to 40, as the network takes them (default 10)",
    )
    sub.add_argument(
        "--scalable",
        action="store_true",
        help="keypoints follow the head finely, for `hdac decode --level animation`",
    )
    sub.add_argument(
        "--preset",
        help=f"effort: {', '.join(PRESETS)} (default: slow, but medium for --base-codec vvc); fast also tries fusion "
        "on every third picture only, slower also tries which codec of auto takes less (fidelity, from QP 31): 1 to 3 frames of "
        "256x256 a second",
    )
    sub.add_argument(
        "--size", metavar="WxH", help="scale to this size; for .yuv: the size of its pictures"
    )
    sub.add_argument(
        "--fps",
        metavar="RATE",
        help="frame rate, overriding the source's, for example 25 or 30000/1001",
    )
    sub.add_argument(
        "--refresh", default="auto", help="new reference pictures: auto, never or every N frames"
    )
    sub.add_argument("--frames", type=int, metavar="N", help="code only the first N frames")
    sub.add_argument(
        "--ffmpeg",
        metavar="PATH",
        help="FFmpeg executable (needed for --base-codec vvc, mixed and auto)",
    )
    sub.add_argument("-f", "--force", action="store_true", help="overwrite OUT.hdac")
    sub.add_argument(
        "--precision",
        default="auto",
        help="networks compute in fp32, bf16, or what is faster here (default auto)",
    )
    add_device(sub)
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    config = EncoderConfig(
        mode=options.mode,
        qp_base=options.qp_base,
        qp_intra=options.qp_intra,
        kbps=parse_bitrate(options.bitrate) if options.bitrate else None,
        model=options.model,
        tune=options.tune,
        allow_loss=options.allow_loss,
        base_codec=options.base_codec,
        refresh=parse_refresh(options.refresh),
        base_scale=options.base_scale,
        frame_step=options.frame_step,
        keypoints=options.keypoints,
        scalable=options.scalable,
        preset=options.preset,
        device=options.device,
        ffmpeg=options.ffmpeg,
        precision=options.precision,
    )
    if options.frames is not None and options.frames < 1:
        raise UsageError(f"--frames {options.frames}; at least 1 frame is needed")
    check_output(options.output, options.force, (SUFFIX,))
    fps = parse_fps(options.fps) if options.fps else None
    source = VideoReader(options.input, parse_size(options.size) if options.size else None, fps)
    info = source.info
    for note in info.notes:
        say(f"hdac: {info.path}: {note}")
    frames = min((n for n in (options.frames, info.frames) if n is not None), default=None)
    colour = Colour(info.matrix, info.primaries, info.transfer)
    start = time.perf_counter()
    with progress("encoding", frames) as told:
        pictures = itertools.islice(source, options.frames)
        data = encode(pictures, info.width, info.height, info.fps, config, colour, told, frames)
    seconds = time.perf_counter() - start
    write_atomically(options.output, data)
    made = inspect(data)
    summary = {
        "output": str(options.output),
        **made.to_json(),
        "notes": list(info.notes),
        "seconds": round(seconds, 3),
    }
    wanted = config.animation_kbps if config.mode == "animation" else config.kbps
    if wanted is not None and not 0.85 < made.kbps / wanted < 1.15:
        say(
            f"hdac: {made.kbps:.2f} kbps is as near to {wanted:g} kbps as this source gets with --mode {config.mode}"
        )
    qps = ", ".join(sorted({f"{ref}/{base}" for ref, base in made.qps}))
    text = f"{options.output}: {made.frames} frames, {made.bytes} bytes, {made.kbps:.2f} kbps (QP {qps}, {made.refreshes} refreshes)"
    result(options, summary, text)
