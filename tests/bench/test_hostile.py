"""Results are data, whoever wrote them: they run nothing, and read and write nothing outside."""

import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import pytest

from hdac.bench.analysis import load
from hdac.bench.cells import csv_text
from hdac.bench.datasets import find_sources
from hdac.bench.latex import tex
from hdac.bench.results import FRAMES, Store, as_json
from hdac.bench.tables import write_tables
from hdac.bench.workbook import workbook
from hdac.cli.main import main
from hdac.errors import UsageError
from tests.bench.conftest import run_inline
from tests.conftest import Run

TEXT = """
schema = "hdac-experiment/1"
title = "one"
set = "carphone"
frames = 3
codecs = ["x264-zerolatency"]
anchors = ["x264-zerolatency"]
metrics = ["psnr-y"]
players_kbps = [40]
[points]
x264-zerolatency = [24, 29, 34, 39]
"""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe and the results of its run."""
    folder = tmp_path_factory.mktemp("honest")
    (folder / "one.toml").write_text(TEXT)
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        run_inline(patch)
        main(["experiment", "run", str(folder / "one.toml"), "--out", str(out), "--no-players"])
    return folder / "one.toml", out


@pytest.fixture
def results(honest: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(honest[1], tmp_path / "results"))


def spoil(folder: Path, **changes: Any) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "experiment.json").read_text())
    about |= changes
    (folder / "experiment.json").write_bytes(as_json(about))
    return about


def renamed(folder: Path, name: str) -> None:
    """The codec under another name, in the manifest."""
    about = json.loads((folder / "experiment.json").read_text())
    points = [{**p, "codec": name} for p in about["points"]]
    codec = about["codecs"]["x264-zerolatency"]
    spoil(folder, points=points, codecs={name: codec}, anchors=[name])


def test_a_report_runs_no_command_of_the_results(results: Path, hdac: Run, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    about = json.loads((results / "experiment.json").read_text())
    for name in ("x264-zerolatency", "mine"):
        if name == "mine":
            renamed(results, name)
        codec = about["codecs"]["x264-zerolatency"]
        codec["recipe"] |= {"decode": ["touch", str(marker)], "encode": ["touch", str(marker)]}
        codec["recipe"] |= {"needs": [], "encoder": ""}
        spoil(results, codecs={name: codec})
        code, _, err = hdac("experiment", "report", results)
        assert (code, err) == (0, "")
        assert not marker.exists()
    page = (results / "report.html").read_text()
    assert "No players here: no recipe here of mine; name the experiment with --recipe" in page
    assert not (results / "report-files").exists()


def test_codecs_of_a_recipe_that_the_user_named(
    honest: tuple[Path, Path], results: Path, hdac: Run
) -> None:
    spoil(results, set="folder:/")
    hdac("experiment", "report", results)
    assert "folder:/ is no set of this installation" in (results / "report.html").read_text()
    code, _, _ = hdac("experiment", "report", results, "--recipe", honest[0])
    assert code == 0
    assert list((results / "report-files").glob("*.mp4"))


def test_clips_are_private_if_the_set_says_so(
    results: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that call a private set public do not get its pictures published."""
    (source,) = find_sources("carphone")
    private = type(source)(source.name, source.path, source.sha256, "private")
    monkeypatch.setattr("hdac.bench.players.find_sources", lambda *_: [private])
    hdac("experiment", "report", results)
    assert not (results / "report-files").exists()
    assert list((results / "report-players-files").glob("*.mp4"))


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "..", ".x", "/x", "a\\b", "a\nb", "experiment", ""]
)
def test_names_that_lead_elsewhere(results: Path, hdac: Run, name: str) -> None:
    before = set(results.parent.rglob("*"))
    renamed(results, name)
    code, _, err = hdac("experiment", "report", results)
    assert (code, "name" in err) == (2, True)
    about = json.loads((results / "experiment.json").read_text())
    about["points"][0]["name"] = name
    spoil(results, points=about["points"])
    with pytest.raises(UsageError, match="name"):
        load(results)
    assert set(results.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ["../x"]}, "metric '../x' is unknown"),
        ({"frames": "1"}, "frames = '1'; expected int"),
        ({"points": [1]}, "1; expected a table"),
        ({"codecs": {"x": 1}}, "codecs x: 1; expected a table"),
        ({"sequences": {}}, "codec or sequence of point"),
        ({"schema": "x"}, "schema is 'x'"),
        ({"command": "x"}, "unknown key 'command'"),
    ],
)
def test_wrong_manifests(results: Path, change: dict[str, Any], message: str) -> None:
    spoil(results, **change)
    with pytest.raises(UsageError, match=message):
        load(results)
    for text in ("[]", '{"a": NaN}', '{"a": 1e999}', "[" * 100000, "\xff"):
        (results / "experiment.json").write_text(text, encoding="latin-1")
        with pytest.raises(UsageError, match=r"experiment\.json|no results of an experiment"):
            load(results)


def test_links_out_of_the_folder(results: Path, tmp_path: Path, hdac: Run) -> None:
    (tmp_path / "secret").write_text("secret")
    link = results / "linked"
    link.symlink_to(tmp_path)
    code, _, err = hdac("experiment", "report", results, "--no-players")
    assert (code, "is a link out of" in err) == (2, True)
    link.unlink()
    link.symlink_to(results / "points")
    load(results)


def test_records_that_are_none(results: Path) -> None:
    """A point with a record of other types is one that was not made."""
    store = Store(results)
    first, second, third, fourth = store.names()
    record = store.load(first)
    assert record is not None
    store.put(first, record={**record, "results": {"bitrate": ["<b>"], "bpp": [1]}})
    store.put(second, record={**record, "bytes": 0})
    store.put(third, record=[record])
    with store.table.open("a") as file:
        file.write('[]\n{"name": 7}\n{"name": "x", "record": NaN}\n{"name": ["x"]}\n7\n[[\n')
    store.path(fourth, ".frames.json").write_bytes(as_json({"psnr-y": ["<b>"]}))
    run = load(results)
    assert [p.error for p in run.points.values()] == ["not made yet"] * 3 + [""]
    write_tables(run)
    assert b"<b>" not in lzma.decompress((results / FRAMES).read_bytes())


def test_texts_of_results_stay_texts(results: Path, hdac: Run) -> None:
    script = "</script><!--<script>alert(1)</script>"
    renamed(results, f"a<b>{script.replace('/', '')}")
    spoil(results, title=script, notes=script)
    (results / "environment.json").write_text(script)
    hdac("experiment", "report", results)
    page = (results / "report.html").read_text()
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert page.count("</script>") == 1


def test_formulas_and_tex() -> None:
    import io

    import openpyxl

    text = csv_text(["a", "b", "c", "d"], [["=1+1", "@x", "-1.5", -2]])
    assert text == "a,b,c,d\n'=1+1,'@x,-1.5,-2\n"
    book = openpyxl.load_workbook(io.BytesIO(workbook({"s": (["=1+1"], [["=1+1"]])})))
    assert [c.data_type for row in book["s"].iter_rows() for c in row] == ["s", "s"]
    assert r"\input{" not in tex(r"\input{/etc/passwd}")
