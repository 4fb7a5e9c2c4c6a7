"""`hdac experiment figure`: one figure of one clip at one rate, for a paper."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.cli.common import add_json, result, say_notes
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.bench.analysis import Run
    from hdac.bench.crops import Box

SUFFIXES = (".pdf", ".svg", ".png")


def add_arguments(sub: argparse.ArgumentParser) -> None:
    kinds = sub.add_subparsers(dest="kind", required=True, metavar="KIND")
    text = "source and codecs side by side, eyes and mouth enlarged, from the coded files"
    crops = kinds.add_parser("crops", help=text)
    text = "results; of several, each codec from the first that has it"
    crops.add_argument("folders", metavar="DIR", type=Path, nargs="+", help=text)
    crops.add_argument("--frame", type=int, metavar="N", help="its number (default: the middle)")
    text = "a part to enlarge, in pixels, instead of eyes and mouth; may be repeated"
    crops.add_argument("--crop", metavar="X,Y,WxH", action="append", default=[], help=text)
    crops.add_argument("--data", metavar="DIR", help="where clips lie (default: HDAC_DATA)")
    text = "the experiment, where its codecs or set are not this installation's"
    crops.add_argument("--recipe", metavar="NAME|FILE", help=text)
    time = kinds.add_parser("time", help="quality frame by frame, refreshes marked")
    time.add_argument("folders", metavar="DIR", type=Path, nargs=1, help="results")
    time.add_argument("--metric", metavar="A", help="default: the first of the experiment")
    for action, codecs in (
        (crops, "default: anchors and hybrids"),
        (time, "default: the first anchor and hdac"),
    ):
        action.add_argument("--sequence", metavar="CLIP", help="default: the first")
        text = "nearest points are shown (default: the first of players_kbps)"
        action.add_argument("--kbps", type=float, metavar="RATE", help=text)
        action.add_argument("--codecs", metavar="A,B", default="", help=codecs)
        text = "a .pdf, .svg or .png"
        action.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help=text)
        action.add_argument("-f", "--force", action="store_true", help="overwrite OUT")
        add_json(action)


def run(options: argparse.Namespace) -> int:
    from hdac.bench.analysis import load
    from hdac.video.writer import check_output

    check_output(options.output, options.force, SUFFIXES)
    runs = [load(folder) for folder in options.folders]
    return (_crops if options.kind == "crops" else _time)(options, runs)


def _place(options: argparse.Namespace, run: Run) -> tuple[str, float]:
    """Clip and rate. Raises `UsageError`."""
    known = run.sequences
    sequence = options.sequence or next(iter(known), "")
    if sequence not in known:
        raise UsageError(f"--sequence {sequence}: choose from {', '.join(known) or 'none'}")
    rates = run.about.players_kbps
    kbps = options.kbps if options.kbps is not None else next(iter(rates), math.nan)
    if not 0 < kbps < math.inf:
        raise UsageError(f"--kbps {kbps:g}; expected a rate above 0, for example 8")
    return sequence, kbps


def _crops(options: argparse.Namespace, runs: list[Run]) -> int:
    from hdac.bench.crops import check_box, crops_figure, face_boxes, find_crops
    from hdac.bench.experiment import load_experiment
    from hdac.bench.plots import drawing, save

    sequence, kbps = _place(options, runs[0])
    boxes = [_box(text) for text in options.crop]
    experiment = load_experiment(options.recipe) if options.recipe else None
    names = words(options.codecs)
    crops = find_crops(runs, sequence, kbps, names, options.frame, experiment, options.data)
    source = crops.tiles[0].rgb
    for box in boxes:
        check_box(box, source)
    with drawing():
        save(crops_figure(crops, boxes or face_boxes(source)), options.output)
    notes = ["these pictures may not be published: the set is private"] if crops.private else []
    say_notes(options.output, [*crops.notes, *notes])
    tiles = [
        {"name": t.name, "kbps": round(t.kbps, 3), "psnr_y": round(t.psnr_y, 3)}
        for t in crops.tiles[1:]
    ]
    data: dict[str, object] = {
        "output": str(options.output), "sequence": sequence, "frame": crops.frame, "tiles": tiles,
    }  # fmt: skip
    lines = [f"{t['name']}: {t['kbps']} kbps, PSNR-Y {t['psnr_y']} dB" for t in tiles]
    head = f"{options.output}: {sequence}, frame {crops.frame}"
    result(options, data, "\n".join([head, *lines]))
    return 0


def _time(options: argparse.Namespace, runs: list[Run]) -> int:
    from hdac.bench.plots import drawing, save
    from hdac.bench.timeline import time_figure

    (run,) = runs
    sequence, kbps = _place(options, run)
    metric = options.metric or next(iter(run.metrics), "")
    if metric not in run.metrics:
        raise UsageError(f"--metric {metric}: choose from {', '.join(run.metrics) or 'none'}")
    codecs = words(options.codecs) or run.shown
    if unknown := [name for name in codecs if name not in run.codecs]:
        raise UsageError(f"--codecs {', '.join(unknown)}: choose from {', '.join(run.codecs)}")
    with drawing():
        figure = time_figure(run, metric, [sequence], codecs, kbps)
        if not figure.axes[0].get_lines():
            raise UsageError(
                f"{run.folder}: no values of {metric} frame by frame for {sequence}; "
                "`hdac experiment run` measures them"
            )
        save(figure, options.output)
    data: dict[str, object] = {"output": str(options.output), "sequence": sequence}
    result(options, data, f"{options.output}: {sequence}, {metric}")
    return 0


def words(text: str) -> list[str]:
    """`a, b` -> a and b."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _box(text: str) -> Box:
    """`X,Y,WxH`. Raises `UsageError`."""
    from hdac.bench.crops import Box

    match = re.fullmatch(r"([0-9]{1,5}),([0-9]{1,5}),([0-9]{1,5})[xX]([0-9]{1,5})", text)
    if not match:
        raise UsageError(f"--crop {text}; expected X,Y,WxH in pixels, for example 80,60,96x48")
    return Box(*map(int, match.groups()))
