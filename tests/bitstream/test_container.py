"""The header and the packets of format 7, byte by byte."""

import struct
import zlib
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdac.bitstream.container import (
    MAX_PIXELS,
    BaseCodec,
    Colour,
    Cursor,
    Header,
    Keypoints,
    Mode,
    NumberFormat,
    Packet,
    PacketType,
    Tune,
    check_header,
    check_size,
    chunk,
    frame_packet,
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
    Keypoints(10, 64),
    1,
    (8, 6, 8, 0),
    Colour(6, 1, 1),
)
FULL = Header(
    Mode.ANIMATION,
    BaseCodec.VVC,
    63,
    4096,
    Fraction(25),
    "x",
    "deadbeef",
    Keypoints(64, 512),
    4,
    (-3, 7),
    Colour(1, 2, 3),
    Tune.PERCEPTUAL,
    NumberFormat.INT8,
    live=True,
    clock=1000,
)
BASE = Header(Mode.BASE, BaseCodec.MIXED, 64, 48, Fraction(25), cascade=(4,))


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        # magic, version, length | format and mode, tune and codec, scale and flags, colour | sizes,
        # rate | the usual cascade | model, hash | kind of motion, its parameters | CRC-32
        (
            HEADER,
            "48444143 07 1f  00 00 00 060101  8002 8002 b0ea01 e907  00  06686461632d73 0123abcd"
            "  00 020a40  5527509c",
        ),
        # the same, with ticks per second and a cascade of its own
        (
            FULL,
            "48444143 07 1b  21 11 23 010203  3f 8020 19 01  e807  02fd07  0178 deadbeef"
            "  00 03408004  fee90b84",
        ),
        # frames between others that are not sent
        (
            replace(FULL, live=False, every=3),
            "48444143 07 1c  21 11 26 010203  3f 8020 19 01  e807 03  02fd07  0178 deadbeef"
            "  00 03408004  31e6c7de",
        ),
        (BASE, "48444143 07 0c  02 02 00 020202  40 30 19 01  0104  93a91a52"),
    ],
)
def test_golden_header(header: Header, fields: str) -> None:
    assert pack_header(header).hex() == fields.replace(" ", "")
    assert read_header(Cursor(bytes.fromhex(fields))) == header


@settings(deadline=None)
@given(
    st.sampled_from(Mode),
    st.sampled_from(BaseCodec),
    st.sampled_from(Tune),
    st.sampled_from(NumberFormat),
    st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
    st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**6)),
    st.sampled_from((1, 2, 4)),
    st.lists(st.integers(-128, 127), min_size=1, max_size=64),
    st.booleans(),
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 64), st.integers(1, 512)),
)
def test_header_round_trip(
    mode: Mode,
    codec: BaseCodec,
    tune: Tune,
    number_format: NumberFormat,
    size: tuple[int, int],
    fps: Fraction,
    scale: int,
    cascade: list[int],
    live: bool,
    clock: int,
    motion: tuple[int, int],
) -> None:
    model = ("", "00000000", None) if mode is Mode.BASE else ("n", "00ff00ff", Keypoints(*motion))
    header = Header(
        mode, codec, *size, fps, *model, scale, tuple(cascade), Colour(1, 2, 255), tune,
        number_format, live, clock,
    )  # fmt: skip
    assert read_header(Cursor(pack_header(header))) == header


@pytest.mark.parametrize("tune", Tune)
def test_each_tune_has_its_usual_cascade(tune: Tune) -> None:
    usual = {Tune.PSNR: (8, 6, 8, 0), Tune.PERCEPTUAL: (4, 3, 4, 0)}[tune]
    short, long = (replace(HEADER, tune=tune, cascade=c) for c in (usual, (1, 2, 3, 4)))
    assert len(pack_header(long)) == len(pack_header(short)) + 4
    assert read_header(Cursor(pack_header(short))) == short


def with_body(body: bytes) -> bytes:
    """A header of any body, with a right checksum."""
    data = b"HDAC\7" + chunk(body)
    return data + struct.pack(">I", zlib.crc32(data))


