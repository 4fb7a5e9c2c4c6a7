"""Bjontegaard deltas, as a reviewer wants them: with their overlap, and with a reason where there
is no number.

Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001; PCHIP
interpolation as in JVET-J1010 and JCTVC-L1100; package bjontegaard (Herglotz et al., 2022).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import bjontegaard
import numpy as np

Method = Literal["pchip", "akima"]
#: Below this share of overlap there is no number.
MIN_OVERLAP = 0.30
MIN_POINTS = 4
#: Percent of rate; more says that the curves hardly meet.
FLAGGED = 1000
#: Percent of rate up to which two curves are the same.
TIE = 1e-3
_UNSOLVED = "n/a (no solution)"


class Bd(NamedTuple):
    """`value`: percent (rate) or the metric's unit (quality); None where `note` says why, else the
    note is what to know of it. `overlap`: 0 to 1, of both curves' span; None without two curves."""

    value: float | None
    overlap: float | None
    note: str = ""

    def text(self, digits: int = 1, unit: str = " %") -> str:
        if self.value is None:
            return self.note
        return f"{self.value:+.{digits}f}{unit}" + (f" ({self.note})" if self.note else "")


class Curve(NamedTuple):
    """Rates in kbps, ascending, and a quality in which higher is better. `left_out`: points at the
    cap of the metric, which are no measurement."""

    rates: tuple[float, ...]
    qualities: tuple[float, ...]
    left_out: int = 0


def curve(rates: Sequence[float], scores: Sequence[float], higher_is_better: bool = True) -> Curve:
    """Sorted by rate; scores in which lower is better are negated."""
    sign = 1 if higher_is_better else -1
    pairs = sorted(zip(rates, (sign * s for s in scores), strict=True))
    return Curve(tuple(r for r, _ in pairs), tuple(q for _, q in pairs))


def _share(a: Sequence[float], b: Sequence[float]) -> float:
    if not a or not b:
        return 0.0
    span = max(*a, *b) - min(*a, *b)
    return max(0.0, min(max(a), max(b)) - max(min(a), min(b))) / span if span > 0 else 1.0


def _trouble(anchor: Curve, test: Curve, overlap: float) -> str:
    for name, c in (("anchor", anchor), ("test", test)):
        if len(c.rates) < MIN_POINTS:
            return f"n/a ({len(c.rates)} points{f', {_left_out(c)}' if c.left_out else ''})"
        if min(np.diff(c.rates)) <= 0 or min(np.diff(c.qualities)) <= 0:
            return f"n/a ({name} not monotone)"
    return f"n/a (overlap {100 * overlap:.0f} %)" if overlap < MIN_OVERLAP else ""


def _left_out(*curves: Curve) -> str:
    count = sum(c.left_out for c in curves)
    return f"{count} at the metric's cap left out" if count else ""


def _delta(function: str, anchor: Curve, test: Curve, method: Method, overlap: float) -> Bd:
    """`bjontegaard`'s `function` of two curves, or why there is no number."""
    if note := _trouble(anchor, test, overlap):
        return Bd(None, overlap, note)
    values = map(np.array, (*anchor[:2], *test[:2]))
    settings = {"require_matching_points": False, "min_overlap": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            delta = getattr(bjontegaard, function)(*values, method=method, **settings)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            delta = np.nan
    if not np.isfinite(delta):
        return Bd(None, overlap, _UNSOLVED)
    far = function == "bd_rate" and delta > FLAGGED
    notes = (_left_out(anchor, test), f"beyond {FLAGGED} %" if far else "")
    return Bd(float(delta), overlap, "; ".join(filter(None, notes)))


def bd_rate(anchor: Curve, test: Curve, method: Method = "pchip") -> Bd:
    """Mean difference in rate at equal quality, percent; negative: `test` needs less."""
    overlap = _share(anchor.qualities, test.qualities)
    return _delta("bd_rate", anchor, test, method, overlap)


def bd_quality(anchor: Curve, test: Curve, method: Method = "pchip") -> Bd:
    """Mean difference in quality at equal rate; positive: `test` is better. Overlap is that of the
    log rates."""
    overlap = _share(*(list(map(math.log, c.rates)) for c in (anchor, test)))
    return _delta("bd_psnr", anchor, test, method, overlap)


class Summary(NamedTuple):
    """Over sequences: mean, 95 % bootstrap interval (None of one sequence), sequences with a
    number, with a negative one, with none that differs from 0, all. `overlap`: mean over those with
    two curves."""

    mean: float | None
    low: float | None
    high: float | None
    numbers: int
    below_zero: int
    ties: int
    total: int
    overlap: float | None


def summarise(values: Sequence[Bd], resamples: int = 2000, seed: int = 0) -> Summary:
    """Mean over the sequences that have a number; the interval resamples sequences with
    replacement."""
    numbers = np.array([v.value for v in values if v.value is not None])
    overlaps = [v.overlap for v in values if v.overlap is not None]
    overlap = float(np.mean(overlaps)) if overlaps else None
    if not len(numbers):
        return Summary(None, None, None, 0, 0, 0, len(values), overlap)
    low = high = None
    if len(numbers) > 1:
        picks = np.random.default_rng(seed).integers(0, len(numbers), (resamples, len(numbers)))
        low, high = map(float, np.percentile(numbers[picks].mean(1), [2.5, 97.5]))
    mean, below, ties = float(numbers.mean()), (numbers < -TIE).sum(), (abs(numbers) <= TIE).sum()
    counts = len(numbers), int(below), int(ties), len(values)
    return Summary(mean, low, high, *counts, overlap)


def averaged(curves: Sequence[Curve]) -> Curve:
    """Rates and qualities averaged point by point, as animation papers do. Raises `ValueError` if
    their numbers of points differ."""
    if len({len(c.rates) for c in curves}) != 1:
        raise ValueError("curves with different numbers of points have no average")
    rates, qualities = (tuple(map(float, np.mean([c[i] for c in curves], axis=0))) for i in (0, 1))
    return Curve(rates, qualities, sum(c.left_out for c in curves))
