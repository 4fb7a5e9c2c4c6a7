"""Live sources: what they give, and when."""

import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.live import microphone, sources
from hdac.live.sources import disc_picture, open_source
from hdac.video.info import VideoInfo
from hdac.video.opus import OpusPacket, opus_ticks
from hdac.video.picture import Picture
from hdac.video.sound import decode_audio, encode_audio
from hdac.video.writer import VideoWriter
from tests.conftest import synthetic, write_video


def test_the_test_picture_moves() -> None:
    source, notes = open_source("testsrc", (64, 48), Fraction(1000), 5)
    taken = list(source)
    assert (source.info.width, source.info.height, source.info.fps) == (64, 48, 1000)
    assert [round(1000 * t.at) for t in taken] == list(range(5))
    assert all(t.picture.same(disc_picture(n, 64, 48)) for n, t in enumerate(taken))
    assert not taken[0].picture.same(taken[1].picture)
    assert notes == ()


def test_the_test_picture_beeps() -> None:
    """With its bar, once a second; a packet is there once it has been spoken."""
    source, _ = open_source("testsrc", (64, 48), None, 60, audio=16)
    assert source.sound is not None
    packets = list[OpusPacket]()
    for n in range(30):
        new = source.sound.take(n / 10)
        assert all((n - 1) / 10 < opus.end / 400 <= n / 10 for opus in new)
        packets += new
    heard = np.zeros(3 * 48000, np.float32)
    for at, samples in decode_audio(packets):
        start = round(at * 48000)
        part = samples[max(0, -start) :]
        heard[max(0, start) :][: len(part)] = part
    starts = np.flatnonzero(np.abs(heard) > 0.2)
    seconds = starts[np.flatnonzero(np.diff(starts, prepend=-48000) > 24000)] / 48000
    assert seconds == pytest.approx([0, 1, 2], abs=0.01)
    assert open_source("testsrc", (64, 48), None, 60)[0].sound is None


def test_a_file_with_sound(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(np.arange(24000) / 8).astype(np.float32)
    path = tmp_path / "v.mkv"
    with VideoWriter(VideoInfo(path, 64, 48, Fraction(25)), audio=encode_audio(tone)) as writer:
        for picture in synthetic(12):
            writer.write(picture)
    source, _ = open_source(str(path), None, None, None, audio=8)
    assert source.sound is not None
    assert len(source.sound.take(0.31)) == 5  # of 60 ms, the first one begins before 0
    assert open_source(str(path), None, None, None)[0].sound is None


@pytest.mark.parametrize("ratio", [0.9995, 1.0005])
def test_a_microphone_follows_our_clock(ratio: float) -> None:
    """One whose clock is 0.05 % off, ten times what is usual, read irregularly: after a minute its
    sound would be 30 ms late or early; it is in time to 15 ms."""
    clock, rng = microphone._Clock(), np.random.default_rng(3)
    strayed = 0.0
    for n in range(3000):
        heard, took = 0.02 * n * ratio, 0.02 * ratio
        placed = clock.place(960, heard + took + float(rng.exponential(0.01)))
        strayed = max(strayed, abs(placed - heard))
    assert strayed < 0.015 + 0.01  # and what the first one was late


def test_a_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    """(libav's test source stands for it, two seconds at its pace.)"""
    device = "sine=frequency=500:duration=2,arealtime"
    monkeypatch.setitem(microphone._MICROPHONES, sys.platform, ("lavfi", device))
    source = microphone.Microphone(None, 8)
    packets, until = source.take(0.0), time.monotonic() + 20
    while not packets and time.monotonic() < until:
        time.sleep(0.02)
        packets = source.take(0.0)
    assert all(opus_ticks(opus.data) == 24 for opus in packets)
    loud = np.concatenate([samples for _, samples in decode_audio(packets)])
    assert np.abs(loud).max() > 0.05
    with pytest.raises(av.error.FFmpegError):
        microphone.Microphone("no-such", 8)


def test_no_microphone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(*_: object) -> None:
        raise OSError("nothing there")

    monkeypatch.setattr(sources, "Microphone", missing)
    assert sources._listen(8, None) is None
    assert "the call is silent" in capsys.readouterr().err
    with pytest.raises(UsageError, match="--microphone hw:7 cannot be opened"):
        sources._listen(8, "hw:7")
    assert sources._listen(None, "hw:7") is None


def test_a_camera_that_fails_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """libav has errors that are no `OSError`."""

    def fail(*_: object, **__: object) -> None:
        raise av.error.ExternalError(1, "in an external library")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(UsageError, match=r"camera: cam cannot be opened .*external library"):
        open_source("camera:cam", None, None, None)


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
