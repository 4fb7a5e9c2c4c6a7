"""What several verbs share: progress, notes, atomic files, argument types."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.layers.reference import Refresh


def say(text: str) -> None:
    """Talk, to stderr."""
    print(text, file=sys.stderr)


def result(options: Namespace, data: dict[str, object], text: str) -> None:
    """Results, to stdout: `text`, or `data` with --json."""
    print(json.dumps(data) if options.json else text)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr (only on a terminal); the yielded function is told how many frames
    are done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def parse_bitrate(text: str) -> float:
    """`8k` or `8000` -> kbps. Raises `UsageError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(k(?:bps)?)?", text.strip().lower())
    if not match:
        raise UsageError(f"--bitrate {text}; expected a number with k for kbit/s, for example 8k")
    return float(match[1]) if match[2] else float(match[1]) / 1000


def parse_fps(text: str) -> Fraction:
    """`25`, `29.97` or `30000/1001`. Raises `UsageError`."""
    try:
        fps = Fraction(text).limit_denominator(1001)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"--fps {text}; expected a number or a fraction, for example 25 or 30000/1001"
        ) from None
    if not 0 < fps <= 1000:
        raise UsageError(f"--fps {text}; allowed are more than 0 to 1000 frames per second")
    return fps


def parse_refresh(text: str) -> Refresh:
    """`auto`, `never` or a period in frames. Raises `UsageError`."""
    if text == "auto" or text == "never":
        return text  # type: ignore[return-value]
    if not text.isdigit():
        raise UsageError(f"--refresh {text}; choose auto, never or a period in frames")
    return int(text)


def read_stream(path: Path) -> bytes:
    """The bytes of an .hdac file. Raises `UsageError` if it is not there."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give an .hdac file")
    return path.read_bytes()


def add_device(sub: ArgumentParser) -> None:
    sub.add_argument(
        "--device", default="auto", help="where networks run: auto, cpu or cuda (default auto)"
    )


def add_json(sub: ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="print the result as one JSON object")
