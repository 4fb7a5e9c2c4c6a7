"""Say what an .hdac file holds: size, rate, and where its bits went."""

from __future__ import annotations

import argparse
from pathlib import Path

from hdac.cli.common import add_json, read_stream, result
from hdac.codec.files import inspect


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("input", metavar="IN.hdac", type=Path)
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    info = inspect(read_stream(options.input))
    data = info.to_json()
    total = 8 * info.bytes
    bits = info.bits
    parts = {
        "header": bits.header,
        "base": bits.base,
        "reference": bits.reference,
        "motion": bits.motion,
        "fusion": bits.fusion,
    }
    lines = [
        f"{key + ':':12} {data[key]}"
        for key in ("frames", "fps", "width", "height", "kbps", "bytes")
    ]
    lines += [f"{'bits:':12} {total}"] + [
        f"  {name + ':':10} {count} ({100 * count / total:.1f} %)" for name, count in parts.items()
    ]
    lines += [
        f"{key + ':':12} {data[key]}"
        for key in ("mode", "model", "tune", "base_codec", "refreshes", "qp_intra", "qp_base")
    ]
    result(options, data, "\n".join(lines))
