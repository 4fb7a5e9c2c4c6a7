"""What a row of a table has in its cells is of the same clips, and is a measurement."""

import csv
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from hdac.bench.analysis import compare, comparisons, load, sharing
from hdac.bench.bd import bd_rate, curve
from hdac.bench.figures import averaged_points, legend, rd_figure, sequences_figure
from hdac.bench.looks import looks_of
from hdac.bench.means import mean_head, mean_rows, means_note
from hdac.bench.plots import STYLE
from hdac.bench.report import curves
from hdac.bench.results import Store
from hdac.bench.tables import bd_heads, bd_rows, dropped_lines, summary_cell, write_tables
from hdac.bench.times import time_rows
from hdac.metrics.ms_ssim import decibels
from tests.bench.conftest import results_folder

mpl.use("Agg")
import matplotlib.pyplot as plt

KBPS, PSNR = (10.0, 20.0, 40.0, 80.0, 160.0), (28.0, 31.0, 34.0, 37.0, 40.0)
Points = dict[tuple[str, str, float], Any]


def ladder(
    clip: str, codec: str, rate: float = 1, count: int = 5, **scores: tuple[float | None, ...]
) -> Points:
    """Points of one codec on one clip; `rate`: a factor."""
    scores = scores or {"psnr_y": PSNR}
    return {
        (clip, codec, 40 - i): (
            rate * KBPS[i], {k.replace("_", "-"): v[i] for k, v in scores.items()}
        )
        for i in range(count)
    }  # fmt: skip


