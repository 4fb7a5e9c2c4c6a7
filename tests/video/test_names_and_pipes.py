"""Where sources come from: folders, names that look like something else, pipes and URLs."""

import os
import threading
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo, VideoReader
from hdac.video.writer import VideoWriter, encode_png
from tests.conftest import synthetic, write_video
from tests.video.sources import fed, made, read, said


def picture_file(path: Path, level: int) -> None:
    path.parent.mkdir(exist_ok=True)
    grey = np.full((48, 64, 3), level, np.uint8)
    if path.suffix.lower() == ".png":
        path.write_bytes(encode_png(grey))
    else:
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.to_image().save(path)


def levels(pictures: list[Picture]) -> list[int]:
    return [round(int(p.to_rgb().mean()), -1) for p in pictures]


def test_png_and_jpeg_in_one_folder(tmp_path: Path) -> None:
    for i, name in enumerate(["1.png", "2.jpg", "10.PNG", "11.JPEG"]):
        picture_file(tmp_path / "f" / name, 50 * i + 20)
    (tmp_path / "f" / "12.bmp").write_bytes(b"BM")
    (tmp_path / "f" / "notes.txt").write_text("mine")
    reader, pictures = read(tmp_path / "f", fps=Fraction(5))
    assert levels(pictures) == [20, 70, 120, 170]
    assert "2 others in the folder are no PNG or JPEG pictures and are left out: 12.bmp" in (
        said(reader)
    )


def test_digits_of_other_scripts_in_names(tmp_path: Path) -> None:
    for name in ("1²3.png", "a1.png", "٣.png", "2.png"):
        picture_file(tmp_path / "f" / name, 100)
    assert len(read(tmp_path / "f")[1]) == 4


@pytest.mark.parametrize("name", ["take%d", "%02d", "a*b", "[ab]"])
def test_names_that_look_like_patterns(tmp_path: Path, name: str) -> None:
    picture_file(tmp_path / "take1" / "x1.png", 200)
    picture_file(tmp_path / name / "x%d.png", 100)
    picture_file(tmp_path / name / "x1.png", 200)
    assert levels(read(tmp_path / name / "x%d.png")[1]) == [100]
    (tmp_path / name / "x1.png").unlink()
    assert levels(read(tmp_path / name)[1]) == [100]


def test_names_that_look_like_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "v.mkv", synthetic(2)).rename(tmp_path / "at 12:30.mkv")
    write_video(tmp_path / "v.mkv", synthetic(2)).rename(tmp_path / "file:v.mkv")
    monkeypatch.chdir(tmp_path)
    for name in ("at 12:30.mkv", "file:v.mkv"):
        assert len(read(name)[1]) == 2


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("v_64x48_1000fps.yuv", "1000"), ("v_64x48_240fps.yuv", "240"),
        ("v_64x48_29.97fps.yuv", "30000/1001"), ("v_64x48_30000_1001fps.yuv", "30000/1001"),
        ("1000fps_64x48.yuv", "1000"), ("v_64x48_50Hz.yuv", "50"), ("v_64x48_30fps.yuv", "30"),
        ("v_64x48_44100hz.yuv", None), ("v_64x48_0fps.yuv", None), ("v_64x48_2000fps.yuv", None),
    ],
)  # fmt: skip
def test_rates_in_names_of_raw_files(tmp_path: Path, name: str, rate: str | None) -> None:
    reader = VideoReader(write_video(tmp_path / name, synthetic(2)))
    assert reader.info.fps == Fraction(rate or 25)
    assert ("25 frames per second assumed" in said(reader)) == (rate is None)


