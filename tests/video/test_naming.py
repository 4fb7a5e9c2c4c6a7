"""Raw video: size, rate and depth by its name; what is of another depth is never read as 8 bits."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.video.naming import parse_name
from hdac.video.reader import VideoReader
from hdac.video.writer import save_png
from tests.conftest import synthetic, write_video


@pytest.mark.parametrize(
    ("stem", "size", "fps"),
    [
        ("head_256x256_24", (256, 256), 24), ("Akiyo_352x288_30", (352, 288), 30),
        ("BasketballDrive_1920x1080_50", (1920, 1080), 50),
        ("v_64x48_23.976", (64, 48), "24000/1001"),
        ("v_64x48_29.97_8bit", (64, 48), "30000/1001"), ("foreman_qcif_15", (176, 144), 15),
        ("FoodMarket4_3840x2160_60fps_10bit_420", (3840, 2160), 60), ("News_CIF", (352, 288), None),
        ("v_64x48", (64, 48), None), ("v_64x48_300", (64, 48), None),
        ("v_64x48_001", (64, 48), None),
        ("v_64x48_24a", (64, 48), None), ("v_64x48_7_24", (64, 48), None), ("carphone", None, None),
        ("v_24", None, None), ("v_64x48_60_30fps", (64, 48), 30), ("4cif_25", (704, 576), 25),
        ("pacific_25", None, None),
    ],
)  # fmt: skip
def test_size_and_rate(stem: str, size: tuple[int, int] | None, fps: object) -> None:
    found = parse_name(stem)
    assert found.size == size
    assert found.fps == (None if fps is None else Fraction(str(fps)))


@pytest.mark.parametrize(
    ("stem", "bits"),
    [
        ("head_256x256_24_10bit", 10), ("a_10b_64x48", 10), ("a_64x48_10-bit", 10),
        ("a_64x48", None),
        ("a_64x48_yuv420p10le", 10), ("a_64x48_420p12", 12), ("a_64x48_25_8bit", 8),
        ("a_64x48_16bits", 16), ("tab10bits_64x48", None), ("110bit_64x48", None),
    ],
)  # fmt: skip
def test_depth(stem: str, bits: int | None) -> None:
    assert parse_name(stem).bits == bits
    assert parse_name(stem).layout == ""


def deep(path: Path, shift: int = 2, kind: str = "<u2") -> Path:
    """The synthetic clip with samples of two bytes."""
    planes = [(plane.astype(np.uint32) << shift) + 1 for p in synthetic(3) for plane in p]
    path.write_bytes(b"".join(plane.astype(kind).tobytes() for plane in planes))
    return path


@pytest.mark.parametrize("name", ["v_64x48_24_10bit.yuv", "v_64x48_24_yuv420p10le.yuv"])
def test_10_bits_are_rounded_to_8(tmp_path: Path, name: str) -> None:
    reader = VideoReader(deep(tmp_path / name))
    assert (reader.info.fps, reader.info.frames) == (24, 3)
    assert "10 bits a sample, by its name: rounded to 8" in reader.notes
    assert [p.tobytes() for p in reader] == [p.tobytes() for p in synthetic(3)]


@pytest.mark.parametrize(("shift", "kind"), [(2, "<u2"), (2, ">u2"), (4, "<u2")])
def test_a_depth_that_no_name_says(tmp_path: Path, shift: int, kind: str) -> None:
    path = deep(tmp_path / "v_64x48_24.yuv", shift, kind)
    with pytest.raises(UsageError, match=r"v_64x48_24.yuv: every second byte is at most .* 10bit"):
        VideoReader(path)
    sure = path.rename(tmp_path / "v_64x48_24_8bit.yuv")
    assert VideoReader(sure).info.frames == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v_64x48_24_12bit.yuv", "12 bits a sample by its name; allowed are 8 and 10"),
        ("v_64x48_24_yuv420p10be.yuv", "420p10be by its name; only planar 4:2:0"),
        ("v_64x48_24_nv12.yuv", "nv12 by its name; only planar"),
        ("v_64x48_24_p010.yuv", "p010 by its name; only planar"),
        ("v_64x48_24_yuv444p.yuv", "yuv444 by its name"),
        ("v_64x48_60_8bit_444.yuv", "bit_444 by its name"),
        ("v_64x48_24_10bit.yuv", "samples of up to 65535; 10 bits, as its name says"),
        ("v_64x50_24_10bit.yuv", "no whole number of 64x50 4:2:0 pictures of 10 bits"),
    ],
)
def test_samples_that_are_not_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"\xff" * (64 * 48 * 3 * 3))
    with pytest.raises(UsageError, match=message):
        VideoReader(tmp_path / name)


def test_a_rate_by_a_bare_number_is_said(tmp_path: Path) -> None:
    reader = VideoReader(write_video(tmp_path / "v_64x48_24.yuv", synthetic(2)))
    assert reader.info.fps == 24
    assert reader.notes == ("24 frames per second, by the number behind the size in its name",)
    assert VideoReader(tmp_path / "v_64x48_24.yuv", fps=Fraction(30)).notes == ()


def test_a_folder_of_pictures_may_say_its_rate(tmp_path: Path) -> None:
    folder = tmp_path / "shots_30fps"
    folder.mkdir()
    for i, picture in enumerate(synthetic(2)):
        save_png(folder / f"{i}.png", picture.to_rgb(6))
    reader = VideoReader(folder)
    assert reader.info.fps == 30
    assert not any("assumed" in note for note in reader.notes)
