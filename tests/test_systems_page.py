"""How docs/systems.md reads rates and scores off curves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from hdac.bench.analysis import load
from hdac.bench.cells import filled
from tests.bench.conftest import results_folder
from tests.scripts import ROOT, script

MAKER = "experiments/systems_page.py"
page = script("systems_page")


def test_the_page_is_made_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs are those of the committed networks, those that are not shipped among them."""
    monkeypatch.setenv("HDAC_MODELS", str(ROOT / "models"))
    text = page.PAGE.read_text("utf-8")
    assert filled(text, MAKER, page.tables()) == text, f"run HDAC_MODELS=models python {MAKER}"


def test_means_are_of_the_same_clips(tmp_path: Path) -> None:
    """A point that failed on one clip is not in the curve."""
    clips, codecs = "pqrs", {"a": 1.0, "b": 2.0}
    points: dict[tuple[str, str, float], Any] = {
        (clip, codec, value): (value * (1 + i), {"psnr-y": 30.0 + i})
        for i, clip in enumerate(clips)
        for codec in codecs
        for value in (1.0, 2.0)
    }
    points["p", "b", 2.0] = "too slow"
    curves = page.mean_curves(load(results_folder(tmp_path, points)))
    assert curves["a"].kbps.tolist() == [2.5, 5.0]
    assert curves["b"].kbps.tolist() == [2.5]


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


@pytest.mark.parametrize("ours", [0.1, 0.3])
def test_who_is_best_at_a_rate(ours: float) -> None:
    """Of systems that come down to it; ours first or not."""

    def curve(kbps: float, score: float) -> pd.DataFrame:
        return pd.DataFrame({"kbps": [kbps, 9.0], **{m: [score, score] for m in page.ASKED}})

    kinds = {"vvc": "anchor", "hdac-face": "hdac", "far": "hdac", "near": "hdac"}
    codecs = {name: SimpleNamespace(kind=kind) for name, kind in kinds.items()}
    curves = {
        "vvc": curve(2.0, 0.05), "hdac-face": curve(2.9, ours), "far": curve(4.0, 0.01),
        "near": curve(1.0, 0.2),
    }  # fmt: skip
    run = SimpleNamespace(about=SimpleNamespace(codecs=codecs))
    said = page.best(run, curves, 3.0)
    first, then = ("`hdac-face` (0.1000)", ", then `near` (0.2000)")
    if ours > 0.2:
        first, then = "`near` (0.2000)", "; `hdac-face` (0.3000) is number 2"
    assert f"LPIPS (squeeze): {first}{then}." in said
    assert ("In Identity: `near` (0.2000)" in said) == (ours < 0.2), "higher is better"


def test_a_page_without_a_place_for_its_table() -> None:
    with pytest.raises(ValueError, match="unpack"):
        filled("# Systems\n", MAKER, "| a |\n")
