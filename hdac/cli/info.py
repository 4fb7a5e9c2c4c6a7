"""Say what an .hdac file holds: size, rate, and where its bits went; of a VVC stream (.266), its
face parameters."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from hdac.cli.common import (
    add_input,
    add_json,
    add_max_pixels,
    parse_pixels,
    read_stream,
    result,
    say_notes,
)
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.codec.files import StreamInfo


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_input(sub, gfv=True)
    sub.add_argument(
        "--messages",
        action="store_true",
        help="print each face parameter message of a .266 as a line of JSON",
    )
    add_max_pixels(sub)
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    from hdac.codec.files import inspect
    from hdac.codec.gfv.stream import is_annex_b

    pixels = parse_pixels(options.max_pixels)
    stream = read_stream(options.input)
    if is_annex_b(stream):
        _gfv(options, stream, pixels)
        return
    if options.messages:
        raise UsageError(f"--messages: {options.input} is an .hdac file; export it with --gfv")
    info = inspect(stream, pixels)
    data, total = info.to_json(), 8 * info.bytes
    about = ("frames", "fps", "width", "height", "kbps", "audio_kbps", "bytes")
    lines = [f"{k + ':':12} {data[k]}" for k in about]
    lines.append(f"{'bits:':12} {total}")
    for name, count in vars(info.bits).items():
        lines.append(f"  {name + ':':10} {count} ({100 * count / total:.1f} %)")
    rest = ("mode", "model", "motion", "tune", "base_codec", "refreshes", "qp_intra", "qp_base")
    lines += [f"{key + ':':12} {data[key]}" for key in rest]
    lines += _of_motion(info)
    result(options, data, "\n".join(lines))


def _of_motion(info: StreamInfo) -> list[str]:
    """How many frames are sent, and what they take."""
    if info.header.motion is None:
        return []
    rate, raw = f"{info.motion_kbps:.4f}", info.raw_motion_kbps
    if raw is not None:
        rate += f" ({raw:.4f} at 8 bytes a keypoint)"
    each = ", ".join(map(str, info.landmarks))
    numbers = [f"{'landmarks:':12} {each} (of each reference)"] if each else []
    return [*numbers, f"{'sent:':12} {info.sent} frames", f"{'motion_kbps:':12} {rate}"]


def _gfv(options: argparse.Namespace, data: bytes, pixels: int) -> None:
    from hdac.codec.gfv.stream import GfvStream
    from hdac.codec.gfv.summary import network_to_json, to_json

    stream = GfvStream(data, pixels)
    say_notes(options.input, stream.damage.lines())
    if options.messages:
        for located in stream.messages():
            print(json.dumps(to_json(located)))
        return
    about, summary = stream.to_json(), stream.summary
    lines = [f"{k + ':':15} {about[k]}" for k in ("pictures", "width", "height", "fps", "bytes")]
    total = 8 * len(data)
    lines.append(f"{'bits:':15} {total}")
    lines.append(f"  {'messages:':13} {summary.bits} ({100 * summary.bits / total:.1f} %)")
    for key in ("messages", "base_pictures", "fusions", "low_confidence"):
        lines.append(f"{key + ':':15} {about[key]}")
    for name, kinds in (("points", summary.points), ("matrices", summary.matrices)):
        lines += [f"{name + ':':15} {kind} ({count} times)" for kind, count in kinds.items()]
    for network in summary.networks:
        said = json.dumps(network_to_json(network), ensure_ascii=False)
        lines.append(f"{'network:':15} {said}")
    result(options, about, "\n".join(lines))