LONG = ["x" * 250, "\u65e5\u672c" * 41, "y" * 240 + " (1)", os.fsdecode(b"caf\xe9" * 50)]
ODD = ["12:30", "file:v", "http:x", "pipe:1", "a%d", "a%03d", "a?b#c", 'q"u\'o', "new\nline",
       "-dash", "concat:a|b", os.fsdecode(b"caf\xe9")]  # fmt: skip


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m", ".yuv", ""])
@pytest.mark.parametrize("stem", LONG + ODD)
def test_any_name_is_written_and_read(
    tmp_path: Path, stem: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_video(Path(stem + suffix), synthetic(2))
    assert os.listdir(tmp_path) == [stem + suffix]
    size = (64, 48) if suffix == ".yuv" else None
    assert len(read(os.fspath(path), size=size)[1]) == 2


@pytest.mark.parametrize("name", ["at:12.mp4", "clip:1.mkv", "C:\\v.mp4", "no.mp4", "n" * 300])
def test_a_name_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no such file"):
        VideoReader(name)


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4", ".nut"])
def test_titles_that_are_no_text(tmp_path: Path, suffix: str) -> None:
    tags = ("-metadata", "title=TITLE", "-metadata:s:v", "handler_name=TITLE")
    path = made(tmp_path / f"v{suffix}", "-c:v", "mpeg4", *tags)
    assert b"TITLE" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"caf\xe9\x81"))
    assert len(read(path)[1]) == 10


def test_foreign_files_of_a_folder_stay(tmp_path: Path) -> None:
    folder = write_video(tmp_path / "out", synthetic(5))
    kept = {"thesis.txt": b"mine", "holiday.png": b"mine too", "000003.jpg": b"also"}
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(UsageError, match="exists already"):
        VideoWriter(VideoInfo(folder, 64, 48, Fraction(25)))
    with VideoWriter(VideoInfo(folder, 64, 48, Fraction(25)), force=True) as writer:
        for picture in synthetic(7)[5:]:
            writer.write(picture)
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert after.keys() == before.keys()
    assert {n for n in after if after[n] != before[n]} == {"000000.png", "000001.png"}
    assert writer.notes == [
        "4 other pictures were in the folder and are still there (000002.png to holiday.png)"
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


# ---- pipes and URLs


@pytest.mark.parametrize("suffix", [".y4m", ".mkv", ".ts"])
def test_a_fifo_is_read_once(tmp_path: Path, suffix: str) -> None:
    source = made(tmp_path / f"v{suffix}", "-pix_fmt", "yuv420p")
    _, wanted = read(source)
    reader = VideoReader(fed(tmp_path, source))
    assert (reader.info.frames, reader.info.fps) == (None, 25)
    assert [p.tobytes() for p in reader] == [p.tobytes() for p in wanted]


def test_a_fifo_of_raw_yuv(tmp_path: Path) -> None:
    wanted = synthetic(3)
    source = write_video(tmp_path / "v_64x48.yuv", wanted)
    reader = VideoReader(fed(tmp_path, source, "f_64x48.yuv"))
    assert [p.tobytes() for p in reader] == [p.tobytes() for p in wanted]


def test_what_a_pipe_shows_late_is_said_at_its_end(tmp_path: Path) -> None:
    path = made(
        tmp_path / "v.mkv", "-vf", "setpts='if(lt(N,5),N,2*N)/25/TB'", "-fps_mode", "vfr", "-c:v",
        "libx264",
    )  # fmt: skip
    reader = VideoReader(fed(tmp_path, path))
    assert len(list(reader)) == 10
    assert "a pipe is coded at the constant rate" in said(reader)


def test_a_url(tmp_path: Path) -> None:
    made(tmp_path / "v.mp4", "-c:v", "libx264")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.func.log_message = lambda *_: None  # type: ignore[method-assign, assignment]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v.mp4"
        reader = VideoReader(url)
        assert (reader.name, len(list(reader))) == (url, 10)
        with pytest.raises(UsageError, match=r"http://127.0.0.1:\d+/no.mp4: not a video"):
            VideoReader(url.replace("v.mp4", "no.mp4"))
        server.shutdown()


def test_only_the_first_frames(tmp_path: Path) -> None:
    for path in (
        made(tmp_path / "v.mkv", "-c:v", "libx264"),
        write_video(tmp_path / "v_64x48.yuv", synthetic(10)),
        write_video(tmp_path / "pictures", synthetic(10)),
    ):
        reader = VideoReader(path, frames=4)
        assert (reader.info.frames, len(list(islice(reader, 9)))) == (4, 4)
