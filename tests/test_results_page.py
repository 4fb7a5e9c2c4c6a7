"""Numbers of docs/results.md and of README's table are those of results/."""

import importlib.util
from pathlib import Path

from hdac.bench.analysis import load
from hdac.bench.tables import bd_rows, comparisons

ROOT = Path(__file__).parents[1]
_SPEC = importlib.util.spec_from_file_location("page", ROOT / "experiments" / "results_page.py")
assert _SPEC is not None
assert _SPEC.loader is not None
page = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(page)


def test_the_page_is_made_of_the_results() -> None:
    made = page.page()
    assert page.PAGE.read_text("utf-8") == made, "run python experiments/results_page.py"
    assert all(f"hdac experiment run {path.name}`" in made for path in page.experiments())


def test_readmes_table_is_made_of_the_results() -> None:
    text = page.README.read_text("utf-8")
    assert page.readme(text) == text, "run python experiments/results_page.py"
    damaged = text.replace(page.END, "| a number by hand |\n" + page.END)
    assert page.readme(damaged) == text


def test_cells_are_those_of_the_points() -> None:
    """From points.jsonl, without bd.csv."""
    folder = ROOT / "results" / "animation"
    run = load(folder)
    for anchor in run.anchors:
        rows = bd_rows(list(comparisons(run)), anchor, run.compared)
        table = page.bd_table(folder, anchor, run.compared, {c: c for c in run.codecs})
        assert page.markdown(["x"], rows).splitlines()[2:] == table.splitlines()[2:]
