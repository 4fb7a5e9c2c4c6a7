"""GFV messages in VVC streams: suffix SEI NAL units behind the slices of their pictures.

    SEI NAL unit := header | (type | size | payload)* | 0x80
    type, size   := 0xFF* | u8 (the sum)

(Rec. ITU-T H.266, clauses 7.3.2.12 and 7.3.6; Rec. ITU-T H.274.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hdac.bitstream.cursor import Cursor
from hdac.bitstream.nal import Span, escape, unescape
from hdac.bitstream.vvc import pictures
from hdac.bitstream.vvc.gfv import GfvMessage, References
from hdac.bitstream.vvc.gfv_syntax import read, write
from hdac.errors import DamagedError, StreamError, UsageError

#: Payload type of a GFV message.
GFV = 223
_TRAILING = 0x80


class Payload(NamedTuple):
    """One SEI message."""

    type: int
    data: bytes


def read_sei(unit: bytes) -> list[Payload]:
    """The messages of an SEI NAL unit, emulation prevention and all. Raises `StreamError`."""
    cursor, payloads = Cursor(unescape(unit).rstrip(b"\0")), list[Payload]()
    cursor.take(2, "header of an SEI NAL unit")
    while cursor.left > 1:
        kind, size = _sum(cursor, "type of an SEI message"), _sum(cursor, "size of an SEI message")
        payloads.append(Payload(kind, bytes(cursor.take(size, "SEI message"))))
    if cursor.byte("end of an SEI NAL unit") != _TRAILING:
        raise DamagedError("an SEI NAL unit does not end with its trailing bits: it is damaged")
    return payloads


def write_sei(payloads: Sequence[Payload], temporal_id: int = 0) -> bytes:
    """A suffix SEI NAL unit of these messages, emulation prevention and all."""
    body = b"".join(_chain(kind) + _chain(len(data)) + data for kind, data in payloads)
    header = bytes([0, pictures.SUFFIX_SEI << 3 | temporal_id + 1])
    return escape(header + body + bytes([_TRAILING]))


def _sum(cursor: Cursor, what: str) -> int:
    total = 0
    while (byte := cursor.byte(what)) == 0xFF:
        total += byte
    return total + byte


def _chain(value: int) -> bytes:
    return b"\xff" * (value // 255) + bytes([value % 255])


class Located(NamedTuple):
    """A GFV message and the bits that it takes, from its type to the end of its payload."""

    message: GfvMessage
    bits: int


class GfvReader:
    """The GFV messages of a stream, picture unit by picture unit.

    damage: None: what is wrong raises `StreamError`. A list: it is told, and left out with what is
    predicted from it.
    """

    def __init__(self, damage: list[str] | None = None) -> None:
        self._damage, self._references, self._picture = damage, References(), 0

    def read(self, data: bytes, unit: Sequence[Span]) -> list[Located]:
        """Those of the next unit of `data`, none where it has no picture."""
        if not any(pictures.is_slice(data, span) for span in unit):
            return []
        found: list[Located] = []
        for span in unit:
            if _is_suffix_sei(data, span):
                self._read_unit(data[span.first : span.end], found)
        self._picture += 1
        return found

    def _read_unit(self, unit: bytes, found: list[Located]) -> None:
        try:
            payloads = read_sei(unit)
        except StreamError as error:
            self._lose(error)
            return
        for kind, payload in payloads:
            if kind != GFV:
                continue
            try:
                message = read(payload, self._references, self._picture)
            except StreamError as error:
                self._lose(error)
                continue
            if message is not None:
                size = len(_chain(kind) + _chain(len(payload)) + payload)
                found.append(Located(message, 8 * size))

    def _lose(self, error: StreamError) -> None:
        if self._damage is None:
            raise error
        self._references.lose()
        self._damage.append(f"picture {self._picture}: {error}")


def _is_suffix_sei(data: bytes, span: Span) -> bool:
    """Whether a NAL unit is suffix SEI of layer 0."""
    kind = pictures.unit_type(data, span)
    return kind == pictures.SUFFIX_SEI and not pictures.layer(data, span)


def messages(stream: bytes) -> Iterator[GfvMessage]:
    """The GFV messages of an Annex B VVC stream, in order; reserved ids are left out.

    Raises `StreamError` where one cannot be read.
    """
    reader = GfvReader()
    for unit in pictures.picture_units(stream):
        for located in reader.read(stream, unit):
            yield located.message


def insert(stream: bytes, messages: Iterable[GfvMessage]) -> bytes:
    """An Annex B VVC stream with these GFV messages, each in a suffix SEI NAL unit behind the
    slices of its `picture`; nothing else changes.

    Messages of one picture keep their order. Raises `UsageError` for messages that cannot be
    written, of pictures that are not there, or where the stream has some already.
    """
    waiting: defaultdict[int, list[GfvMessage]] = defaultdict(list)
    for message in messages:
        waiting[message.picture].append(message)
    references, out, done, picture = References(), list[bytes](), 0, 0
    for unit in pictures.picture_units(stream):
        slices = [span for span in unit if pictures.is_slice(stream, span)]
        if not slices:
            continue
        sei = [span for span in unit if _is_suffix_sei(stream, span)]
        if any(kind == GFV for span in sei for kind, _ in read_sei(stream[span.first : span.end])):
            raise UsageError(
                f"picture {picture} has GFV messages already: take them out first (hdac.gfv.remove)"
            )
        last = max(span.end for span in [*slices, *sei])
        out.append(stream[done:last])
        done = last
        temporal_id = pictures.temporal_id(stream, slices[0])
        for message in waiting.pop(picture, ()):
            payload = Payload(GFV, write(message, references))
            out.append(b"\0\0\1" + write_sei([payload], temporal_id))
        picture += 1
    if waiting:
        raise UsageError(
            f"GFV messages of pictures {sorted(waiting)[:5]}; the stream has {picture} pictures"
        )
    return b"".join([*out, stream[done:]])


def remove(stream: bytes) -> bytes:
    """An Annex B VVC stream without its GFV messages; nothing else changes. Raises
    `StreamError`."""
    out, done = list[bytes](), 0
    for unit in pictures.picture_units(stream):
        for span in unit:
            if not _is_suffix_sei(stream, span):
                continue
            payloads = read_sei(stream[span.first : span.end])
            kept = [payload for payload in payloads if payload.type != GFV]
            if len(kept) == len(payloads):
                continue
            out.append(stream[done : span.start])
            if kept:
                sei = write_sei(kept, pictures.temporal_id(stream, span))
                out.append(stream[span.start : span.first] + sei)
            done = span.end
    return b"".join([*out, stream[done:]])
