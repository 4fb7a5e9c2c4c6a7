"""Numbers of an earlier run never stand for those of a later one that failed."""

import csv
import json
import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from hdac.bench.analysis import load
from hdac.bench.datasets import find_sources
from hdac.bench.experiment import load_experiment
from hdac.bench.point import execute
from hdac.bench.results import FRAMES
from hdac.metrics.contract import NotOnThisClipError, UnavailableError
from tests.bench.conftest import experiment, x264
from tests.conftest import Run, synthetic, write_video

pytestmark = pytest.mark.usefixtures("inline")


def states(out: Path) -> dict[tuple[str, str], int]:
    """Points by codec and state."""
    found: dict[tuple[str, str], int] = {}
    with (out / "rd.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["codec"], row["status"]
            found[key] = found.get(key, 0) + 1
    return found


def test_a_failed_rerun_is_a_failure(tmp_path: Path, clips: Path, hdac: Run) -> None:
    """Whatever fails; with the options of before, what was made with them is still there."""

    def run(codecs: str, *options: str) -> tuple[int, dict[str, object]]:
        recipe, out = experiment(tmp_path, clips, codecs), tmp_path / "out"
        code, text, _ = hdac(
            "experiment", "run", recipe, "--out", out, "--no-players", "--json", *options
        )
        return code, json.loads(text)

    out, good = tmp_path / "out", x264("a") + x264("b")
    code, told = run(good)
    assert (code, told["failed_points"]) == (0, 0)
    whole = (out / "bd.csv").read_text()
    for bad in (
        x264("b", "no-such-preset"),
        x264("b").replace('"-f", "rawvideo"', '"-f", "no-such-format"'),
        x264("b").replace("{ffmpeg}", "no-such-program"),
        x264("b").replace('"{value}"', '"x{value}"'),
    ):
        assert states(out) == {("a", "ok"): 8, ("b", "ok"): 8}
        code, told = run(x264("a") + bad)
        assert (code, told["failed_points"], told["kept"]) == (1, 8, 8)
        assert states(out) == {("a", "ok"): 8, ("b", "failed"): 8}
        assert "failed" in (out / "bd.csv").read_text()
        assert b",b," not in lzma.decompress((out / FRAMES).read_bytes())
        assert not (out / "b.json").exists()
        code, text, _ = hdac("experiment", "report", out, "--no-players", "--json")
        assert (code, json.loads(text)["failed_points"]) == (1, 8)
        code, told = run(good)
        assert (code, told["made"], told["failed_points"]) == (0, 0, 0)
        assert (out / "bd.csv").read_text() == whole


def test_a_coded_file_of_another_run_is_not_measured(
    tmp_path: Path, clips: Path, hdac: Run
) -> None:
    """A run that was killed left its file beside the record of the one before."""
    out = tmp_path / "out"
    words = ("experiment", "run", tmp_path / "e.toml", "--out", out, "--no-players", "--json")
    experiment(tmp_path, clips, x264("a"), '["a"]')
    assert hdac(*words)[0] == 0
    before = load(out).points["p_a_qp20"].record["results"]
    (out / "points" / "p_a_qp20.h264").write_bytes((out / "points" / "p_a_qp38.h264").read_bytes())
    experiment(tmp_path, clips, x264("a"), '["a"]', metrics='["psnr-y", "psnr-yuv"]')
    assert hdac(*words)[0] == 0
    after = load(out).points["p_a_qp20"].record["results"]
    assert {k: after[k] for k in before} == before
    assert after["psnr-yuv"][0] > load(out).points["p_a_qp38"].score("psnr-yuv")


def no_disk(*_: object) -> None:
    raise OSError("no disk")


def test_a_forced_rerun_that_fails(
    tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]'), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players", "--json")
    assert hdac(*words)[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("hdac.bench.point.read_raw", no_disk)
        code, text, err = hdac(*words, "-f")
    assert (code, json.loads(text)["failed_points"]) == (1, 8)
    assert "no disk" in err
    assert states(out) == {("a", "failed"): 8}
    code, text, _ = hdac(*words)
    assert (code, json.loads(text)["made"], json.loads(text)["failed_points"]) == (0, 8, 0)


def test_a_run_that_was_cut_short_shows_nothing_of_before(
    tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ("experiment", "run", tmp_path / "e.toml", "--out", out, "--no-players", "--json")
    experiment(tmp_path, clips, x264("a"), '["a"]')
    assert hdac(*words)[0] == 0
    experiment(tmp_path, clips, x264("a", "fast"), '["a"]')
    with monkeypatch.context() as patch:
        patch.setattr("hdac.bench.runner.run_tasks", lambda *_: None)
        assert hdac(*words)[0] == 1
    assert {p.error for p in load(out).points.values()} == {"not made yet"}


def test_a_metric_that_cannot_be_had_any_more(
    tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code has changed since: its old values are of another metric."""
    keys = {"metrics": '["psnr-y", "flicker"]'}
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]', **keys), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players", "--json")
    assert hdac(*words)[0] == 0
    monkeypatch.setattr("hdac.bench.experiment.metric_code", lambda *_: "other")
    monkeypatch.setattr("hdac.metrics.flicker.Flicker.unavailable", lambda _: "gone")
    assert hdac(*words)[0] == 0
    for point in load(out).points.values():
        assert point.score("psnr-y") is not None
        assert point.score("flicker") is None
        assert point.record["unavailable"] == {"flicker": "gone"}


def test_a_metric_that_crashes_leaves_the_others(
    tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("segmentation fault")

    monkeypatch.setattr("hdac.metrics.flicker.Flicker._measure", crash)
    keys = {"metrics": '["psnr-y", "flicker"]'}
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]', **keys), tmp_path / "out"
    code, _, _ = hdac("experiment", "run", recipe, "--out", out, "--no-players", "--json")
    assert code == 0
    assert {len(p.record["results"]) for p in load(out).points.values()} == {3}
    assert "Metric not available: flicker (it failed on" in (out / "bd.md").read_text()


@pytest.mark.parametrize("why", ["gone", "crash", "machine", "clip"])
def test_a_metric_that_was_not_had_is_tried_again_where_it_may_be(
    why: str, tmp_path: Path, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where the clip cannot have it."""
    keys = {"metrics": '["psnr-y", "flicker"]'}
    recipe, out = experiment(tmp_path, clips, x264("a"), '["a"]', **keys), tmp_path / "out"
    words = ("experiment", "run", recipe, "--out", out, "--no-players", "--json")

    errors = {
        "crash": RuntimeError("killed"),
        "machine": UnavailableError("it could not be downloaded"),
        "clip": NotOnThisClipError("no face"),
    }

    def fail(*_: object) -> None:
        raise errors[why]

    flicker = "hdac.metrics.flicker.Flicker"
    with monkeypatch.context() as patch:
        if why == "gone":
            patch.setattr(f"{flicker}.unavailable", lambda _: "not set")
        else:
            patch.setattr(f"{flicker}._measure", fail)
        assert hdac(*words)[0] == 0
    code, text, _ = hdac(*words)
    had = [p.score("flicker") is not None for p in load(out).points.values()]
    assert (code, json.loads(text)["made"]) == (0, 0 if why == "clip" else len(had))
    assert set(had) == {why != "clip"}


def test_points_are_made_by_what_their_keys_say(tmp_path: Path, clips: Path) -> None:
    """A node, or this machine a minute later, may have other programs."""
    found = load_experiment(str(experiment(tmp_path, clips, x264("a"), '["a"]')))
    task = found.tasks(find_sources(found.recipe.set))[0]
    assert not execute(task).error
    other = json.dumps({**json.loads(task.decides), "tool": "another"})
    assert "other tool here than where" in execute(replace(task, decides=other)).error


def test_frames_at_the_cap_are_counted(tmp_path: Path, hdac: Run) -> None:
    """A clip that begins grey: those pictures are exact, and no measurement."""
    grey, moving = synthetic(3), synthetic(5)
    for picture in grey:
        picture.y[:], picture.u[:], picture.v[:] = 128, 128, 128
    (tmp_path / "clips").mkdir()
    write_video(tmp_path / "clips" / "p.mkv", grey + moving)
    recipe = experiment(tmp_path, tmp_path / "clips", x264("a"), '["a"]')
    out = tmp_path / "out"
    assert hdac("experiment", "run", recipe, "--out", out, "--no-players")[0] == 0
    assert {p.record["capped"]["psnr-y"] for p in load(out).points.values()} == {3}
    assert "PSNR-Y (dB): 12 frames are in means as 100." in (out / "bd.md").read_text()
