"""What is known of a video before its first picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hdac.errors import UsageError

DEFAULT_FPS = Fraction(25)
#: Ticks per second of the times of frames where the rate varies.
CLOCK = 1000


@dataclass(frozen=True)
class VideoInfo:
    """A source as it will be coded, or a video to write.

    path: of the file or folder ("-": stdin, stdout). width, height: may be odd (pictures are padded
    to even by edge replication). fps: frames per second; where the rate varies, their mean.
    frames: None where only reading would tell. matrix, primaries, transfer: code points of H.273.
    notes: what was converted or left out. times: ms at which each frame is shown, from 0, growing;
    None for a constant rate.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int | None = None
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    notes: tuple[str, ...] = ()
    times: tuple[int, ...] | None = None


def assumed(what: str) -> str:
    """The note for a source without a frame rate; what: "raw yuv carries"."""
    return f"{what} no frame rate; {DEFAULT_FPS} frames per second assumed (set it with --fps)"


def parse_size(text: str) -> tuple[int, int]:
    """`WxH` in pixels. Raises `UsageError`."""
    match = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    if not match or not int(match[1]) or not int(match[2]):
        raise UsageError(f"size {text!r}; expected WIDTHxHEIGHT in pixels, for example 256x256")
    return int(match[1]), int(match[2])
