"""Where pictures of a call go."""

from fractions import Fraction
from pathlib import Path

import pytest

from hdac.bitstream.container import BaseCodec, Header, Mode
from hdac.codec.decoder import Frame
from hdac.errors import HdacError
from hdac.live.outputs import File
from hdac.live.sources import disc_picture
from hdac.video.reader import VideoReader

HEADER = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25), live=True, clock=1000)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.y4m", "a"])
@pytest.mark.parametrize("sound", [False, True])
def test_a_call_without_a_picture(tmp_path: Path, name: str, sound: bool) -> None:
    """Nothing is written."""
    path = tmp_path / name
    with (
        pytest.raises(HdacError, match=rf"no picture came: .*{name} is not written"),
        File(HEADER, path, False, sound),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_before_the_first_picture(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="first"), File(HEADER, tmp_path / "a.mkv", False, True):
        raise KeyError("first")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"earlier")
    with pytest.raises(HdacError, match="no picture came"), File(HEADER, path, True, True):
        pass
    assert path.read_bytes() == b"earlier"


def test_a_call_of_one_picture(tmp_path: Path) -> None:
    with File(HEADER, tmp_path / "a.mkv", False, True) as output:
        output.show(Frame(0, disc_picture(0, 64, 48), "base", Fraction(3600), HEADER))
    (picture,) = VideoReader(tmp_path / "a.mkv")
    assert picture.same(disc_picture(0, 64, 48))
