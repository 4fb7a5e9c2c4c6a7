"""Sets and folders of clips as people have them."""

import json
import os
from pathlib import Path

import pytest

from hdac.bench.analysis import load
from hdac.bench.batch import find_inputs
from hdac.bench.datasets import VIDEO_SUFFIXES, file_hash, find_sources, load_dataset
from hdac.bench.plots import ticks
from hdac.bench.tables import about
from hdac.cli.main import main
from hdac.errors import UsageError
from hdac.metrics.registry import find_metrics
from hdac.video.writer import save_png
from tests.bench.conftest import experiment, results_folder, x264
from tests.conftest import Run, synthetic

HEAD = 'schema = "hdac-dataset/1"\ntitle = "t"\nplace = "path"\nlicence = "none"\n'


def clip_set(folder: Path, *rows: str, splits: str = '["train", "test"]') -> Path:
    path = folder / "set.toml"
    text = HEAD + f"splits = {splits}\n"
    path.write_text(text + "".join(f"[[sequence]]\n{row}\n" for row in rows))
    return path


@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
def test_a_hash_in_any_case(case: type[str], clips: Path, hdac: Run) -> None:
    digest = case(file_hash(clips / "p.mkv"))
    path = clip_set(clips, f'name = "p"\npath = "p.mkv"\nsha256 = "{digest}"')
    assert [s.name for s in find_sources(str(path))] == ["p"]
    code, out, _ = hdac("datasets", "verify", path)
    assert (code, "1 of 1 clips are there" in out) == (0, True)
    other = clip_set(clips, f'name = "p"\npath = "q.mkv"\nsha256 = "{digest}"')
    with pytest.raises(UsageError, match="was altered"):
        find_sources(str(other))


@pytest.mark.parametrize("split", ["typo", "test", "Train"])
def test_verify_of_a_split_without_clips(
    split: str, clips: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip_set(clips, 'name = "p"\npath = "p.mkv"\nsplit = "train"')
    monkeypatch.setattr("hdac.bench.datasets.find_recipe", lambda *_: path)
    for verb in ("verify", "prepare"):
        options = ("--out", clips / "out") if verb == "prepare" else ()
        code, out, err = hdac("datasets", verb, f"mine:{split}", *options)
        assert (code, out) == (2, "")
        assert "split" in err
    assert hdac("datasets", "verify", "mine:train")[0] == 0


def test_a_clip_of_a_split_that_is_none(clips: Path) -> None:
    path = clip_set(clips, 'name = "p"\npath = "p.mkv"\nsplit = "tset"')
    with pytest.raises(UsageError, match="p has split = 'tset'; splits are train, test"):
        load_dataset(str(path))


@pytest.mark.parametrize("kind", ["clip", "picture", "recipe"])
def test_a_broken_link_is_named(kind: str, clips: Path, tmp_path: Path, hdac: Run) -> None:
    link = clips / "broken.mkv"
    if kind == "picture":
        (clips / "shots").mkdir()
        save_png(clips / "shots" / "1.png", synthetic(1)[0].to_rgb(6))
        link = clips / "shots" / "2.png"
    link.symlink_to(tmp_path / "gone")
    name = f"folder:{clips}"
    if kind == "recipe":
        name = str(clip_set(clips, 'name = "b"\npath = "broken.mkv"'))
    recipe = experiment(tmp_path, clips, x264("a"), '["a"]')
    recipe.write_text(recipe.read_text().replace(f"folder:{clips}", name))
    code, _, err = hdac("experiment", "run", recipe, "--out", tmp_path / "out", "-j1")
    assert code == 2
    assert str(link.name) in err
    assert kind == "recipe" or "gone" in err


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((1, 2, 4), "3"), ((0, 1, 2, 7), "3 to 6"), ((9, 10, 12), "11"), ((1, 2, 3), ""),
        ((0, 5, 10, 15), ""), ((100, 101, 105, 106, 109), "102 to 104, 107 to 108"),
    ],
)  # fmt: skip
def test_a_gap_in_a_folder_of_pictures_is_said(
    numbers: tuple[int, ...], missing: str, tmp_path: Path, hdac: Run
) -> None:
    shots = tmp_path / "shots"
    shots.mkdir()
    for n, picture in zip(numbers, synthetic(len(numbers)), strict=True):
        save_png(shots / f"take2_{n:04}.png", picture.to_rgb(6))
    code, _, err = hdac("measure", shots, shots, "--metrics", "psnr-y")
    assert code == 0
    assert ("no pictures of the numbers" in err) == bool(missing)
    assert f"numbers {missing}" in err or not missing


