"""Whole streams: packets in, bytes out, and back as far as they verify."""

import io
import tracemalloc
import zlib
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from hdac.bitstream import stream
from hdac.bitstream.container import (
    BaseCodec,
    Cursor,
    Header,
    Keypoints,
    Mode,
    Packet,
    PacketType,
    frame_packet,
    pack_header,
    varint,
)
from hdac.bitstream.stream import StreamReader, StreamWriter, read_stream
from hdac.codec.files import decode
from hdac.errors import DamagedError, StreamError, TruncatedError

FILE = Header(Mode.HYBRID, BaseCodec.HEVC, 64, 48, Fraction(25), "x", motion=Keypoints(10))
LIVE = replace(FILE, live=True)
BASE = replace(FILE, mode=Mode.BASE, model="", motion=None)


def packet(kind: PacketType, frames: int = 1, start: bool = False, size: int = 9) -> Packet:
    return Packet(kind, bytes([start]) + varint(frames) + bytes(range(size)), start)


def of_gops(gops: int) -> list[Packet]:
    """GOPs of a packet of the base layer and one of enhancement."""
    kinds = (PacketType.BASE, PacketType.ENHANCEMENT)
    packets = [packet(kind, 6, True) for _ in range(gops) for kind in kinds]
    return [replace(p, sequence=i) for i, p in enumerate(packets)]


def written(header: Header, packets: list[Packet]) -> bytes:
    out = io.BytesIO()
    with StreamWriter(out, header) as writer:
        for each in packets:
            writer.write(each)
    assert writer.written == len(out.getvalue())
    assert not out.closed
    return out.getvalue()


def groups(data: bytes, header: Header) -> list[list[Packet]]:
    """The packets of each group; what ends it left out."""
    cursor, found = Cursor(data[len(pack_header(header)) :]), [list[Packet]()]
    while cursor.left:
        one = Packet.read_framed(cursor)
        if one.type in (PacketType.CHECK, PacketType.LAST):
            found.append([])
        else:
            found[-1].append(one)
    assert one.type is PacketType.LAST
    assert not found.pop()
    return found


