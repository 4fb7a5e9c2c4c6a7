import subprocess
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdac.bench.x265 import x265_tuned
from hdac.bitstream.nal import MAX_UNITS, NalCompressor, join, split
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.errors import DamagedError
from hdac.layers.base import BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.layers.vvc import VvcEncoder, split_access_units
from hdac.video.ffmpeg import find_ffmpeg, has_encoder
from hdac.video.picture import Picture

SIZE = (176, 144)


def round_trip(units: Sequence[bytes], codec: str, period: int = 4) -> tuple[int, int]:
    """Bytes of the access units but the first, before and after compression; asserts that all come
    back."""
    writer, slices, compressor = Writer(), Writer(), NalCompressor(codec, period, SIZE)
    stored, marks = [], []
    for unit in units:
        stored.append(compressor.write(writer, slices, unit))
        marks.append(writer.spent + slices.spent)
    reader, recoded = Reader(writer.finish()), Reader(slices.finish(), slices.bits)
    back, rest = NalCompressor(codec, period, SIZE), memoryview(b"".join(stored))
    for unit in units:
        restored, taken = back.read(reader, recoded, rest)
        assert restored == unit
        rest = rest[taken:]
    assert not rest
    after = sum(map(len, stored[1:])) + (marks[-1] - marks[0]) / 8
    return sum(map(len, units[1:])), round(after)


@pytest.mark.parametrize("qp", [37, 44, 51])
def test_our_hevc_saves_eight_bytes_a_picture(head: list[Picture], qp: int) -> None:
    encoder = HevcEncoder(BaseConfig(176, 144, Fraction(30), 32, qp))
    units = [coded.data for picture in head for coded in encoder.push(picture)]
    before, after = round_trip(units, "hevc")
    assert (before - after) / (len(units) - 1) >= 8


def test_vvenc(head: list[Picture]) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    encoder = VvcEncoder(BaseConfig(176, 144, Fraction(30), 32, 42))
    for picture in head:
        encoder.push(picture)
    units = [coded.data for coded in encoder.flush()]
    before, after = round_trip(units, "vvc", 8)
    assert (before - after) / (len(units) - 1) >= 6


@pytest.mark.parametrize("codec", ["libkvazaar", "libx264", "libx265"])
def test_streams_of_other_encoders(head: list[Picture], codec: str) -> None:
    if not has_encoder(codec):
        pytest.skip(f"this FFmpeg has no {codec}")
    source = ["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "176x144", "-i", "-"]
    kind = "h264" if codec == "libx264" else "hevc"
    raw = b"".join(p.tobytes() for p in head)
    command = [find_ffmpeg(), *source, "-c:v", codec, "-f", kind, "-"]
    data = subprocess.run(command, input=raw, capture_output=True, check=True).stdout
    # as one unit, and in pieces that respect no structure at all
    round_trip([data], "hevc")
    round_trip([data[i : i + 997] for i in range(0, len(data), 997)], "hevc")


#: Three pictures of 64x48 by x265: parameter sets and an IDR slice, and two P slices.
STREAM = [
    "0000000140010c01ffff01600000030090000003000003001e9680900000000142010101600000030090000003"
    "000003001ea0208316596ae4cae68080000003008000000c84000000014401c17181120000012801af0a60fcfa"
    "8fe31fb056c156e18baae7e0d3f88d4ed313d2903cdfe9ca83f5f378218944e102e789b1ec017c6a6b83babf9a"
    "91774097f2252b42f96608ddf896a35af180",
    "000000010201d0097e2030c0fe9e5fffb378",
    "000000010201d011ffd480b1fe7ddba0",
]
GOLDEN = (
    "1e4cce4038549b37290bdd1abdd6bb2eba07a522f5fec43567805eecb8cbc1db6506eee76e92c54dff8603f8711f"
    "ca1d07bc7b4a802afae3cc2173",
    "bd0061e908ee39dde86ac30f5a3fed0046672162fd03298ccaa4649befa03f450e75cc3f1b6c132d2ccbb6a5c4"
    "cf5ae1e9495aa17b39143a86d427d6b4b57baf8d7b",
)


def test_golden_bytes() -> None:
    """The exact bytes of a fixed input: a change here breaks every stream there is."""
    writer, slices, compressor = Writer(), Writer(), NalCompressor("hevc", 4, (64, 48))
    units = [bytes.fromhex(text) for text in STREAM]
    assert [compressor.write(writer, slices, unit) for unit in units] == [b""] * 3
    assert (writer.finish().hex(), slices.finish().hex(), slices.bits) == (*GOLDEN, 640)
    reader, recoded = (Reader(bytes.fromhex(text), 640) for text in GOLDEN)
    back = NalCompressor("hevc", 4, (64, 48))
    assert [back.read(reader, recoded, memoryview(b""))[0] for _ in units] == units


def test_repeated_parameter_sets_cost_little(head: list[Picture]) -> None:
    units = []
    for _ in range(3):
        encoder = HevcEncoder(BaseConfig(176, 144, Fraction(30), 32, 44))
        units += [coded.data for coded in encoder.push(head[0])]
    before, after = round_trip(units, "hevc")
    assert before - after > 2 * 70  # VPS, SPS and PPS take 73 bytes with their start codes


payload = st.lists(
    st.sampled_from([b"\0", b"\1", b"\2", b"\3", b"\xff", b"\x42"]), max_size=40
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"", b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\1"]), payload),
        max_size=6,
    )
)
def test_anything_round_trips(parts: list[tuple[bytes, bytes]]) -> None:
    """Start codes in odd places, emulation bytes that no encoder writes, trailing zeros, nothing at
    all."""
    unit = b"".join(a + b for a, b in parts)
    round_trip([unit, unit[: len(unit) // 2], unit], "hevc")
    units = split(unit)
    assert units is None or join(units) == unit


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_damage_is_named(side: bytes, stored: bytes) -> None:
    reader, compressor = Reader(side), NalCompressor("hevc", 4, SIZE)
    try:
        for _ in range(20):
            _, taken = compressor.read(reader, Reader(stored, 4096), memoryview(stored))
            stored = stored[taken:]
    except DamagedError:
        pass


def test_predicted_bytes_are_bounded() -> None:
    """Many units of many kinds that cost nothing: few bytes must not ask for much work."""
    parts = [b"\0\0\1" + bytes([64 + 2 * kind, 1]) + b"\x55" * 120 for kind in range(MAX_UNITS)]
    unit = b"".join(parts)
    writer, compressor = Writer(), NalCompressor("hevc", 4, SIZE)
    stored = [compressor.write(writer, Writer(), unit) for _ in range(12)]
    assert [len(rest) for rest in stored] == [MAX_UNITS * 120 - 256] * 12
    round_trip([unit] * 4, "hevc")


def test_anchor_stream(head: list[Picture]) -> None:
    round_trip([x265_tuned(head[:8], Fraction(30), 40).data], "hevc")


def test_vvc_access_units_need_no_picture() -> None:
    assert split_access_units(b"") == []
