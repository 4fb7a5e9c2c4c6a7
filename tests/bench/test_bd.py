"""Bjontegaard deltas: against the JVET spreadsheet's method, against the package called directly,
and in every degenerate case."""

import math

import bjontegaard
import numpy as np
import pytest

from hdac.bench.bd import Bd, Curve, averaged, bd_quality, bd_rate, curve, summarise

# "Test 1" and "Test 3" of the package's example_usage.py (FAU, BSD-3-Clause), whose authors checked
# them against JVET-T2010's sheet
ANCHOR = curve([9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851])
TEST = curve([9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987])
LONG_ANCHOR = curve(
    [82472.76, 26875.24, 9487.76, 4593.6, 3600, 2900], [43.825, 41.404, 40.037, 38.615, 36.5, 35.1]
)
LONG_TEST = curve(
    [99896.96, 33952.04, 9787.8, 4469.0, 4040, 3300], [44.731, 41.875, 40.121, 38.651, 37, 36.5]
)


def sheet_integral(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Integral of the piecewise cubic as the sheet's macro makes it: slopes by the weighted
    harmonic mean, one-sided at the ends."""
    h, n = np.diff(x), len(x)
    delta = np.diff(y) / h

    def end(h1: float, h2: float, d1: float, d2: float) -> float:
        d = ((2 * h1 + h2) * d1 - h1 * d2) / (h1 + h2)
        if d * d1 < 0:
            return 0.0
        return 3 * d1 if d1 * d2 < 0 and abs(d) > 3 * abs(d1) else d

    slope = np.zeros(n)
    slope[0], slope[-1] = (
        end(h[0], h[1], delta[0], delta[1]),
        end(h[-1], h[-2], delta[-1], delta[-2]),
    )
    for i in range(1, n - 1):
        slope[i] = (3 * h[i - 1] + 3 * h[i]) / (
            (2 * h[i] + h[i - 1]) / delta[i - 1] + (h[i] + 2 * h[i - 1]) / delta[i]
        )
    total = 0.0
    for i in range(n - 1):
        c = (3 * delta[i] - 2 * slope[i] - slope[i + 1]) / h[i]
        b = (slope[i] - 2 * delta[i] + slope[i + 1]) / h[i] ** 2
        s0, s1 = max(x[i], low) - x[i], min(x[i + 1], high) - x[i]
        if s1 > s0:
            total += sum(k * (s1**p - s0**p) / p for p, k in enumerate((y[i], slope[i], c, b), 1))
    return total


@pytest.mark.parametrize(("anchor", "test"), [(ANCHOR, TEST), (LONG_ANCHOR, LONG_TEST)])
def test_pchip_is_the_spreadsheets(anchor: Curve, test: Curve) -> None:
    low, high = (
        max(anchor.qualities[0], test.qualities[0]),
        min(anchor.qualities[-1], test.qualities[-1]),
    )
    a, t = (
        sheet_integral(np.array(c.qualities), np.log10(c.rates), low, high) for c in (anchor, test)
    )
    sheet = 100 * (10 ** ((t - a) / (high - low)) - 1)
    assert bd_rate(anchor, test).value == pytest.approx(sheet, abs=1e-9)


@pytest.mark.parametrize("method", ["pchip", "akima"])
def test_against_the_package_called_directly(method: str) -> None:
    numbers = (ANCHOR.rates, ANCHOR.qualities, TEST.rates, TEST.qualities)
    assert bd_rate(ANCHOR, TEST, method).value == pytest.approx(
        bjontegaard.bd_rate(*numbers, method=method)
    )  # type: ignore[arg-type]
    assert bd_quality(ANCHOR, TEST, method).value == pytest.approx(
        bjontegaard.bd_psnr(*numbers, method=method)
    )  # type: ignore[arg-type]


def test_order_of_points_does_not_matter() -> None:
    assert curve([1, 3, 2], [10, 30, 20]) == Curve((1, 2, 3), (10, 20, 30))


def test_half_the_rate_is_minus_fifty_percent() -> None:
    half = Curve(tuple(r / 2 for r in ANCHOR.rates), ANCHOR.qualities)
    assert bd_rate(ANCHOR, half).value == pytest.approx(-50)
    assert bd_rate(half, ANCHOR).value == pytest.approx(100)


def test_identical_curves() -> None:
    assert bd_rate(ANCHOR, ANCHOR) == Bd(0.0, 1.0)
    assert bd_quality(ANCHOR, ANCHOR) == Bd(0.0, 1.0)


def test_no_overlap() -> None:
    far = Curve(ANCHOR.rates, tuple(q + 10 for q in ANCHOR.qualities))
    assert bd_rate(ANCHOR, far) == Bd(None, 0.0, "n/a (overlap 0 %)")


def test_little_overlap() -> None:
    near = Curve(ANCHOR.rates, tuple(q + 4 for q in ANCHOR.qualities))
    found = bd_rate(ANCHOR, near)
    assert found.value is None
    assert found.note == f"n/a (overlap {100 * found.overlap:.0f} %)"
    assert 0 < found.overlap < 0.3


def test_not_monotone() -> None:
    bent = Curve(ANCHOR.rates, (34.851, 36.845, 36.7, 40.037))
    assert bd_rate(ANCHOR, bent).note == "n/a (test not monotone)"
    assert bd_rate(bent, ANCHOR).note == "n/a (anchor not monotone)"
    twice = Curve((1, 1, 2, 3), (1, 2, 3, 4))
    assert bd_rate(ANCHOR, twice).note == "n/a (test not monotone)"


def test_three_points() -> None:
    assert bd_rate(ANCHOR, Curve(TEST.rates[:3], TEST.qualities[:3])).note == "n/a (3 points)"


def test_lower_is_better() -> None:
    """LPIPS that falls with the rate: half the rate at equal LPIPS is -50 %."""
    a = curve([10, 20, 40, 80], [0.4, 0.3, 0.2, 0.1], higher_is_better=False)
    b = curve([5, 10, 20, 40], [0.4, 0.3, 0.2, 0.1], higher_is_better=False)
    assert bd_rate(a, b).value == pytest.approx(-50)
    better = bd_quality(a, b).value
    assert better is not None
    assert better > 0


def test_summary() -> None:
    values = [Bd(-10.0, 0.9), Bd(-20.0, 0.8), Bd(3.0, 0.7), Bd(None, 0.0, "n/a (overlap 0 %)")]
    s = summarise(values)
    assert s.mean == pytest.approx(-9)
    assert (s.numbers, s.below_zero, s.total) == (3, 2, 4)
    assert s.overlap == pytest.approx(0.6)
    assert s.low is not None
    assert s.high is not None
    assert -20 <= s.low < -9 < s.high <= 3
    assert summarise(values) == s
    assert summarise([Bd(None, 0.0)]).mean is None


def test_averaged_curves() -> None:
    assert averaged([Curve((1, 2), (30, 40)), Curve((3, 4), (32, 42))]) == Curve((2, 3), (31, 41))
    with pytest.raises(ValueError, match="different numbers of points"):
        averaged([Curve((1,), (1,)), Curve((1, 2), (1, 2))])


def test_text() -> None:
    assert Bd(-12.345, 1.0).text() == "-12.3 %"
    assert Bd(None, 0.1, "n/a (overlap 10 %)").text() == "n/a (overlap 10 %)"
    assert not math.isnan(float(Bd(1.0, 1.0).text().split()[0]))
