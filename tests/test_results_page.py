"""Numbers of docs/results.md and of README's table are those of results/."""

from dataclasses import replace
from pathlib import Path

import pytest

from hdac.bench.analysis import load
from hdac.bench.tables import bd_heads, bd_rows, comparisons
from tests.bench.conftest import results_folder
from tests.scripts import ROOT, script

page = script("results_page")


def test_the_page_is_made_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs are those of the committed networks, those that are not shipped among them."""
    monkeypatch.setenv("HDAC_MODELS", str(ROOT / "models"))
    made = page.page()
    assert page.PAGE.read_text("utf-8") == made, "run python experiments/results_page.py"
    assert all(f"hdac experiment run {path.name}`" in made for path in page.experiments())


def test_readmes_table_is_made_of_the_results() -> None:
    text = page.README.read_text("utf-8")
    assert page.readme(text) == text, "run python experiments/results_page.py"
    end = "<!-- end of table -->\n"
    damaged = text.replace(end, "| a number by hand |\n" + end, 1)
    assert page.readme(damaged) == text


@pytest.mark.parametrize("name", ["published", "reference_software"])
def test_cells_are_those_of_the_points(name: str) -> None:
    """From points.jsonl, without bd.csv."""
    folder = ROOT / "results" / name
    run = load(folder)
    found = list(comparisons(run))
    for anchor in run.anchors:
        rows = bd_rows(found, anchor, run.compared)
        table = page.bd_table(folder, run.about, anchor, run.compared, {c: c for c in run.codecs})
        unmarked = table.replace(" (stale) |", " |").splitlines()
        heads = bd_heads(found, anchor, run.compared)
        made = page.markdown([f"BD-rate against {anchor}", *heads], rows).splitlines()
        assert made == unmarked


@pytest.mark.parametrize(
    ("stale", "marks"),
    [("", (False, False)), ("codec", (False, True)), ("anchor", (True, False))],
)
def test_stale_rows_are_marked(stale: str, marks: tuple[bool, bool], tmp_path: Path) -> None:
    """Anchor a, and of two codecs one: a kind of which not all are stale."""
    points = {(clip, codec, 1.0): (10.0, {"psnr-y": 30.0}) for clip in "pqr" for codec in "abcd"}
    about = load(results_folder(tmp_path, points)).about
    kinds = {"a": "anchor", "b": "hdac", "c": "hdac", "d": "anchor"}
    codecs = {name: replace(entry, kind=kinds[name]) for name, entry in about.codecs.items()}
    about = replace(about, codecs=codecs)
    head = "metric,anchor,codec,sequence,bd_rate_pchip_percent,low_95,high_95,note,stale\n"
    lines = [
        f'psnr-y,a,b,mean,-20,-30,-10,"2 wins, 0 equal, 1 losses, 0 without a number",{stale}\n',
        f"psnr-y,a,b,common,-25,-26,-24,2 of 3 clips,{stale}\n",
    ]
    (tmp_path / "bd.csv").write_text(head + "".join(lines))
    table = page.bd_table(tmp_path, about, "a", ["psnr-y"], {"b": "ours"})
    assert "| PSNR-Y (dB), 2/3 clips |" in table
    assert "| -25.0 % [-26.0, -24.0]; 3 clips: -20.0 % |" in table
    assert ("against a (stale)" in table, "| ours (stale) |" in table) == marks
    short = page.bd_table(tmp_path, about, "a", ["psnr-y"], {"b": "ours"}, "theirs")
    assert "| BD-rate against theirs" in short
    assert "| -25.0 % [-26.0, -24.0] |" in short
