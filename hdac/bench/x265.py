"""The HEVC anchor `x265-tuned` on pictures in memory: what `hdac demo` compares with, and a search
for a rate."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hdac.atomic import scratch_folder
from hdac.bench.codecs import load_codec
from hdac.bench.point import Coded, code_clip
from hdac.metrics.contract import Clip
from hdac.video.picture import Picture


def x265_tuned(pictures: Sequence[Picture], fps: Fraction, qp: int) -> Coded:
    """Codes and decodes all pictures at one QP. Raises `ToolError`."""
    with scratch_folder() as folder:
        return code_clip(load_codec("x265-tuned"), Clip(pictures, fps), qp, folder)


def x265_at_rate(pictures: Sequence[Picture], fps: Fraction, kbps: float) -> tuple[int, Coded]:
    """The finest QP whose stream is not larger than `kbps` (else QP 51), and the clip there.
    Bisection over the QP."""
    low, high, best = 0, 51, None
    while low < high:
        qp = (low + high) // 2
        coded = x265_tuned(pictures, fps, qp)
        if coded.kbps(fps) <= kbps:
            high, best = qp, (qp, coded)
        else:
            low = qp + 1
    return best if best and best[0] == low else (low, x265_tuned(pictures, fps, low))
