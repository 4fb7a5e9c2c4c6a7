"""Sources that are cut, damaged or change on their way: what can be decoded is, and it is said."""

import struct
from pathlib import Path

import av
import pytest

from hdac.errors import UsageError
from hdac.video.reader import VideoReader
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


def test_sizes_and_formats_that_change(tmp_path: Path) -> None:
    a, b, c = (
        made(tmp_path / f"{i}.ts", "-vf", vf, "-pix_fmt", fmt, "-c:v", "libx264").read_bytes()
        for i, (vf, fmt) in enumerate(
            [("null", "yuv420p"), ("scale=96:48", "yuv420p"), ("null", "yuv444p")]
        )
    )
    (tmp_path / "size.ts").write_bytes(a + b)
    reader, pictures = read(tmp_path / "size.ts")
    assert {p.y.shape for p in pictures} == {(48, 64)}
    assert len(pictures) == 20
    assert "the size changes to 96x48 at picture 10: scaled" in said(reader)
    (tmp_path / "format.ts").write_bytes(a + c)
    reader, pictures = read(tmp_path / "format.ts")
    assert (len(pictures), "yuv444p converted to 4:2:0" in said(reader)) == (20, True)


def test_animated_webp_is_said_to_be_unsupported(tmp_path: Path) -> None:
    frame = b"ANMF" + struct.pack("<I", 16) + bytes(16)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9)
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(UsageError, match="animated WebP is not supported here"):
        VideoReader(tmp_path / "a.webp")
