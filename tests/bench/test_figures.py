"""Figures: what is drawn is what was measured."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hdac.bench.analysis import comparisons, load
from hdac.bench.compressai import Extra
from hdac.bench.figures import (
    heat_figure,
    layers_figure,
    rd_figure,
    sequences_figure,
    write_figures,
)
from hdac.bench.plots import COLUMN, PAGE, SMALL_TICKS, drawing, grid, save, ticks
from hdac.bench.refreshes import refresh_frames
from hdac.bench.results import Store
from hdac.bench.tables import write_tables
from hdac.bench.timeline import time_figure
from hdac.codec.config import EncoderConfig
from hdac.codec.files import encode, inspect
from tests.bench.conftest import results_folder
from tests.bench.test_means import PSNR, Points, ladder
from tests.conftest import Run, synthetic

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No figure stays open behind a test."""
    yield
    plt.close("all")


def change(folder: Path, name: str, **changes: Any) -> None:
    """Changes a point's record."""
    store = Store(folder)
    store.put(name, record={**(store.load(name) or {}), **changes})


def looks(axes: Any) -> list[tuple[str, str, str]]:
    lines = axes.get_lines()
    return [(line.get_color(), line.get_marker(), line.get_fillstyle()) for line in lines]


def test_twelve_codecs_are_told_apart(tmp_path: Path) -> None:
    points: Points = {}
    for i in range(11):
        points |= ladder("p", f"codec{i}", 1 + i / 10)
    run = load(results_folder(tmp_path, points))
    figure = rd_figure(run, "psnr-y", [Extra("theirs", (10, 20), {"psnr-y": (30, 33)})])
    (axes,) = figure.axes
    assert len(set(looks(axes))) == 12
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [*run.codecs, "theirs"]
    assert axes.get_ylabel() == "PSNR-Y (dB)"
    (small, *_) = sequences_figure(run, "psnr-y").axes
    assert looks(small) == looks(axes)[:11]


def test_a_curve_of_other_clips_is_not_drawn(tmp_path: Path) -> None:
    """Codec b was run on one clip of two: its name says so, and has no line."""
    points = ladder("p", "a") | ladder("q", "a") | ladder("p", "b", 0.5)
    figure = rd_figure(load(results_folder(tmp_path, points)), "psnr-y", [])
    (axes,) = figure.axes
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [5, 0]
    names = [t.get_text() for t in figure.legends[0].get_texts()]
    assert names == ["a", "b (1 of 2 clips): no mean"]


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 1)), (4, (1, 4)), (5, (2, 3)), (6, (2, 3)), (7, (2, 4))]
)
def test_small_plots_fill_the_page(count: int, shape: tuple[int, int]) -> None:
    figure, plots = grid([f"clip {i}" for i in range(count)])
    cells = plots[0][0].get_subplotspec()
    assert cells is not None
    assert cells.get_gridspec().get_geometry() == shape
    assert len(plots) == count
    assert figure.get_size_inches()[0] == pytest.approx(PAGE if count > 3 else PAGE / 4 * count)


def test_numbers_of_small_axes_are_few() -> None:
    assert ticks(1.5, 130) == [2, 3, 5, 7, 10, 20, 30, 50, 70, 100]
    assert ticks(1.5, 130, SMALL_TICKS) == [2, 5, 10, 20, 50, 100]


def test_rates_in_bits_a_pixel(tmp_path: Path) -> None:
    folder = results_folder(tmp_path, ladder("p", "a"))
    for i in range(5):
        change(folder, f"p{i}", results={"bitrate": [9], "bpp": [0.01 * 2**i], "psnr-y": [30 + i]})
    run = load(folder)
    mine, kbps = (30.0, 31.0), (9.0, 10.0)
    extra = [
        Extra("theirs", kbps, {"psnr-y": mine, "bpp": (0.1, 0.2)}),
        Extra("kbps", kbps, {"psnr-y": mine}),
    ]
    (axes,) = rd_figure(run, "psnr-y", extra, "bpp").axes
    assert axes.get_xlabel() == "rate (bpp)"
    ours, theirs = axes.get_lines()
    np.testing.assert_allclose(ours.get_xdata(), [0.01, 0.02, 0.04, 0.08, 0.16])
    np.testing.assert_allclose(theirs.get_xdata(), [0.1, 0.2])
    (small,) = sequences_figure(run, "psnr-y", "bpp").axes
    np.testing.assert_allclose(small.get_lines()[0].get_xdata(), ours.get_xdata())