def test_every_video_in_a_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "shots_24fps").mkdir()
    (tmp_path / "notes").mkdir()
    names = ["a.M4V", "b.ts", "c.wmv", "shots_24fps/1.jpg", "notes/read.txt", "d.txt"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "b.ts").write_bytes(b"G" + bytes(187))
    (tmp_path / "module.ts").write_bytes(b"export {}")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails" / "1.jpg").write_bytes(b"")
    (tmp_path / "notes" / "._1.jpg").write_bytes(b"")
    found = find_sources(f"folder:{tmp_path}")
    assert [s.path.name for s in found] == ["a.M4V", "b.ts", "c.wmv", "shots_24fps"]


def test_attribute_files_of_macos(clips: Path) -> None:
    for name in ("._p.mkv", "._q.mp4", "._.DS_Store"):
        (clips / name).write_bytes(b"\x00\x05\x16\x07")
    (clips / "._shots").mkdir()
    (clips / "._shots" / "1.png").write_bytes(b"x")
    assert [s.name for s in find_sources(f"folder:{clips}")] == ["p", "q"]
    assert [p.name for p in find_inputs([str(clips)], VIDEO_SUFFIXES)] == ["p.mkv", "q.mkv"]
    assert [p.name for p in find_inputs([f"{clips}/*.mkv"], VIDEO_SUFFIXES)] == ["p.mkv", "q.mkv"]


def test_names_that_are_no_text(clips: Path) -> None:
    os.rename(clips / "p.mkv", os.fsencode(clips) + b"/p\xff.mkv")
    first, second = find_sources(f"folder:{clips}")
    assert (first.name, second.name) == ("p\ufffd", "q")
    os.rename(clips / "q.mkv", os.fsencode(clips) + b"/p\xfe.mkv")
    with pytest.raises(UsageError, match="rename some"):
        find_sources(f"folder:{clips}")


@pytest.mark.parametrize("text", ["psnr-y,psnr-y", "flicker,psnr-y,flicker", ",", " , ,", " "])
def test_metrics_that_are_none_or_twice(text: str, clips: Path, tmp_path: Path, hdac: Run) -> None:
    code, out, err = hdac("measure", clips / "p.mkv", clips / "p.mkv", "--metrics", text)
    assert (code, out) == (2, "")
    assert "once is enough" in err or "no metric is named" in err
    keys = [k.strip() for k in text.split(",") if k.strip()]
    with pytest.raises(UsageError):
        find_metrics(keys)
    recipe = experiment(tmp_path, clips, x264("a"), '["a"]', metrics=json.dumps(keys))
    assert main(["experiment", "run", str(recipe), "--out", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize(("frames", "said"), [(100, True), (9, True), (8, False), (0, False)])
def test_fewer_frames_than_asked_for(frames: int, said: bool, tmp_path: Path) -> None:
    folder = results_folder(tmp_path, {("p", "a", 30): (10.0, {"psnr-y": 30.0})})
    data = json.loads((folder / "experiment.json").read_text())
    (folder / "experiment.json").write_text(json.dumps({**data, "frames": frames}))
    assert ("(fewer have p 8)" in about(load(folder))) == said


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.01, 0.5), (0.5, 3), (600, 5000), (12, 14), (1, 1e6), (2, 70), (99.9, 100.1), (3, 3.2),
        (1e-9, 1e9), (500, 501), (0.2, 0.21), (1, 500),
    ],
)  # fmt: skip
def test_every_axis_has_ticks(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 12
    assert low <= min(found) <= max(found) <= high
    assert len({f"{t:.9g}" for t in found}) == len(found)
