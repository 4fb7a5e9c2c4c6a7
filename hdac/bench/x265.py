"""The HEVC anchor `x265-tuned` on pictures in memory: what `hdac demo` compares with, and a search
for a rate."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from hdac.bench.codecs import load_codec
from hdac.bench.point import code_clip
from hdac.metrics.contract import Clip
from hdac.video.picture import Picture


class Anchor(NamedTuple):
    """An anchor's elementary stream (parameter sets included) and its decoded pictures."""

    data: bytes
    pictures: list[Picture]

    def kbps(self, fps: Fraction) -> float:
        return float(len(self.data) * 8 * fps / len(self.pictures) / 1000)


def x265_tuned(pictures: Sequence[Picture], fps: Fraction, qp: int) -> Anchor:
    """Codes and decodes all pictures at one QP. Raises `ToolError`."""
    with tempfile.TemporaryDirectory(prefix="hdac-") as folder:
        coded = code_clip(load_codec("x265-tuned"), Clip(pictures, fps), qp, Path(folder))
    return Anchor(coded.data, coded.pictures)


def x265_at_rate(pictures: Sequence[Picture], fps: Fraction, kbps: float) -> tuple[int, Anchor]:
    """The finest QP whose stream is not larger than `kbps` (else QP 51), and the anchor there.
    Bisection over the QP."""
    low, high, best = 0, 51, None
    while low < high:
        qp = (low + high) // 2
        anchor = x265_tuned(pictures, fps, qp)
        if anchor.kbps(fps) <= kbps:
            high, best = qp, (qp, anchor)
        else:
            low = qp + 1
    return best if best and best[0] == low else (low, x265_tuned(pictures, fps, low))
