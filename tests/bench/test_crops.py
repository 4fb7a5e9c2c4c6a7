"""Crops at equal rate: the pictures are those of the coded files."""

import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from hdac.bench.analysis import load
from hdac.bench.crops import Box, Crops, Tile, check_box, crops_figure, face_boxes, find_crops
from hdac.bench.experiment import load_experiment
from hdac.bench.plots import COLUMN, PAGE
from hdac.bench.results import Store
from hdac.errors import HdacError, UsageError
from hdac.metrics.registry import METRICS
from hdac.video.colour import rgb_from_picture
from hdac.video.picture import Picture
from tests.bench.conftest import experiment, x264
from tests.conftest import Run, synthetic

mpl.use("Agg")


@pytest.fixture
def made(inline: None, clips: Path, tmp_path: Path, hdac: Run) -> tuple[Path, Path]:
    """A recipe of two codecs, and the results of its run."""
    points = (20, 38)
    recipe = experiment(tmp_path, clips, x264("a", points=points) + x264("b", "fast", points))
    out = tmp_path / "out"
    code, _, err = hdac("experiment", "run", recipe, "--out", out, "-j1", "--no-players")
    assert code == 0, err
    return recipe, out


def test_pictures_are_those_of_the_files(made: tuple[Path, Path]) -> None:
    recipe, out = made
    run, store = load(out), Store(out)
    finest = max(p.kbps for p in run.of("b", "p"))
    crops = find_crops([run], "p", finest, ["a", "b"], 2, load_experiment(str(recipe)))
    source, a, b = crops.tiles
    assert (crops.frame, crops.sequence, crops.private) == (2, "p", True)
    assert [t.name for t in crops.tiles] == ["source", "x264 a", "x264 b"]
    np.testing.assert_array_equal(source.rgb, rgb_from_picture(synthetic(4, 64, 64)[2], 6))
    assert b.kbps == finest
    assert b.psnr_y == pytest.approx(store.frames("p_b_qp20")["psnr-y"][2], abs=1e-4)
    assert abs(np.log(a.kbps / finest)) == min(
        abs(np.log(p.kbps / finest)) for p in run.of("a", "p")
    )
    assert not np.array_equal(a.rgb, b.rgb)
    far = find_crops([run], "p", 40 * finest, (), None, load_experiment(str(recipe)))
    assert far.frame == 1
    assert [t.name for t in far.tiles] == ["source", "x264 a"]  # anchors, and no hybrid
    assert len(far.notes) == 1
    assert "x264 a: its nearest point has" in far.notes[0]


def test_codecs_of_several_runs(made: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, out = made
    other, known = tmp_path / "other", load_experiment(str(recipe))
    shutil.copytree(out, other)
    for path in (out / "points").glob("*_b_*"):
        path.unlink()
    with pytest.raises(HdacError, match="is not there: only the records were kept"):
        find_crops([load(out)], "p", 50, ["b"], None, known)
    runs = [load(other), load(out)]
    assert len(find_crops(runs, "p", 50, ["a", "b"], None, known).tiles) == 3
    runs[1].about.sequences.pop("p")
    with pytest.raises(UsageError, match=r"out has no such clip as p; it has q"):
        find_crops(runs, "p", 50, (), None, known)


def test_the_command(made: tuple[Path, Path], tmp_path: Path, hdac: Run) -> None:
    recipe, out = made
    path = tmp_path / "crops.png"
    go = ("experiment", "figure", "crops", out, "--recipe", recipe, "-o", path)
    where = ("--crop", "8,8,24x12", "--crop", "30,40,30x20", "--codecs", "a,b")
    code, said, err = hdac(*go, *where)
    assert code == 0, err
    assert said.startswith(f"{path}: p, frame 1\nx264 a: ")
    assert "may not be published" in err
    with Image.open(path) as image:
        assert image.width / 600 == pytest.approx(3 / 5 * COLUMN, abs=0.1)
    for words, message in (
        (where, "exists already; give -f"),
        (("-f", "--crop", "1,2,3"), "--crop 1,2,3; expected X,Y,WxH in pixels"),
        (("-f", "--crop", "60,8,24x12"), "--crop 60,8,24x12; the picture is 64x64"),
        (("-f", "--crop", "0,0,0x4"), "--crop 0,0,0x4; the picture is 64x64"),
        (("-f", *where, "--frame", "4"), "--frame 4; the clip has frames 0 to 3"),
        (("-f", *where, "--frame", "-1"), "--frame -1; the clip has frames 0 to 3"),
        (("-f", "--codecs", "a,c"), "no point and recipe of c for p; the results have a, b"),
        (("-f", *where, "--sequence", "z"), "--sequence z: choose from p, q"),
        (("-f", "--kbps", "-1"), "--kbps -1; expected a rate above 0"),
        (("-f", "-o", tmp_path / "x.jpg"), "cannot write .jpg; choose one of .pdf, .svg, .png"),
    ):
        code, _, err = hdac(*go, *words)
        assert (code, message in err) == (2, True), err


@pytest.mark.parametrize(("count", "width"), [(2, 2 / 5 * COLUMN), (5, COLUMN), (6, PAGE)])
def test_sizes_and_pixels(count: int, width: float) -> None:
    """No wider than a column, or the page; pictures as they are, crops enlarged."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
    tiles = [Tile(f"codec {i}", 8.0 * i, 30, rgb) for i in range(count)]
    boxes = [Box(8, 4, 32, 16), Box(0, 0, 64, 32)]
    figure = crops_figure(Crops("p", 0, tiles, False, []), boxes)
    assert figure.get_size_inches()[0] == pytest.approx(width, abs=0.02)
    whole, first, second, *_ = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_array_equal(whole, rgb)
    assert first is not None
    assert second is not None
    assert (first.shape, second.shape) == ((64, 128, 3), (128, 256, 3))
    small = np.asarray(Image.fromarray(np.asarray(first)).resize((32, 16), Image.Resampling.BOX))
    assert np.abs(small.astype(int) - rgb[4:20, 8:40]).mean() < 25  # noise: 85 if elsewhere
    places = [axes.get_position() for axes in figure.axes]
    assert all(0 <= p.x0 < p.x1 <= 1.0001 and 0 <= p.y0 < p.y1 <= 1 for p in places)
    texts = [t.get_text() for t in figure.texts]
    assert texts[:3] == ["codec 0", "codec 1", "8.00 kbps\n30.00 dB"]
    assert [len(axes.patches) for axes in figure.axes[:4]] == [2, 0, 0, 0]


def test_eyes_and_mouth(head: list[Picture]) -> None:
    if reason := METRICS["landmarks"].unavailable():
        pytest.skip(reason)
    rgb = rgb_from_picture(head[0], 6)
    eyes, mouth = face_boxes(rgb)
    for box in (eyes, mouth):
        check_box(box, rgb)
        assert box.width == pytest.approx(2 * box.height, abs=1)
    assert eyes.top + eyes.height / 2 < mouth.top
    assert abs(eyes.left + eyes.width / 2 - mouth.left - mouth.width / 2) < eyes.width / 4
    with pytest.raises(UsageError, match="no face was found in the source; name the crops"):
        face_boxes(np.full_like(rgb, 90))
