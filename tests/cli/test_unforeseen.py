"""Exceptions of libraries end as one error with its name, not as a traceback."""

import subprocess
import sys
import types
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hdac.errors import HdacError
from hdac.video.info import VideoInfo
from hdac.video.picture import Picture
from hdac.video.writer import VideoWriter
from tests.conftest import Run, synthetic, write_video


class LibraryError(Exception):
    """Of a library that hdac does not know."""


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (RuntimeError("boom"), "RuntimeError: boom"), (KeyError("k"), "KeyError: 'k'"),
        (AssertionError(), "AssertionError"), (MemoryError(), "MemoryError"),
        (RecursionError("deep"), "RecursionError: deep"), (ZeroDivisionError("x"), "ZeroDivision"),
        (LibraryError("no"), "test_unforeseen.LibraryError: no"),
        (av.error.ExternalError(1, "odd", "x264"), "av.error.ExternalError"),
        (av.error.InvalidDataError(1, "odd", "x264"), "av.error.InvalidDataError"),
        (np.linalg.LinAlgError("singular"), "numpy.linalg.LinAlgError: singular"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "bad"), "UnicodeDecodeError"),
        (subprocess.CalledProcessError(3, "tool"), "subprocess.CalledProcessError"),
    ],
)  # fmt: skip
def test_unforeseen_errors(
    hdac: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str
) -> None:
    def run(options: object) -> None:
        raise error

    module = types.ModuleType("hdac.cli.info")
    module.add_arguments, module.run = lambda sub: None, run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hdac.cli.info", module)
    monkeypatch.delenv("HDAC_TRACEBACK", raising=False)
    code, out, err = hdac("info")
    assert (code, out, "Traceback" in err) == (1, "", False)
    assert err.startswith("hdac: unforeseen ")
    assert name in err
    assert "Please report it" in err
    monkeypatch.setenv("HDAC_TRACEBACK", "1")
    code, out, err = hdac("info")
    assert (code, out, "Traceback" in err) == (1, "", True)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(
    ("suffix", "size", "fps"),
    [
        (".mp4", (20000, 16), Fraction(25)),  # x264 allows 16384
        (".mp4", (64, 48), Fraction(1, 10**6)),  # MP4 has no such durations
        (".mp4", (16, 20000), Fraction(25)),
    ],
)
def test_what_ffmpeg_cannot_write(
    tmp_path: Path, suffix: str, size: tuple[int, int], fps: Fraction, timed: bool
) -> None:
    path = tmp_path / f"v{suffix}"
    picture = Picture.from_rgb(np.zeros((size[1], size[0], 3), np.uint8))

    def write() -> None:
        with VideoWriter(VideoInfo(path, *size, fps), timed=timed) as writer:
            for i in range(3):
                writer.write(picture, i / fps)

    with pytest.raises(HdacError, match=rf"v{suffix} could not be written \(\w+Error: "):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_that_is_too_wide_for_its_format(hdac: Run, tmp_path: Path) -> None:
    wide = write_video(tmp_path / "v.mkv", synthetic(2, 4096, 32))
    code, out, err = hdac("compare", *[wide] * 5, "-o", tmp_path / "c.mp4")
    assert (code, out, "Traceback" in err) == (1, "", False)
    assert "c.mp4 could not be written" in err
    assert [p.name for p in tmp_path.iterdir()] == ["v.mkv"]
