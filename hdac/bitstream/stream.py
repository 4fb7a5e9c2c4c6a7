"""Streams of bytes and packets: `StreamWriter` makes the bytes of a file or of a live stream,
`StreamReader` takes them apart as they come."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO

from hdac.bitstream.container import (
    MAX_FRAMES,
    MAX_PAYLOAD,
    Header,
    Mode,
    Packet,
    PacketType,
    pack_header,
    read_header,
)
from hdac.bitstream.cursor import Cursor, chunk
from hdac.damage import Damage
from hdac.errors import DamagedError, StreamError, TruncatedError

MAX_GROUP = 1 << 27
#: Packets of a group, its check left out.
MAX_GROUP_PACKETS = 1 << 16
_CRC = struct.Struct(">I")
_ENDS = (PacketType.CHECK, PacketType.LAST)


def stored(packet: Packet, live: bool) -> bytes:
    """A packet as it stands in a file or in a live stream."""
    return chunk(packet.tobytes()) if live else packet.framed()


class StreamWriter:
    """Writes packets to a binary file object. A context manager: `close` ends the stream.

    Packets of a file come in groups, each with its checksum: a group ends where a GOP starts, and
    after `MAX_FRAMES` frames, many bytes or many packets. Those of a live stream have a checksum
    each.
    """

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self.header, self._file = header, file
        self.written = file.write(pack_header(header))
        self._crc = self._pending = self._frames = self._packets = 0
        self._before: PacketType | None = None

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def write(self, packet: Packet) -> None:
        if self.header.live:
            self.written += self._file.write(stored(packet, live=True))
            return
        many = self._pending > MAX_GROUP // 2 or self._packets > MAX_GROUP_PACKETS // 2
        full = self._frames >= MAX_FRAMES or many
        opens = self._may_open(packet.type) and self._pending and (packet.gop_start or full)
        if opens or self._packets == MAX_GROUP_PACKETS:
            self._end_group(PacketType.CHECK)
        counted = PacketType.ENHANCEMENT if self.header.mode is Mode.ANIMATION else PacketType.BASE
        if packet.type is counted:
            self._frames += packet.frames
        self._append(packet)

    def close(self) -> None:
        """Ends the stream; the file object stays open."""
        if self.header.live:
            last = Packet(PacketType.LAST, b"")
            self.written += self._file.write(stored(last, live=True))
        else:
            self._end_group(PacketType.LAST)

    def _may_open(self, kind: PacketType) -> bool:
        """Whether a packet of this type is the first of those that belong to the same frames."""
        if kind in (PacketType.AUDIO, PacketType.RESERVED):
            return False
        before, self._before = self._before, kind
        if kind is PacketType.TIMES:
            return True
        if kind in (PacketType.BASE, PacketType.REFERENCE):
            return before is not PacketType.TIMES
        alone = self.header.mode is Mode.ANIMATION and kind is PacketType.ENHANCEMENT
        return alone and before is PacketType.ENHANCEMENT

    def _append(self, packet: Packet) -> None:
        data = stored(packet, live=False)
        self._crc = zlib.crc32(data, self._crc)
        self._pending, self._packets = self._pending + len(data), self._packets + 1
        self.written += self._file.write(data)

    def _end_group(self, kind: PacketType) -> None:
        crc = zlib.crc32(bytes([kind]), self._crc)
        self.written += self._file.write(Packet(kind, _CRC.pack(crc)).framed())
        self._crc = self._pending = self._frames = self._packets = 0


class StreamReader:
    """Takes a stream apart: `feed` it bytes as they come, it returns the packets that are whole and
    verified (those of a file by groups); `header` is there as soon as its bytes were. `close` at
    the end of the bytes.

    strict: damage raises `DamagedError`. Else the damaged group or packet is left out, `damage`
    says what is missing, and the packets' `sequence` jumps there; where the packets' lengths make
    no sense any more, all that follows is lost.
    Raises `StreamError` for what is no .hdac stream or one of another version.
    """

    def __init__(self, strict: bool = True) -> None:
        self.header: Header | None = None
        self.damage = Damage()
        self.ended = False
        self._strict = strict
        self._data = b""
        self._position = 0  # bytes of the stream before `_data`
        self._sequence = 0
        self._lost = False  # the packets' lengths make no sense any more

    def feed(self, data: bytes) -> list[Packet]:
        return [packet for group in self.groups(data) for packet in group]

    def groups(self, data: bytes) -> Iterator[list[Packet]]:
        """The same group by group (of a live stream: packet by packet), to be taken to the end: few
        bytes may be many packets."""
        self._data += data
        cursor = Cursor(self._data)
        while not (self.ended or self._lost):
            start = cursor.at
            try:
                packets = self._next(cursor)
            except TruncatedError:
                cursor.at = start  # more bytes may come
                break
            except DamagedError as error:
                self._lost = True
                self._report(error)
            else:
                yield packets
        if self.ended and cursor.left and not self._lost:
            self._lost = True
            self._report(
                DamagedError(f"{cursor.left} bytes follow the last packet: the stream is damaged")
            )
        self._position += cursor.at
        self._data = b"" if self._lost else self._data[cursor.at :]

    def close(self) -> None:
        """No more bytes come. Raises `TruncatedError` where the stream does not end here."""
        if self.ended or self._lost:
            return
        if self.header is None:
            read_header(Cursor(self._data))
        if self.damage and not self._data:
            return  # the group that ends the stream is damaged
        size = self._position + len(self._data)
        self._report(
            TruncatedError(
                f"bytes {self._position} to {size} are no whole group of packets; the stream is "
                "cut short"
            )
        )

    def _report(self, error: StreamError) -> None:
        if self._strict or self.header is None:
            raise error
        self.damage.append(str(error))
        self._sequence += 2

    def _next(self, cursor: Cursor) -> list[Packet]:
        """What is next in a stream: its header, a packet or a group of them."""
        if self.header is None:
            self.header = read_header(cursor)
            return []
        packets = self._wire(cursor) if self.header.live else self._group(cursor)
        return [p for p in packets if p.type is not PacketType.LAST]

    def _wire(self, cursor: Cursor) -> list[Packet]:
        data = cursor.chunk("packet", MAX_PAYLOAD)
        try:
            packet = Packet.frombytes(data)
        except StreamError as error:
            self._report(error)
            return []
        self.ended = packet.type is PacketType.LAST
        return [packet]

    def _group(self, cursor: Cursor) -> list[Packet]:
        start, packets = cursor.at, list[Packet]()
        while not packets or packets[-1].type not in _ENDS:
            end = cursor.at
            packets.append(Packet.read_framed(cursor, self._sequence + len(packets)))
            if len(packets) > MAX_GROUP_PACKETS + 1:
                raise DamagedError(
                    f"a group of more than {MAX_GROUP_PACKETS} packets: the stream is damaged"
                )
            if cursor.at - start > MAX_GROUP:
                raise DamagedError(
                    f"a group is longer than {MAX_GROUP} bytes: the stream is damaged"
                )
        check = packets.pop()
        if check.payload != _CRC.pack(zlib.crc32(cursor.data[start : end + 1])):
            first, last = self._position + start, self._position + end
            self._report(
                DamagedError(
                    f"the checksum of bytes {first} to {last} does not match: the stream is damaged"
                )
            )
            return []
        self.ended = check.type is PacketType.LAST
        self._sequence += len(packets)
        return packets


def read_stream(data: bytes) -> tuple[Header, list[Packet]]:
    """Header and packets of a whole stream in memory, all of them verified; those of type FRAME are
    taken apart, reserved ones left out. Raises `StreamError`, `TruncatedError`, `DamagedError`."""
    reader = StreamReader()
    packets = list[Packet]()
    for group in reader.groups(data):
        assert reader.header is not None
        for packet in group:
            if packet.type is not PacketType.RESERVED:
                packets += packet.parts(reader.header.mode)
    reader.close()
    assert reader.header is not None
    return reader.header, packets
