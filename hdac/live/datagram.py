"""What travels on the line: packets in datagrams one way, reports the other way.

All integers are big-endian; `chunk` and `wire` are those of `bitstream.container`.

    media  := kind u8 = 1 | number u16 | sent u32 | chunk(wire)*
    report := kind u8 = 2 | highest u16 | received u32 | echo u32 | held u16 | queue u16 | rate u32
              | lost u8 | needed u16 | missing u16 *

number counts datagrams, modulo 2^16; `sent` and `echo` are the sender's clock, `held` and `queue`
times of the receiver, all in milliseconds; rate in bit/s. WebRTC checks and authenticates
datagrams, so they have no checksum of their own; each wire has one.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hdac.bitstream.cursor import Cursor, chunk
from hdac.errors import DamagedError

#: Bytes of a datagram that travel in one IP packet; larger ones travel in several, and are lost
#: with any of them.
FRAGMENT = 1150
#: Bytes of a datagram, at most: what data channels carry.
MAX_DATAGRAM = 60_000
#: Packets of a datagram, and packets that a report may miss, at most.
MAX_WIRES, MAX_MISSING = 16, 32

_MEDIA, _REPORT = struct.Struct(">BHI"), struct.Struct(">BHIIHHIBH")
_MEDIA_KIND, _REPORT_KIND = 1, 2


class Media(NamedTuple):
    """A datagram: its number, when it was sent (ms), and packets as bytes, the newest one first."""

    number: int
    sent: int
    wires: list[bytes]

    def tobytes(self) -> bytes:
        head = _MEDIA.pack(_MEDIA_KIND, self.number & 0xFFFF, self.sent & 0xFFFFFFFF)
        return head + b"".join(map(chunk, self.wires))

    @classmethod
    def frombytes(cls, data: bytes) -> Media:
        """Raises `StreamError`."""
        cursor, wires = Cursor(data), list[bytes]()
        kind, number, sent = _MEDIA.unpack(cursor.take(_MEDIA.size, "datagram"))
        if kind != _MEDIA_KIND or len(data) > MAX_DATAGRAM:
            raise DamagedError(f"a datagram of kind {kind} and {len(data)} bytes: it is not ours")
        while cursor.left:
            wires.append(bytes(cursor.chunk("packet", MAX_DATAGRAM)))
            if len(wires) > MAX_WIRES:
                raise DamagedError(f"a datagram of more than {MAX_WIRES} packets: it is not ours")
        return cls(number, sent, wires)


class Report(NamedTuple):
    """What a receiver says: the highest datagram's number, how many it got in all, the time that
    the last one carried and how long ago that was (ms), how long datagrams wait on the way beyond
    the least that was seen (ms), bit/s of packets that arrive, copies left out; whether it needs a
    GOP, not older than packet `needed`; the numbers of packets that it waits for."""

    highest: int
    received: int
    echo: int
    held: int
    queue: int
    rate: int
    lost: bool
    needed: int
    missing: tuple[int, ...]

    def tobytes(self) -> bytes:
        head = _REPORT.pack(
            _REPORT_KIND, self.highest & 0xFFFF, self.received & 0xFFFFFFFF, self.echo & 0xFFFFFFFF,
            min(self.held, 0xFFFF), min(self.queue, 0xFFFF), min(self.rate, 0xFFFFFFFF), self.lost,
            self.needed & 0xFFFF,
        )  # fmt: skip
        return head + b"".join(struct.pack(">H", n & 0xFFFF) for n in self.missing[:MAX_MISSING])

    @classmethod
    def frombytes(cls, data: bytes) -> Report:
        """Raises `DamagedError`."""
        listed = len(data) - _REPORT.size
        if listed < 0 or listed % 2 or listed > 2 * MAX_MISSING or data[0] != _REPORT_KIND:
            raise DamagedError(f"a report of {len(data)} bytes: it is not ours")
        _, *numbers, lost, needed = _REPORT.unpack(data[: _REPORT.size])
        missing = struct.unpack(f">{listed // 2}H", data[_REPORT.size :])
        highest, received, echo, held, queue, rate = numbers
        return cls(highest, received, echo, held, queue, rate, bool(lost), needed, missing)


class Numbers:
    """16-bit numbers -> numbers that do not wrap, from 0.

    What is far from all before is taken for foreign unless the next one follows it: the rule of RFC
    3550, appendix A.1.
    """

    #: How far numbers may jump.
    FAR = 1024

    def __init__(self) -> None:
        self.highest: int | None = None
        self._suspect = -1

    def unwrap(self, value: int) -> int | None:
        """None: it is foreign, as far as can be told."""
        if self.highest is None:
            self.highest = value
            return value
        step = (value - self.highest + 0x8000 & 0xFFFF) - 0x8000
        if abs(step) > self.FAR:
            if value != self._suspect:
                self._suspect = value + 1 & 0xFFFF
                return None
            step &= 0xFFFF
        number = self.highest + step
        self.highest = max(self.highest, number)
        return number if number >= 0 else None
