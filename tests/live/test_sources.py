"""Live sources: what they give, and when."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.live import sources
from hdac.live.sources import disc_picture, open_source
from hdac.video.picture import Picture
from tests.conftest import synthetic, write_video


def test_the_test_picture_moves() -> None:
    source, notes = open_source("testsrc", (64, 48), Fraction(1000), 5)
    taken = list(source)
    assert (source.info.width, source.info.height, source.info.fps) == (64, 48, 1000)
    assert [round(1000 * t.at) for t in taken] == list(range(5))
    assert all(t.picture.same(disc_picture(n, 64, 48)) for n, t in enumerate(taken))
    assert not taken[0].picture.same(taken[1].picture)
    assert notes == ()


def test_a_file_at_its_pace(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", synthetic(4), fps=Fraction(200))
    source, _ = open_source(str(path), None, None, 3)
    assert [t.at for t in source] == [n / 200 for n in range(3)]


def test_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle of its pictures, in the wanted shape. (A file stands for the camera.)"""
    left, right = np.full((48, 24), 40, np.uint8), np.full((48, 72), 200, np.uint8)
    grey = np.full((24, 48), 128, np.uint8)
    wide = Picture(np.hstack([left, right]), grey, grey)  # 96x48, dark at the left
    path = write_video(tmp_path / "v.mkv", [wide] * 3)
    monkeypatch.setitem(sources._CAMERAS, sys.platform, ("matroska", str(path)))
    monkeypatch.setattr(sources, "_EVERY", 0.0)
    source, _ = open_source("camera", (32, 32), None, None)
    pictures = [taken.picture for taken in source]
    assert len(pictures) == 3
    assert pictures[0].y.shape == (32, 32)
    assert abs(int(pictures[0].y.mean()) - 200) < 5
    with pytest.raises(UsageError, match="cannot be opened"):
        open_source("camera:/dev/no-such", None, None, None)
    with pytest.raises(UsageError, match="even sides"):
        open_source("camera", (31, 32), None, None)
