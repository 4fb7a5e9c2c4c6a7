"""Measure the speed of encoder and decoder by stage, int8 and fp32, OpenVINO and PyTorch, in turn.

Figures are of this machine, as busy as it is: compare rows of one run.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import asdict
from pathlib import Path

from hdac.cli.common import add_json, result
from hdac.errors import UsageError


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("source", metavar="SRC", type=Path, help="any video that `hdac encode` reads")
    text = "pictures of it (default 60)"
    sub.add_argument("--frames", type=int, default=60, metavar="N", help=text)
    sub.add_argument("--runs", type=int, default=5, metavar="N", help="runs (default 5)")
    text = "hybrid (default) or animation"
    sub.add_argument("--mode", choices=("hybrid", "animation"), default="hybrid", help=text)
    sub.add_argument("--model", help="network (default: the mode's)")
    text = "QP of the base layer, in mode animation of the reference (default 44)"
    sub.add_argument("-q", "--qp-base", type=int, default=44, metavar="QP", help=text)
    sub.add_argument("--preset", help="effort of the base encoder (default slow)")
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    from hdac.bench.cells import markdown
    from hdac.bench.environment import environment
    from hdac.bench.speed import measure
    from hdac.codec.config import EncoderConfig
    from hdac.video.reader import VideoReader

    if options.frames < 2 or options.runs < 1:
        raise UsageError(
            f"--frames {options.frames}, --runs {options.runs}; at least 2 and 1 are needed"
        )
    reader = VideoReader(options.source)
    pictures = list(itertools.islice(reader, options.frames))
    if len(pictures) < 2:
        raise UsageError(f"{options.source}: {len(pictures)} pictures; at least 2 are needed")
    place = "qp_base" if options.mode == "hybrid" else "qp_intra"
    settings = {place: options.qp_base, "model": options.model, "preset": options.preset}
    config = EncoderConfig(options.mode, **settings)
    rows = measure(pictures, reader.info.fps, config, options.runs)
    head = ("stage", "number format", "device", "side by side", "ms a picture", "pictures/s")
    cells = [
        [
            r.stage, r.precision, r.device, str(r.side_by_side),
            f"{r.milliseconds:.1f} ({r.least:.1f} to {r.most:.1f})", f"{r.pictures_per_second:.1f}",
        ]
        for r in rows
    ]  # fmt: skip
    size = f"{reader.info.width}x{reader.info.height}"
    data: dict[str, object] = {
        "source": options.source.name,
        "size": size,
        "frames": len(pictures),
        "runs": options.runs,
        "model": config.network,
        place: options.qp_base,
        "rows": [{**asdict(r), "pictures_per_second": r.pictures_per_second} for r in rows],
        "environment": environment(),
    }
    table = markdown(head, cells)
    result(options, data, f"{size}, {len(pictures)} pictures, {options.runs} runs\n\n{table}")
