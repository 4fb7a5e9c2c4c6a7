"""Sound of sources: whatever its kind, it comes as Opus, in time with the pictures."""

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from hdac.errors import ToolError
from hdac.video.opus import OpusPacket
from hdac.video.reader import VideoReader
from hdac.video.sound import decode_audio, encode_audio
from tests.video.sources import COUNT, FLASHES, FPS, fed, flashes_and_clicks, made, said


def clicks(packets: list[OpusPacket]) -> list[float]:
    """When something begins to be heard, in seconds."""
    out, last = list[float](), -1.0
    for time, samples in decode_audio(packets):
        for at in np.flatnonzero(np.abs(samples) > 0.1):
            heard = float(time) + at / 48000
            if heard - last > 0.1:
                out.append(heard)
            last = heard
    return out


def near(found: list[float], frames: tuple[int, ...] = FLASHES) -> bool:
    wanted = [n / FPS for n in frames]
    return len(found) == len(wanted) and np.allclose(found, wanted, atol=0.015)


def remuxed(source: Path, path: Path, keep: Callable[[float], bool]) -> Path:
    """A copy with only those audio packets whose time is kept."""
    with av.open(str(source)) as reading, av.open(str(path), "w") as writing:
        copies = {s.index: writing.add_stream_from_template(s) for s in reading.streams}
        for packet in reading.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.stream.type == "audio" and not keep(float(packet.pts * packet.time_base)):
                continue
            packet.stream = copies[packet.stream.index]
            writing.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("v.mkv", "pcm_u8", 8000, "mono"),
        ("v.mkv", "pcm_s32le", 96000, "5.1"),
        ("v.mkv", "libopus", 48000, "stereo"),
        ("v.mp4", "aac", 44100, "stereo"),
        ("v.mov", "pcm_s16be", 22050, "mono"),
        ("v.ts", "mp2", 32000, "stereo"),
        ("v.flv", "aac", 44100, "mono"),
    ],
)
def test_kinds(tmp_path: Path, name: str, codec: str, rate: int, layout: str) -> None:
    path = flashes_and_clicks(tmp_path / name, 0.0, rate, layout, codec=codec)
    reader = VideoReader(path, audio=8)
    assert near(clicks(reader.audio)), clicks(reader.audio)
    assert "audio" not in said(reader)
    assert 2.9 < reader.audio[-1].end / 400 < 3.2


def test_the_first_frames_only(tmp_path: Path) -> None:
    """The sound ends with the last of them."""
    path = flashes_and_clicks(tmp_path / "v.mkv", -0.3, seconds=5.0)
    sound = VideoReader(path, frames=30, audio=8).audio
    assert near(clicks(sound), FLASHES[:2])
    assert 1.5 <= sound[-1].end / 400 < 1.5 + 0.07
    times = [0, *range(100, 100 * COUNT, 100)]
    path = flashes_and_clicks(tmp_path / "slow.mkv", times=times, seconds=7.0)
    sound = VideoReader(path, frames=30, audio=8).audio
    assert 3.0 <= sound[-1].end / 400 < 3.0 + 0.07
    whole = VideoReader(path, audio=8).audio
    assert whole[-1].end / 400 >= 7, "longer than the pictures"


def test_sound_that_begins_after_the_last_frame(tmp_path: Path) -> None:
    path = flashes_and_clicks(tmp_path / "v.mkv", 2.0)
    assert VideoReader(path, frames=20, audio=8).audio == []


def test_another_rate_is_said(tmp_path: Path) -> None:
    path = flashes_and_clicks(tmp_path / "v.mkv")
    reader = VideoReader(path, fps=Fraction(25), audio=8)
    assert near(clicks(reader.audio))
    words = "at 25 frames per second the last picture is shown 0.59 s earlier, the sound as before"
    assert said(reader) == words
    assert not VideoReader(path, fps=Fraction(FPS), audio=8).notes


def test_what_is_read_once_has_none(tmp_path: Path) -> None:
    path = flashes_and_clicks(tmp_path / "v.mkv")
    reader = VideoReader(fed(tmp_path, path), audio=8)
    assert (reader.audio, said(reader)) == ([], "audio is not coded")
    assert len(list(reader)) == COUNT


def test_only_the_best_stream(tmp_path: Path) -> None:
    path = made(
        tmp_path / "v.mkv", "-f", "lavfi", "-i", "sine=duration=0.4", "-f", "lavfi", "-i",
        "sine=duration=0.4", "-map", "0", "-map", "1", "-map", "2", "-disposition:a:1", "default",
        "-disposition:a:0", "0", "-c:v", "libx264",
    )  # fmt: skip
    reader = VideoReader(path, audio=8)
    assert said(reader) == "audio stream 1 is left out"
    assert reader.audio


def test_gaps(tmp_path: Path) -> None:
    """A short one is silence; a long one is one between packets."""
    source = flashes_and_clicks(tmp_path / "v.mkv")
    for name, low, high, frames, gaps in (
        ("short.mkv", 1.25, 1.65, (10, 35, 52), 0),
        ("long.mkv", 0.9, 2.3, (10, 52), 1),
    ):
        keep = remuxed(source, tmp_path / name, lambda t, a=low, b=high: not a <= t < b)  # type: ignore[misc]
        sound = VideoReader(keep, audio=8).audio
        assert near(clicks(sound), frames), name
        found = [b.time - a.end for a, b in pairwise(sound) if b.time != a.end]
        assert len(found) == gaps
        assert all(1.2 < gap / 400 < 1.4 for gap in found)


def test_without_libopus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of FFmpeg differ."""
    monkeypatch.setattr("av.codecs_available", {"aac"})
    reader = VideoReader(flashes_and_clicks(tmp_path / "v.mkv"), audio=8)
    assert (reader.audio, said(reader)) == ([], "audio is not coded: PyAV has no libopus here")
    with pytest.raises(ToolError, match="PyAV has no libopus here: install PyAV's wheel"):
        encode_audio(np.zeros(9, np.float32))


def test_damaged_sound(tmp_path: Path) -> None:
    """The pictures stay, and what is heard is in time."""
    path = flashes_and_clicks(tmp_path / "v.mp4", codec="aac")
    data, rng = bytearray(path.read_bytes()), random.Random(0)
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.pts is not None and 1.2 < packet.pts * packet.time_base < 1.9:
                assert packet.pos is not None
                data[packet.pos : packet.pos + packet.size] = rng.randbytes(packet.size)
    path.write_bytes(data)
    reader = VideoReader(path, audio=8)
    (damage,) = reader.damage
    assert damage.startswith("audio: ")
    assert damage.endswith(" packets could not be decoded: silent there")
    assert damage in reader.notes
    found = clicks(reader.audio)
    assert near([found[0], found[-1]], (FLASHES[0], FLASHES[-1]))
    assert len(list(reader)) == COUNT
    assert damage in reader.damage
