"""One version of everything: points of another one are marked, and a dry run says why they go."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hdac.bench import stale
from hdac.bench.about import about
from hdac.bench.analysis import load
from hdac.bench.codecs import load_codec
from hdac.bench.environment import made_here
from hdac.bench.results import Store, as_json, read_json
from hdac.bench.tables import write_tables
from hdac.bitstream.container import VERSION
from tests.bench.conftest import experiment, results_folder, x264
from tests.conftest import Run

VALUES = (1.0, 2.0, 3.0, 4.0)


def folder_of(tmp_path: Path, **changes: Any) -> Path:
    """An anchor `a` and hdac as `b`, of this version; `changes`: to what b's points say."""
    points = {("p", c, v): (10 * v, {"psnr-y": 25 + v}) for c in "ab" for v in VALUES}
    folder = results_folder(tmp_path, points)
    store, decides = Store(folder), load_codec("hdac-hybrid").decides()
    for name in ("p4", "p5", "p6", "p7"):
        record = store.load(name) or {}
        here = {"decides": decides, "made": made_here(), "metric_code": {}}
        store.put(name, record={**record, **here, **changes})
    return folder


def test_points_of_this_version_are_not_stale(tmp_path: Path) -> None:
    run = load(folder_of(tmp_path))
    assert run.stale == {}
    text = about(run)
    assert "Stale" not in text
    here = run.points["p4"].record
    version = f"code {stale.code_here()[:8]}, format {VERSION} (commit {made_here()['commit']})"
    assert f"Made by {version}: b (weights {here['decides']['weights']}).\n" in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decides": {"code": "0" * 16}}, "code 00000000 of commit c0ffee, here "),
        ({"made": {"format": VERSION - 1}}, f"format {VERSION - 1}, here {VERSION}"),
        ({"decides": {"weights": "0badcafe"}}, "weights 0badcafe, here "),
        ({"metric_code": {"psnr-y": "0" * 16}}, "measured by other code: psnr-y"),
    ],
)
def test_points_of_another_version_are_marked(
    changes: dict[str, dict[str, Any]], reason: str, tmp_path: Path, hdac: Run
) -> None:
    now = load_codec("hdac-hybrid").decides()
    whole = {
        "decides": now | changes.get("decides", {}),
        "made": made_here() | {"commit": "c0ffee"} | changes.get("made", {}),
        "metric_code": changes.get("metric_code", {}),
    }
    folder = folder_of(tmp_path, **whole)
    code, text, err = hdac("experiment", "report", folder, "--no-players", "--json")
    assert (code, json.loads(text)["stale_points"]) == (0, 4)
    assert f"hdac: Stale: 4 points: 4 of b ({reason}" in err
    table = (folder / "bd.md").read_text()
    assert f"Stale: 4 points: 4 of b ({reason}" in table
    assert table.count("| b (stale) |") > 2
    assert "a (stale)" not in table
    page = (folder / "report.html").read_text()
    assert "b (stale)" in page
    assert "Stale: 4 points" in page
    with (folder / "rd.csv").open(newline="") as file:
        assert Counter(r["status"] for r in csv.DictReader(file)) == {"ok": 4, "stale": 4}
    with (folder / "bd.csv").open(newline="") as file:
        assert {r["stale"] for r in csv.DictReader(file)} == {"codec"}