def body(**fields: bytes) -> bytes:
    """The body of a header of mode hybrid, with some fields as they are given."""
    usual = {
        "fixed": bytes([0, 0, 0, 2, 2, 2]), "width": b"\x40", "height": b"\x30", "fps": b"\x19",
        "denominator": b"\1", "clock": b"", "cascade": b"\0", "name": b"\1x", "digest": bytes(4),
        "kind": b"\0", "motion": b"\2\x0a\x40",
    }  # fmt: skip
    assert set(fields) <= set(usual)
    return b"".join((usual | fields).values())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fixed": bytes([3, 0, 0, 2, 2, 2])}, "^mode is 3; known are 0 .hybrid., 1 .animation."),
        ({"fixed": bytes([0x30, 0, 0, 2, 2, 2])}, "number format is 3; known are 0 .fp32."),
        ({"fixed": bytes([0, 0x20, 0, 2, 2, 2])}, "tune is 2"),
        ({"fixed": bytes([0, 3, 0, 2, 2, 2])}, "base codec is 3"),
        ({"fixed": bytes([0, 0, 0x30, 2, 2, 2])}, r"base scale is 2\^-3"),
        ({"fixed": bytes([0, 0, 8, 2, 2, 2])}, "flags are 8; .*newer hdac"),
        ({"fixed": bytes([0, 0, 4, 2, 2, 2]), "clock": b"\2"}, "not sent, in mode hybrid"),
        ({"fixed": bytes([1, 0, 5, 2, 2, 2]), "clock": b"\2"}, "not sent, in a live stream"),
        (
            {"fixed": bytes([1, 0, 4, 2, 2, 2]), "clock": b"\1"},
            "to the next is 1; allowed are 2 to",
        ),
        ({"fixed": bytes([1, 0, 4, 2, 2, 2]), "clock": b"\x09"}, "to the next is 9; .* 2 to 8"),
        ({"width": b"\0"}, "width is 0; allowed are 1 to 4096"),
        ({"width": varint(4097)}, "width is 4097"),
        ({"height": b"\0"}, "height is 0"),
        ({"height": varint(4097)}, "height is 4097; allowed are 1 to 4096"),
        ({"fps": b"\0"}, "frame rate is 0"),
        ({"fps": varint(10**6 + 1)}, "frame rate is 1000001; allowed are 1 to 1000000"),
        ({"denominator": b"\0"}, "frame rate's denominator is 0"),
        ({"denominator": varint(10**6 + 1)}, "frame rate's denominator is 1000001"),
        ({"fixed": bytes([0, 0, 2, 2, 2, 2]), "clock": b"\0"}, "ticks per second is 0"),
        (
            {"fixed": bytes([0, 0, 2, 2, 2, 2]), "clock": varint(10**6 + 1)},
            "ticks per second is 1000001; allowed are 1 to 1000000",
        ),
        ({"cascade": b"\x41" + bytes(65)}, "cascade length is 65; allowed are 0 to 64"),
        ({"name": b"\x41" + b"x" * 65}, "length of model name is 65; allowed are 0 to 64"),
        ({"name": b"\1\xff"}, r"model name b'\\xff' is not ASCII"),
        ({"motion": b"\2\0\x40"}, "keypoints is 0; allowed are 1 to 64"),
        ({"motion": b"\2\x41\x40"}, "keypoints is 65"),
        ({"motion": b"\2\x0a\0"}, "keypoint levels is 0"),
        ({"motion": b"\3\x0a" + varint(513)}, "keypoint levels is 513; allowed are 1 to 512"),
    ],
)
def test_header_values_are_bounded(fields: dict[str, bytes], words: str) -> None:
    """Also where the checksum holds."""
    assert read_header(Cursor(with_body(body())))
    with pytest.raises(DamagedError, match=words):
        read_header(Cursor(with_body(body(**fields))))


@pytest.mark.parametrize("kind", [99, 200, 255])
@pytest.mark.parametrize("parameters", [b"\2\x0a\x40", b"\0", b"\xff\1" + bytes(255)])
def test_unknown_motion_models(kind: int, parameters: bytes) -> None:
    """They are none of ours, whatever their parameters: the stream need not be damaged."""
    words = rf"^motion model is {kind}; known here: 0 \(keypoints\), .*; install a newer hdac$"
    with pytest.raises(StreamError, match=words):
        read_header(Cursor(with_body(body(kind=bytes([kind]), motion=parameters))))


def test_header_bodies_cut_short() -> None:
    whole = body()
    for size in range(len(whole)):
        with pytest.raises(TruncatedError, match=r"needed \d+ bytes, had \d+"):
            read_header(Cursor(with_body(whole[:size])))


def test_long_headers_are_refused() -> None:
    with pytest.raises(DamagedError, match="length of header is 513; allowed are 0 to 512"):
        read_header(Cursor(with_body(bytes(513))))


def test_bytes_behind_a_header() -> None:
    cursor = Cursor(pack_header(FULL) + b"abc")
    assert read_header(cursor) == FULL
    assert cursor.left == 3


