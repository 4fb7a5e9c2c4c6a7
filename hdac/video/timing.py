"""From the time stamps of frames to a constant rate, or to the time of each."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from hdac.errors import UsageError
from hdac.video.info import DEFAULT_FPS, assumed
from hdac.video.rate import MAX_RATE, exact_ntsc, parse_rate


class Timing(NamedTuple):
    """fps: the rate, or the mean rate; times: ms of each frame where the rate varies."""

    fps: Fraction
    times: tuple[int, ...] | None = None
    note: str = ""


def find_timing(
    stamps: Sequence[int | None],
    tick: Fraction,
    last: int,
    stated: Iterable[Fraction | None],
    losses: int = 0,
) -> Timing:
    """The timing of frames that are shown at `stamps` (units of `tick` seconds).

    last: duration of the last frame, 0 if unknown; stated: rates that the container names, the
    likeliest first; losses: places where frames may be missing: gaps of whole periods that they
    explain are no change of rate.
    """
    rates = [exact_ntsc(rate) for rate in stated if rate and 0 < rate <= MAX_RATE]
    guess = rates[0] if rates else DEFAULT_FPS
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) != len(stamps) or len(known) < 2:
        return Timing(guess, note="" if rates else assumed("the source carries"))
    gaps = [b - a for a, b in itertools.pairwise(known)]
    if min(gaps) <= 0:
        text = f"time stamps do not grow: {float(guess):.6g} frames per second assumed"
        return Timing(guess, note=text)
    usual = statistics.median(gaps)
    steps = [max(1, round(gap / usual)) for gap in gaps]
    slots = list(itertools.accumulate(steps, initial=0))
    at = [stamp - known[0] for stamp in known]
    if sum(step > 1 for step in steps) > losses:
        slots = list(range(len(at)))
    period = Fraction(at[-1], slots[-1])
    # a tick of rounding, 5 % of jitter: less than anybody sees
    slack = max(min(Fraction(21, 20), period / 4), period / 20)
    off = [time - slot * period for time, slot in zip(at, slots, strict=True)]
    if max(off) - min(off) <= 2 * slack:
        rounding = min(Fraction(2), period / 2) * tick
        return Timing(_constant(slots[-1], at[-1] * tick, rounding, rates))
    times = [0]
    for time in at[1:]:
        times.append(max(round(time * tick * 1000), times[-1] + 1))
    total = (at[-1] + (last or period)) * tick
    mean = min(len(at) / total, Fraction(MAX_RATE)).limit_denominator(1001)
    note = f"variable frame rate ({float(mean):.3f} on average): frame times are carried"
    return Timing(mean or parse_rate(len(at) / float(total)), tuple(times), note)


def _constant(count: int, span: Fraction, slack: Fraction, rates: list[Fraction]) -> Fraction:
    """The rate at which `count` periods take `span` seconds: a stated one, or one that is usual."""
    try:
        usual = [parse_rate(round(float(count / span), 2))]
    except UsageError:
        usual = []
    for rate in (*rates, *usual):
        if abs(count / rate - span) <= slack:
            return rate
    return parse_rate(float(count / span), "frame rate of the source (--fps sets another)")
