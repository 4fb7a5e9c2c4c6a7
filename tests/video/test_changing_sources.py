"""Sources whose pictures change on their way: range, chroma format, size and matrix of each count,
and the first change is said."""

from pathlib import Path

import numpy as np
import pytest

from hdac.video.ffmpeg import run_ffmpeg
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader
from tests.video.sources import fed, made, read, said

RED = ("-f", "lavfi", "-i", "color=red:size=64x48:rate=25:duration=0.4")


def part(path: Path, matrix: str, full: bool = False, form: str = "yuv420p") -> bytes:
    """A transport stream of ten red pictures."""
    scale = f"scale=out_color_matrix={matrix}:out_range={'full' if full else 'limited'}"
    tags = ("-colorspace", matrix, "-color_range", "pc" if full else "tv")
    codec = ("-c:v", "libx264", "-crf", "5")
    return made(path, "-vf", f"{scale},format={form}", *tags, *codec, source=RED).read_bytes()


def joined(tmp_path: Path, *parts: dict[str, object], suffix: str = ".ts") -> Path:
    data = [part(tmp_path / f"{i}.ts", **p) for i, p in enumerate(parts)]  # type: ignore[arg-type]
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(data))
    return path


def colours(reader: VideoReader, pictures: list[Picture]) -> np.ndarray:
    return np.array([p.to_rgb(reader.info.matrix).mean((0, 1)) for p in pictures])


SD, HD, UHD = {"matrix": "smpte170m"}, {"matrix": "bt709"}, {"matrix": "bt2020nc"}


@pytest.mark.parametrize("size", [None, (32, 24), (100, 50)])
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((SD, SD | {"full": True}), "the range changes to full at picture 10: converted"),
        ((SD | {"full": True}, SD), "the range changes to limited at picture 10: converted"),
        ((SD, HD), "the matrix changes to 1 (of H.273) at picture 10: converted"),
        ((HD, SD, HD), "the matrix changes to 6 (of H.273) at picture 10: converted"),
        ((HD, UHD), "the matrix changes to 9 (of H.273) at picture 10: converted"),
        ((SD, SD | {"form": "yuv444p"}), "the format changes to yuv444p at picture 10: converted"),
        ((SD | {"form": "yuv422p"}, SD), "the format changes to yuv420p at picture 10: converted"),
        ((SD, HD | {"full": True, "form": "yuv444p"}), "the range changes to full at picture 10"),
    ],
)
def test_each_picture_is_read_by_its_own_format(
    tmp_path: Path, parts: tuple[dict[str, object], ...], words: str, size: tuple[int, int] | None
) -> None:
    reader, pictures = read(joined(tmp_path, *parts), size=size)
    assert len(pictures) == reader.info.frames == 10 * len(parts)
    assert words in said(reader)
    assert np.abs(colours(reader, pictures) - (254, 0, 0)).max() < 6
    assert "variable" not in said(reader)


def test_what_does_not_change_is_not_said(tmp_path: Path) -> None:
    reader, _ = read(joined(tmp_path, SD, {"matrix": "bt470bg"}))  # the same by another number
    assert "changes" not in said(reader)


@pytest.mark.parametrize("first", ["640x360", "64x48", "90x50"])
def test_sizes_that_change_are_scaled_to_the_first(tmp_path: Path, first: str) -> None:
    data = b""
    for i, size in enumerate((first, "128x96", "32x32")):
        source = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=0.4")
        data += made(tmp_path / f"{i}.ts", "-c:v", "libx264", source=source).read_bytes()
    (tmp_path / "v.ts").write_bytes(data)
    reader, pictures = read(tmp_path / "v.ts")
    width, height = map(int, first.split("x"))
    assert {(p.width, p.height) for p in pictures} == {(width, height)}
    assert len(pictures) == 30
    assert "the size changes to 128x96 at picture 10: scaled" in said(reader)


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_streams_that_begin_later(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, 20 * 640 * 480 * 3 // 2, np.uint8)
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "640x480", "-r", "25", "-i", "-")
    coded = ("-c:v", "mpeg2video", "-q:v", "1", "-g", "1", "-maxrate", "90M", "-bufsize", "9M")
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    run_ffmpeg([*raw, *coded, str(first)], data=noise.tobytes())
    assert first.stat().st_size > 5_500_000  # more than libav looks at before the first picture
    sound = ("-f", "lavfi", "-i", "sine=duration=0.4", "-map", "0", "-map", "1")
    made(second, *sound, "-vf", "scale=640:480", "-c:v", "mpeg2video", source=RED)
    path = tmp_path / f"v{suffix}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    for source in (fed(tmp_path, path), path):
        assert 28 <= len(list(VideoReader(source))) <= 30
