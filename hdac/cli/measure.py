"""Measure a decoded video against its source.

Both are read as 8-bit limited-range 4:2:0; RGB metrics convert both by the same formula. Metrics
that lack a network or a filter here are said to be unavailable, with the reason.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from hdac.atomic import write_atomically
from hdac.bench.raw import read_clip
from hdac.bench.results import csv_text
from hdac.cli.common import add_json, result
from hdac.errors import UsageError
from hdac.metrics.contract import Scores
from hdac.metrics.registry import DEFAULT, METRICS, measure
from hdac.video.reader import parse_size


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("source", metavar="SRC", help="the original video")
    sub.add_argument(
        "decoded", metavar="DEC", help="the decoded video, of the same size and number of frames"
    )
    sub.add_argument(
        "--metrics",
        metavar="A,B",
        help=f"all, or some of {', '.join(METRICS)} (default {','.join(DEFAULT)})",
    )
    sub.add_argument("--size", metavar="WxH", help="size of raw .yuv files")
    sub.add_argument(
        "--per-frame", metavar="OUT.csv", type=Path, help="also write one line a frame"
    )
    sub.add_argument("-f", "--force", action="store_true", help="overwrite OUT.csv")
    add_json(sub)


def run(options: argparse.Namespace) -> int:
    keys = tuple(METRICS) if options.metrics == "all" else DEFAULT
    if options.metrics and options.metrics != "all":
        keys = tuple(k.strip() for k in options.metrics.split(",") if k.strip())
    if options.per_frame and options.per_frame.exists() and not options.force:
        raise UsageError(
            f"{options.per_frame} exists; choose another name or give -f to overwrite it"
        )
    size = parse_size(options.size) if options.size else None
    x, x_hat = (
        read_clip(Path(options.source), None, size),
        read_clip(Path(options.decoded), None, size),
    )
    scores = measure(x, x_hat, keys)
    given = {k: s for k, s in scores.items() if isinstance(s, Scores)}
    reasons = {k: str(s) for k, s in scores.items() if not isinstance(s, Scores)}
    if options.per_frame:
        columns = {k: s.frames for k, s in given.items() if s.frames is not None}
        rows = [
            [i, *("" if math.isnan(c[i]) else f"{c[i]:.6g}" for c in columns.values())]
            for i in range(len(x.pictures))
        ]
        write_atomically(options.per_frame, csv_text(["frame", *columns], rows).encode())
    data: dict[str, object] = {
        "frames": len(x.pictures), "width": x.size[0], "height": x.size[1],
        "metrics": {k: s.value for k, s in given.items()}, "unavailable": reasons,
    }  # fmt: skip
    lines = []
    for key in keys:
        contract = METRICS[key].contract
        unit, arrow = (
            f" {contract.unit}" if contract.unit else "",
            "higher" if contract.higher_is_better else "lower",
        )
        text = (
            f"{given[key].value:.4f}{unit} ({arrow} is better; {contract.averaging})"
            if key in given
            else f"unavailable: {reasons[key]}"
        )
        lines.append(f"{key:14} {text}")
    result(options, data, "\n".join(lines))
    return 0 if given else 1
