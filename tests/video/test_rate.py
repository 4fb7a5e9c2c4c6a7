"""Frame rates as people and containers write them."""

from fractions import Fraction
from itertools import pairwise

import pytest

from hdac.errors import UsageError
from hdac.video.rate import Rate, parse_rate
from hdac.video.timing import find_timing

MS = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (25, "25"), ("25", "25"), (25.0, "25"), (" 30000/1001 ", "30000/1001"),
        (29.97, "30000/1001"), ("29.97", "30000/1001"), (29.97002997, "30000/1001"),
        ("23.976", "24000/1001"), (23.98, "24000/1001"), (59.94, "60000/1001"),
        (119.88, "120000/1001"), (14.985, "15000/1001"), (12.5, "25/2"), (29.5, "59/2"),
        ("2997/100", "2997/100"), (1 / 3, "1/3"), ("1/3600", "1/3600"), (Fraction(1, 7), "1/7"),
        (0.001, "1/1000"), ("1000", "1000"), (0.1, "1/10"),
    ],
)  # fmt: skip
def test_rates(value: Rate, rate: str) -> None:
    assert parse_rate(value) == Fraction(rate)


@pytest.mark.parametrize(
    "value", [0, -25, "0", 1001, "1e9", "abc", "", "1/0", "25/", float("nan"), float("inf"), True,
              None, "99999999999/100000", Fraction(1, 10**9)],
)  # fmt: skip
def test_bad_rates(value: Rate) -> None:
    with pytest.raises(UsageError, match=r"^rate .*; (expected a number|allowed are more than 0)"):
        parse_rate(value, "rate")


def test_terms_fit_the_header() -> None:
    for rate in (parse_rate("999.98765"), parse_rate(Fraction(1, 999_999)), parse_rate(2**0.5)):
        assert max(rate.numerator, rate.denominator) <= 10**6


def stamps(rate: str, count: int) -> list[int]:
    """Whole milliseconds of a constant rate."""
    return [round(1000 * i / Fraction(rate)) for i in range(count)]


@pytest.mark.parametrize(
    "rate", ["24", "25", "30000/1001", "24000/1001", "60000/1001", "12", "120"]
)
@pytest.mark.parametrize("stated", ["1000/33", "90000", None])
def test_a_tick_of_jitter_is_a_constant_rate(rate: str, stated: str | None) -> None:
    rates = [Fraction(stated) if stated else None]
    assert find_timing(stamps(rate, 250), MS, 0, rates) == (Fraction(rate), None, "")


def test_a_camera_that_shakes_by_a_millisecond_is_constant() -> None:
    jitter = [33 * i + (i * 7 % 3 - 1) for i in range(100)]
    timing = find_timing(jitter, MS, 33, [Fraction(30)])
    assert timing.times is None
    assert abs(timing.fps - Fraction(1000, 33)) < 0.05


def test_mean_rate_and_times() -> None:
    at = [*range(0, 500, 50), *range(500, 1750, 125)]
    timing = find_timing(at, MS, 125, [Fraction(24)])
    assert (timing.fps, timing.times) == (Fraction(80, 7), tuple(at))
    assert "variable frame rate" in timing.note


@pytest.mark.parametrize("dropped", [1, 25, 48])
def test_one_frame_that_is_not_there_is_variable(dropped: int) -> None:
    at = [40 * i for i in range(50) if i != dropped]
    assert find_timing(at, MS, 40, [Fraction(25)]).times == tuple(at)
    assert find_timing(at, MS, 40, [Fraction(25)], losses=1).times is None  # known to be damaged


def test_a_rate_that_changes_is_variable() -> None:
    at = [*range(0, 1000, 40), *range(1000, 2000, 20)]
    assert find_timing(at, MS, 20, [Fraction(25)], losses=1).times == tuple(at)


def test_no_use_of_time_stamps() -> None:
    assert find_timing([None] * 5, MS, 0, [Fraction(30)]) == (30, None, "")
    alone = find_timing([7], MS, 0, [None])
    assert (alone.fps, "25 frames per second assumed" in alone.note) == (25, True)
    back = find_timing([0, 40, 80, 0, 40], MS, 40, [Fraction(25)])
    assert (back.fps, back.times, "do not grow" in back.note) == (25, None, True)


def test_times_grow_although_they_are_rounded() -> None:
    at = [0, 1, 2, 3, 50, 51, 52, 400]
    times = find_timing(at, Fraction(1, 10_000), 1, [None]).times
    assert times is not None
    assert all(b > a for a, b in pairwise(times))
