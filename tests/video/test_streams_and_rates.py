"""Which of several streams is read, and at which rate: as FFmpeg chooses, and what is assumed is
said."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.video.ffmpeg import has_encoder
from hdac.video.reader import VideoReader
from hdac.video.writer import encode_png
from tests.video.sources import made, read, said

ASSUMED = "the source carries no frame rate; 25 frames per second assumed (set it with --fps)"


def source(rate: str = "25", size: str = "64x48") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration=0.8")


# ---- streams


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".m4v"])
@pytest.mark.parametrize("video", ["default", "0", "visual_impaired"])
@pytest.mark.parametrize("first", [True, False])
def test_cover_art_is_never_the_video(tmp_path: Path, suffix: str, video: str, first: bool) -> None:
    art = tmp_path / "cover.png"
    art.write_bytes(encode_png(np.zeros((200, 200, 3), np.uint8)))
    c, v = (0, 1) if first else (1, 0)
    options = (
        "-i", str(art), "-map", str(v), "-map", str(c), f"-c:v:{c}", "png", f"-c:v:{v}", "libx264",
        f"-disposition:v:{c}", "attached_pic", f"-disposition:v:{v}", video,
    )  # fmt: skip
    if suffix == ".mkv":
        options = (
            "-attach", str(art), "-metadata:s:t", "mimetype=image/png", "-c:v", "libx264",
            "-disposition:v:0", video,
        )  # fmt: skip
    reader, pictures = read(made(tmp_path / f"v{suffix}", *options, source=source()))
    assert (len(pictures), reader.info.width, reader.info.fps) == (20, 64, 25)
    assert "cover art (stream" in said(reader)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".nut"])
@pytest.mark.parametrize("default", [0, 1])
def test_the_best_stream_as_ffmpeg_finds_it(tmp_path: Path, suffix: str, default: int) -> None:
    flags = [f"-disposition:v:{i}" if j else "default" if i == default else "0"
             for i in (0, 1) for j in (1, 0)]  # fmt: skip
    sizes = "[0]split[a][b];[a]scale=32:32[c];[b]scale=96:96[d]"
    path = made(
        tmp_path / f"v{suffix}", "-filter_complex", sizes, "-map", "[c]", "-map", "[d]", "-c:v",
        "libx264", *flags, source=source(),
    )  # fmt: skip
    with av.open(str(path)) as container:
        best = container.streams.best("video")
        assert best is not None
        width, other = best.width, 1 - best.index
    reader = VideoReader(path)
    assert (reader.info.width, reader.info.frames) == (width, 20)
    assert f"video stream {other} (" in said(reader)


# ---- rates


@pytest.mark.parametrize("rate", ["12", "30000/1001"])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("h264", "libx264"), ("hevc", "libx265"), ("mpeg", "mpeg2video"), ("ivf", "libvpx"),
        ("vvc", "libvvenc"),
    ],
)  # fmt: skip
def test_rates_that_elementary_streams_state(
    tmp_path: Path, suffix: str, codec: str, rate: str
) -> None:
    if not has_encoder(codec):
        pytest.skip(f"this FFmpeg has no {codec}")
    if codec == "mpeg2video" and rate == "12":
        pytest.skip("not a rate of MPEG-2")
    path = made(tmp_path / f"v.{suffix}", "-c:v", codec, source=source(rate))
    reader, pictures = read(path)
    assert (reader.info.fps, reader.info.times) == (Fraction(rate), None)
    assert len(pictures) == reader.info.frames
    assert "second" not in said(reader)


@pytest.mark.parametrize(
    ("suffix", "options", "fps"),
    [
        ("m1v", ("-c:v", "mpeg1video"), "30"), ("m2v", ("-c:v", "mpeg2video"), "30"),
        ("h263", ("-c:v", "h263", "-s", "176x144"), "30000/1001"),
    ],
)  # fmt: skip
def test_invented_times_are_no_variable_rate(
    tmp_path: Path, suffix: str, options: tuple[str, ...], fps: str
) -> None:
    info = VideoReader(made(tmp_path / f"v.{suffix}", *options, source=source("30"))).info
    assert (info.fps, info.times) == (Fraction(fps), None)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.h264", ("-c:v", "libopenh264")), ("v.mjpeg", ("-c:v", "mjpeg")),
        ("v.obu", ("-c:v", "libaom-av1", "-cpu-used", "8")),
        ("v.png", ("-frames:v", "1")), ("v.jpg", ("-frames:v", "1")),
        ("v.bmp", ("-frames:v", "1")), ("v.webp", ("-frames:v", "1")),
    ],
)  # fmt: skip
def test_an_assumed_rate_is_said(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    if options[0] == "-c:v" and not has_encoder(options[1]):
        pytest.skip(f"this FFmpeg has no {options[1]}")
    path = made(tmp_path / name, *options, source=source("30"))
    reader = VideoReader(path)
    assert (reader.info.fps, ASSUMED in said(reader)) == (25, True)
    with path.open("rb") as file:  # by a pipe the same
        piped = VideoReader(f"/dev/fd/{file.fileno()}")
    assert (piped.info.fps, ASSUMED in said(piped)) == (25, True)
    told = VideoReader(path, fps=Fraction(30))
    assert (told.info.fps, "assumed" in said(told)) == (30, False)


@pytest.mark.parametrize("rate", [b"", b" F0:0", b" F0:1"])
def test_a_y4m_without_a_rate(tmp_path: Path, rate: bytes) -> None:
    path = made(tmp_path / "v.y4m", "-pix_fmt", "yuv420p", source=source("30"))
    assert not VideoReader(path).notes
    path.write_bytes(path.read_bytes().replace(b" F30:1", rate, 1))
    reader = VideoReader(path)
    assert (reader.info.fps, reader.notes) == (25, (ASSUMED,))


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4", ".flv", ".ts", ".nut", ".avi"])
@pytest.mark.parametrize("rate", ["24000/1001", "48000/1001", "60000/1001", "120000/1001", "60"])
def test_exact_rates_in_every_container(tmp_path: Path, suffix: str, rate: str) -> None:
    codec = {".webm": "libvpx", ".avi": "rawvideo"}.get(suffix, "libx264")
    path = made(tmp_path / f"v{suffix}", "-c:v", codec, source=source(rate))
    info = VideoReader(path).info
    assert (info.fps, info.times) == (Fraction(rate), None)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".flv", ".ts", ".nut", ".avi", ".y4m"])
@pytest.mark.parametrize("rate", ["1/3600", "1/60", "1", "999/7", "1000"])
def test_slow_and_fast_rates(tmp_path: Path, suffix: str, rate: str) -> None:
    if (suffix, rate) == (".flv", "1/3600"):
        pytest.skip("FLV cannot reorder pictures that are hours apart")
    frames = ("-frames:v", "12", "-pix_fmt", "yuv420p")
    codec = () if suffix == ".y4m" else ("-c:v", "libx264")
    pictures = ("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={rate}")
    reader = VideoReader(made(tmp_path / f"v{suffix}", *frames, *codec, source=pictures))
    assert (reader.info.fps, reader.info.times) == (Fraction(rate), None)
    assert (reader.info.frames, reader.damage) == (12, ())


def test_a_rate_that_is_too_high_for_a_stream(tmp_path: Path) -> None:
    path = made(tmp_path / "v.mp4", "-c:v", "libx264", source=source("1200"))
    with pytest.raises(UsageError, match=r"--fps sets another\) 1200.0; allowed are more than 0"):
        VideoReader(path)
    assert VideoReader(path, fps=Fraction(30)).info.fps == 30
