"""Bit rates: the search, which sees the whole source, and the controller, which sees the past."""

import io
import math
from fractions import Fraction

import numpy as np
import pytest

from hdac.bitstream.stream import StreamWriter
from hdac.codec import fitting, spool
from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import encode, inspect
from hdac.codec.spool import Spool
from hdac.codec.syntax import BaseReader
from hdac.errors import UsageError
from hdac.video.picture import Picture
from tests.conftest import synthetic

FPS = Fraction(25)


def scene(seed: int, frames: int, speed: float = 1.0, faster: float = 0.0) -> list[Picture]:
    """A smooth texture of its own that moves, at a speed that may grow: 64x48."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:48, 0:64]
    waves = rng.uniform(0.1, 0.9, (6, 4))
    out = []
    for t in range(frames):
        at = t * (speed + t * faster)
        luma = sum(
            12 * np.sin(a * x + b * y + 6 * c + d * at) for a, b, c, d in waves
        ) + 30 * np.sin(0.2 * x + seed)
        half = np.full((24, 32), 118 + 3 * seed % 20, np.uint8)
        out.append(Picture((126 + luma).clip(16, 235).astype(np.uint8), half, half))
    return out


def noise(frames: int) -> list[Picture]:
    rng = np.random.default_rng(7)
    grey = np.full((24, 32), 128, np.uint8)
    return [Picture(rng.integers(16, 236, (48, 64), np.uint8), grey, grey) for _ in range(frames)]


def speech_after_silence() -> list[Picture]:
    still, moving = scene(3, 1), scene(3, 60)
    return still * 302 + moving


SOURCES = {
    "late": (speech_after_silence, 6.0),
    "scenes": (lambda: [p for seed in range(3) for p in scene(seed, 25)], 12.0),
    "noise": (lambda: noise(6), 150.0),
    "short": (lambda: scene(5, 3), 40.0),
    "long": (lambda: scene(6, 50, 0.2) + scene(7, 50, 2.0), 9.0),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_search_sees_the_whole_source(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "long":
        monkeypatch.setattr(fitting, "SAMPLE_FRAMES", 40)
    make, kbps = SOURCES[name]
    config = EncoderConfig(mode="base", preset="fast", kbps=kbps)
    made = inspect(encode(make(), 64, 48, FPS, config)).kbps
    assert made == pytest.approx(kbps, rel=0.15)


@pytest.mark.parametrize("said", [None, 5, 40])
@pytest.mark.parametrize("mode", ["animation", "base"])
def test_frames_are_counted_not_believed(mode: str, said: int | None) -> None:
    points = {"keypoints": 10} if mode == "animation" else {}
    config = EncoderConfig(mode=mode, preset="fast", kbps=12.0, **points)  # type: ignore[arg-type]
    pictures = scene(1, 8)
    made = encode(pictures, 64, 48, FPS, config, frames=said)
    assert inspect(made).qps == inspect(encode(pictures, 64, 48, FPS, config, frames=8)).qps


def test_many_pictures_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = synthetic(9)
    held = Spool(iter(pictures))
    monkeypatch.setattr(spool, "MEMORY", 10_000)
    filed = Spool(iter(pictures))
    for kept in (held, filed):
        assert len(kept) == 9
        for _ in range(2):
            for a, b in zip(kept, pictures, strict=True):
                assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
        assert np.array_equal(kept[3:5][1].v, pictures[4].v)
    with pytest.raises(UsageError, match="picture 9 is 32x32; the first is 64x48"):
        Spool([*pictures, *synthetic(1, 32, 32)])


# ---- while pictures come


def windows(sizes: list[int]) -> list[float]:
    """kbps of each 3 s after the first 2 s."""
    length, first = 75, 50
    sums = np.convolve(sizes, np.ones(length), "valid")[first:]
    return [8 * float(s) / 3000 for s in sums]


def coded(pictures: list[Picture], kbps: float, **settings: object) -> list[int]:
    """Bytes of each frame, as they come."""
    config = EncoderConfig(mode="base", preset="fast", kbps=kbps, **settings)  # type: ignore[arg-type]
    out, sizes = io.BytesIO(), list[int]()
    with Encoder(64, 48, FPS, config) as encoder, StreamWriter(out, encoder.header) as writer:
        for picture in pictures:
            before = out.tell()
            for packet in encoder.push(picture):
                writer.write(packet)
            sizes.append(out.tell() - before)
    return sizes


BUSY = {
    "even": lambda: scene(2, 160),
    "ever faster": lambda: scene(4, 160, 0.2, 0.01),
    "two people": lambda: scene(2, 100, 0.3) + scene(2, 160, 1.5)[100:],
}


@pytest.mark.parametrize("name", BUSY)
def test_a_live_stream_keeps_its_rate(name: str) -> None:
    kbps = 12.0
    rates = windows(coded(BUSY[name](), kbps, live=True, refresh="never"))
    assert len(rates) > 30
    assert kbps * 0.8 <= min(rates)
    assert max(rates) <= kbps * 1.2
    assert not math.isclose(min(rates), max(rates))


def test_only_later_first_pictures_are_calmer() -> None:
    """The first of a stream has the QP of its rate; a line has no room for those that follow."""
    config = EncoderConfig(mode="base", preset="fast", kbps=40.0, refresh=8)
    with Encoder(64, 48, FPS, config) as encoder:
        packets = [p for picture in scene(2, 12) for p in encoder.push(picture)] + encoder.flush()
        reader, usual = BaseReader(encoder.header), encoder.plan.base
    first, later = (reader.read(packet) for packet in packets)
    assert first.qp_intra == usual.qp_intra
    assert later.qp_intra == usual.at(later.qp_base + 8).qp_intra + 4