def test_every_truncation_of_a_header_is_named() -> None:
    data = pack_header(FULL)
    for size in range(len(data)):
        with pytest.raises(StreamError, match=r"cut short|starts with"):
            read_header(Cursor(data[:size]))


def test_every_bit_flip_of_a_header_is_named() -> None:
    data = pack_header(FULL)
    for bit in range(8 * len(data)):
        with pytest.raises(StreamError):
            read_header(Cursor(flipped(data, bit)))


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


@pytest.mark.parametrize("data", [b"\0\0\0\x20ftypisom", b"", b"HDAX\6", b"hdac"])
def test_not_ours(data: bytes) -> None:
    with pytest.raises(StreamError, match=r"not an \.hdac stream: it starts with"):
        read_header(Cursor(data))


@pytest.mark.parametrize(
    ("version", "way"),
    [
        (5, "decode it with the hdac that made it, or encode the source again"),
        (8, "install a newer hdac"),
    ],
)
def test_other_versions(version: int, way: str) -> None:
    data = bytearray(pack_header(HEADER))
    data[4] = version
    with pytest.raises(StreamError, match=f"version {version}; this hdac reads version 7: {way}"):
        read_header(Cursor(data))


# ---- what can be written


@pytest.mark.parametrize("size", [(8, 8), (256, 5000), (15, 256)])
def test_sizes_that_cannot_be_written(size: tuple[int, int]) -> None:
    header = Header(Mode.BASE, BaseCodec.HEVC, *size, Fraction(25))
    with pytest.raises(UsageError, match=rf"{size[0]}x{size[1]}.*16x16 to 4096x4096.*--size"):
        check_header(header)


def test_rates_that_cannot_be_written() -> None:
    assert check_header(HEADER) == HEADER
    near = check_header(replace(HEADER, fps=Fraction(25 * 10**7 + 1, 10**7)))
    assert near.fps == 25
    for rate in (Fraction(0), Fraction(-25), Fraction(2 * 10**6)):
        with pytest.raises(UsageError, match=f"frame rate {rate}; allowed are"):
            check_header(replace(HEADER, fps=rate))


@pytest.mark.parametrize("clock", [-1, 10**6 + 1])
def test_clocks_that_cannot_be_written(clock: int) -> None:
    """Such a stream is written, and nobody can read it."""
    with pytest.raises(UsageError, match="clock"):
        check_header(replace(HEADER, clock=clock))


@pytest.mark.parametrize("name", ["a" * 65, "modèle"])
def test_model_names_that_cannot_be_written(name: str) -> None:
    assert check_header(replace(HEADER, model="a" * 64)).model == "a" * 64
    with pytest.raises(UsageError, match=r"model name .*; allowed are 0 to 64"):
        check_header(replace(HEADER, model=name))


def test_check_size() -> None:
    header = replace(HEADER, width=1920, height=1088)
    check_size(header, MAX_PIXELS)
    with pytest.raises(
        UsageError, match=r"1920x1088; allowed are 2088959 pixels: give --max-pixels 1920x1088 if"
    ):
        check_size(header, MAX_PIXELS - 1)


def test_sizes_inside_the_codec() -> None:
    header = replace(FULL, width=63, height=47, base_scale=4)
    assert (header.base_size, header.padded_size) == ((16, 12), (64, 48))
    assert replace(header, base_scale=1).padded_size == (64, 48)
    small, large = (replace(header, width=s, height=s).packet_frames for s in (16, 4096))
    assert (small, large) == (1, 1), "live streams"
    plain = replace(header, live=False)
    small, large = (replace(plain, width=s, height=s).packet_frames for s in (16, 4096))
    assert (small, large) == (256, 2)
    assert (FULL.tick, HEADER.tick) == (Fraction(1, 1000), Fraction(1001, 30000))


# ---- packets

PACKETS = [
    Packet(PacketType.BASE, b"\1\2" + bytes(range(60)), True, 513, 40),
    Packet(PacketType.ENHANCEMENT, b"\0\1xyz", False, 65535, 1 << 20),
    Packet(PacketType.AUDIO, b"", False, 7, 0),
    Packet(PacketType.FRAME, b"\3\1\1a" + b"\1\1xyz", True, 9, 2),
]


def test_golden_packets() -> None:
    """Type, sequence, time, payload, CRC-32's low 16 bits; in a group: type, length, payload."""
    assert PACKETS[1].tobytes().hex(" ") == "03 ff ff 80 80 40 00 01 78 79 7a 6d e6"
    assert PACKETS[1].framed().hex(" ") == "03 05 00 01 78 79 7a"


