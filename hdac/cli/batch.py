"""Encode or decode many files, several at once. What is there already is kept; a job that was
killed goes on.

Writes batch.csv into the output folder; exit code 1 if a file failed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from hdac.cli.common import (
    add_audio,
    add_json,
    add_max_pixels,
    add_no_audio,
    parse_audio,
    parse_bitrate,
    parse_pixels,
    result,
    say,
)
from hdac.cli.experiment import add_work
from hdac.errors import UsageError

FORMATS = ("mp4", "mkv", "y4m", "yuv")
#: Options of `hdac encode` that are passed on.
_PASSED = ("--mode", "--model", "--base-codec", "--base-encoder", "--tune", "--preset")


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    encode = actions.add_parser("encode", help="videos to .hdac files")
    text = "one file for each QP of the base layer"
    encode.add_argument("-q", "--qp-base", metavar="37,44,51", help=text)
    encode.add_argument("--bitrate", metavar="5k,10k", help="one file for each target rate")
    for option in _PASSED:
        encode.add_argument(option, help="as for `hdac encode`")
    add_audio(encode)
    decode = actions.add_parser("decode", help=".hdac files to videos")
    decode.add_argument("--level", default="fused", help="as for `hdac decode` (default fused)")
    text = f"{', '.join(FORMATS)} (default mp4; mkv, y4m and yuv are lossless)"
    decode.add_argument("--format", default="mp4", help=text)
    add_no_audio(decode)
    add_max_pixels(decode)
    for action in (encode, decode):
        text = "files, folders, or patterns such as 'clips/**/*.mp4'"
        action.add_argument("inputs", nargs="+", metavar="PATTERN", help=text)
        action.add_argument("--out", required=True, type=Path, metavar="DIR")
        add_work(action, "files", "make again what is there")
        add_json(action)


def _field(option: str) -> str:
    return option.strip("-").replace("-", "_")


def _numbers(text: str, name: str) -> list[str]:
    parts = [p.strip() for p in text.split(",") if p.strip()]
    if not parts:
        raise UsageError(f"{name} {text!r}; give numbers separated by commas")
    return parts


def _points(options: argparse.Namespace, given: dict[str, Any]) -> list[tuple[str, str]]:
    """(option, value) of each rate point, each of them checked before anything runs; `given`: the
    other settings of the encoder."""
    from hdac.codec.config import EncoderConfig

    config = EncoderConfig(**given)
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
    from hdac.bench import batch
    from hdac.bench.engine import check_jobs, progress_lines
    from hdac.codec.decoder import LEVELS

    jobs = check_jobs(options.jobs)
    inputs = batch.find_inputs(options.inputs, batch.INPUT_SUFFIXES[options.action])
    sound: tuple[str, ...] = ("--no-audio",) if options.no_audio else ()
    if options.action == "encode":
        values = {option: getattr(options, _field(option)) for option in _PASSED}
        words = {option: value for option, value in values.items() if value is not None}
        points = _points(options, {_field(option): value for option, value in words.items()})
        if parse_audio(options) is not None:
            sound = ("--audio-bitrate", options.audio_bitrate)
        common = tuple(word for pair in words.items() for word in pair) + sound
        tasks = batch.encode_tasks(inputs, options.out, points, common)
    else:
        if options.format not in FORMATS:
            raise UsageError(f"--format {options.format}; choose one of {', '.join(FORMATS)}")
        if options.level not in LEVELS:
            raise UsageError(f"--level {options.level}; choose one of {', '.join(LEVELS)}")
        pixels = str(parse_pixels(options.max_pixels))
        common = ("--level", options.level, "--max-pixels", pixels, *sound)
        tasks = batch.decode_tasks(inputs, options.out, f".{options.format}", common)
    batch.check_out(options.out)
    if not options.force:
        batch.check_kept(options.out, tasks)
    summary = batch.run_batch(tasks, jobs, options.scheduler, options.force, progress_lines())
    table = batch.write_list(options.out, tasks, summary)
    for outcome in summary.failed:
        say(f"hdac: {outcome.task.source} failed: {outcome.error}")
    data: dict[str, object] = {
        "made": [str(o.task.output) for o in summary.made],
        "kept": [str(t.output) for t in summary.kept],
        "failed": {str(o.task.source): o.error for o in summary.failed},
        "list": str(table),
    }
    counts = f"{len(summary.made)} made, {len(summary.kept)} kept, {len(summary.failed)} failed"
    result(options, data, f"{table}: {counts}")
    return 1 if summary.failed else 0
