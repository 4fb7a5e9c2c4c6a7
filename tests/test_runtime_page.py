"""The speeds of docs/runtime.md and README.md are those of results/runtime.json."""

from hdac.bench.cells import filled
from tests.scripts import script

page = script("runtime")


def test_pages_are_made_of_the_results() -> None:
    found = page.load()
    assert found["rows"].keys() == page.ROWS.keys()
    for path, make in ((page.PAGE, page.table), (page.README, page.line)):
        text = path.read_text("utf-8")
        assert filled(text, page.MAKER, make(found)) == text, f"run python {page.MAKER} tables"


def test_medians_of_the_runs() -> None:
    found = {"rows": {"x": {"encoder": [3.0, 1.0, 2.0], "decoder": [30.0, 50.0, 40.0]}}}
    assert (page.speed(found, "x", "encoder"), page.speed(found, "x", "decoder")) == (2.0, 40.0)
