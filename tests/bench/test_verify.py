"""Clips as they lie in folders: what verify passes runs, what a run would refuse it says before."""

import json
import shutil
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdac.bench.datasets import find_sources
from hdac.bench.prepare import scaled
from hdac.bench.verify import check_rate, verify
from hdac.errors import UsageError
from hdac.video.info import VideoInfo
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader
from hdac.video.writer import save_png
from tests.bench.conftest import experiment, x264
from tests.conftest import Run, synthetic, write_video

KINDS = (
    "text.mp4", "cut.mkv", "v_64x48.yuv", "v_64x48_24_12bit.yuv", "deep_64x48_24.yuv",
    "odd_64x48_24.yuv", "v.yuv", "shots", "mixed_24fps", "tiny.mkv",
)  # fmt: skip


def bad_clip(folder: Path, name: str) -> Path:
    """A clip that a run cannot have."""
    path = folder / name
    if name == "text.mp4":
        path.write_bytes(b"no video at all")
    elif name == "cut.mkv":
        whole = write_video(folder / name, synthetic(3)).read_bytes()
        path.write_bytes(whole[: len(whole) // 20])
    elif name == "tiny.mkv":
        write_video(path, synthetic(2, 8, 8))
    elif path.suffix == ".yuv":
        deep = b"".join((p.y.astype("<u2") << 2).tobytes() for p in synthetic(3))
        flat = b"".join(p.tobytes() for p in synthetic(2))
        path.write_bytes({"deep": deep, "odd_": flat + b"x"}.get(name[:4], flat))
    else:
        path.mkdir()
        for i, side in enumerate((64, 64, 48 if name == "mixed_24fps" else 64)):
            save_png(path / f"{i}.png", np.full((48, side, 3), 90, np.uint8))
    return path


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("name", KINDS)
def test_verify_finds_what_a_run_would(name: str, tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    bad_clip(clips, name)
    code, out, _ = hdac("datasets", "verify", f"folder:{clips}")
    assert (code, "0 of 1 clips are there" in out) == (1, True)
    codec = '[codec.h]\nkind = "hdac"\ntitle = "h"\nmode = "base"\npreset = "fast"\npoints = [40]\n'
    recipe = experiment(tmp_path, clips, codec, '["h"]', anchors='["h"]')
    assert hdac("experiment", "run", recipe, "--out", tmp_path / "out", "--no-players")[0] in (1, 2)


@pytest.mark.usefixtures("inline")
def test_what_verify_passes_runs(tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mp4", synthetic(2))
    write_video(clips / "a.mkv", synthetic(2, 80, 48))
    write_video(clips / "b_64x48_24.yuv", synthetic(2))
    deep = [(plane.astype("<u2") << 2).tobytes() for p in synthetic(2) for plane in p]
    (clips / "c_64x48_30fps_10bit.yuv").write_bytes(b"".join(deep))
    (clips / "d_24fps").mkdir()
    save_png(clips / "d_24fps" / "1.png", synthetic(1)[0].to_rgb(6))
    rows = verify(f"folder:{clips}")
    names = ["a.mkv", "a.mp4", "b_64x48_24", "c_64x48_30fps_10bit", "d_24fps"]
    assert [(row.name, row.fine) for row in rows] == [(name, True) for name in names]
    recipe = experiment(tmp_path, clips, x264("a", points=(30,)), '["a"]')
    out = tmp_path / "out"
    assert hdac("experiment", "run", recipe, "--out", out, "--no-players")[0] == 0
    lines = [json.loads(line)["record"] for line in (out / "points.jsonl").read_text().splitlines()]
    assert {r["sequence"]: (r["width"], r["fps"]) for r in lines} == {
        "a.mkv": (80, "25"), "a.mp4": (64, "25"), names[2]: (64, "24"), names[3]: (64, "30"),
        "d_24fps": (64, "24"),
    }  # fmt: skip


def test_damage_is_said(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mkv", synthetic(20)).read_bytes()
    (tmp_path / "v.mkv").write_bytes(whole[: 2 * len(whole) // 3])
    (row,) = verify(f"folder:{tmp_path}")
    assert row.fine
    assert row.text.startswith("present; ")


def test_a_rate_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    for name in ("v_64x48.yuv", "shots"):
        with pytest.raises(UsageError, match=rf"{name}: no frame rate; .* --fps RATE"):
            check_rate(tmp_path / name)
    check_rate(tmp_path / "v_64x48_24.yuv")
    check_rate(tmp_path / "v.mp4")
    for rate, known in ((b"F25:1", True), (b"F0:0", False), (b"Ip", False)):
        (tmp_path / "v.y4m").write_bytes(b"YUV4MPEG2 W64 H48 " + rate + b" C420\nFRAME\n")
        with nullcontext() if known else pytest.raises(UsageError, match=r"its head says no frame"):
            check_rate(tmp_path / "v.y4m")


# ---- prepare


def prepared(
    hdac: Run, clips: Path, out: Path, *options: object
) -> list[tuple[str, str, int, int]]:
    """Name, rate and size of each clip that is made."""
    code, text, err = hdac(
        "datasets", "prepare", f"folder:{clips}", "--out", out, "--json", *options
    )
    assert code == 0, err
    assert all(row.text == "ok" for row in verify(json.loads(text)["recipe"]))
    readers = [(s.name, VideoReader(s.path).info) for s in find_sources(json.loads(text)["recipe"])]
    return [(name, str(info.fps), info.width, info.height) for name, info in readers]


def test_two_files_of_one_stem_are_two_sequences(tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mp4", synthetic(2))
    write_video(clips / "a.mkv", synthetic(2, 80, 48))
    made = prepared(hdac, clips, tmp_path / "set")
    assert made == [("a.mkv", "25", 80, 48), ("a.mp4", "25", 64, 48)]


def test_sources_are_never_overwritten(tmp_path: Path, hdac: Run) -> None:
    path = write_video(tmp_path / "a.mkv", synthetic(2))
    before = path.read_bytes()
    code, _, err = hdac("datasets", "prepare", f"folder:{tmp_path}", "--out", tmp_path, "-f")
    assert (code, "a.mkv: is an input too" in err) == (2, True)
    assert path.read_bytes() == before


def test_size_of_raw_input_and_scale_of_output(tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "v.yuv", synthetic(2))
    write_video(clips / "w_80x48_24.yuv", synthetic(2, 80, 48))
    write_video(clips / "x.mkv", synthetic(2, 96, 64))
    common = ("datasets", "prepare", f"folder:{clips}", "--out", tmp_path / "no")
    for options, message in (
        ([], "v.yuv: raw yuv without a size"),
        (["--size", "64x48"], "w_80x48_24.yuv: its name says 80x48, --size 64x48"),
    ):
        code, _, err = hdac(*common, "--fps", 30, *options)
        assert (code, message in err) == (2, True)
    (clips / "w_80x48_24.yuv").unlink()
    code, _, err = hdac(*common, "--size", "64x48")
    assert (code, "v.yuv: no frame rate" in err) == (2, True)
    assert not (tmp_path / "no").exists()
    options = ("--size", "64x48", "--fps", "30000/1001")
    made = prepared(hdac, clips, tmp_path / "own", *options)
    assert made == [("v", "30000/1001", 64, 48), ("x", "30000/1001", 96, 64)]
    made = prepared(hdac, clips, tmp_path / "small", *options, "--scale", "32x24")
    assert made == [("v", "30000/1001", 32, 24), ("x", "30000/1001", 32, 24)]
    (clips / "v.yuv").unlink()
    code, _, err = hdac(*common, "--size", "32x24")
    assert (code, "--size 32x24: it is that of raw .yuv" in err) == (2, True)


def test_another_rate_than_the_clips_own_is_said(tmp_path: Path, hdac: Run) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "v_64x48_24.yuv", synthetic(2))
    write_video(clips / "w.yuv", synthetic(2))
    write_video(clips / "x.mkv", synthetic(2))
    common = ("datasets", "prepare", f"folder:{clips}", "--size", "64x48", "--fps")
    code, _, err = hdac(*common, 50, "--out", tmp_path / "set")
    said = [line for line in err.splitlines() if "by itself" in line]
    assert (code, said) == (0, [
        "hdac: v_64x48_24: 24 frames per second by itself, not 50",
        "hdac: x: 25 frames per second by itself, not 50",
    ])  # fmt: skip
    code, _, err = hdac(*common, 25, "--out", tmp_path / "other")
    assert (code, err.count("by itself")) == (0, 1)


@pytest.mark.parametrize("scale", [(32, 24), (48, 36), (128, 96), (33, 25)])
def test_scaled(scale: tuple[int, int]) -> None:
    """A plane of one slope keeps it in any size."""
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 2 + 40, (48, 1))
    picture = Picture(ramp, ramp[::2, ::2].copy(), ramp[::2, ::2].copy())
    info = VideoInfo(Path("v"), 64, 48, Fraction(25))
    assert scaled(picture, info, None) is picture
    found = scaled(picture, info, scale)
    assert (found.width, found.height) == (scale[0] + scale[0] % 2, scale[1] + scale[1] % 2)
    at = (np.arange(scale[0]) + 0.5) * 64 / scale[0] - 0.5
    wanted = np.tile((at * 2 + 40)[2:-2], (scale[1], 1))
    assert np.abs(found.y[: scale[1], 2 : scale[0] - 2] - wanted).max() < 2


@pytest.mark.parametrize(("altered", "wanted"), [(False, 0), (True, 1)])
def test_all_sets_are_verified(
    altered: bool, wanted: int, tmp_path: Path, hdac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sets that are not here at all are none of the user's; an altered clip is."""
    clips = tmp_path / "clips"
    clips.mkdir()
    write_video(clips / "a.mkv", synthetic(2))
    prepared(hdac, clips, tmp_path / "set")
    (recipe,) = (tmp_path / "set").glob("*.toml")
    if altered:
        shutil.copy(write_video(tmp_path / "b.mkv", synthetic(3)), tmp_path / "set" / "a.mkv")
    monkeypatch.setattr("hdac.bench.recipes.recipe_names", lambda _: [str(recipe), "gfvc"])
    monkeypatch.delenv("HDAC_DATA", raising=False)
    code, out, _ = hdac("datasets", "verify", "--data", tmp_path)
    assert code == wanted, out
