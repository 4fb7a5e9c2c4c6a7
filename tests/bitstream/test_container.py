import io
import struct
import zlib
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdac.bitstream.container import (
    BaseCodec,
    Colour,
    ContainerReader,
    ContainerWriter,
    Cursor,
    Header,
    Mode,
    Packet,
    PacketType,
    Tune,
    check_header,
    pack_header,
    read_header,
    varint,
)
from hdac.errors import DamagedError, StreamError, TruncatedError, UsageError

HEADER = Header(
    Mode.HYBRID,
    BaseCodec.HEVC,
    256,
    256,
    Fraction(30000, 1001),
    "hdac-s",
    "0123abcd",
    10,
    64,
    1,
    1,
    (8, 6, 8, 0),
    Colour(6, 1, 1),
)


def test_golden_header() -> None:
    """Magic, version, length 29, mode, codec, scale, colour, sizes, rate, model, hash, K, levels, usual cascade, CRC-32."""
    fields = "48444143 05 1d 00 00 00 060101 8002 8002 b0ea01 e907 06686461632d73 0123abcd 0a 40 00 7a1436f9"
    assert pack_header(HEADER) == bytes.fromhex(fields)
    assert read_header(Cursor(pack_header(HEADER))) == HEADER
    calm = replace(HEADER, cascade=(4, 3, 4, 0), tune=Tune.PERCEPTUAL)
    assert len(pack_header(calm)) == len(pack_header(HEADER)), "each tune has its usual cascade"
    assert read_header(Cursor(pack_header(calm))) == calm
    other = replace(
        HEADER,
        cascade=(4, 0),
        fps=Fraction(25),
        base_scale=2,
        frame_step=4,
        base_codec=BaseCodec.VVC,
        tune=Tune.PERCEPTUAL,
    )
    assert read_header(Cursor(pack_header(other))) == other


def stream(packets: list[list[Packet]]) -> bytes:
    out = io.BytesIO()
    writer = ContainerWriter(out, HEADER)
    for i, group in enumerate(packets):
        for packet in group:
            writer.write(packet)
        writer.close_group(last=i == len(packets) - 1)
    assert writer.written == len(out.getvalue())
    return out.getvalue()


GROUPS = [
    [Packet(PacketType.BASE, b"\1abc", True), Packet(PacketType.ENHANCEMENT, b"\1xyz", True)],
    [Packet(PacketType.BASE, b"\0" * 300)],
]


def test_round_trip() -> None:
    reader = ContainerReader(stream(GROUPS))
    assert reader.header == HEADER
    assert list(reader.packets()) == [packet for group in GROUPS for packet in group]


def test_every_truncation_is_named() -> None:
    data = stream(GROUPS)
    for size in range(len(data)):
        with pytest.raises(StreamError, match=r"cut short|starts with"):
            list(ContainerReader(data[:size]).packets())


def test_every_bit_flip_is_named() -> None:
    data = stream(GROUPS)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            list(ContainerReader(bytes(damaged)).packets())


def test_bytes_after_the_end_are_named() -> None:
    with pytest.raises(DamagedError, match="3 bytes follow"):
        list(ContainerReader(stream(GROUPS) + b"abc").packets())


def test_not_ours() -> None:
    with pytest.raises(StreamError, match=r"not an \.hdac stream"):
        ContainerReader(b"\0\0\0\x20ftypisom")
    with pytest.raises(StreamError, match=r"not an \.hdac stream"):
        ContainerReader(b"")


def test_older_version() -> None:
    data = bytearray(stream(GROUPS))
    data[4] = 4
    with pytest.raises(
        StreamError,
        match="version 4; this hdac reads version 5: decode it with the hdac that made it",
    ):
        ContainerReader(bytes(data))


def test_newer_version() -> None:
    data = bytearray(stream(GROUPS))
    data[4] = 9
    with pytest.raises(StreamError, match=r"version 9.*reads version 5.*newer hdac"):
        ContainerReader(bytes(data))


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [(0, 7, "mode is 7"), (1, 9, "base codec is 9"), (2, 0x30, "at most a quarter")],
)
def test_header_values_are_bounded(at: int, value: int, words: str) -> None:
    """Also where the checksum holds."""
    data = bytearray(pack_header(HEADER))
    data[6 + at] = value
    data[-4:] = struct.pack(">I", zlib.crc32(data[:-4]))
    with pytest.raises(DamagedError, match=words):
        read_header(Cursor(bytes(data)))


@pytest.mark.parametrize("size", [(8, 8), (256, 5000), (15, 256)])
def test_sizes_that_cannot_be_written(size: tuple[int, int]) -> None:
    header = Header(Mode.BASE, BaseCodec.HEVC, *size, Fraction(25))
    with pytest.raises(UsageError, match=rf"{size[0]}x{size[1]}.*16x16 to 4096x4096.*--size"):
        check_header(header)


@given(st.integers(0, 2**32 - 1))
def test_varint(value: int) -> None:
    assert Cursor(varint(value)).varint("number") == value


def test_varint_is_bounded() -> None:
    with pytest.raises(DamagedError, match="longer than 5 bytes"):
        Cursor(b"\xff" * 9).varint("number")
    with pytest.raises(DamagedError, match="number is 300; allowed are 0 to 255"):
        Cursor(varint(300)).varint("number", 0, 255)
    with pytest.raises(TruncatedError, match="needed 1 bytes, had 0"):
        Cursor(b"\x80").varint("number")
