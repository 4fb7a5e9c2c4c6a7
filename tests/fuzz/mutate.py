"""Streams altered below their checksums: what a hostile or broken encoder may write."""

from __future__ import annotations

import io
import random
import struct
import zlib
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from typing import Any

from hdac.bitstream.container import (
    BaseCodec,
    Cursor,
    Header,
    Keypoints,
    Mode,
    NumberFormat,
    Packet,
    PacketType,
    Tune,
    chunk,
    pack_header,
    varint,
)
from hdac.bitstream.motions import Face, Feature, Landmarks, Pose, Regions
from hdac.bitstream.stream import StreamReader, StreamWriter
from hdac.codec.syntax import BasePacket, BaseReader, BaseWriter
from hdac.errors import StreamError
from hdac.motion.kinds import motion_for
from hdac.runtime.models import ANIMATION, find_model

_KINDS = (
    "flip", "flip", "flip", "insert", "cut", "drop", "repeat", "swap", "type", "header", "zeros",
    "ones", "random", "frames", "start", "split", "sequence", "time", "network",
)  # fmt: skip
_HUGE = (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x80", b"\xff" * 6)
#: With reserved ones as numbers (`PacketType` does not tell them apart).
_TYPES: Any = [*list(PacketType)[:6], 8, 13]
_PICTURES = (PacketType.REFERENCE, PacketType.BASE, PacketType.FRAME)


def taken(stream: bytes) -> tuple[Header, list[Packet]]:
    """Header and packets of a stream, those of type FRAME whole."""
    reader = StreamReader()
    packets = reader.feed(stream)
    reader.close()
    assert reader.header is not None
    return reader.header, packets


#: Bytes of a mutant, about.
LONGEST = 16_000


def written(header: Header, packets: list[Packet]) -> bytes:
    """A stream of these packets, with right checksums."""
    out = io.BytesIO()
    with StreamWriter(out, header) as writer:
        for packet in packets:
            writer.write(packet)
    return out.getvalue()


def rebuilt(header: Header, packets: list[Packet]) -> bytes:
    """A stream of these packets, with right checksums and sequence numbers."""
    return written(header, [replace(p, sequence=i & 0xFFFF) for i, p in enumerate(packets)])


def mutant(stream: bytes, rng: random.Random, alterations: int = 3) -> bytes:
    """The stream with one to so many alterations of payloads, packets, header or bytes."""
    header, packets = taken(stream)
    if rng.random() < 0.03:
        packets = _attack(header, packets, rng)
    for _ in range(rng.randint(1, alterations)):
        header, packets = _altered(header, packets, rng)
    # the work is bounded by a stream's bytes: a long one may take long
    sizes = accumulate(len(p.payload) for p in packets)
    packets = [p for p, size in zip(packets, sizes, strict=True) if size <= LONGEST] or packets[:1]
    data = written(header, packets)
    if rng.random() < 0.01 and not header.live:
        data = _crowded(header)
    if rng.random() < 0.05:
        data = _other_header(data, header, rng)
    return _damaged(data, rng) if rng.random() < 0.05 else data


def _altered(
    header: Header, packets: list[Packet], rng: random.Random
) -> tuple[Header, list[Packet]]:
    """One alteration of the header, of the order of packets or of one of them."""
    kind, i, packets = rng.choice(_KINDS), rng.randrange(len(packets)), list(packets)
    if kind == "header":
        return _altered_header(header, rng), packets
    if kind == "network":
        return _of_another_mode(header), packets
    if kind == "drop" and len(packets) > 1:
        del packets[i]
    elif kind == "repeat":
        large = header.width * header.height > 1 << 16  # many frames of these do take long
        packets[i:i] = [packets[i]] * (1 if large else rng.choice((1, 1, 1, 40)))
    elif kind == "swap":
        j = rng.randrange(len(packets))
        packets[i], packets[j] = packets[j], packets[i]
    elif kind == "split":
        with suppress(StreamError):  # a packet that was altered before may have no parts
            packets[i : i + 1] = packets[i].parts(header.mode)
    else:
        packets[i] = _altered_packet(packets[i], kind, rng)
    return header, packets


def _altered_packet(packet: Packet, kind: str, rng: random.Random) -> Packet:
    payload = bytearray(packet.payload)
    at = rng.randrange(len(payload) + 1)
    if kind == "type":
        packet = replace(packet, type=rng.choice(_TYPES))
    elif kind == "sequence":
        packet = replace(packet, sequence=rng.randrange(1 << 16))
    elif kind == "time":
        packet = replace(packet, time=rng.choice((0, 1, rng.randrange(1 << 32), (1 << 35) - 1)))
    elif kind == "insert":
        payload[at:at] = rng.choice((rng.randbytes(rng.randint(1, 8)), rng.choice(_HUGE)))
    elif kind == "cut":
        del payload[at:]
    elif kind in ("zeros", "ones"):
        payload[at:] = (b"\0" if kind == "zeros" else b"\xff") * (len(payload) - at)
    elif kind == "random":
        payload[at:] = rng.randbytes(len(payload) - at)
    elif kind == "frames":
        payload[1:2] = rng.choice((varint(rng.choice((0, 2, 5, 255, 256, 257))), *_HUGE))
    elif kind == "start" and payload:
        payload[0] ^= rng.choice((1, 2, 3))
    elif at < len(payload):
        payload[at] ^= 1 << rng.randrange(8)
    return replace(packet, payload=bytes(payload), gop_start=bool(payload and payload[0] & 1))


def _altered_header(header: Header, rng: random.Random) -> Header:
    """Another size, scale, cascade, motion model, clock, number format, mode and so on."""
    small, wide = rng.randint(1, 256), rng.randint(1, 4096)
    return rng.choice(
        (
            replace(header, width=wide),
            replace(header, height=wide),
            replace(header, width=small, height=rng.randint(1, 256)),
            replace(header, width=16, height=16),
            replace(header, width=1920, height=1088),
            replace(header, base_scale=rng.choice((1, 2, 4))),
            replace(header, cascade=tuple(rng.randint(-51, 51) for _ in range(rng.randint(1, 64)))),
            replace(header, cascade=tuple(rng.randint(-128, 127) for _ in range(3))),
            replace(header, motion=Keypoints(rng.randint(1, 64), rng.randint(1, 512))),
            replace(header, motion=Keypoints(rng.randrange(1 << 31), rng.randrange(1 << 31))),
            replace(header, motion=Landmarks(rng.choice((20, 68, 162, 478)), rng.randint(1, 512))),
            replace(header, motion=Regions(rng.randint(1, 512))),
            replace(header, motion=Feature(rng.randint(1, 8), rng.randint(1, 512))),
            replace(header, motion=Pose(rng.randint(1, 64))),
            replace(header, motion=Face(rng.randint(1, 64), rng.randint(1, 64))),
            replace(header, clock=rng.choice((0, 1, 1000, 10**6))),
            replace(header, live=not header.live),
            replace(header, every=rng.choice((1, 2, 3, 8, 9))),
            replace(header, number_format=rng.choice(list(NumberFormat))),
            replace(header, mode=rng.choice(list(Mode))),
            replace(header, base_codec=rng.choice(list(BaseCodec))),
            replace(header, tune=rng.choice(list(Tune))),
            replace(header, fps=Fraction(rng.randint(1, 10**6), rng.randint(1, 10**6))),
        )
    )


def _of_another_mode(header: Header) -> Header:
    """One that names a network of mode animation alone."""
    face = find_model(ANIMATION)
    return replace(
        header, model=face.name, model_hash=face.digest, motion=motion_for(face, None),
        number_format=face.number_format,
    )  # fmt: skip


def _other_header(data: bytes, header: Header, rng: random.Random) -> bytes:
    """The stream with a header of other bytes, with a right checksum."""
    old = pack_header(header)
    body = bytearray(old[6:-4])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 2)] = rng.choice((rng.randbytes(1), *_HUGE))
    head = old[:5] + chunk(bytes(body))
    return head + struct.pack(">I", zlib.crc32(head)) + data[len(old) :]


