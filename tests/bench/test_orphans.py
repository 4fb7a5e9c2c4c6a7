"""Points that an experiment no longer has: put aside, not lost, and back when it has them again."""

import json
from pathlib import Path
from typing import Any

import pytest

from hdac.bench.analysis import load
from hdac.bench.experiment import load_experiment
from hdac.bench.results import Store
from hdac.bench.runner import plan
from tests.bench.conftest import experiment, x264
from tests.conftest import Run, synthetic, write_video

pytestmark = pytest.mark.usefixtures("inline")


def names(path: Path) -> set[str]:
    return {json.loads(line)["name"] for line in path.read_text().splitlines()}


def test_orphans_are_put_aside_and_come_back(tmp_path: Path, clips: Path, hdac: Run) -> None:
    both, out = x264("a") + x264("b"), tmp_path / "out"
    recipe = experiment(tmp_path, clips, both)
    words = ("experiment", "run", recipe, "--out", out, "--no-players")

    def run(*options: str) -> tuple[dict[str, Any], str]:
        code, text, err = hdac(*words, "--json", *options)
        assert code == 0
        return json.loads(text), err

    told, err = run()
    assert (told["made"], told["orphans"], "put aside" in err) == (16, 0, False)
    table, aside = out / "points.jsonl", out / "orphans.jsonl"
    before, files = table.read_bytes(), sorted((out / "points").iterdir())
    assert not aside.exists()
    for what, lost in {
        "codec": {f"{clip}_b_qp{v}" for clip in "pq" for v in (20, 26, 32, 38)},
        "clip": {f"q_{codec}_qp{v}" for codec in "ab" for v in (20, 26, 32, 38)},
        "rate point": {f"{clip}_b_qp38" for clip in "pq"},
    }.items():
        if what == "codec":
            experiment(tmp_path, clips, x264("a"), '["a"]')
        elif what == "clip":
            experiment(tmp_path, clips, both, sequences='["p"]')
        else:
            experiment(tmp_path, clips, x264("a") + x264("b", points=(20, 26, 32)))
        told, _ = run("-n")
        assert (set(told["orphans"]), told["to_do"]) == (lost, [])
        assert table.read_bytes() == before
        _, text, _ = hdac(*words, "-n")
        assert f"{len(lost)} points that the experiment no longer has would be put aside" in text
        assert str(aside) in text
        told, err = run()
        assert (told["made"], told["orphans"]) == (0, len(lost))
        assert f"{len(lost)} points that the experiment no longer has were put aside" in err
        assert str(aside) in err
        assert names(aside) == lost
        assert not names(table) & lost
        assert sorted((out / "points").iterdir()) == files
        assert run()[0]["orphans"] == 0
        assert names(aside) == lost

        experiment(tmp_path, clips, both)
        told, _ = run("-n")
        assert (set(told["recalled"]), told["to_do"]) == (lost, [])
        assert names(aside) == lost
        told, err = run()
        assert (told["made"], told["recalled"]) == (0, len(lost))
        assert f"{len(lost)} points came back from {aside}" in err
        assert (table.read_bytes(), aside.exists()) == (before, False)


def test_points_of_some_codecs_alone(tmp_path: Path, clips: Path, hdac: Run) -> None:
    """The others' are neither made nor put aside."""
    recipe, out = experiment(tmp_path, clips, x264("a") + x264("b")), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players", "--json")
    left = "8 points of codecs that --codecs leaves out are still to do"

    code, text, err = hdac(*words, "--codecs", "b")
    told = json.loads(text)
    assert (code, told["made"], told["kept"], told["left"]) == (0, 8, 0, 8)
    assert left in err
    assert {p.codec for p in load(out).points.values() if not p.error} == {"b"}
    told = json.loads(hdac(*words, "-n", "--codecs", "a")[1])
    assert (len(told["to_do"]), told["left"], told["orphans"]) == (8, 0, [])
    told = json.loads(hdac(*words)[1])
    assert (told["made"], told["kept"], told["left"]) == (8, 8, 0)
    told = json.loads(hdac(*words, "--codecs", "a", "--force")[1])
    assert (told["made"], told["kept"], told["left"]) == (8, 0, 8)
    code, _, err = hdac(*words, "--codecs", "a,c")
    assert (code, "--codecs c: choose from a, b" in err) == (2, True)


def test_points_of_codecs_that_do_not_run_here_are_no_orphans(
    tmp_path: Path, clips: Path, hdac: Run
) -> None:
    """A machine that lacks an encoder keeps what another one made."""
    recipe, out = experiment(tmp_path, clips, x264("a") + x264("b")), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players")
    assert hdac(*words)[0] == 0
    lacking = x264("b").replace("title", "needs = ['no-such-program']\ntitle")
    experiment(tmp_path, clips, x264("a") + lacking)
    _, _, err = hdac(*words)
    assert "b was not run" in err
    assert not (out / "orphans.jsonl").exists()
    assert len(names(out / "points.jsonl")) == 16
    assert {p.codec for p in load(out).points.values()} == {"a"}


def test_a_run_that_was_killed_between_two_files_loses_nothing(
    tmp_path: Path, clips: Path, hdac: Run
) -> None:
    """Both files have the lines then: the table counts."""
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]'), tmp_path / "out"
    assert hdac("experiment", "run", recipe, "--out", out, "--no-players")[0] == 0
    store = Store(out)
    first, *_ = store.names()
    line = store.table.read_text().splitlines()[0].replace('"bytes":', '"bytes":9')
    store.orphans.write_text(line + "\n")
    found = plan(load_experiment(str(recipe)), Store(out), None)
    assert (found.recalled, found.orphans, found.waiting) == ([], [], [])
    store.put_aside([first])
    assert store.orphans.read_text() != line + "\n"
    assert names(store.orphans) == {first}
    assert first not in names(store.table)


def test_a_table_that_is_gone(tmp_path: Path, clips: Path, hdac: Run) -> None:
    """What was put aside is found all the same."""
    write_video(clips / "r.mkv", synthetic(4, 64, 64))
    out = tmp_path / "out"
    recipe = experiment(tmp_path, clips, x264("a"), '["a"]')
    words = ("experiment", "run", recipe, "--out", out, "--no-players", "--json")
    assert hdac(*words)[0] == 0
    store = Store(out)
    store.put_aside([n for n in store.names() if n.startswith("r")])
    store.table.unlink()
    told = json.loads(hdac(*words)[1])
    assert (told["made"], told["kept"], told["recalled"]) == (8, 4, 4)
