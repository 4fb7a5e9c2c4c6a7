"""Frame rates: whatever says one, as an exact fraction."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Rational
from typing import TypeAlias

from hdac.errors import UsageError

Rate: TypeAlias = int | float | str | Fraction

MAX_RATE = 1000
#: Largest numerator and denominator that a stream's header can hold.
MAX_TERM = 10**6
_NTSC = Fraction(1000, 1001)


def parse_rate(value: Rate, name: str = "frame rate") -> Fraction:
    """Frames per second. Fractions (`30000/1001`, "1/3600") and integers are exact; decimals within
    0.005 of n * 1000/1001 (29.97, 23.98) mean that.

    Raises `UsageError` (with `name`) for what is no number or not more than 0 to 1000.

    >>> parse_rate(29.97), parse_rate("23.976"), parse_rate("1/3600"), parse_rate(12.5)
    (Fraction(30000, 1001), Fraction(24000, 1001), Fraction(1, 3600), Fraction(25, 2))
    """
    text = str(value).strip()
    try:
        if isinstance(value, bool):
            raise TypeError
        exact = isinstance(value, Rational) or "/" in text
        rate = Fraction(text) if isinstance(value, str | float) else Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise UsageError(
            f"{name} {value}; expected a number or a fraction, for example 25 or 30000/1001"
        ) from None
    if not exact:
        rate = _snapped(rate)
    # the largest denominator with which both terms fit
    rate = rate.limit_denominator(MAX_TERM // max(1, min(MAX_TERM, math.ceil(rate))))
    if not 0 < rate <= MAX_RATE:
        raise UsageError(f"{name} {value}; allowed are more than 0 to {MAX_RATE} frames per second")
    return rate


def _snapped(rate: Fraction) -> Fraction:
    """The rate that a decimal number means."""
    whole = round(rate / _NTSC)
    if whole >= 10 and abs(rate - whole * _NTSC) < 0.005 < abs(rate - round(rate)):
        return whole * _NTSC
    simple = rate.limit_denominator(1001)  # 0.333333 is 1/3
    return simple if abs(simple - rate) <= rate / 10**6 else rate


def exact_ntsc(rate: Fraction) -> Fraction:
    """n * 1000/1001 for what a container has rounded from it (19001/317 means 60000/1001)."""
    near = round(rate / _NTSC) * _NTSC
    return near if abs(near - rate) < rate / 2_000_000 else rate
