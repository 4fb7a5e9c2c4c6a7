"""Operating points: which settings a bit rate stands for. Figures: docs/measured/layers.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from hdac.layers.base import CASCADE, QP_MAX

#: Motion, switch flags and framing in hybrid mode, kbps at 25 frames per second.
ENHANCEMENT_KBPS = 0.06


class OperatingPoint(NamedTuple):
    """Median rate over the `val` clips (256x256, 24 to 30 frames per second) of one setting."""

    kbps: float
    qp_intra: int
    qp_base: int


#: How much lower the first picture's QP is with tune "perceptual": pictures predicted from it keep
#: its texture. In mixed base layers `MIXED_FINER` comes on top.
PERCEPTUAL_FINER, MIXED_FINER = 6, 1
#: Base codec "auto" with tune "psnr" is "vvc" up to this `qp_base`, "mixed" above it.
VVC_TO = 42
#: Base layers of half the size are tried where the frame's sides have at least so many pixels and
#: one of full size would need at least this `qp_base`.
HALF_SIDE, HALF_FROM = 384, 44
#: How far below `qp_base` the first picture's QP is: with Kvazaar, and with VVC and tune "psnr".
KVAZAAR_FINER, VVC_FINER = 8, 3
#: The same where the first picture alone is of the frame's size.
LARGER_FINER = 6


def default_qp_intra(
    qp_base: int,
    cascade: Sequence[int] = CASCADE,
    tune: str = "psnr",
    codec: str = "hevc",
    encoder: str = "x265",
    larger: bool = False,
) -> int:
    """QP of the first picture that goes with `qp_base`: 11 below the mean QP of x265's P pictures,
    and finer with tune "perceptual"; Kvazaar's and libvvenc's are so much below `qp_base`. larger:
    than the others."""
    if larger:
        return max(0, qp_base - LARGER_FINER)
    if encoder == "kvazaar" and codec != "vvc":
        return max(0, qp_base - KVAZAAR_FINER)
    if codec == "vvc" and tune == "psnr":
        return max(0, qp_base - VVC_FINER)
    mean = fmean(min(QP_MAX, qp_base + offset) for offset in cascade)
    finer = PERCEPTUAL_FINER + MIXED_FINER * (codec == "mixed") if tune == "perceptual" else 0
    return max(0, round(mean - 11) - finer)


#: Median rates on every second clip of `val`, hybrid mode (experiments/operating_points.py prints
#: them), with 0.2 kbps of enhancement; PSNR-Y of the base layers 27.05 to 39.55 dB.
TABLE = (
    OperatingPoint(4.1, 40, 51),
    OperatingPoint(5.0, 39, 48),
    OperatingPoint(6.6, 38, 45),
    OperatingPoint(9.4, 36, 42),
    OperatingPoint(13.5, 34, 39),
    OperatingPoint(20.2, 30, 36),
    OperatingPoint(30.2, 28, 33),
    OperatingPoint(48.0, 24, 30),
    OperatingPoint(86.7, 20, 26),
)


def point_for(kbps: float, pixels_per_second: float) -> OperatingPoint:
    """The point whose rate is nearest to `kbps`, interpolated in log rate; the table's clips have
    256 * 256 * 25 pixels a second. Below and above the table, its ends."""
    wanted = kbps * (256 * 256 * 25) / pixels_per_second
    if wanted <= TABLE[0].kbps:
        return TABLE[0]._replace(kbps=kbps)
    for a, b in pairwise(TABLE):
        if wanted <= b.kbps:
            share = math.log(wanted / a.kbps) / math.log(b.kbps / a.kbps)
            intra, base = (
                round(low + share * (high - low)) for low, high in zip(a[1:], b[1:], strict=True)
            )
            return OperatingPoint(kbps, intra, base)
    return TABLE[-1]._replace(kbps=kbps)
