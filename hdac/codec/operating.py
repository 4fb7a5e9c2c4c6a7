"""Operating points: which settings a bit rate stands for."""

from __future__ import annotations

import math
from typing import NamedTuple

from hdac.layers.base import CASCADE, QP_MAX

#: Mode `animation` aims at this rate, reference included, where nothing else is asked for.
ANIMATION_KBPS = 3.5
#: Motion, switch flags and framing in hybrid mode, kbps at 25 frames per second (0.04 to 0.10 on
#: three val clips, qp_base 36 to 51); with frame steps, where keypoints are coded for what they do
#: (0.06 to 0.27). Finer keypoints (`scalable`, the published networks) are not in it.
ENHANCEMENT_KBPS = 0.06
STEPPED_KBPS = 0.2


class OperatingPoint(NamedTuple):
    """Median rate over the `val` clips (256x256, 24 to 30 frames per second) of one setting."""

    kbps: float
    qp_intra: int
    qp_base: int


#: How much lower the first picture's QP is with `--tune perceptual`: pictures predicted from it
#: keep its texture. Rate of the base layers of two val clips (200 pictures) at equal LPIPS /
#: msVGG-lite / PSNR-Y: with 4 lower -25 / -19 / -3 % and -17 / -3 / +6 %, with 6 -37 / -21 / 0 %
#: and -28 / -3 / +10 %, with 8 out of range / -23 / +8 % and -32 / +2 / +19 %.
PERCEPTUAL_FINER = 6


#: How much lower it is in mixed base layers with tune "perceptual". Rate of the base layers of four
#: val clips (100 pictures) at equal PSNR-Y, against HEVC, tune "psnr": with the first picture's QP
#: 4 higher -3.5 %, 2 higher -6.4 %, the same -7.8 %, 2 lower -7.4 %. With tune "perceptual", two
#: val clips (100 pictures): with 1 higher LPIPS and identity are worse than HEVC's at equal QPs,
#: with 2 lower better at the same rate.
MIXED_FINER = 1


#: Base codec "auto" with tune "psnr" is "vvc" up to this `qp_base`, "mixed" above it. What VVC
#: needs against "mixed" at equal PSNR-Y on three val clips (base layers, preset slow, 80 pictures):
#: at `qp_base` 35 9 and 26 % less (two clips), at 41 1 % less, 5 % more and 20 % less, at 46 12 %
#: more, 2 and 16 % less.
VVC_TO = 42


def default_qp_intra(
    qp_base: int, cascade: tuple[int, ...] = CASCADE, tune: str = "psnr", codec: str = "hevc"
) -> int:
    """QP of the first picture that goes with `qp_base`: 11 below the mean QP of the P pictures,
    less `PERCEPTUAL_FINER` with tune "perceptual", less `MIXED_FINER` too with codec "mixed"."""
    mean = sum(min(QP_MAX, qp_base + offset) for offset in cascade) / len(cascade)
    finer = PERCEPTUAL_FINER + MIXED_FINER * (codec == "mixed") if tune == "perceptual" else 0
    return max(0, round(mean - 11) - finer)


#: Median rates on every second clip of `val`, hybrid mode (experiments/operating_points.py prints
#: them), with 0.2 kbps of enhancement.
TABLE = (
    OperatingPoint(4.1, 40, 51),  # PSNR-Y of the base layer 27.05 dB
    OperatingPoint(5.0, 39, 48),  # 27.99 dB
    OperatingPoint(6.6, 38, 45),  # 29.06 dB
    OperatingPoint(9.4, 36, 42),  # 30.46 dB
    OperatingPoint(13.5, 34, 39),  # 32.10 dB
    OperatingPoint(20.2, 30, 36),  # 33.84 dB
    OperatingPoint(30.2, 28, 33),  # 35.52 dB
    OperatingPoint(48.0, 24, 30),  # 37.28 dB
    OperatingPoint(86.7, 20, 26),  # 39.55 dB
)


def point_for(kbps: float, pixels_per_second: float) -> OperatingPoint:
    """The point whose rate is nearest to `kbps`, interpolated in log rate; the table's clips have
    256 * 256 * 25 pixels a second.

    Below and above the table, its ends.
    """
    wanted = math.log(kbps * (256 * 256 * 25) / pixels_per_second)
    rates = [math.log(p.kbps) for p in TABLE]
    if wanted <= rates[0]:
        return TABLE[0]._replace(kbps=kbps)
    for (low, a), (high, b) in zip(
        zip(rates, TABLE, strict=True), list(zip(rates, TABLE, strict=True))[1:], strict=False
    ):
        if wanted <= high:
            share = (wanted - low) / (high - low)
            return OperatingPoint(
                kbps,
                round(a.qp_intra + share * (b.qp_intra - a.qp_intra)),
                round(a.qp_base + share * (b.qp_base - a.qp_base)),
            )
    return TABLE[-1]._replace(kbps=kbps)


def corrected_qp(qp_base: int, actual_kbps: float, wanted_kbps: float) -> int:
    """The QP for the next GOP after one that came out at `actual_kbps`: about 6 steps halve the
    rate, at most 6 at once."""
    steps = round(6 * math.log2(max(actual_kbps, 1e-3) / wanted_kbps))
    return min(QP_MAX, max(0, qp_base + max(-6, min(6, steps))))
