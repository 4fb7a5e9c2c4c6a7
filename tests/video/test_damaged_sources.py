"""Sources that are cut, damaged or change on their way: what can be decoded is, and it is said."""

import re
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from hdac.errors import UsageError
from hdac.video.reader import VideoReader
from tests.conftest import Run
from tests.video.sources import made, read, said


def cut(path: Path, part: float = 0.85) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    return path


@pytest.mark.parametrize("name", ["v.mkv", "v.flv", "v.avi", "v.mp4", "v.webm"])
def test_files_that_are_cut(tmp_path: Path, name: str) -> None:
    codec = "libvpx" if name == "v.webm" else "libx264"
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2")
    whole = made(
        tmp_path / name, "-c:v", codec, "-movflags", "+faststart", "-pix_fmt", "yuv420p",
        "-cluster_time_limit", "200", source=source,
    )  # fmt: skip
    assert not VideoReader(whole).notes
    reader, pictures = read(cut(whole))
    assert "the file is cut short" in said(reader)
    assert 1 <= len(pictures) == reader.info.frames < 50
    assert (reader.info.fps, reader.info.times) == (25, None)


def test_a_download_without_its_index_is_refused_with_the_reason(tmp_path: Path) -> None:
    for name in ("v.mp4", "v.mov"):
        with pytest.raises(UsageError, match=rf"{name}: not a video .*error reading header"):
            VideoReader(cut(made(tmp_path / name, "-c:v", "libx264")))


def test_a_bad_packet_costs_its_pictures_alone(tmp_path: Path) -> None:
    path = made(tmp_path / "v.mp4", "-c:v", "libx264", "-bf", "0")
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        at = path.read_bytes().index(bytes(packets[6]))
    data = bytearray(path.read_bytes())
    data[at : at + 4] = b"\xff" * 4  # the length of a NAL unit
    path.write_bytes(data)
    reader, pictures = read(path)
    assert (len(pictures), reader.info.frames, reader.info.fps) == (9, 9, 25)
    assert "1 of 10 pictures could not be decoded" in said(reader)


def test_a_start_in_the_middle_of_a_gop(tmp_path: Path) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1")
    whole = made(tmp_path / "v.ts", "-c:v", "libx264", "-g", "12", source=source)
    packets = whole.read_bytes()
    starts = [i for i in range(0, len(packets), 188) if packets[i + 1] & 0x5F == 0x41]
    tail = packets[: 3 * 188] + packets[starts[4] :]
    (tmp_path / "tail.ts").write_bytes(tail)
    reader, pictures = read(tmp_path / "tail.ts")
    assert len(pictures) == reader.info.frames
    assert "starts in the middle of a group of pictures" in said(reader)
    assert "variable" not in said(reader)


def test_an_elementary_stream_that_starts_in_the_middle(tmp_path: Path) -> None:
    for suffix, codec in (("h264", "libx264"), ("hevc", "libx265"), ("m2v", "mpeg2video")):
        source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1")
        whole = made(tmp_path / f"v.{suffix}", "-c:v", codec, "-g", "12", source=source)
        assert not VideoReader(whole).damage
        with av.open(str(whole)) as container:
            packets = [bytes(p) for p in container.demux(video=0)]
        (tmp_path / f"tail.{suffix}").write_bytes(b"".join(packets[5:]))
        reader, pictures = read(tmp_path / f"tail.{suffix}")
        assert len(pictures) == reader.info.frames == 13
        assert re.search(r"starts in the middle of a group of pictures: \d before", said(reader))


LONG = ("-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25:duration=2")


