"""How docs/systems.md reads rates and scores off curves."""

import pandas as pd
import pytest

from hdac.bench.cells import filled
from tests.scripts import script

MAKER = "experiments/systems_page.py"
page = script("systems_page")


@pytest.fixture
def points() -> pd.DataFrame:
    """Of one codec, by rate."""
    return pd.DataFrame({"kbps": [2.0, 4.0, 8.0], "lpips-squeeze": [0.3, 0.2, 0.1]})


@pytest.mark.parametrize(
    ("kbps", "wanted"),
    [(4.0, 0.2), (2.0 * 2**0.5, 0.25), (1.0, 0.3), (16.0, 0.1)],
)
def test_scores_at_a_rate(points: pd.DataFrame, kbps: float, wanted: float) -> None:
    """Linear in the logarithm of the rate; beyond the ends the nearest point's."""
    assert page.at_rate(points, kbps, "lpips-squeeze") == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("score", "wanted"),
    [(0.2, "4.00"), (0.15, "5.66"), (0.31, "< 2.00"), (0.09, "not reached")],
)
def test_the_rate_at_a_score(points: pd.DataFrame, score: float, wanted: str) -> None:
    assert page.rate_at(points, "lpips-squeeze", score) == wanted


def test_a_page_without_a_place_for_its_table() -> None:
    with pytest.raises(ValueError, match="unpack"):
        filled("# Systems\n", MAKER, "| a |\n")