def _crowded(header: Header) -> bytes:
    """A stream of one group of a million packets, of two bytes each."""
    group = b"\x08\0" * (1 << 20) + bytes([PacketType.LAST])
    return pack_header(header) + group + b"\4" + struct.pack(">I", zlib.crc32(group))


def with_reserved(stream: bytes, rng: random.Random) -> bytes:
    """The stream with packets of reserved types, of any time, between its own."""
    header, packets = taken(stream)
    for _ in range(rng.randint(1, 4)):
        kind, time = rng.choice(_TYPES[-2:]), rng.choice((0, rng.randrange(1 << 32)))
        packets.insert(rng.randint(0, len(packets)), Packet(kind, rng.randbytes(2), time=time))
    return rebuilt(header, packets)


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Any bytes altered, which checksums find."""
    out, at = bytearray(data), rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        out[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        out[at:at] = rng.choice((rng.randbytes(rng.randint(1, 8)), *_HUGE))
    elif kind == 2:
        del out[at:]
    else:
        del out[at : at + rng.randint(1, 8)]
    return bytes(out)


# ---- attacks on budgets: much work in few bytes


def _attack(header: Header, packets: list[Packet], rng: random.Random) -> list[Packet]:
    """A GOP of many frames or NAL units, most of whose bytes are then taken away."""
    try:
        read = BaseReader(header).read(packets[0].parts(header.mode)[0])
        second = _second(header, packets, read)
    except (StreamError, IndexError):
        return packets
    first, count = read.units[0], rng.choice((2, 8, 32, header.packet_frames))
    tiny = b"".join(b"\0\0\1\x4e\x01" + bytes([i + 1]) for i in range(rng.choice((1, 63, 64, 70))))
    units = rng.choice(
        (
            [first] + [second] * count,
            [first] * min(count, 8),
            [first + second * rng.choice((1, 8, 60))],
            [first, second * min(count, 60)],
            [first] + [tiny] * count,
            [first + tiny],
            [first] + [tiny + second] * min(count, 32),
        )
    )[: header.packet_frames]
    kind = PacketType.REFERENCE if header.mode is Mode.ANIMATION else PacketType.BASE
    writer = BaseWriter(header, kind)
    writer.start(read.qp_intra, read.qp_base)
    for unit in units:
        writer.add(unit)
    (packet,) = writer.take()
    cursor = Cursor(packet.payload)
    head = bytes(cursor.take(1, "flags")) + varint(cursor.varint("frames"))
    head += bytes(cursor.take(2, "QPs"))
    parts = [bytes(cursor.chunk(what, 1 << 26)) for what in ("coded", "stored")]
    parts.append(bytes(cursor.take(cursor.left, "slices")))
    if rng.random() < 0.8:
        at = rng.randrange(3)
        cut = parts[at][: rng.randrange(len(parts[at]) + 1)]
        parts[at] = cut + rng.choice((b"", b"", bytes(rng.randrange(64)), rng.randbytes(64)))
    payload = head + chunk(parts[0]) + chunk(parts[1]) + parts[2]
    return [replace(packet, payload=payload), *packets[1:]]


def _second(header: Header, packets: list[Packet], read: BasePacket) -> bytes:
    """The second access unit of a stream."""
    if len(read.units) > 1:
        return read.units[1]
    reader = BaseReader(header)
    pictures = [p.parts(header.mode)[0] for p in packets if p.type in _PICTURES]
    return [reader.read(packet).units[0] for packet in pictures[:2]][1]
