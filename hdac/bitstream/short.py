"""The short form of a live frame's packet: at 8 kbit/s a fifth of a packet's bytes would say
nothing.

    short := u8 = 7 | bits << 4 | sequence u16 | varint time | coder | [chunk(stored), if bit 2]
             | [chunk(range coded), if bit 0] | slices | check u16
    coder := u8, or chunk where bit 3 is set

It stands for a BASE packet of one frame in which no GOP starts; with bit 0 or 1 for a FRAME of it
and an ENHANCEMENT with switch flags: bit 0: whose range coded part follows; bit 1: in which all is
as before. Packets are long everywhere but on the wire.
"""

from __future__ import annotations

from hdac.bitstream.cursor import Cursor, chunk
from hdac.errors import DamagedError, StreamError

#: Low four bits of the first byte.
SHORT = 7
#: Flags of an ENHANCEMENT: switch flags are coded; all is as before, and nothing is coded.
SWITCHED, SAME = 2, 4
_CODED, _AS_BEFORE, _STORED, _LONG_CODER = 1, 2, 4, 8
_NO_START = b"\0\1"  # flags of a BASE, and one frame
_ANY = 1 << 27  # a chunk's size is bounded by its packet's


def shorten(frame: bool, payload: bytes) -> tuple[int, bytes] | None:
    """Of a FRAME's payload, or a BASE's, bits and what stands between time and check; None: there
    is no short form of it."""
    try:
        made = _shorten(frame, payload)
    except StreamError:
        return None
    return made if made and lengthen(*made) == (frame, payload) else None


def _shorten(frame: bool, payload: bytes) -> tuple[int, bytes] | None:
    cursor, bits, enhancement = Cursor(payload), 0, b""
    if frame:
        base = Cursor(bytes(cursor.chunk("picture", _ANY)))
        flags, one = cursor.take(2, "enhancement")
        coded = bytes(cursor.take(cursor.left, "range coded"))
        if one != 1 or flags not in (SWITCHED, SWITCHED | SAME):
            return None
        bits = _AS_BEFORE if flags & SAME else _CODED
        enhancement = b"" if flags & SAME else chunk(coded)
        cursor = base
    if bytes(cursor.take(2, "flags")) != _NO_START:
        return None
    coder, stored = bytes(cursor.chunk("coder", _ANY)), bytes(cursor.chunk("stored", _ANY))
    if len(coder) != 1:
        bits, coder = bits | _LONG_CODER, chunk(coder)
    if stored:
        bits, coder = bits | _STORED, coder + chunk(stored)
    return bits, coder + enhancement + bytes(cursor.take(cursor.left, "slices"))


def lengthen(bits: int, body: bytes) -> tuple[bool, bytes]:
    """The inverse of `shorten`. Raises `TruncatedError`, `DamagedError`."""
    cursor, frame = Cursor(body), bool(bits & (_CODED | _AS_BEFORE))
    if bits & _CODED and bits & _AS_BEFORE:
        raise DamagedError("a short packet whose enhancement is coded and as before: it is damaged")
    coder = bytes(cursor.chunk("coder", _ANY) if bits & _LONG_CODER else cursor.take(1, "coder"))
    stored = bytes(cursor.chunk("stored", _ANY)) if bits & _STORED else b""
    coded = bytes(cursor.chunk("range coded", _ANY)) if bits & _CODED else b""
    slices = bytes(cursor.take(cursor.left, "slices"))
    base = _NO_START + chunk(coder) + chunk(stored) + slices
    if not frame:
        return False, base
    flags = SWITCHED | SAME * bool(bits & _AS_BEFORE)
    return True, chunk(base) + bytes([flags, 1]) + coded
