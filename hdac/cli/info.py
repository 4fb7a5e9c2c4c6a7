"""Say what an .hdac file holds: size, rate, and where its bits went."""

from __future__ import annotations

import argparse

from hdac.cli.common import (
    add_input,
    add_json,
    add_max_pixels,
    parse_pixels,
    read_stream,
    result,
)


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_input(sub)
    add_max_pixels(sub)
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    from hdac.codec.files import inspect

    pixels = parse_pixels(options.max_pixels)
    info = inspect(read_stream(options.input), pixels)
    data, total = info.to_json(), 8 * info.bytes
    lines = [
        f"{k + ':':12} {data[k]}" for k in ("frames", "fps", "width", "height", "kbps", "bytes")
    ]
    lines.append(f"{'bits:':12} {total}")
    for name, count in vars(info.bits).items():
        lines.append(f"  {name + ':':10} {count} ({100 * count / total:.1f} %)")
    about = ("mode", "model", "tune", "base_codec", "refreshes", "qp_intra", "qp_base")
    lines += [f"{key + ':':12} {data[key]}" for key in about]
    result(options, data, "\n".join(lines))