def hurt(path: Path, kind: str) -> Path:
    """Damages the middle of a file: 600 zeros there, or eight transport packets less."""
    data = bytearray(path.read_bytes())
    at = len(data) // 2 // 188 * 188
    if kind == "zeros":
        data[at : at + 600] = bytes(600)
    elif kind == "cut":
        del data[len(data) * 4 // 5 :]
    else:
        del data[at : at + 8 * 188]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["zeros", "hole", "cut"])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".ts", "libx264"), (".ts", "mpeg2video"), (".mpg", "mpeg2video"), (".mpg", "mpeg4"),
        (".mkv", "libx264"), (".mkv", "mjpeg"), (".mkv", "mpeg4"), (".avi", "mpeg4"),
        (".avi", "mjpeg"), (".flv", "libx264"), (".nut", "libx264"),
    ],
)  # fmt: skip
def test_damage_in_the_middle_is_said(tmp_path: Path, suffix: str, codec: str, kind: str) -> None:
    path = made(tmp_path / f"v{suffix}", "-c:v", codec, "-g", "25", "-b:v", "400k", source=LONG)
    whole = VideoReader(path)
    assert (whole.damage, whole.info.frames) == ((), 50)
    reader, pictures = read(hurt(path, kind))
    assert reader.damage
    assert set(reader.damage) <= set(reader.notes)
    assert "variable frame rate" not in said(reader)
    assert 20 < len(pictures) == reader.info.frames <= 50
    assert (reader.info.fps, reader.info.times) == (Fraction(25), None)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".ts"), ("libx265", ".ts")])
def test_a_recording_that_ends_anywhere_is_no_variable_rate(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    data = made(tmp_path / f"v{suffix}", "-c:v", codec, source=LONG).read_bytes()
    for part in range(60, 100, 4):  # a picture may be whole without those shown before it
        path = tmp_path / f"cut{suffix}"
        path.write_bytes(data[: len(data) * part // 100])
        info = VideoReader(path).info
        assert (info.fps, info.times) == (25, None)


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg4", ".mkv"), ("mjpeg", ".mkv")])
def test_a_variable_rate_stays_one_although_a_picture_is_damaged(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    late = ("-vf", "setpts='(N+floor(N/3))/25/TB'", "-fps_mode", "vfr")  # every third waits
    path = made(tmp_path / f"v{suffix}", *late, "-c:v", codec, "-b:v", "400k", source=LONG)
    whole = VideoReader(path)
    reader = VideoReader(hurt(path, "zeros"))
    assert reader.damage
    assert whole.info.times is not None
    assert reader.info.times is not None
    assert set(reader.info.times) <= set(whole.info.times)


def test_a_damaged_picture_is_counted(tmp_path: Path) -> None:
    for codec in ("libx264", "mpeg4", "mpeg2video"):
        path = made(tmp_path / "v.mkv", "-c:v", codec, "-g", "25", "-b:v", "400k", source=LONG)
        reader, pictures = read(hurt(path, "zeros"))
        assert len(pictures) == 50
        assert re.fullmatch(r"\d of 50 pictures are damaged, .*", " ".join(reader.damage))


def test_strict_refuses_damage(hdac: Run, tmp_path: Path) -> None:
    path = made(tmp_path / "v.mkv", "-c:v", "libx264", source=LONG)
    encode = ("--mode", "base", "--preset", "fast", "--frames", 30)
    out = tmp_path / "v.hdac"
    assert hdac("encode", path, "-o", out, "--strict", *encode)[0] == 0
    out.unlink()
    cut(path, 0.5)
    code, _, err = hdac("encode", path, "-o", out, "--strict", *encode)
    assert (code, out.exists()) == (2, False)
    assert "the file is cut short" in err
    assert "--strict" in err
    with path.open("rb") as file:
        code, _, err = hdac("encode", f"/dev/fd/{file.fileno()}", "-o", out, "--strict", *encode)
    assert (code, out.exists()) == (2, False)
    assert hdac("encode", path, "-o", out, *encode)[0] == 0


def test_animated_webp_is_said_to_be_unsupported(tmp_path: Path) -> None:
    frame = b"ANMF" + struct.pack("<I", 16) + bytes(16)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9)
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(UsageError, match="animated WebP is not supported here"):
        VideoReader(tmp_path / "a.webp")