def test_shares_of_the_rate(tmp_path: Path) -> None:
    """Of the bits of both clips, in percent."""
    folder = results_folder(tmp_path, ladder("p", "a", count=1) | ladder("q", "a", count=1))
    zero = {"header": 0, "reference": 0, "motion": 0, "fusion": 0}
    change(folder, "p0", bits={**zero, "base": 100})
    change(folder, "p1", bits={**zero, "base": 200, "reference": 90, "motion": 10})
    figure = layers_figure(load(folder), "a")
    (axes,) = figure.axes
    heights = {bars.get_label(): bars[0].get_height() for bars in axes.containers}
    assert heights == pytest.approx({"base": 75, "reference": 22.5, "motion": 2.5})
    assert [t.get_text() for t in axes.texts] == ["75", "22"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["40\n10.0 kbps"]


def test_heat_map(tmp_path: Path) -> None:
    points: Points = {}
    for clip, rate in (("p", 0.5), ("q", 2.0), ("r", 1.0)):
        far = PSNR if clip != "r" else tuple(v + 40 for v in PSNR)
        points |= ladder(clip, "a") | ladder(clip, "b", rate, psnr_y=far)
    run = load(results_folder(tmp_path, points))
    figure = heat_figure(run, list(comparisons(run)), "psnr-y", "a")
    (axes,) = figure.axes
    cells = np.ma.filled(axes.images[0].get_array(), np.nan)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(cells, [[-50, 100, np.nan, 25]], atol=1e-6)
    assert [t.get_text() for t in axes.texts] == ["\N{MINUS SIGN}50", "+100", "n/a", "+25"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["p", "q", "r", "mean"]
    assert axes.get_title(loc="right") == "BD-rate (%) against a: PSNR-Y (dB)"


def test_the_mean_of_a_heat_map_is_the_tables(tmp_path: Path) -> None:
    """Over the clips that all rows share, though b has a number on a third."""
    points: Points = {}
    for clip, rate in (("p", 0.5), ("q", 0.5), ("r", 2.0)):
        far = PSNR if clip != "r" else tuple(v + 40 for v in PSNR)
        points |= ladder(clip, "a") | ladder(clip, "b", rate) | ladder(clip, "c", 0.8, psnr_y=far)
    run = load(results_folder(tmp_path, points))
    figure = heat_figure(run, list(comparisons(run)), "psnr-y", "a")
    cells = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(cells, [[-50, -50, 100, -50], [-20, -20, np.nan, -20]], atol=1e-6)


@pytest.fixture
def over_time(tmp_path: Path) -> Path:
    """Two codecs, of which b has values frame by frame and a refresh at both of its points."""
    folder = results_folder(tmp_path, ladder("p", "a") | ladder("p", "b", 0.9))
    for i in range(5, 10):
        change(folder, f"p{i}", refreshes=[3])
        values = {"psnr-y": [30.0 + i, None, 31.0 + i, *[0.0] * 5]}
        (folder / "points").mkdir(exist_ok=True)
        (folder / "points" / f"p{i}.frames.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize("clone", [False, True])
def test_quality_over_time(clone: bool, over_time: Path) -> None:
    """Of the point nearest to the rate, from `points/` or from `frames.csv.xz`."""
    if clone:
        write_tables(load(over_time))
        for path in (over_time / "points").iterdir():
            path.unlink()
    run = load(over_time)
    figure = time_figure(run, "psnr-y", ["p"], ["a", "b"], 40)
    curve, refresh = figure.axes[0].get_lines()
    assert list(curve.get_xdata()) == [0, 2, 3, 4, 5, 6, 7]
    assert list(curve.get_ydata())[:3] == [37, 38, 0]
    assert set(refresh.get_xdata()) == {3}
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["b, 36.0 kbps"]


def test_the_same_bytes_at_print_size(over_time: Path) -> None:
    """Whatever other file is written before."""
    run, out = load(over_time), over_time
    with drawing():
        save(time_figure(run, "psnr-y", ["p"], ["b"], 40), out / "a.pdf", out / "a.svg")
        figure = rd_figure(run, "psnr-y", [])
        assert figure.get_size_inches()[0] == COLUMN
        save(time_figure(run, "psnr-y", ["p"], ["b"], 40), out / "b.svg", out / "b.pdf")
    assert (out / "a.pdf").read_bytes() == (out / "b.pdf").read_bytes()
    assert (out / "a.svg").read_bytes() == (out / "b.svg").read_bytes()
    assert b"<svg" in (out / "a.svg").read_bytes()
    families = set(re.findall(r"font-family: ([^;\"]*)", (out / "a.svg").read_text()))
    assert families == {"'STIXGeneral', 'Times New Roman', 'Liberation Serif', 'Times', serif"}


def test_figure_time(over_time: Path, tmp_path: Path, hdac: Run) -> None:
    out, go = tmp_path / "x.svg", ("experiment", "figure", "time", over_time)
    code, said, _ = hdac(*go, "--kbps", 40, "--codecs", "b", "-o", out)
    assert (code, said) == (0, f"{out}: p, psnr-y\n")
    assert "b, 36.0 kbps" in out.read_text()
    for words, message in (
        (("--codecs", "b"), "exists already; give -f"),
        (("-f", "--codecs", "c"), "--codecs c: choose from a, b"),
        (("-f", "--codecs", "a"), "no values of psnr-y frame by frame for p"),
        (("-f", "--metric", "vmaf"), "--metric vmaf: choose from psnr-y"),
        (("-f", "--sequence", "z"), "--sequence z: choose from p"),
        (("-f", "--kbps", "0"), "--kbps 0; expected a rate above 0"),
        (("-f", "--kbps", "nan"), "--kbps nan; expected a rate above 0"),
    ):
        code, _, err = hdac(*go, "--kbps", 40, "-o", out, *words)
        assert (code, message in err) == (2, True), err


@pytest.mark.parametrize(("refresh", "frames"), [(3, [3, 6]), ("never", [])])
def test_frames_of_refreshes(refresh: Any, frames: list[int]) -> None:
    settings = EncoderConfig(
        mode="base", base_codec="hevc", base_encoder="x265", qp_base=45, refresh=refresh
    )
    data = encode(synthetic(8), 64, 48, Fraction(25), settings)
    assert refresh_frames(data) == frames
    assert inspect(data).refreshes == len(frames)


def test_figures_of_earlier_runs_go(tmp_path: Path) -> None:
    run = load(results_folder(tmp_path, ladder("p", "a", 1.0)))
    figures = tmp_path / "figures"
    figures.mkdir()
    for name in ("rd_vmaf.svg", "layers_gone.pdf", "mine.svg", "rd_notes.txt"):
        (figures / name).write_text("")
    write_figures(run, [], [])
    stale, others = {"rd_vmaf.svg", "layers_gone.pdf"}, {"mine.svg", "rd_notes.txt"}
    found = {path.name for path in figures.iterdir()}
    assert not found & stale
    assert found > others | {"rd_psnr-y.svg"}
