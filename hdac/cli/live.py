"""Send a live stream to another machine, or show one: WebRTC, for lines that lose packets.

`serve` prints a URL; `join` takes it. Needs hdac[live].
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdac.cli.common import (
    add_audio,
    add_device,
    add_max_pixels,
    parse_audio,
    parse_bitrate,
    parse_fps,
    parse_pixels,
    result,
    say,
    say_notes,
)
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.live.meter import Meter


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    serving = actions.add_parser("serve", help="send a camera, a file or a test picture")
    serving.add_argument(
        "--source", required=True, metavar="camera|FILE|testsrc",
        help="camera (camera:DEVICE: another one), a video file at its pace, or a test picture",
    )  # fmt: skip
    serving.add_argument(
        "--bitrate", default="8k", metavar="8k",
        help="of pictures, at most, in bit/s (k: kbit/s) (default 8k); a bad line gets less",
    )  # fmt: skip
    serving.add_argument("--mode", default="hybrid", help="hybrid or base (default hybrid)")
    text = "effort: fast, medium, slow or slower (default fast)"
    serving.add_argument("--preset", default="fast", help=text)
    text = "of camera and testsrc (default 256x256), or scale FILE to it"
    serving.add_argument("--size", metavar="WxH", help=text)
    serving.add_argument("--fps", metavar="RATE", help="frames per second (default the source's)")
    serving.add_argument("--frames", type=int, metavar="N", help="of FILE or testsrc: end after N")
    add_audio(serving)
    text = "of --source camera (libav's name of a device; default the system's)"
    serving.add_argument("--microphone", metavar="DEVICE", help=text)
    text = "address for viewers to join at (default 127.0.0.1: this machine alone)"
    serving.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=text)
    serving.add_argument(
        "--key", type=Path, metavar="FILE", help="of --cert, where it is not in it"
    )
    joining = actions.add_parser("join", help="show a stream, or write it to a file")
    joining.add_argument("url", metavar="URL", help="as `hdac live serve` printed it")
    joining.add_argument(
        "-o", "--output", required=True, metavar="window|page|virtual-camera|FILE",
        help="page: for a browser on this machine; FILE: .y4m, .mp4, .mkv, .yuv or a folder of PNG",
    )  # fmt: skip
    joining.add_argument(
        "--level", default="fused", help="fused, base or animation (default fused)"
    )
    joining.add_argument("--frames", type=int, metavar="N", help="leave after N frames")
    joining.add_argument("-f", "--force", action="store_true", help="overwrite FILE")
    add_max_pixels(joining)
    for action, cert in (
        (serving, "certificate (PEM): https instead of http"),
        (joining, "certificates (PEM) to trust instead of the system's"),
    ):
        add_device(action)
        text = "port of the URL, of join: of the page (default any)"
        action.add_argument("--port", type=int, default=0, metavar="N", help=text)
        action.add_argument("--cert", type=Path, metavar="FILE", help=cert)
        text = "server that tells a machine behind a router its address"
        action.add_argument("--stun", metavar="stun:HOST:PORT", help=text)
        text = "statistics each second as JSON lines on stdout"
        action.add_argument("--json", action="store_true", help=text)


def run(options: argparse.Namespace) -> None:
    import aiortc  # noqa: F401  (what is missing is said before anything else)

    if not 0 <= options.port <= 65535:
        raise UsageError(f"--port {options.port}; allowed are 0 (any) to 65535")
    if options.frames is not None and options.frames < 1:
        raise UsageError(f"--frames {options.frames}; at least 1 frame is needed")
    {"serve": _serve, "join": _join}[options.action](options)


def _serve(options: argparse.Namespace) -> None:
    from hdac.codec.config import EncoderConfig
    from hdac.live.serve import ServeOptions, serve
    from hdac.live.sources import open_source
    from hdac.video.reader import parse_size

    config = EncoderConfig(
        mode=options.mode, kbps=parse_bitrate(options.bitrate), preset=options.preset,
        device=options.device, live=True,
    )  # fmt: skip
    if config.mode == "animation":
        raise UsageError("--mode animation; it holds no bit rate: choose hybrid or base")
    asked = ServeOptions(
        options.host, options.port, options.cert, options.key, options.stun, options.json
    )
    size = parse_size(options.size) if options.size else None
    fps = parse_fps(options.fps) if options.fps else None
    source, notes = open_source(
        options.source, size, fps, options.frames, parse_audio(options), options.microphone
    )
    say_notes(options.source, notes)

    def on_url(url: str) -> None:
        _tell(options, {"url": url}, f"hdac live join {url} -o page")

    _end(options, serve(source, config, asked, on_url), {})


def _join(options: argparse.Namespace) -> None:
    from hdac.live.join import JoinOptions, join

    if options.output == "-" and options.json:
        raise UsageError("-o - with --json: both go to stdout; give a file, or no --json")
    asked = JoinOptions(
        options.output, options.force, options.level, options.device,
        parse_pixels(options.max_pixels), options.port, options.frames, options.cert, options.stun,
        options.json,
    )  # fmt: skip

    def on_ready(told: dict[str, Any]) -> None:
        text = f"page: {told['page']}" if "page" in told else f"a stream of {told['stream']}"
        _tell(options, told, text)

    meter, receiver = join(options.url, asked, on_ready)
    _end(options, meter, {"given_up": receiver.given_up, "recovered": receiver.recovered})


def _tell(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    piped = getattr(options, "output", "") == "-"
    file = sys.stderr if piped else sys.stdout
    print(json.dumps(data) if options.json else text, file=file, flush=True)


def _end(options: argparse.Namespace, meter: Meter, more: dict[str, Any]) -> None:
    left = ("bits", "sound_bits", "delay_ms")
    total = {key: value for key, value in meter.total.items() if key not in left}
    counts = {**total, **more}
    text = ", ".join(f"{value} {key}" for key, value in counts.items())
    result(options, {"total": counts}, text or "nothing was sent")
    if not total:
        say("hdac: no picture went through")