@pytest.mark.parametrize("packet", PACKETS)
def test_packets_come_back(packet: Packet) -> None:
    assert Packet.frombytes(packet.tobytes()) == packet
    assert Packet.frombytes(memoryview(packet.tobytes())) == packet
    cursor = Cursor(packet.framed() + b"more")
    assert Packet.read_framed(cursor) == replace(packet, sequence=0, time=0)
    assert cursor.left == 4


@pytest.mark.parametrize("packet", PACKETS)
def test_damaged_packets_are_named(packet: Packet) -> None:
    data = packet.tobytes()
    for bit in range(8 * len(data)):
        with pytest.raises(DamagedError, match=f"the check of a packet of {len(data)} bytes"):
            Packet.frombytes(flipped(data, bit))
    for size in range(len(data)):
        with pytest.raises(StreamError):
            Packet.frombytes(data[:size])
    framed = packet.framed()
    for size in range(len(framed)):
        with pytest.raises(TruncatedError):
            Packet.read_framed(Cursor(framed[:size]))


def checked(data: bytes) -> bytes:
    return data + struct.pack(">H", zlib.crc32(data) & 0xFFFF)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", TruncatedError, "packet: needed 3 bytes, had 0"),
        (b"\2\0\1", TruncatedError, "time: needed 1 bytes, had 0"),
        (b"\0\0\1\0", DamagedError, "packet type is 0; known are 1 .reference.*newer hdac"),
        (b"\x10\0\1\0", DamagedError, "packet type is 16"),
        (b"\2\0\1" + b"\xff" * 5, DamagedError, "time: a variable-length integer is longer"),
        (b"\2\0\1" + varint(1 << 32), DamagedError, "time is 4294967296"),
        (b"\6\0\1\0\5a", TruncatedError, "picture: needed 5 bytes, had 1"),
        (b"\6\0\1\0", TruncatedError, "length of picture: needed 1 bytes"),
    ],
)
def test_packets_are_bounded(data: bytes, error: type[StreamError], words: str) -> None:
    """Also where the check holds."""
    with pytest.raises(error, match=words):
        Packet.frombytes(checked(data)).parts(Mode.HYBRID)


@pytest.mark.parametrize("kind", range(7, 14))
def test_reserved_types(kind: int) -> None:
    """What later versions may send is read, and skipped by decoders. (On the wire 7 is a short
    packet.)"""
    if kind != 7:
        assert Packet.frombytes(checked(bytes([kind, 0, 1, 0, 99]))).type is PacketType.RESERVED
    read = Packet.read_framed(Cursor(bytes([kind, 1, 99])))
    assert read.type is PacketType.RESERVED
    for write in (read.framed, read.tobytes):  # its number is not kept
        with pytest.raises(UsageError, match="reserved type"):
            write()


@pytest.mark.parametrize(
    ("payload", "frames"),
    [
        (b"\0\5abc", 5),
        (b"\0\x80\2", 256),
        (b"\0\x81\2", 0),
        (b"\0\0", 0),
        (b"\0", 0),
        (b"", 0),
        (b"\0" + b"\xff" * 9, 0),
    ],
)
def test_frames_of_a_packet(payload: bytes, frames: int) -> None:
    assert Packet(PacketType.BASE, payload).frames == frames


@pytest.mark.parametrize("mode", Mode)
def test_parts_of_a_frame(mode: Mode) -> None:
    picture = Packet(PacketType.BASE, b"\1\1" + bytes(200), True)
    enhancement = Packet(PacketType.ENHANCEMENT, b"\1\1xyz", True)
    whole = replace(frame_packet(picture, enhancement), sequence=5, time=80)
    assert whole.type is PacketType.FRAME
    assert Packet.frombytes(whole.tobytes()) == whole
    kind = PacketType.REFERENCE if mode is Mode.ANIMATION else PacketType.BASE
    assert whole.parts(mode) == [
        replace(picture, type=kind, sequence=5, time=80),
        replace(enhancement, sequence=5, time=80),
    ]
    assert picture.parts(mode) == [picture]


# ---- numbers


@settings(deadline=None)
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


def test_chunks_are_bounded() -> None:
    assert bytes(Cursor(chunk(b"abc")).chunk("text", 3)) == b"abc"
    with pytest.raises(DamagedError, match="length of text is 3; allowed are 0 to 2"):
        Cursor(chunk(b"abc")).chunk("text", 2)
    with pytest.raises(TruncatedError, match="text: needed 3 bytes, had 2"):
        Cursor(chunk(b"abc")[:-1]).chunk("text", 3)