def rows(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """`bd.csv` by codec and sequence."""
    with (folder / "bd.csv").open(newline="") as file:
        return {(r["codec"], r["sequence"]): r for r in csv.DictReader(file)}


@pytest.mark.parametrize("without", [(), ("q",), ("p", "q")])
def test_means_are_of_the_same_clips(without: tuple[str, ...], tmp_path: Path) -> None:
    """A metric that a clip lacks has no mean beside the rate of all clips."""
    points: Points = {}
    for clip in "pqr":
        scores = (None,) * 5 if clip in without else (0.5, 0.6, 0.7, 0.8, 0.9)
        points |= ladder(clip, "a", psnr_y=PSNR, identity=scores)
    run = load(results_folder(tmp_path, points, ("psnr-y", "identity")))
    (first, *_) = mean_rows(run)
    wanted = {0: "0.5000", 1: "n/a (2 of 3 clips)", 2: "n/a (1 of 3 clips)"}[len(without)]
    assert first == ["a", "40", "3", "10.00", "n/a", "28.00", wanted, ""]


@pytest.mark.parametrize(("count", "shown"), [(1, False), (2, True), (3, True)])
def test_bd_csv_and_bd_md_have_the_same_means(count: int, shown: bool, tmp_path: Path) -> None:
    points: Points = {}
    for i, clip in enumerate("pqr"):
        far = PSNR if i < count else tuple(v + 40 for v in PSNR)
        points |= ladder(clip, "a") | ladder(clip, "b", 0.5, psnr_y=far)
    folder = results_folder(tmp_path, points)
    write_tables(load(folder))
    mean, table = rows(folder)["b", "mean"], (folder / "bd.md").read_text()
    assert (mean["bd_rate_pchip_percent"] != "") == shown == ("| b | -50.0 % [" in table)
    assert (("b", "common") in rows(folder)) == shown
    assert (mean["bd_rate_akima_percent"] != "") == shown
    assert shown or f"{count} of 3 clips" in mean["note"]


def test_rows_over_the_same_clips(tmp_path: Path) -> None:
    """Codec b has no number on one clip of three: beside it, c is shown without that clip, and its
    own mean stands beside."""
    points: Points = {}
    for clip, b, c in (("p", 0.5, 0.9), ("q", 0.5, 0.9), ("r", 2.0, 0.6)):
        far = PSNR if clip != "r" else tuple(v + 40 for v in PSNR)
        points |= ladder(clip, "a") | ladder(clip, "b", b, psnr_y=far) | ladder(clip, "c", c)
    run = load(results_folder(tmp_path / "out", points))
    found = list(comparisons(run))
    assert bd_rows(found, "a", ["psnr-y"]) == [
        ["b", "-50.0 % [-50.0, -50.0]"],
        ["c", "-10.0 % [-10.0, -10.0]; 3 clips: -20.0 %"],
    ]
    assert bd_heads(found, "a", ["psnr-y"]) == ["PSNR-Y (dB), 2/3 clips"]
    assert dropped_lines(found, "a", ["psnr-y"]) == ["PSNR-Y (dB): 2 of 3 clips, without r (b)."]
    write_tables(run)
    assert "- PSNR-Y (dB): 2 of 3 clips, without r (b)." in (run.folder / "bd.md").read_text()
    assert "| c | 2/2, 100 %, -10.0 %, -10.0 % |" in (run.folder / "bd.md").read_text()
    numbers = rows(run.folder)
    assert float(numbers["c", "mean"]["bd_rate_pchip_percent"]) == pytest.approx(-20)
    assert float(numbers["c", "common"]["bd_rate_pchip_percent"]) == pytest.approx(-10)
    assert numbers["c", "common"]["note"] == "2 of 3 clips"


def test_a_codec_that_lacks_clips_takes_none_from_the_others(tmp_path: Path) -> None:
    """Codec b was run on two clips of three, c and d on all: b is apart."""
    points: Points = {}
    for clip, rate in (("p", 0.9), ("q", 0.9), ("r", 0.6)):
        points |= ladder(clip, "a") | ladder(clip, "c", rate) | ladder(clip, "d", 2)
        points |= ladder(clip, "b", 0.5) if clip != "r" else {}
    run = load(results_folder(tmp_path / "out", points))
    found = list(comparisons(run))
    assert bd_heads(found, "a", ["psnr-y"]) == ["PSNR-Y (dB)"]
    assert bd_rows(found, "a", ["psnr-y"]) == [
        ["c", "-20.0 % [-40.0, -10.0]"],
        ["d", "+100.0 % [+100.0, +100.0]"],
        ["b", "-50.0 % [-50.0, -50.0] of 2/3 clips"],
    ]
    beside = "b has 2 of 3 clips, without r; on these c -10.0 %, d +100.0 %"
    assert dropped_lines(found, "a", ["psnr-y"]) == [f"PSNR-Y (dB): {beside}."]
    write_tables(run)
    numbers = rows(run.folder)
    assert float(numbers["c", "common"]["bd_rate_pchip_percent"]) == pytest.approx(-20)
    assert float(numbers["b", "apart"]["bd_rate_pchip_percent"]) == pytest.approx(-50)
    assert ("b", "common") not in numbers
    assert "Each over all clips, but for points of b, which lack some." in means_note(run)


@pytest.mark.parametrize(
    ("counts", "shared"),
    [
        ((12, 12, 10), 3),
        ((12, 12, 9), 2),
        ((6, 6, 5), 3),
        ((6, 6, 4), 2),
        ((6, 4), 2),
        ((6, 6, 4, 4), 4),
        ((), 0),
    ],
)
def test_who_shares_clips(counts: tuple[int, ...], shared: int) -> None:
    """Five sixths of the clips; those who have fewer are apart where they are fewer."""
    found = sharing({i: [str(clip) for clip in range(n)] for i, n in enumerate(counts)})
    assert found == set(range(shared))


def test_rows_with_too_few_clips_in_common(tmp_path: Path) -> None:
    """Each has a number on half of the clips, all together on none."""
    points: Points = {}
    for clip in "pq":
        far = tuple(v + 40 for v in PSNR)
        b, c = (PSNR, far) if clip == "p" else (far, PSNR)
        points |= ladder(clip, "a") | ladder(clip, "b", 0.5, psnr_y=b)
        points |= ladder(clip, "c", 0.5, psnr_y=c)
    run = load(results_folder(tmp_path, points))
    assert bd_rows(list(comparisons(run)), "a", ["psnr-y"]) == [
        [codec, "n/a (0 of 2 clips in common); 1 clip: -50.0 %"] for codec in "bc"
    ]
    write_tables(run)
    assert rows(tmp_path)["b", "common"]["bd_rate_pchip_percent"] == ""


def test_all_clips_in_common(tmp_path: Path) -> None:
    points = {**ladder("p", "a"), **ladder("p", "b", 0.5), **ladder("q", "a"), **ladder("q", "b")}
    found = list(comparisons(load(results_folder(tmp_path, points))))
    assert bd_rows(found, "a", ["psnr-y"]) == [["b", "-25.0 % [-50.0, +0.0]"]]
    assert dropped_lines(found, "a", ["psnr-y"]) == []


def test_one_clip_has_no_interval(tmp_path: Path) -> None:
    folder = results_folder(tmp_path, ladder("p", "a") | ladder("p", "b", 0.5))
    write_tables(load(folder))
    assert "| b | -50.0 % |" in (folder / "bd.md").read_text()
    for name in ("mean", "common"):
        row = rows(folder)["b", name]
        assert (row["low_95"], row["high_95"]) == ("", "")
        assert float(row["bd_rate_pchip_percent"]) == pytest.approx(-50)


def test_means_at_each_point_are_of_the_same_clips(tmp_path: Path) -> None:
    """All points of b failed on r, and c has one clip of three, which is too few for a mean."""
    points: Points = {}
    for clip, rate in (("p", 1.0), ("q", 2.0), ("r", 6.0)):
        points |= ladder(clip, "a", rate) | ladder(clip, "b", rate)
    points |= ladder("p", "c") | dict.fromkeys(ladder("r", "b"), "encoder failed")
    run = load(results_folder(tmp_path, points))
    found = [dict(zip(mean_head(run), row, strict=True)) for row in mean_rows(run)]
    by = {(r["codec"], r["point"], r["clips"]): r["kbps"] for r in found}
    assert by["a", "40", "2"] == by["b", "40", "2"] == "15.00"
    assert by["a", "40", "3"] == "30.00"
    assert ("b", "40", "3") not in by
    assert by["c", "40", "1"] == "1 of 3 clips"
    assert "2 of 3 clips that every codec has that has a mean, without r (b);" in means_note(run)
    assert [(row[0], row[1]) for row in time_rows(run)] == [("a", "2"), ("b", "2"), ("c", "1")]


def test_means_beside_each_other_are_of_the_same_clips(tmp_path: Path) -> None:
    """Where a BD-rate has no number, a BD-quality has: its mean would be of other clips."""
    points = ladder("p", "a") | ladder("p", "b", 0.9)
    points |= ladder("q", "a") | ladder("q", "b", 0.9, psnr_y=tuple(v + 40 for v in PSNR))
    folder = results_folder(tmp_path, points)
    write_tables(load(folder))
    found = rows(folder)
    assert found["b", "q"]["bd_rate_pchip_percent"] == ""
    assert found["b", "q"]["bd_quality_pchip"] != ""
    alone = found["b", "p"]
    for key in ("bd_rate_pchip_percent", "bd_rate_akima_percent", "bd_quality_pchip"):
        assert found["b", "mean"][key] == alone[key]


@pytest.mark.parametrize("kind", ["failed", "unavailable", "failed (anchor)", "not made"])
def test_why_there_is_no_number(kind: str, tmp_path: Path) -> None:
    points = ladder("p", "a") | ladder("q", "a") | ladder("p", "b", 0.5)
    points |= ladder("q", "b", 0.5, psnr_y=(*PSNR[:4], None))
    if kind.startswith("failed"):
        points |= ladder("q", "b", 0.5)
        points["q", "b" if kind == "failed" else "a", 38] = "encoder failed"
    folder = results_folder(tmp_path, points)
    if kind == "not made":
        for i in range(15, 20):
            Store(folder).put(f"p{i}", record=None)
    run = load(folder)
    found = compare(run, "psnr-y", "a", "b")
    assert found.rate["q"].note == kind
    assert found.rate["q"].overlap is None
    assert found.summary.overlap == 1
    assert summary_cell(found).endswith("of 1/2 clips")
    write_tables(run)
    assert rows(folder)["b", "q"]["overlap"] == ""


@pytest.mark.parametrize(
    ("metric", "key", "scores", "cap"),
    [
        ("psnr-y", "psnr-y", PSNR, 100.0),
        ("xpsnr", "xpsnr", PSNR, 100.0),
        ("psnr-rgb", "psnr-rgb", PSNR, 100.0),
        ("vmaf", "vmaf", (20.0, 40.0, 60.0, 80.0, 95.0), 100.0),
        ("ms-ssim-y-db", "ms-ssim-y", (0.9, 0.95, 0.97, 0.98, 0.99), 1.0),
        ("ms-ssim-rgb-db", "ms-ssim-rgb", (0.9, 0.95, 0.97, 0.98, 0.99), 0.9999995),
    ],
)
def test_a_lossless_point_is_no_rate_point(
    metric: str, key: str, scores: tuple[float, ...], cap: float, tmp_path: Path
) -> None:
    """A capped value is no measurement: the BD-rate is that of the other points."""
    name = key.replace("-", "_")
    points = ladder("p", "a", **{name: scores}) | ladder("p", "b", 0.5, **{name: scores})
    points |= {("p", codec, 0): (5000.0, {key: cap}) for codec in "ab"}
    points["p", "b", 1] = 6000.0, {key: cap}
    points["p", "a", 1] = 190.0, {key: scores[-1] + 0.001}
    run = load(results_folder(tmp_path, points, (key,)))
    found = compare(run, metric, "a", "b").rate["p"]
    up = [*scores, scores[-1] + 0.001]
    if metric != key:
        up = list(map(decibels, up))
    plain = bd_rate(curve([*KBPS, 190.0], up), curve([r / 2 for r in KBPS], up[:5]), "pchip")
    assert found.value == pytest.approx(plain.value)
    assert found.note == "3 at the metric's cap left out"
    assert len(averaged_points(run, "b", metric)[0]) == 5
    look = looks_of(run.about)["b"]
    assert legend(run, "b", metric, look) == "b (2 at the metric's cap left out)"
    drawn = [c for c in curves(run, [])["curves"] if c["metric"] == metric and c["codec"] == "b"]
    assert [len(c["kbps"]) for c in drawn] == [5, 5]
    write_tables(run)
    text = (tmp_path / "bd.md").read_text()
    assert "Left out of curves and BD-rates, " in text
    assert "b 0 on p; b 1 on p" in text
    assert "3 at the metric's cap left out" in text


@pytest.mark.parametrize(("frames", "kept"), [(3, True), (4, False), (8, False)])
def test_a_mean_of_frames_at_the_cap(frames: int, kept: bool, tmp_path: Path) -> None:
    """VMAF of a lossless clip is the mean of frames most of which are at 100."""
    points = ladder("p", "a") | ladder("p", "b", 0.5)
    folder = results_folder(tmp_path, points)
    store = Store(folder)
    store.put("p9", record={**(store.load("p9") or {}), "capped": {"psnr-y": frames}})
    found = compare(load(folder), "psnr-y", "a", "b").rate["p"]
    assert found.note == ("" if kept else "1 at the metric's cap left out")
    write_tables(load(folder))
    text = (folder / "bd.md").read_text()
    assert (f"PSNR-Y (dB): {frames} frames are in means as 100." in text) == kept
    assert ("Left out of curves and BD-rates" in text) != kept


@pytest.mark.parametrize("count", [0, 1, 2])
def test_all_points_at_the_cap(count: int, tmp_path: Path) -> None:
    """`count`: points of the other codec that are not."""
    capped = (100.0,) * 5
    points = ladder("p", "a", psnr_y=capped) | ladder("p", "b", psnr_y=(*PSNR[:count], *capped))
    run = load(results_folder(tmp_path, points))
    write_tables(run)
    assert rows(tmp_path)["b", "p"]["note"] == "n/a (0 points, 5 at the metric's cap left out)"
    with plt.style.context(STYLE):
        for figure in (rd_figure(run, "psnr-y", []), sequences_figure(run, "psnr-y")):
            figure.savefig(io.BytesIO(), format="png")
            plt.close(figure)


def test_too_few_points_below_the_cap(tmp_path: Path) -> None:
    points = ladder("p", "a") | ladder("p", "b", 0.5, 3)
    points["p", "b", 0] = 900.0, {"psnr-y": 100.0}
    run = load(results_folder(tmp_path, points))
    note = compare(run, "psnr-y", "a", "b").rate["p"].note
    assert note == "n/a (3 points, 1 at the metric's cap left out)"


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-9])
def test_identical_curves_are_a_tie(factor: float, tmp_path: Path) -> None:
    points: Points = {}
    for clip, rate in (("p", factor), ("q", 0.5), ("r", 2.0)):
        points |= ladder(clip, "a") | ladder(clip, "b", rate)
    folder = results_folder(tmp_path, points)
    write_tables(load(folder))
    assert "1 wins, 1 equal, 1 losses, 0 without" in rows(folder)["b", "mean"]["note"]
    assert "1/3 (1 equal)" in (folder / "bd.md").read_text()


def test_a_rate_of_more_than_ten_times_is_flagged(tmp_path: Path) -> None:
    points = ladder("p", "a") | ladder("p", "b", 12) | ladder("p", "c", 10)
    folder = results_folder(tmp_path, points)
    write_tables(load(folder))
    assert rows(folder)["b", "p"]["note"] == "beyond 1000 %"
    assert compare(load(folder), "psnr-y", "a", "c").rate["p"].text() == "+900.0 %"
    assert "beyond 1000 %: 1 clip |" in (folder / "bd.md").read_text()
