"""Runs that leave nothing to compare: tables that say why, never a traceback."""

import json
from pathlib import Path

import pytest

from hdac.bench.datasets import find_sources
from hdac.bench.report import write_report
from tests.bench.conftest import experiment, x264
from tests.conftest import Run

REPORT = write_report


def words(tmp_path: Path) -> tuple[object, ...]:
    recipe, out = tmp_path / "e.toml", tmp_path / "out"
    return ("experiment", "run", recipe, "--out", out, "--no-players", "--json")


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(
    ("codecs", "keys", "reason"),
    [
        (x264("a", "no-such-preset"), {}, "Failed: p_a_qp20 (a: encoding failed"),
        (x264("a", "no-such-preset"), {}, "invalid preset 'no-such-preset'"),
        (
            x264("a"),
            {"metrics": '["ms-ssim-y"]'},
            "ms-ssim-y (pictures of 64x64; five",
        ),
        (x264("a"), {"metrics": '["lpips-squeeze"]'}, "lpips-squeeze (not set"),
        (x264("a").replace("title", "needs = ['no-such']\ntitle"), {}, "Not run: a (not on PATH"),
    ],
)
def test_nothing_to_compare(
    codecs: str,
    keys: dict[str, object],
    reason: str,
    tmp_path: Path,
    clips: Path,
    hdac: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "not set" in reason:
        monkeypatch.setattr("hdac.metrics.lpips.Lpips.unavailable", lambda _: "not set")
    monkeypatch.setattr("hdac.bench.report.write_report", REPORT)
    experiment(tmp_path, clips, codecs, '["a"]', **keys)
    code, text, err = hdac(*words(tmp_path))
    assert (code, "Traceback" in err) == (1, False)
    assert json.loads(text)["folder"]
    table = (tmp_path / "out" / "bd.md").read_text()
    assert reason in table
    assert "No point has a value of any metric" in table
    for name in ("bd.csv", "rd.csv", "tables.xlsx", "time.md", "report.html"):
        assert (tmp_path / "out" / name).stat().st_size
    again, _, _ = hdac("experiment", "report", tmp_path / "out", "--no-players")
    assert again == 1


@pytest.mark.parametrize("kind", ["folder", "split", "recipe"])
def test_an_empty_set(kind: str, tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "none"
    clips.mkdir()
    recipe = experiment(tmp_path, clips, x264("a"), '["a"]')
    head = 'schema = "hdac-dataset/1"\ntitle = "t"\nplace = "path"\nlicence = "none"\n'
    if kind != "folder":
        row = '[[sequence]]\nname = "a"\npath = "a.mkv"\nsplit = "train"\n'
        body = 'splits = ["train", "test"]\n' + row if kind == "split" else ""
        (clips / "set.toml").write_text(head + body)
        name = f"{clips}/set.toml" if kind == "recipe" else "mine:test"
        recipe.write_text(recipe.read_text().replace(f"folder:{clips}", name))
    if kind == "split":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hdac.bench.datasets.find_recipe", lambda *_: clips / "set.toml")
            code, _, err = hdac(*words(tmp_path))
    else:
        code, _, err = hdac(*words(tmp_path))
    assert code == 2
    assert "no clips" in err or "no videos" in err
    assert not (tmp_path / "out").exists()


def test_sources_are_never_empty(clips: Path) -> None:
    assert [s.name for s in find_sources(f"folder:{clips}")] == ["p", "q"]