def test_a_stale_anchor_is_named_where_it_is_compared_with(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    store = Store(folder)
    record = store.load("p0") or {}
    store.put("p0", record={**record, "metric_code": {"psnr-y": "other"}})
    write_tables(load(folder))
    assert "## BD-rate against a (stale)" in (folder / "bd.md").read_text()
    assert "% Stale: a\n" in (folder / "bd.tex").read_text()


@pytest.mark.parametrize("name", ["hdac-hybrid-mixed-half", "hdac-hybrid-mixed-perceptual"])
def test_weights_of_other_settings_are_known(name: str) -> None:
    """Smaller base layers and tunes have weights of their own."""
    decides = load_codec(name).decides()
    assert decides["weights"] != load_codec("hdac-hybrid").decides()["weights"]
    assert stale.stale({"decides": decides}, 1) == []
    other = {"decides": {**decides, "weights": "0badcafe"}}
    assert stale.stale(other, 1) == [f"weights 0badcafe, here {decides['weights']}"]


def test_other_landmarks_are_stale() -> None:
    decides = load_codec("hdac-face").decides()
    assert stale.stale({"decides": decides}, 1) == []
    other = {"decides": {**decides, "landmarks": "0badcafe"}}
    assert stale.stale(other, 1) == [f"landmarks 0badcafe, here {decides['landmarks']}"]


def test_a_record_names_no_file_to_look_at(tmp_path: Path) -> None:
    """A model that is a path: a results folder may be anybody's."""
    decides = load_codec("hdac-hybrid").decides()
    for model in (str(tmp_path / "x.safetensors"), "no-such-model", 3):
        recipe = {**decides["recipe"], "model": model}
        record = {"decides": {**decides, "recipe": recipe, "weights": "0badcafe"}}
        assert stale.stale(record, 1) == []
    recipe = {**decides["recipe"], "base_scale": ["x"]}
    assert stale.stale({"decides": {**decides, "recipe": recipe, "weights": "0badcafe"}}, 1) == []


@pytest.mark.parametrize("made", [[], {"format": "7"}, {"commit": 3}])
def test_records_that_say_nonsense_of_their_maker(made: Any, tmp_path: Path) -> None:
    run = load(folder_of(tmp_path, made=made))
    assert (run.points["p4"].error != "") == (made == [])
    assert about(run)


def test_points_that_the_experiment_made_otherwise_are_left_out_and_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    manifest = read_json(folder / "experiment.json")
    manifest["points"][5]["key"] = "another"
    (folder / "experiment.json").write_bytes(as_json(manifest))
    run = load(folder)
    assert run.points["p5"].error == "not made yet"
    assert "Stale and left out, to be made again: 1 points: 1 of b." in about(run)


@pytest.mark.usefixtures("inline")
def test_a_dry_run_says_why(
    tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]'), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players", "--json")

    def reasons(*options: str) -> dict[str, int]:
        code, text, _ = hdac(*words, "-n", *options)
        assert code == 0
        found: dict[str, int] = json.loads(text)["reasons"]
        return found

    assert reasons() == {"not made yet": 8}
    assert hdac(*words)[0] == 0
    assert reasons() == {}
    assert reasons("-f") == {"again (--force)": 8}
    experiment(tmp_path, clips, x264("a", "fast"), '["a"]')
    assert reasons() == {"stale: other commands": 8}
    experiment(tmp_path, clips, x264("a"), '["a"]', frames=2)
    assert reasons() == {"stale: other frames, or read by other code": 8}
    experiment(tmp_path, clips, x264("a"), '["a"]', metrics='["psnr-y", "flicker"]')
    assert reasons() == {"to measure: flicker": 8}
    experiment(tmp_path, clips, x264("a"), '["a"]')
    with monkeypatch.context() as patch:
        patch.setattr("hdac.bench.experiment.metric_code", lambda *_: "other")
        assert reasons() == {"measured by other code: psnr-y": 8}
    (clips / "p.mkv").write_bytes((clips / "q.mkv").read_bytes())
    assert reasons() == {"stale: another clip": 4}
    store = Store(out)
    store.put("q_a_qp20", failed={"key": (store.load("q_a_qp20") or {})["key"], "error": "no disk"})
    assert reasons() == {"stale: another clip": 4, "failed at the last try": 1}
    code, text, err = hdac(*words[:-1], "-n")
    assert (code, err) == (0, "")
    assert text.endswith(
        "5 of 8 points would run\n  4 stale: another clip\n  1 failed at the last try\n"
    )


def test_a_dry_run_says_by_which_version(tmp_path: Path) -> None:
    """Points of hdac, made by other code and weights than this installation has."""
    from hdac.bench.datasets import Source
    from hdac.bench.point import PointTask

    codec = load_codec("hdac-hybrid")
    old = codec.decides() | {"code": "0" * 16, "weights": "0badcafe", "x265": "x265 1"}
    folder = folder_of(tmp_path, decides=old, source_sha256="s")
    task = PointTask("p4", "k2", Source("p", tmp_path, "s"), codec, 1.0, None, ("psnr-y",))
    (found,) = stale.reasons([task], Store(folder))
    here = codec.decides()
    commit = f" of commit {made_here()['commit']}"
    assert found == (
        f"stale: code 00000000{commit}, here {here['code'][:8]}; "
        f"weights 0badcafe, here {here['weights']}; other x265"
    )


@pytest.mark.usefixtures("inline")
def test_measuring_again_does_not_change_who_coded(
    tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]'), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players")
    assert hdac(*words)[0] == 0
    before = {name: p.record["made"] for name, p in load(out).points.items()}
    assert all(m == made_here() for m in before.values())
    experiment(tmp_path, clips, x264("a"), '["a"]', metrics='["psnr-y", "flicker"]')
    later = {**made_here(), "commit": "later"}
    monkeypatch.setattr("hdac.bench.point.made_here", lambda: later)
    assert hdac(*words)[0] == 0
    points = load(out).points
    assert all(p.score("flicker") is not None for p in points.values())
    assert {name: p.record["made"] for name, p in points.items()} == before
    assert hdac(*words, "-f")[0] == 0
    assert all(p.record["made"] == later for p in load(out).points.values())
