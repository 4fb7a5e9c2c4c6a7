"""Published figures: beside talking heads only, and by the rules of our own."""

from pathlib import Path

import pytest

from hdac.bench.analysis import load
from hdac.bench.published import HEAD, published_rows
from hdac.bench.results import as_json, read_json
from hdac.bench.tables import write_tables
from tests.bench.conftest import results_folder


@pytest.mark.parametrize("name", ["talking-heads:test", "voxceleb-test", "carphone", "gfvc"])
def test_beside_talking_heads(name: str) -> None:
    rows = published_rows(name)
    assert {len(row) for row in rows} == {len(HEAD)}
    assert rows[0][2:5] == ["-33.36 %", "-33.41 %", "-48.84 %"]
    assert rows[2][2:5] == ["n/a (overlap 13 %)", "+5 %", "-23 %"]


@pytest.mark.parametrize("name", ["bikes", "folder:talking-heads", "talking-heads.toml", "s"])
def test_beside_nothing_else(name: str, tmp_path: Path) -> None:
    assert published_rows(name) == []
    points = {("p", c, v): (10 * v, {"psnr-y": 25 + v}) for c in "ab" for v in (1.0, 2.0, 3.0, 4.0)}
    folder = results_folder(tmp_path, points)
    about = read_json(folder / "experiment.json")
    for set_, shown in ((name, False), ("carphone", True)):
        (folder / "experiment.json").write_bytes(as_json({**about, "set": set_}))
        write_tables(load(folder))
        assert ("H-DAC" in (folder / "bd.md").read_text()) == shown
