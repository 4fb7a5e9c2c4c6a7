"""Streams altered below their checksums: what a hostile or broken encoder may write."""

from __future__ import annotations

import io
import random
from dataclasses import replace

from hdac.bitstream.container import Header, Packet, PacketType
from hdac.bitstream.stream import StreamWriter, read_stream

_KINDS = ("flip", "flip", "insert", "cut", "drop", "repeat", "swap", "type", "header", "zeros")


def rebuilt(header: Header, packets: list[Packet]) -> bytes:
    """A stream of these packets, with right checksums and sequence numbers."""
    out = io.BytesIO()
    with StreamWriter(out, header) as writer:
        for number, packet in enumerate(packets):
            writer.write(replace(packet, sequence=number & 0xFFFF))
    return out.getvalue()


def mutant(stream: bytes, rng: random.Random, alterations: int = 3) -> bytes:
    """The stream with one to so many alterations of payloads, packets and header."""
    header, packets = read_stream(stream)
    for _ in range(rng.randint(1, alterations)):
        i = rng.randrange(len(packets))
        kind, payload = rng.choice(_KINDS), bytearray(packets[i].payload)
        if kind == "drop" and len(packets) > 1:
            del packets[i]
        elif kind == "repeat":
            packets.insert(i, packets[i])
        elif kind == "swap":
            j = rng.randrange(len(packets))
            packets[i], packets[j] = packets[j], packets[i]
        elif kind == "header":
            header = _altered(header, rng)
        else:
            kind_of = packets[i].type
            if kind == "flip":
                payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
            elif kind == "insert":
                at = rng.randrange(len(payload))
                payload[at:at] = rng.randbytes(rng.randint(1, 8))
            elif kind == "cut":
                payload = payload[: rng.randrange(1, len(payload) + 1)]
            elif kind == "zeros":
                at = rng.randrange(len(payload))
                payload[at:] = bytes(len(payload) - at)
            elif kind == "type":
                kind_of = rng.choice(list(PacketType)[:6])
            start = bool(payload and payload[0] & 1)
            packets[i] = replace(packets[i], type=kind_of, payload=bytes(payload), gop_start=start)
    return rebuilt(header, packets)


def _altered(header: Header, rng: random.Random) -> Header:
    """Another size, scale or cascade."""
    return rng.choice(
        (
            replace(header, width=rng.randint(1, 4096)),
            replace(header, height=rng.randint(1, 4096)),
            replace(header, width=16, height=16),
            replace(header, base_scale=rng.choice((1, 2, 4))),
            replace(header, cascade=tuple(rng.randint(-51, 51) for _ in range(rng.randint(1, 64)))),
        )
    )
