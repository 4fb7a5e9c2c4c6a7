"""Encode or decode many files, several at once. What is there already is kept; a job that was
killed goes on.

Writes batch.csv into the output folder; exit code 1 if a file failed.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

from hdac.bench.batch import (
    INPUT_SUFFIXES,
    check_out,
    decode_tasks,
    encode_tasks,
    find_inputs,
    run_batch,
    write_list,
)
from hdac.bench.engine import check_jobs
from hdac.bench.runner import progress_lines
from hdac.cli.common import add_json, parse_bitrate, result, say
from hdac.codec.config import BASE_CODECS, MODES, TUNES, EncoderConfig
from hdac.codec.decoder import LEVELS
from hdac.errors import UsageError
from hdac.layers.base import PRESETS
from hdac.nets.zoo import DEFAULT

FORMATS = ("mp4", "mkv", "y4m", "yuv")


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    encode = actions.add_parser("encode", help="videos to .hdac files")
    encode.add_argument(
        "-q", "--qp-base", metavar="37,44,51", help="one file for each QP of the base layer"
    )
    encode.add_argument("--bitrate", metavar="5k,10k", help="one file for each target rate")
    encode.add_argument("--mode", default="hybrid", help=f"{', '.join(MODES)} (default hybrid)")
    encode.add_argument(
        "--model", default=DEFAULT, metavar="NAME", help=f"network (default {DEFAULT})"
    )
    encode.add_argument(
        "--base-codec",
        default="hevc",
        help=f"{', '.join(BASE_CODECS)} (default hevc, see `hdac encode --help`)",
    )
    encode.add_argument("--tune", default="psnr", help=f"{' or '.join(TUNES)} (default psnr)")
    encode.add_argument("--preset", help=f"effort: {', '.join(PRESETS)} (see `hdac encode --help`)")
    decode = actions.add_parser("decode", help=".hdac files to videos")
    decode.add_argument("--level", default="fused", help=f"{', '.join(LEVELS)} (default fused)")
    decode.add_argument(
        "--format",
        default="mp4",
        help=f"{', '.join(FORMATS)} (default mp4; mkv, y4m and yuv are lossless)",
    )
    for action in (encode, decode):
        action.add_argument(
            "inputs",
            nargs="+",
            metavar="PATTERN",
            help="files, folders, or patterns such as 'clips/**/*.mp4'",
        )
        action.add_argument("--out", required=True, type=Path, metavar="DIR")
        action.add_argument(
            "-j",
            "--jobs",
            type=int,
            default=os.cpu_count() or 1,
            metavar="N",
            help="files at once (default: all cores)",
        )
        action.add_argument(
            "--scheduler",
            metavar="ADDRESS",
            help="a dask scheduler, for example tcp://10.0.0.1:8786",
        )
        action.add_argument("-f", "--force", action="store_true", help="make again what is there")
        add_json(action)


def _numbers(text: str, name: str) -> list[str]:
    parts = [p.strip() for p in text.split(",") if p.strip()]
    if not parts:
        raise UsageError(f"{name} {text!r}; give numbers separated by commas")
    return parts


def _points(options: argparse.Namespace) -> list[tuple[str, str]]:
    """(option, value) of each rate point, each of them checked before anything runs."""
    config = EncoderConfig(
        mode=options.mode, base_codec=options.base_codec, tune=options.tune, preset=options.preset
    )
    if options.qp_base and options.bitrate:
        raise UsageError("-q and --bitrate contradict each other; give one of them")
    if options.qp_base:
        values = _numbers(options.qp_base, "-q")
        for value in values:
            if not value.isdigit():
                raise UsageError(f"-q {value}; expected whole numbers from 0 to 51")
            replace(config, qp_base=int(value))
        return [("--qp-base", v) for v in values]
    if options.bitrate:
        values = _numbers(options.bitrate, "--bitrate")
        for value in values:
            replace(config, kbps=parse_bitrate(value))
        return [("--bitrate", v) for v in values]
    return [("", "")]


def run(options: argparse.Namespace) -> int:
    jobs = check_jobs(options.jobs)
    inputs = find_inputs(options.inputs, INPUT_SUFFIXES[options.action])
    if options.action == "encode":
        preset = ("--preset", options.preset) if options.preset else ()
        common = (
            "--mode",
            options.mode,
            "--model",
            options.model,
            "--base-codec",
            options.base_codec,
            "--tune",
            options.tune,
            *preset,
        )
        tasks = encode_tasks(inputs, options.out, _points(options), common)
    else:
        if options.format not in FORMATS:
            raise UsageError(f"--format {options.format}; choose one of {', '.join(FORMATS)}")
        if options.level not in LEVELS:
            raise UsageError(f"--level {options.level}; choose one of {', '.join(LEVELS)}")
        tasks = decode_tasks(inputs, options.out, f".{options.format}", ("--level", options.level))
    check_out(options.out)
    summary = run_batch(
        tasks, jobs, options.scheduler, options.force, progress_lines(time.monotonic())
    )
    table = options.out / "batch.csv"
    write_list(table, tasks, summary)
    for outcome in summary.failed:
        say(f"hdac: {outcome.task.source} failed: {outcome.error}")
    data: dict[str, object] = {
        "made": [str(o.task.output) for o in summary.made], "kept": [str(t.output) for t in summary.kept],
        "failed": {str(o.task.source): o.error for o in summary.failed}, "list": str(table),
    }  # fmt: skip
    result(
        options,
        data,
        f"{table}: {len(summary.made)} made, {len(summary.kept)} kept, {len(summary.failed)} failed",
    )
    return 1 if summary.failed else 0
