"""Curves of others (`--extra`): checked, sorted, told apart."""

import json
from pathlib import Path

import pytest

from hdac.bench.analysis import load
from hdac.bench.compressai import beside, pixel_rate, read_extra
from hdac.bench.figures import extra_points, rd_figure
from hdac.bench.report import curves
from hdac.errors import UsageError
from tests.bench.conftest import results_folder
from tests.conftest import Run

SCORES = (28.0, 31.0, 34.0, 37.0)
GOOD = {"bitrate": [10, 20, 40], "psnr-y": [30, 33, 36]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    points = {
        ("p", c, 40 - i): (10.0 * 2**i, {"psnr-y": s}) for c in "ab" for i, s in enumerate(SCORES)
    }
    return results_folder(tmp_path / "out", points)


def extra(tmp_path: Path, results: object, name: object = "theirs") -> Path:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"name": name, "results": results}))
    return path


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(
    "change",
    [
        {"psnr-y": [30, float("nan"), 36]}, {"psnr-y": [30, float("inf"), 36]},
        {"bitrate": [10, float("nan"), 40]}, {"bitrate": [10, float("-inf"), 40]},
        {"psnr-y": [30, "NaN", 36]}, {"psnr-y": ["inf", 33, 36]}, {"bitrate": ["nan", 20, 40]},
        {"bitrate": [0, 20, 40]}, {"bitrate": [10, -20, 40]}, {"bitrate": [10, None, 40]},
        {"psnr-y": [30, [33], 36]}, {"psnr-y": [True, 33, 36]}, {"bitrate": [], "psnr-y": []},
        {"bitrate": 10}, {"bitrate": {}},
    ],
)  # fmt: skip
def test_numbers_that_are_none(
    change: dict[str, object], folder: Path, tmp_path: Path, hdac: Run
) -> None:
    path = extra(tmp_path, {**GOOD, **change})
    code, _, err = hdac("experiment", "report", folder, "--extra", path, "--no-players")
    assert (code, "not CompressAI's format" in err, "Traceback" in err) == (2, True, False)


@pytest.mark.parametrize("data", [[], "x", 3, None, {"results": []}, {"results": None}, {}])
def test_other_files(data: object, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(data))
    with pytest.raises(UsageError, match="not CompressAI's format"):
        read_extra(tmp_path / "x.json")


@pytest.mark.parametrize("rates", [[40, 10, 20], [20, 40, 10], [40, 20, 10]])
def test_points_are_sorted(rates: list[float], folder: Path, tmp_path: Path) -> None:
    scores = [30 + r / 10 for r in rates]
    found = read_extra(extra(tmp_path, {"bitrate": rates, "psnr-y": scores}))
    assert extra_points(found, "psnr-y") == ([10, 20, 40], [31, 32, 34])
    (line,) = (c for c in curves(load(folder), [found])["curves"] if c["codec"] == "theirs")
    assert line["kbps"] == [10, 20, 40]


def test_points_at_the_cap_are_left_out(tmp_path: Path) -> None:
    found = read_extra(extra(tmp_path, {"bitrate": [1, 2, 3], "psnr-y": [30, 100, 100]}))
    assert extra_points(found, "psnr-y") == ([1], [30])
    assert extra_points(found, "ms-ssim-y-db") == ([], [])


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_name_of_the_run(name: str, folder: Path, tmp_path: Path, hdac: Run) -> None:
    path = extra(tmp_path, GOOD, name)
    code, _, err = hdac(
        "experiment", "report", folder, "--extra", path, "--extra", path, "--no-players"
    )
    assert code == 0
    assert f"{name} is a name of this run already: shown as {name} (extra)\n" in err
    run = load(folder)
    found, _ = beside(run, [read_extra(path)] * 2)
    assert [e.name for e in found] == [f"{name} (extra)", f"{name} (extra) (extra)"]
    figure = rd_figure(run, "psnr-y", found)
    assert len({t.get_text() for t in figure.legends[0].get_texts()}) == 4


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("results", [{"bitrate": [1, 2], "psnr-rgb": [1, 2]}, {"bitrate": [1]}])
def test_no_metric_in_common_is_said(
    results: dict[str, object], folder: Path, tmp_path: Path, hdac: Run
) -> None:
    path = extra(tmp_path, results)
    code, _, err = hdac("experiment", "report", folder, "--extra", path, "--no-players")
    assert code == 0
    assert "theirs is in no figure: its metrics are" in err
    assert "those of the run psnr-y" in err


def test_bits_per_pixel(folder: Path, tmp_path: Path) -> None:
    """CompressAI's files of images: the clips here have 64x64 pixels, 25 times a second."""
    run = load(folder)
    assert pixel_rate(run) == 64 * 64 * 25
    path = extra(
        tmp_path, {"bpp": [0.2, 0.1], "psnr": [33, 30], "psnr-y": [34, 31], "ms-ssim": [1]}
    )
    found = read_extra(path, pixel_rate(run))
    assert found.kbps == (10.24, 20.48)
    assert found.scores == {"psnr-rgb": (30, 33), "psnr-y": (31, 34)}
    _, notes = beside(run, [found])
    assert notes == [
        "theirs: its bits per pixel are kbps at 102400 pixels a second, the run's mean"
    ]
    with pytest.raises(UsageError, match="no point of the run"):
        read_extra(path)
    path = extra(tmp_path, {"bpp": [0.1, 0.2], "bitrate": [7, 9], "psnr-y": [31, 34]})
    assert read_extra(path).kbps == (7, 9)


def test_rates_of_videos_in_bits_per_pixel(folder: Path, tmp_path: Path) -> None:
    """A file that says kbps alone is in figures over bits per pixel, too."""
    found = read_extra(extra(tmp_path, GOOD), 4000.0)
    assert extra_points(found, "psnr-y", "bpp") == ([2.5, 5.0, 10.0], [30, 33, 36])
    own = read_extra(extra(tmp_path, {**GOOD, "bpp": [1, 2, 3]}), 4000.0)
    assert extra_points(own, "psnr-y", "bpp")[0] == [1, 2, 3]
    assert extra_points(read_extra(extra(tmp_path, GOOD)), "psnr-y", "bpp") == ([], [])


def test_an_extra_of_images_is_in_the_figures(folder: Path, tmp_path: Path, hdac: Run) -> None:
    path = extra(tmp_path, {"bpp": [0.1, 0.4], "psnr-y": [31, 34]})
    code, _, err = hdac("experiment", "report", folder, "--extra", path, "--no-players")
    assert code == 0
    assert "pixels a second" in err
    assert "theirs" in (folder / "figures" / "rd_psnr-y.svg").read_text()
