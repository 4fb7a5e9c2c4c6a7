"""Finding and running FFmpeg; its command lines are ffmpeg-python's (module `ffmpeg`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from hdac.errors import ToolError, UsageError

VARIABLE = "HDAC_FFMPEG"
#: Only errors are said.
QUIET = ("-hide_banner", "-loglevel", "error")


@cache
def encoders(ffmpeg: str) -> frozenset[str]:
    """Names of the encoders that an FFmpeg executable offers; empty if it does not run."""
    try:
        done = subprocess.run(
            [ffmpeg, "-hide_banner", "-encoders"],
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    words = (line.split() for line in done.stdout.splitlines())
    return frozenset(w[1] for w in words if len(w) > 1)


def find_ffmpeg(option: str | os.PathLike[str] | None = None) -> str:
    """The FFmpeg to run: `option`, then `HDAC_FFMPEG`, then a system ffmpeg with libx265, then
    imageio-ffmpeg's.

    Raises `UsageError` for a named one that does not run, `ToolError` if none is found.
    """
    for source, named in (("--ffmpeg", option), (VARIABLE, os.environ.get(VARIABLE))):
        if named:
            if not encoders(str(named)):
                raise UsageError(
                    f"{source} {named}: not an FFmpeg that runs; name an ffmpeg executable or "
                    "leave it out"
                )
            return str(named)
    system = shutil.which("ffmpeg")
    if system and "libx265" in encoders(system):
        return system
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise ToolError(
            f"no FFmpeg found ({error}): install ffmpeg, or set {VARIABLE} to an executable"
        ) from error


def has_encoder(name: str, ffmpeg: str | os.PathLike[str] | None = None) -> bool:
    """Whether the FFmpeg that would run has an encoder of this name; where none is found, none has.

    Raises `UsageError` for a named FFmpeg that does not run.
    """
    try:
        return name in encoders(find_ffmpeg(ffmpeg))
    except ToolError:
        return False


def raw_input(source: str | Path, width: int, height: int, fps: Fraction, **options: object) -> Any:
    """An input of ffmpeg-python: raw 4:2:0 of 8 bits; `source` "-": FFmpeg's standard input."""
    import ffmpeg

    shape = {"s": f"{width}x{height}", "r": str(fps)}
    return ffmpeg.input(str(source), f="rawvideo", pix_fmt="yuv420p", **shape, **options)


def run_ffmpeg(
    arguments: list[str], ffmpeg: str | None = None, data: bytes | None = None, timeout: float = 600
) -> bytes:
    """Runs FFmpeg; returns its standard output. `data` goes to its standard input.

    Raises `ToolError` with the command and the end of its messages if it fails or takes longer than
    `timeout` seconds.
    """
    command = [find_ffmpeg(ffmpeg), *QUIET, *arguments]
    try:
        done = subprocess.run(
            command,
            input=b"" if data is None else data,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"FFmpeg took longer than {timeout:g} s: {Path(command[0]).name} "
            f"{' '.join(command[1:])}"
        ) from error
    if done.returncode:
        tail = done.stderr.decode(errors="replace")[-800:].strip()
        raise ToolError(f"FFmpeg failed ({done.returncode}): {' '.join(command[1:])}\n{tail}")
    return done.stdout
