"""What several verbs share: progress, notes, input, argument types."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.bitstream.container import MAX_PIXELS
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.layers.reference import Refresh
    from hdac.motion.protocol import Turn


def say(text: str) -> None:
    """Talk, to stderr."""
    print(text, file=sys.stderr)


def say_notes(name: object, notes: Iterable[str]) -> None:
    """What a user should know of a file, to stderr."""
    for note in notes:
        say(f"hdac: {name}: {note}")


def result(options: Namespace, data: dict[str, object], text: str) -> None:
    """Results: `text`, or `data` with --json; to stdout, or to stderr where the output goes
    there."""
    piped = str(getattr(options, "output", "")) == "-"
    print(json.dumps(data) if options.json else text, file=sys.stderr if piped else sys.stdout)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr (only on a terminal); the yielded function is told how many frames
    are done."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def parse_bitrate(text: str, name: str = "--bitrate") -> float:
    """`8k` or `8000` -> kbps. Raises `UsageError`."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(k(?:bps)?)?", text.strip().lower())
    if not match:
        raise UsageError(f"{name} {text}; expected a number with k for kbit/s, for example 8k")
    return float(match[1]) if match[2] else float(match[1]) / 1000


def parse_audio(options: Namespace) -> float | None:
    """The rate of the sound, kbps; None: it is left out. Raises `UsageError`."""
    from hdac.video.opus import check_kbps

    kbps = check_kbps(parse_bitrate(options.audio_bitrate, "--audio-bitrate"))
    return None if options.no_audio else kbps


def parse_fps(text: str) -> Fraction:
    """`25`, `29.97` or `30000/1001`. Raises `UsageError`."""
    from hdac.video.rate import parse_rate

    return parse_rate(text, "--fps")


def parse_refresh(text: str) -> Refresh:
    """`auto`, `never`, `drift` or a period in frames. Raises `UsageError`."""
    if text in ("auto", "never", "drift"):
        return text  # type: ignore[return-value]
    if not re.fullmatch("[0-9]+", text):
        raise UsageError(f"--refresh {text}; choose auto, never, drift or a period in frames")
    return int(text)


def parse_scale(text: str) -> int | None:
    """Raises `UsageError`."""
    if text not in ("auto", "1", "2", "4"):
        raise UsageError(f"--base-scale {text}; choose one of auto, 1, 2, 4")
    return None if text == "auto" else int(text)


def parse_turn(text: str) -> Turn:
    """Raises `UsageError`."""
    try:
        yaw, pitch, roll = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"--rotate {text}; three angles in degrees are needed, for example 20,0,0"
        ) from None
    return yaw, pitch, roll


def parse_pixels(text: str) -> int:
    """`1920x1088` or a number of pixels. Raises `UsageError`."""
    match = re.fullmatch(r"([0-9]{1,9})(?:[xX]([0-9]{1,9}))?", text)
    pixels = int(match[1]) * int(match[2] or 1) if match else 0
    if not pixels:
        raise UsageError(f"--max-pixels {text}; expected WIDTHxHEIGHT or a number, above 0")
    return pixels


def read_stream(name: str | Path) -> bytes:
    """The bytes of an .hdac file, pipe or "-" (stdin). Raises `UsageError` if it is not there."""
    if str(name) == "-":
        return sys.stdin.buffer.read()
    path = Path(name)
    if not path.exists() or path.is_dir():
        raise UsageError(f"{path}: no such file; give an .hdac file")
    return path.read_bytes()


def add_input(sub: ArgumentParser, gfv: bool = False) -> None:
    """gfv: VVC streams with GFV messages are read too."""
    kinds = "an .hdac file, a .266 file with face parameters" if gfv else "an .hdac file"
    name = "IN.hdac|IN.266" if gfv else "IN.hdac"
    sub.add_argument("input", metavar=name, help=f"{kinds}, or - for stdin")


def add_max_pixels(sub: ArgumentParser) -> None:
    sub.add_argument(
        "--max-pixels",
        default=str(MAX_PIXELS),
        metavar="WxH",
        help="refuse larger pictures: WIDTHxHEIGHT or a number (default 1920x1088)",
    )


def add_no_audio(sub: ArgumentParser) -> None:
    sub.add_argument("--no-audio", action="store_true", help="leave the sound out")


def add_audio(sub: ArgumentParser) -> None:
    """What an encoder does with the sound; `parse_audio` reads it."""
    text = "rate of the sound, 6k to 64k (Opus)"
    sub.add_argument("--audio-bitrate", default="8k", metavar="8k", help=text)
    add_no_audio(sub)


def add_device(sub: ArgumentParser) -> None:
    sub.add_argument(
        "--device", default="cpu", help="where networks run: cpu, torch or cuda (default cpu)"
    )


def add_json(sub: ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="print the result as one JSON object")
