"""Measure a decoded video against its source.

Both are read as 8-bit limited-range 4:2:0; RGB metrics convert both by the matrix of the source.
Metrics that lack a network or a filter here are said to be unavailable, with the reason.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

from hdac.atomic import check_apart, write_atomically
from hdac.cli.common import add_json, result, say_notes
from hdac.errors import UsageError


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("source", metavar="SRC", help="the original video")
    text = "the decoded video, of the same size and number of frames"
    sub.add_argument("decoded", metavar="DEC", help=text)
    text = "all, or some of those that `hdac doctor` lists (default: what experiments measure)"
    sub.add_argument("--metrics", metavar="A,B", help=text)
    sub.add_argument("--size", metavar="WxH", help="size of raw .yuv files")
    text = "also write one line a frame"
    sub.add_argument("--per-frame", metavar="OUT.csv", type=Path, help=text)
    sub.add_argument("-f", "--force", action="store_true", help="overwrite OUT.csv")
    add_json(sub)


def run(options: argparse.Namespace) -> int:
    from hdac.bench.cells import csv_text
    from hdac.bench.raw import rate_note, read_clip
    from hdac.metrics.contract import Scores
    from hdac.metrics.registry import DEFAULT, METRICS, measure
    from hdac.video.reader import parse_size

    keys = tuple(METRICS) if options.metrics == "all" else DEFAULT
    if options.metrics and options.metrics != "all":
        keys = tuple(k.strip() for k in options.metrics.split(",") if k.strip())
    table: Path | None = options.per_frame
    if table and table.exists() and not options.force:
        raise UsageError(f"{table} exists; choose another name or give -f to overwrite it")
    if table:
        check_apart(table, (options.source, options.decoded))
    size = parse_size(options.size) if options.size else None
    x, x_hat = (
        read_clip(Path(path), None, size, partial(say_notes, path))
        for path in (options.source, options.decoded)
    )
    if x_hat.matrix != x.matrix:
        tags = f"matrix {x_hat.matrix}, the source {x.matrix} (as tagged, or assumed)"
        say_notes(options.decoded, [f"{tags}: the source's holds for both"])
        x_hat = replace(x_hat, matrix=x.matrix)
    raw = Path(options.source).suffix == ".yuv" or Path(options.decoded).suffix == ".yuv"
    if not raw and (note := rate_note(x.fps, x_hat.fps)):
        say_notes(options.decoded, [note])
    scores = measure(x, x_hat, keys)
    given = {k: s for k, s in scores.items() if isinstance(s, Scores)}
    reasons = {k: str(s) for k, s in scores.items() if not isinstance(s, Scores)}
    if table:
        columns = {k: s.frames for k, s in given.items() if s.frames is not None}
        rows = [
            [i, *("" if math.isnan(c[i]) else f"{c[i]:.6g}" for c in columns.values())]
            for i in range(len(x.pictures))
        ]
        write_atomically(table, csv_text(["frame", *columns], rows).encode())
    data: dict[str, object] = {
        "frames": len(x.pictures),
        "width": x.size[0],
        "height": x.size[1],
        "metrics": {k: s.value for k, s in given.items()},
        "unavailable": reasons,
    }
    lines = []
    for key in keys:
        text, contract = f"unavailable: {reasons.get(key)}", METRICS[key].contract
        if key in given:
            value = f"{given[key].value:.4f} {contract.unit}".strip()
            way = "higher" if contract.higher_is_better else "lower"
            text = f"{value} ({way} is better; {contract.averaging})"
        lines.append(f"{key:15} {text}")
    result(options, data, "\n".join(lines))
    return 0 if given else 1