def gone(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + data[at + count :]


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def read(
    data: bytes, strict: bool = True, step: int = 1 << 20
) -> tuple[StreamReader, list[Packet]]:
    reader = StreamReader(strict)
    packets = [p for at in range(0, len(data), step) for p in reader.feed(data[at : at + step])]
    reader.close()
    return reader, packets


LIVE_PACKETS = [
    replace(frame_packet(base, enhancement), sequence=i, time=40 * i)
    for i, (base, enhancement) in enumerate(zip(of_gops(4)[::2], of_gops(4)[1::2], strict=True))
]
STREAMS = {"file": (FILE, of_gops(2)), "live": (LIVE, LIVE_PACKETS)}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
def test_round_trip(kind: str, step: int) -> None:
    """However the bytes come."""
    header, packets = STREAMS[kind]
    reader, found = read(written(header, packets), step=step)
    assert reader.header == header
    assert found == packets
    assert reader.ended
    assert not reader.damage


@pytest.mark.parametrize("kind", STREAMS)
def test_packets_come_as_soon_as_they_are_whole(kind: str) -> None:
    header, packets = STREAMS[kind]
    data, reader = written(header, packets), StreamReader()
    assert reader.feed(data[: len(pack_header(header)) - 1]) == []
    assert reader.header is None
    assert reader.feed(data[len(pack_header(header)) - 1 :][:1]) == []
    assert reader.header == header
    rest = data[len(pack_header(header)) :]
    counts = [len(reader.feed(rest[at : at + 1])) for at in range(len(rest))]
    assert [n for n in counts if n] == ([2, 2] if kind == "file" else [1, 1, 1, 1])


def test_read_stream_takes_frames_apart() -> None:
    header, packets = read_stream(written(LIVE, LIVE_PACKETS))
    assert header == LIVE
    assert packets == [part for p in LIVE_PACKETS for part in p.parts(LIVE.mode)]
    assert [p.type.name for p in packets[:2]] == ["BASE", "ENHANCEMENT"]


@pytest.mark.parametrize("header", [FILE, LIVE])
def test_no_packets(header: Header) -> None:
    assert read_stream(written(header, [])) == (header, [])


def test_a_writer_that_fails_does_not_end_the_stream() -> None:
    out = io.BytesIO()

    def fail() -> None:
        with StreamWriter(out, FILE) as writer:
            writer.write(of_gops(1)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(TruncatedError):
        read(out.getvalue())


# ---- groups


@pytest.mark.parametrize(
    ("frames", "gop", "sizes"),
    [
        (1, 520, [256, 256, 8]),
        (1, 100, [100] * 5 + [20]),
        (100, 9, [3, 3, 3] * 2),
        (256, 1, [1, 1]),
    ],
)
def test_groups(frames: int, gop: int, sizes: list[int]) -> None:
    """They end where a GOP starts, and after 256 frames; `sizes` in packets."""
    count = sum(sizes)
    packets = [packet(PacketType.BASE, frames, i % gop == 0) for i in range(count)]
    data = written(BASE, packets)
    assert [len(group) for group in groups(data, BASE)] == sizes
    assert [p.payload for p in read(data)[1]] == [p.payload for p in packets]


def test_what_belongs_to_the_same_frames_stays_together() -> None:
    kinds = (PacketType.TIMES, PacketType.BASE, PacketType.ENHANCEMENT)
    packets = [packet(kind, 60, i % 7 == 0) for i in range(14) for kind in kinds]
    found = groups(written(FILE, packets), FILE)
    assert [[p.type for p in group][:3] for group in found] == [list(kinds)] * len(found)
    assert [len(group) for group in found] == [15, 6] * 2


def test_groups_of_mode_animation() -> None:
    """Frames are in the packets of enhancement there."""
    header = replace(FILE, mode=Mode.ANIMATION)
    packets = [packet(PacketType.REFERENCE, 1, True)]
    packets += [packet(PacketType.ENHANCEMENT, 100, i == 0) for i in range(7)]
    assert [len(group) for group in groups(written(header, packets), header)] == [4, 3, 1]


def test_groups_of_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_GROUP", 1000)
    packets = [packet(PacketType.BASE, size=200) for _ in range(9)]
    data = written(BASE, packets)
    assert [len(group) for group in groups(data, BASE)] == [3, 3, 3]
    assert len(read(data)[1]) == 9


@pytest.mark.parametrize("step", [1, 64, 1 << 20])
def test_an_endless_group_is_refused(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_GROUP", 1000)
    data = pack_header(BASE) + packet(PacketType.BASE).framed() * 100
    with pytest.raises(DamagedError, match="a group is longer than 1000 bytes"):
        read(data, step=step)
    reader, packets = read(data, strict=False, step=step)
    assert not packets
    assert reader.damage == ["a group is longer than 1000 bytes: the stream is damaged"]


def test_a_group_of_too_many_packets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_GROUP_PACKETS", 10)
    start, reserved = pack_header(BASE), b"\x08\0"
    for count, ends in ((10, True), (11, False), (100, False)):
        group = reserved * count + b"\x0f"
        data = start + group + b"\4" + zlib.crc32(group).to_bytes(4, "big")
        reader, packets = read(data, strict=False)
        assert (reader.ended, len(packets)) == (ends, count * ends)
        wanted = [] if ends else ["a group of more than 10 packets: the stream is damaged"]
        assert reader.damage == wanted


def test_sound_without_end_goes_on_in_the_next_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_GROUP_PACKETS", 10)
    sound, base = Packet(PacketType.AUDIO, b"\0\1\0"), packet(PacketType.BASE)
    packets = [base, *[sound] * 25, base, sound, base]
    data = written(BASE, packets)
    assert [len(group) for group in groups(data, BASE)] == [10, 10, 6, 3]
    assert [p.payload for p in read(data)[1]] == [p.payload for p in packets]


def test_packets_of_two_bytes_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each took 150 times its bytes; a group is held at once, no more."""
    monkeypatch.setattr(stream, "MAX_GROUP_PACKETS", 1000)
    group = b"\x08\0" * stream.MAX_GROUP_PACKETS
    checks = ((kind, zlib.crc32(group + bytes([kind]))) for kind in (*[14] * 15, 15))
    data = pack_header(BASE) + b"".join(
        group + bytes([kind, 4]) + crc.to_bytes(4, "big") for kind, crc in checks
    )
    tracemalloc.start()
    assert read_stream(data) == (BASE, [])
    assert not list(decode(data, "base"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1e6


# ---- damage


@pytest.mark.parametrize("kind", STREAMS)
def test_every_truncation_is_named(kind: str) -> None:
    data = written(*STREAMS[kind])
    for size in range(len(data)):
        with pytest.raises(StreamError, match=r"cut short|starts with"):
            read(data[:size])


@pytest.mark.parametrize("kind", STREAMS)
def test_every_bit_flip_is_named(kind: str) -> None:
    header, packets = STREAMS[kind]
    data = written(header, packets)
    for bit in range(8 * len(data)):
        with pytest.raises(StreamError):
            read(flipped(data, bit))


@pytest.mark.parametrize("kind", STREAMS)
def test_every_bit_flip_is_said(kind: str) -> None:
    """Not strict: what is given is right, and something is said to be missing."""
    header, packets = STREAMS[kind]
    data, payloads = written(header, packets), {p.payload for p in packets}
    for bit in range(8 * len(pack_header(header)), 8 * len(data)):
        reader, found = read(flipped(data, bit), strict=False)
        assert reader.damage
        assert {p.payload for p in found} <= payloads


@pytest.mark.parametrize("lost", range(4))
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_one_flipped_bit_loses_one_group(lost: int, step: int) -> None:
    data = written(FILE, of_gops(4))
    head = len(pack_header(FILE))
    size = (len(data) - head) // 4
    at = head + lost * size
    reader, found = read(flipped(data, 8 * (at + 5)), strict=False, step=step)
    kept = [n for n in range(4) if n != lost for _ in range(2)]
    assert [p.payload for p in found] == [of_gops(4)[0].payload, of_gops(4)[1].payload] * 3
    steps = [b.sequence - a.sequence for a, b in pairwise(found)]
    assert [s == 1 for s in steps] == [b - a < 2 for a, b in pairwise(kept)]
    assert reader.damage == [
        f"the checksum of bytes {at} to {at + size - 6} does not match: the stream is damaged"
    ]


def test_one_flipped_bit_loses_one_live_packet() -> None:
    data = written(LIVE, LIVE_PACKETS)
    at = data.index(LIVE_PACKETS[2].tobytes())
    reader, found = read(flipped(data, 8 * at + 50), strict=False)
    assert [p.sequence for p in found] == [0, 1, 3]
    assert len(reader.damage) == 1
    assert reader.ended


def test_broken_framing_loses_the_rest() -> None:
    data = written(FILE, of_gops(4))
    head = len(pack_header(FILE))
    size = (len(data) - head) // 4
    at = head + size + 1  # the length of a packet in the second group
    broken = data[:at] + b"\xff" * 5 + data[at + 1 :]
    with pytest.raises(DamagedError, match="longer than 5 bytes"):
        read(broken)
    for step in (1, 1 << 20):
        reader, found = read(broken, strict=False, step=step)
        assert found == of_gops(1)
        assert len(reader.damage) == 1
        assert "longer than 5 bytes" in reader.damage[0]
        assert not reader.ended


def test_many_damaged_groups_are_said_in_few_words() -> None:
    group = bytes([PacketType.CHECK, 4]) + b"bad!"
    reader, _ = read(pack_header(BASE) + group * 500, strict=False)
    assert (len(reader.damage), reader.damage.more) == (100, 400)


def test_a_missing_byte_is_said() -> None:
    data = written(FILE, of_gops(4))
    for at in range(len(pack_header(FILE)), len(data)):
        reader, found = read(gone(data, at, 1), strict=False)
        assert reader.damage
        assert {p.payload for p in found} <= {p.payload for p in of_gops(1)}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_bytes_after_the_end(kind: str, step: int) -> None:
    header, packets = STREAMS[kind]
    data = written(header, packets) + b"abc"
    with pytest.raises(DamagedError, match=r"\d bytes follow the last packet"):
        read(data, step=step)
    reader, found = read(data, strict=False, step=step)
    assert found == packets
    assert "follow the last packet" in reader.damage[0]


def test_bytes_after_the_end_are_said_once() -> None:
    reader, _ = read(written(*STREAMS["file"]) + bytes(50), strict=False, step=1)
    assert len(reader.damage) == 1


def test_a_flipped_bit_of_a_check_loses_no_other_group() -> None:
    data = written(FILE, of_gops(4))
    at = len(pack_header(FILE)) + (len(data) - len(pack_header(FILE))) // 4 - 6
    assert data[at] == PacketType.CHECK
    reader, found = read(flipped(data, 8 * at), strict=False)
    assert reader.damage
    assert len(found) >= 6


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_no_stream_is_refused(strict: bool) -> None:
    with pytest.raises(StreamError, match=r"not an \.hdac stream"):
        read(b"RIFF1234", strict)
    with pytest.raises(StreamError, match=r"not an \.hdac stream"):
        read(b"", strict)
    with pytest.raises(StreamError, match="the checksum of the header"):
        read(flipped(written(*STREAMS["file"]), 80), strict)


def test_a_cut_frame_packet_in_a_file_loses_nothing_else() -> None:
    """Its group is whole; what is inside is the decoder's to refuse."""
    packets = [*of_gops(1), Packet(PacketType.FRAME, b"\x7fshort"), *of_gops(1)]
    found = read(written(FILE, packets))[1]
    assert [p.payload for p in found] == [p.payload for p in packets]
    with pytest.raises(TruncatedError):
        found[2].parts(FILE.mode)
