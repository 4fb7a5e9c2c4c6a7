"""`hdac experiment diff`: what changed between two results folders."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from hdac.bench.analysis import load
from hdac.bench.diff import PointChange, diff
from hdac.bench.results import Store, as_json, read_json
from tests.bench.conftest import results_folder
from tests.conftest import Run

KBPS, PSNR = (10.0, 20.0, 40.0, 80.0, 160.0), (28.0, 31.0, 34.0, 37.0, 40.0)
Points = dict[tuple[str, str, float], Any]


def points(rate: float = 0.5, clips: str = "pq", codecs: str = "ab") -> Points:
    """`rate`: of codec b on clip q, as a factor of a's; on other clips it is 0.5."""
    factor = {("q", "b"): rate}
    return {
        (clip, codec, 40 - i): (
            KBPS[i] * (1 if codec == "a" else factor.get((clip, codec), 0.5)), {"psnr-y": PSNR[i]}
        )
        for clip in clips
        for codec in codecs
        for i in range(5)
    }  # fmt: skip


def test_nothing_changed(tmp_path: Path, hdac: Run) -> None:
    a, b = (results_folder(tmp_path / name, points()) for name in "AB")
    code, text, err = hdac("experiment", "diff", a, b)
    assert (code, err) == (0, "")
    assert text == f"A: {a}\nB: {b}\nNo difference in 20 points.\n"


def test_rates_that_changed(tmp_path: Path, hdac: Run) -> None:
    a, b = (results_folder(tmp_path / n, points(r)) for n, r in (("A", 0.5), ("B", 0.4)))
    table = tmp_path / "changes.csv"
    code, text, _ = hdac("experiment", "diff", a, b, "--csv", table)
    assert code == 0
    assert "| b | 5 | 5 | 0 | -20 |  |\n" in text
    assert "\n| a |" not in text
    assert "| b | a | PSNR-Y (dB) | -50.00 | -55.00 | -5.00 | 2 of 2 |" in text
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["what"] for r in rows] == ["point"] * 5 + ["bd-rate"]
    assert {r["measure"] for r in rows[:5]} == {"kbps"}
    assert [float(rows[0][k]) for k in ("value", "a", "b", "b_minus_a")] == [40, 5, 4, -1]
    assert rows[5]["note"] == "2 of 2 clips"
    code, _, err = hdac("experiment", "diff", a, b, "--csv", table)
    assert (code, "give -f to overwrite it" in err) == (2, True)
    code, text, _ = hdac("experiment", "diff", b, a, "--csv", table, "-f", "--json")
    told = json.loads(text)
    assert (code, told["same_points"], told["changed_points"]) == (0, 15, 5)
    assert told["differences"][-1]["b_minus_a"] == pytest.approx(5, abs=1e-3)


def test_scores_that_changed_or_are_missing(tmp_path: Path) -> None:
    a = results_folder(tmp_path / "A", points(), ("psnr-y", "vmaf"))
    changed = points()
    changed["p", "b", 40] = 5.0, {"psnr-y": 28.5, "vmaf": 30.0}
    b = results_folder(tmp_path / "B", changed, ("psnr-y", "vmaf"))
    found = diff(load(a), load(b))
    values = {"psnr-y": (28.0, 28.5), "vmaf": (None, 30.0)}
    assert found.points == [PointChange("p", "b", 40, ("ok", "ok"), values)]
    assert found.same == {"a": 10, "b": 9}
    assert [(r.codec, r.metric) for r in found.rates] == [("b", "psnr-y")]


def test_points_that_only_one_has_or_that_failed(tmp_path: Path, hdac: Run) -> None:
    a = results_folder(tmp_path / "A", points(codecs="abc"))
    failed = points(clips="pqr")
    failed["q", "b", 40] = "no disk\nand more"
    b = results_folder(tmp_path / "B", failed)
    found = diff(load(a), load(b))
    states = {(p.sequence, p.codec, p.value): p.states for p in found.points}
    assert states["q", "b", 40] == ("ok", "no disk")
    assert states["p", "c", 40] == ("ok", "not there")
    assert states["r", "a", 40] == ("not there", "ok")
    assert len(states) == 1 + 10 + 10
    assert found.same == {"a": 10, "b": 9, "c": 0}
    assert [(r.codec, r.a, r.b, r.clips) for r in found.rates if r.codec == "c"] == [
        ("c", pytest.approx(-50), None, 2)
    ]
    _, text, _ = hdac("experiment", "diff", a, b)
    assert "| c | 0 | 0 | 10 |  |  |\n" in text
    assert "| c | a | PSNR-Y (dB) | -50.00 | n/a |  | 2 of 3 |" not in text
    assert "| c | a | PSNR-Y (dB) | -50.00 | n/a |  | 2 of 2 |" in text


def test_bd_rates_are_over_the_clips_of_both(tmp_path: Path) -> None:
    """B has a clip more, on which b is worse: what both have is the same."""
    a, b = points(0.5), points(0.5, "pqr")
    for i in range(5):
        b["r", "b", 40 - i] = 2 * KBPS[i], {"psnr-y": PSNR[i]}
    found = diff(load(results_folder(tmp_path / "A", a)), load(results_folder(tmp_path / "B", b)))
    (rate,) = found.rates
    assert (rate.a, rate.b) == (pytest.approx(-50), pytest.approx(-50))
    assert (rate.clips, rate.total) == (2, 3)


def test_another_clip_of_the_same_name(tmp_path: Path) -> None:
    a, b = (results_folder(tmp_path / n, points(r)) for n, r in (("A", 0.5), ("B", 0.4)))
    about = read_json(b / "experiment.json")
    about["sequences"]["q"]["sha256"] = "other"
    (b / "experiment.json").write_bytes(as_json(about))
    found = diff(load(a), load(b))
    assert {(p.sequence, p.states) for p in found.points} == {("q", ("another clip",) * 2)}
    assert [(r.clips, r.total) for r in found.rates] == []


def test_versions_are_named(tmp_path: Path, hdac: Run) -> None:
    a, b = (results_folder(tmp_path / name, points()) for name in "AB")
    record = Store(b).load("p5") or {}
    decides = {"code": "0123456789abcdef", "weights": "0badcafe"}
    Store(b).put("p5", record={**record, "decides": decides, "made": {"format": 6}})
    _, text, _ = hdac("experiment", "diff", a, b)
    assert f"B: {b}\n   Made by code 01234567, format 6: b (weights 0badcafe).\n" in text


def test_what_is_no_results_folder(tmp_path: Path, hdac: Run) -> None:
    code, _, err = hdac("experiment", "diff", results_folder(tmp_path / "A", points()), tmp_path)
    assert (code, "no results of an experiment" in err) == (2, True)
