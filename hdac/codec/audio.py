"""AUDIO packets: the sound of a stream, Opus, between the packets of the frames it goes with.

    payload of AUDIO := varint time | chunk(Opus packet)*

`time` says how much later than the last frame before the packet (live: the frame whose time it has)
the first sample is played, in 1/400 s; negative numbers are zigzag coded. The other Opus packets
follow without a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from math import floor

from hdac.bitstream.container import Header, Mode, Packet, PacketType
from hdac.bitstream.cursor import Cursor, chunk, varint
from hdac.bitstream.stream import StreamReader
from hdac.codec.syntax import TimesReader
from hdac.damage import Damage
from hdac.errors import DamagedError, StreamError, UsageError
from hdac.video.opus import CLOCK, MAX_BYTES, OpusPacket, opus_ticks

#: Opus packets of an AUDIO packet, at most.
MAX_PACKETS = 1024
#: So much less than the number of the last frame's packet is that of an AUDIO packet of a live
#: stream: decoders take it for a late one, and see every lost frame by the next one.
LATE = 1 << 14
#: Distance between a sound and its frame in 1/400 s, at most: 62 days.
_FARTHEST = (1 << 31) - 1


def pack_audio(packets: list[OpusPacket], base: int) -> bytes:
    """The payload of Opus packets without gaps; base: time of the frame before, in 1/400 s. Raises
    `UsageError` where that is too far away."""
    distance = packets[0].time - base
    if abs(distance) > _FARTHEST:
        raise UsageError(
            f"an Opus packet {distance} from its frame; allowed are -{_FARTHEST} to {_FARTHEST} "
            "(1/400 s): give its time as that after the first picture"
        )
    payload = varint(2 * distance if distance >= 0 else -2 * distance - 1)
    return payload + b"".join(chunk(packet.data) for packet in packets)


def parse_audio(payload: bytes, base: int) -> list[OpusPacket]:
    """The inverse of `pack_audio`. Raises `TruncatedError`, `DamagedError`."""
    cursor, out = Cursor(payload), list[OpusPacket]()
    zigzag = cursor.varint("time of a sound")
    time = base + (-(zigzag + 1) // 2 if zigzag & 1 else zigzag // 2)
    while cursor.left:
        if len(out) == MAX_PACKETS:
            raise DamagedError(
                f"an AUDIO packet of more than {MAX_PACKETS} Opus packets: the stream is damaged"
            )
        out.append(OpusPacket(time, bytes(cursor.chunk("Opus packet", MAX_BYTES))))
        time += opus_ticks(out[-1].data)
    if not out:
        raise DamagedError("an AUDIO packet without Opus packets: the stream is damaged")
    return out


class AudioWriter:
    """Collects a sound; after the packets of some frames `take` makes those of their sound."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._waiting = deque[OpusPacket]()
        self._end: int | None = None  # of what was pushed

    def push(self, packet: OpusPacket) -> None:
        """Raises `UsageError` for what is no Opus packet or starts before the last one ends."""
        if self._end is not None and packet.time < self._end:
            raise UsageError(
                f"an Opus packet at {packet.time}; the one before ends at {self._end} (1/400 s): "
                "give them in the order of time"
            )
        try:
            self._end = packet.end
        except DamagedError as error:
            raise UsageError(str(error)) from None
        self._waiting.append(packet)

    def take(self, time: int, last: bool = False, number: int = 0) -> list[Packet]:
        """AUDIO packets of what is played before the frame at `time` (ticks of the stream's times)
        ends. last: all that is left. number: of that frame's packet. Raises `UsageError` for what
        is too far from that frame."""
        header = self._header
        base = ticks_of(time * header.tick)
        until = ticks_of(time * header.tick + 1 / header.fps)
        most = 1 if header.live else MAX_PACKETS  # a lost datagram is a lost 60 ms
        runs = list[list[OpusPacket]]()
        while self._waiting and (last or self._waiting[0].time < until):
            packet = self._waiting.popleft()
            if not runs or len(runs[-1]) == most or packet.time != runs[-1][-1].end:
                runs.append([])
            runs[-1].append(packet)
        kind, number, at = PacketType.AUDIO, number - LATE & 0xFFFF, time if header.live else 0
        return [Packet(kind, pack_audio(run, base), False, number, at) for run in runs]


def ticks_of(time: Fraction) -> int:
    """A frame's time, in seconds, in ticks of the sound."""
    return floor(time * CLOCK)


class Audio:
    """The sound of an .hdac stream: iterating yields its Opus packets in the order of time, on the
    timeline of the frames that `decode` yields.

    strict: damage raises `StreamError`; else what cannot be read is left out, and `damage` says it
    (what checksums find, `decode` says). What is no .hdac stream always raises it.
    """

    def __init__(self, data: bytes, strict: bool = False) -> None:
        self._data, self._strict = data, strict
        self.damage = Damage()

    def __iter__(self) -> Iterator[OpusPacket]:
        self.damage = Damage()
        stream, reader = StreamReader(self._strict), None
        for packet in chain.from_iterable(stream.groups(self._data)):
            assert stream.header is not None
            reader = reader or AudioReader(stream.header)
            try:
                yield from reader.push(packet)
            except StreamError as error:
                if self._strict:
                    raise
                self.damage.append(f"audio: {error}")
        stream.close()


class AudioReader:
    """`push` all packets of a stream in order, as `Decoder` takes them; gives the Opus packets that
    are in them, in the order of time. Where frames are lost, so is their sound: in files without a
    clock both gaps close."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self._times = TimesReader(header)
        animated = header.mode is Mode.ANIMATION
        self._counted = PacketType.ENHANCEMENT if animated else PacketType.BASE
        self._count, self._time = 0, Fraction(0)  # frames of a file, and when the last is shown
        self._expected, self._lost = 0, False
        self._end: int | None = None  # of what was given

    def push(self, packet: Packet) -> list[OpusPacket]:
        """Raises `StreamError` for a damaged AUDIO packet; the next one can be read again."""
        if not self.header.live:
            self._follow(packet)
        if packet.type is not PacketType.AUDIO or self._lost:
            return []
        time = packet.time * self.header.tick if self.header.live else self._time
        out = list[OpusPacket]()
        for each in parse_audio(packet.payload, ticks_of(time)):
            if self._end is None or each.time >= self._end:  # nothing is played twice
                out.append(each)
                self._end = each.end
        return out

    def _follow(self, packet: Packet) -> None:
        """Keeps count of a file's frames."""
        self._lost |= packet.sequence != self._expected
        self._expected = packet.sequence + 1 & 0xFFFF
        self._lost &= not packet.gop_start
        if self._lost:
            self._times.lose()
        elif packet.type is PacketType.TIMES:
            try:
                self._time = self._times.read(packet)[-1] * self.header.tick
            except StreamError:
                self._lost = True
        elif packet.type is self._counted and not self.header.clock:
            self._count += packet.frames
            self._time = max(0, self._count - 1) / self.header.fps
