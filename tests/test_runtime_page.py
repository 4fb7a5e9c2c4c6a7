"""The speeds of docs/runtime.md and README.md are those of results/runtime.json."""

import importlib.util
from pathlib import Path

from hdac.bench.cells import filled

_PATH = Path(__file__).parents[1] / "experiments" / "runtime.py"
_SPEC = importlib.util.spec_from_file_location("runtime_page", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
page = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(page)


def test_pages_are_made_of_the_results() -> None:
    found = page.load()
    assert found["rows"].keys() == page.ROWS.keys()
    for path, make in ((page.PAGE, page.table), (page.README, page.line)):
        text = path.read_text("utf-8")
        assert filled(text, page.MAKER, make(found)) == text, f"run python {page.MAKER} tables"


def test_medians_of_the_runs() -> None:
    found = {"rows": {"x": {"encoder": [3.0, 1.0, 2.0], "decoder": [30.0, 50.0, 40.0]}}}
    assert (page.speed(found, "x", "encoder"), page.speed(found, "x", "decoder")) == (2.0, 40.0)
