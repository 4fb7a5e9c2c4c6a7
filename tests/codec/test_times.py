"""Frame times: variable frame rates come back exactly; a constant one costs nothing."""

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import pytest

import hdac
from hdac.bitstream.container import Packet, PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode
from hdac.codec.syntax import MAX_TIME
from hdac.errors import IncompleteError, UsageError
from tests.conftest import synthetic, write_video

STEPS = [40, 1, 7, 1000, 33, 34, 33, 34, 60_000, 5, 5, 5, 5, 40, 40, 40, 40, 40, 40, 41, 39, 3, 2]
TIMES = [0, *accumulate(STEPS)]
CONFIG = EncoderConfig(mode="base", qp_base=44, refresh=6, preset="fast")


def coded(times: list[int] | None, count: int = len(TIMES), **settings: object) -> bytes:
    config = EncoderConfig(**{"mode": "base", "qp_base": 44, "refresh": 6, **settings})  # type: ignore[arg-type]
    return encode(synthetic(count), 64, 48, 25, config, frames=count, times=times)


@pytest.mark.parametrize("live", [False, True])
def test_times_come_back(live: bool) -> None:
    data = coded(TIMES, live=live)
    assert [f.time for f in decode(data)] == [Fraction(t, 1000) for t in TIMES]
    assert hdac.inspect(data).header.clock == 1000


def test_times_that_do_not_start_at_zero() -> None:
    times = [(1 << 31) + t for t in (0, 5, 4_000_000, 4_000_001)]
    assert [f.time for f in decode(coded(times, 4))] == [Fraction(t, 1000) for t in times]


def test_times_after_a_lost_group() -> None:
    data = bytearray(coded(TIMES))
    packets = read_stream(bytes(data))[1]
    third = [p for p in packets if p.gop_start and p.type is PacketType.BASE][2]
    data[data.index(third.payload) + 9] ^= 1
    frames = []
    decoded = decode(bytes(data))
    with pytest.raises(IncompleteError, match="the checksum of bytes"):
        frames.extend(frame for frame in decoded)
    kept = TIMES[:12] + TIMES[18:]
    assert [frame.time for frame in frames] == [Fraction(t, 1000) for t in kept]


def test_a_constant_rate_costs_no_bytes(tmp_path: Path) -> None:
    """Its times follow from the frames' numbers."""
    pictures = synthetic(12)
    path = write_video(tmp_path / "a.mkv", pictures)
    data = hdac.encode(path, config=CONFIG)
    assert data == hdac.encode(pictures, config=CONFIG, colour=hdac.inspect(data).header.colour)
    header, packets = read_stream(data)
    assert header.clock == 0
    assert {p.type for p in packets} == {PacketType.BASE}
    assert [f.time for f in decode(data)] == [Fraction(n, 25) for n in range(12)]


def test_even_times_cost_little() -> None:
    without, even = len(coded(None)), len(coded([40 * n for n in range(len(TIMES))]))
    # a packet with the first time of a GOP as it is, four times; ticks per second in the header
    assert even - without < 4 * 14 + 3


def push(times: list[int | None], clock: int = 1000) -> list[Packet]:
    with Encoder(64, 48, 25, CONFIG, clock=clock) as encoder:
        packets = [
            p
            for picture, t in zip(synthetic(9), times, strict=False)
            for p in encoder.push(picture, t)
        ]
        return packets + encoder.flush()


@pytest.mark.parametrize(
    ("times", "clock", "words"),
    [
        ([0, 40, 40], 1000, "time 40; allowed are 41 .after the last frame"),
        ([0, 40, 39], 1000, "time 39; allowed are 41"),
        ([-1], 1000, "time -1; allowed are 0"),
        ([0, 1 << 32], 1000, "time 4294967296; a stream's times end at 4294967295 .* 1000: open"),
        ([1 << 32], 1000, "time 4294967296; a stream's times end at 4294967295 "),
        ([0, None], 1000, "no time; each picture needs one where the encoder has a clock"),
        ([0], 0, r"time 0; open the encoder with a clock .ticks per second."),
    ],
)
def test_times_that_are_refused(times: list[int | None], clock: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        push(times, clock)


def test_fewer_times_than_frames() -> None:
    with pytest.raises(UsageError, match="no time; each picture needs one"):
        coded(TIMES[:3], 4)


def test_gaps_are_bounded() -> None:
    with pytest.raises(UsageError, match=r"time 8388648; allowed are 41 .* to 4194344"):
        coded([0, 40, 40 + (1 << 23)], 3)


def test_gaps_of_live_streams_are_as_long_as_they_are() -> None:
    """Nothing is coded while nobody looks, be it for weeks; packets have their times whole."""
    times = [0, 40, 40 + (1 << 23), MAX_TIME - 40, MAX_TIME]
    frames = list(decode(coded(times, len(times), live=True)))
    assert [frame.time for frame in frames] == [Fraction(t, 1000) for t in times]


@pytest.mark.parametrize("live", [False, True])
def test_times_end_where_decoders_end_to_read_them(live: bool) -> None:
    times = [MAX_TIME - 40, MAX_TIME]
    frames = list(decode(coded(times, 2, live=live)))
    assert [frame.time for frame in frames] == [Fraction(t, 1000) for t in times]
    for late in (MAX_TIME + 1, MAX_TIME + 40):
        with pytest.raises(UsageError, match=rf"time {late}; .* end at {MAX_TIME} ticks"):
            coded([*times, late], 3, live=live)


@pytest.mark.parametrize("clock", [-1, 10**6 + 1])
def test_clocks_that_cannot_be_written(clock: int) -> None:
    with pytest.raises(UsageError, match=str(clock)):
        Encoder(64, 48, 25, CONFIG, clock=clock)
