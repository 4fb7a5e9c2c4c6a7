"""`hdac live`: what is wrong is said, with exit code 2, before anything is opened or sent."""

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.conftest import Run

needs_aiortc = pytest.mark.skipif(
    importlib.util.find_spec("aiortc") is None,
    reason="aiortc is not installed: pip install 'hdac[live]'",
)
URL = "http://127.0.0.1:9/abcdefghijklmnopqrstuv"
STUN = "; expected stun:HOST or stun:HOST:PORT"


def test_without_aiortc(hdac: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiortc", None)
    code, out, err = hdac("live", "serve", "--source", "testsrc")
    assert (code, out) == (2, "")
    assert "pip install 'hdac[live]'" in err


@needs_aiortc
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--source", "no.mp4"], "no such file or folder"),
        (["serve", "--source", "camera:/dev/no-camera"], "camera:DEVICE, a video file, or testsrc"),
        (["serve", "--source", "testsrc", "--bitrate", "8x"], "--bitrate 8x; expected a number"),
        (["serve", "--source", "testsrc", "--bitrate", "1"], "allowed are 0.5k to 5000k"),
        (["serve", "--source", "testsrc", "--mode", "animation"], "choose hybrid or base"),
        (["serve", "--source", "testsrc", "--size", "63x48"], "even sides"),
        (["serve", "--source", "testsrc", "--frames", "0"], "at least 1 frame"),
        (["serve", "--source", "testsrc", "--port", "70000"], "allowed are 0 (any) to 65535"),
        (["serve", "--source", "testsrc", "--host", "203.0.113.7", "--size", "64x48"], "--host"),
        (["serve", "--source", "testsrc", "--key", "k.pem"], "without --cert"),
        (["serve", "--source", "testsrc", "--stun", "stun.example.org"], STUN),
        (["serve", "--source", "no.mp4", "--stun", "turn:example.org"], STUN),
        (["join", URL, "-o", "page", "--stun", "stun:"], STUN),
        (["join", URL, "-o", "page", "--stun", "stuns:example.org"], STUN),
        (["join", URL, "-o", "page", "--stun", "stun:example.org:65536"], STUN),
        (["join", "head.hdac", "-o", "page"], "not the URL of a stream"),
        (["join", URL[:-8], "-o", "page"], "the token is missing or cut short"),
        (["join", URL, "-o", "page"], "is `hdac live serve` running?"),
        (["join", URL, "-o", "out.avi"], "(or -o window, page or virtual-camera)"),
        (["join", URL, "-o", "-", "--json"], "both go to stdout"),
    ],
)
def test_bad_arguments(
    hdac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = hdac("live", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert list(tmp_path.iterdir()) == []


@needs_aiortc
def test_a_system_without_a_virtual_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
    from fractions import Fraction

    from hdac.bitstream.container import BaseCodec, Header, Mode
    from hdac.errors import UsageError
    from hdac.live.outputs import VirtualCamera

    def refuse(*_: object) -> None:
        raise RuntimeError("'v4l2loopback' backend: no device\n")

    monkeypatch.setattr(pyvirtualcam, "Camera", refuse)
    header = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25))
    with pytest.raises(UsageError, match=r"this system has none.*modprobe v4l2loopback"):
        VirtualCamera(header, sound=True)
