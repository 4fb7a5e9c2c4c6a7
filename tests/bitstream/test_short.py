"""The short form of live packets: on the wire only, and the same packets come back."""

import random

import pytest

from hdac.bitstream.container import Packet, PacketType
from hdac.bitstream.cursor import chunk
from hdac.bitstream.short import lengthen, shorten
from hdac.errors import DamagedError, StreamError, TruncatedError


def base(coder: bytes = b"\x80", stored: bytes = b"", slices: bytes = b"slices") -> bytes:
    return b"\0\1" + chunk(coder) + chunk(stored) + slices


def frame(picture: bytes, enhancement: bytes) -> bytes:
    return chunk(picture) + enhancement


@pytest.mark.parametrize(
    ("kind", "payload", "saved"),
    [
        (PacketType.BASE, base(), 4),
        (PacketType.BASE, base(slices=b""), 4),
        (PacketType.BASE, base(b""), 3),
        (PacketType.BASE, base(b"abc"), 3),
        (PacketType.BASE, base(stored=b"abc"), 3),
        (PacketType.FRAME, frame(base(), b"\6\1"), 7),
        (PacketType.FRAME, frame(base(), b"\2\1ab"), 6),
        (PacketType.FRAME, frame(base(b"xy", b"z" * 300), b"\2\1"), 5),
    ],
)
def test_short_packets_come_back(kind: PacketType, payload: bytes, saved: int) -> None:
    packet = Packet(kind, payload, sequence=258, time=70_000)
    wire = packet.tobytes()
    assert Packet.frombytes(wire) == packet
    assert len(wire) == 1 + 2 + 3 + len(payload) + 2 - saved
    assert wire[0] & 15 == 7


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (PacketType.BASE, b""),
        (PacketType.BASE, b"\1\1" + bytes(10)),  # a GOP starts
        (PacketType.BASE, base().replace(b"\0\1", b"\0\2")),  # two frames
        (PacketType.BASE, base()[:3]),
        (PacketType.FRAME, base()),
        (PacketType.FRAME, frame(base(), b"\0\1ab")),  # no switch flags
        (PacketType.FRAME, frame(base(), b"\2\2ab")),
        (PacketType.FRAME, frame(base(), b"\6\1ab")),  # as before, and yet coded
        (PacketType.FRAME, frame(b"\0\1", b"\2\1ab")),
        (PacketType.ENHANCEMENT, base()),
    ],
)
def test_other_packets_stay_long(kind: PacketType, payload: bytes) -> None:
    packet = Packet(kind, payload, bool(payload and payload[0] & 1 and kind is PacketType.BASE))
    assert packet.tobytes()[0] == kind
    assert Packet.frombytes(packet.tobytes()).payload == payload


def test_random_payloads() -> None:
    """Whatever a payload is, `shorten` refuses it or `lengthen` gives it back; whatever a body is,
    `lengthen` refuses it or what it gives has a short form."""
    rng, made, back = random.Random(1), 0, 0
    for _ in range(20_000):
        payload = bytes(rng.choices((0, 1, 2, 3, 6, 200), k=rng.randrange(14)))
        is_frame = rng.random() < 0.5
        if short := shorten(is_frame, payload):
            assert lengthen(*short) == (is_frame, payload)
            made += 1
        try:
            long = lengthen(rng.randrange(16), payload)
        except StreamError:
            continue
        assert shorten(*long) is not None
        back += 1
    assert made > 50
    assert back > 1000


@pytest.mark.parametrize(
    ("bits", "body", "error"),
    [
        (3, b"\x80", DamagedError),
        (0, b"", TruncatedError),
        (8, b"\5ab", TruncatedError),
        (4, b"\x80\5ab", TruncatedError),
        (1, b"\x80\xff\xff\xff\x7fab", StreamError),
    ],
)
def test_damaged_short_packets(bits: int, body: bytes, error: type[StreamError]) -> None:
    with pytest.raises(error):
        lengthen(bits, body)
