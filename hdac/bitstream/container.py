"""The `.hdac` container: file header, packets, groups, checksums. `docs/format.md` is its
specification; this table is the code's reading of it.

All integers are big-endian; *varint* is LEB128 (7 bits a byte, low bits first, at most 5 bytes);
*chunk* is a varint length and that many bytes.

    stream  := magic "HDAC" | version u8 | chunk(header) | crc32(all before) u32 | group*
               (live: | chunk(wire)* in place of groups)
    group   := framed* check
    framed  := type u8 | chunk(payload)
    check   := type u8 (CHECK, or LAST in the last group) | varint 4
               | crc32(all bytes of the group before it, and its type) u32
    wire    := type u8 | sequence u16 | varint time | payload | crc32(all before in it), low 16 bits

    header  := number format u4, mode u4 | tune u4, base codec u4
               | log2 base scale u4, flags u4 (bit 0: live; bit 1: a clock is given;
               bit 2: not all frames are sent)
               | colour u8 * 3 (H.273 matrix, primaries, transfer)
               | varint width | varint height | varint fps numerator | varint fps denominator
               | [varint ticks per second, if a clock is given]
               | [varint frames from one that is sent to the next, if not all are]
               | varint cascade length | cascade offsets i8 * (length 0: the tune's usual one)
               | [chunk(model name, ASCII) | model hash 4 bytes | motion kind u8
               | chunk(its parameters), in all modes but `base`]

Motion kinds and their parameters: `hdac.bitstream.motions`. Payloads are read and written by
`hdac.codec.syntax`.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple, TypeVar

from hdac.bitstream.cursor import Cursor, chunk, varint, with_checksum
from hdac.bitstream.motions import Keypoints as Keypoints
from hdac.bitstream.motions import MotionHeader, pack_motion, read_motion
from hdac.bitstream.short import SHORT, lengthen, shorten
from hdac.errors import DamagedError, StreamError, TruncatedError, UsageError

MAGIC = b"HDAC"
VERSION = 7
SUFFIX = ".hdac"

MIN_SIDE, MAX_SIDE = 16, 4096
#: Larger pictures are refused by decoders that were not told otherwise: a few bytes ask for them.
MAX_PIXELS = 1920 * 1088
MAX_HEADER = 512
MAX_NAME = 64  # bytes of a model's name
MAX_PAYLOAD = 1 << 26
MAX_FRAMES = 256  # of a packet
#: Pixels of all pictures of a packet together.
MAX_PACKET_PIXELS = 1 << 25
#: A GOP of a live stream has at most so many frames.
MAX_LIVE_GOP = 256
#: Frames from one that is sent to the next, at most.
MAX_EVERY = 8

_PREFIX = struct.Struct(">4sB")
_FIXED = struct.Struct(">BBBBBB")
_CRC, _CHECK = struct.Struct(">I"), struct.Struct(">H")
_WIRE = struct.Struct(">BH")
_LIVE, _CLOCK, _FEWER = 1, 2, 4
_E = TypeVar("_E", bound=IntEnum)


class Mode(IntEnum):
    HYBRID = 0
    ANIMATION = 1
    BASE = 2


class BaseCodec(IntEnum):
    HEVC = 0
    VVC = 1
    MIXED = 2  # first pictures VVC, the others HEVC


class Tune(IntEnum):
    """What the encoder and its weights aim at: fidelity, or what people see."""

    PSNR = 0
    PERCEPTUAL = 1


class NumberFormat(IntEnum):
    """What the encoder's networks computed in; a decoder that does the same shows the same."""

    FP32 = 0
    BF16 = 1
    INT8 = 2


USUAL_CASCADES = {Tune.PSNR: (8, 6, 8, 0), Tune.PERCEPTUAL: (4, 3, 4, 0)}


class PacketType(IntEnum):
    REFERENCE = 1
    BASE = 2
    ENHANCEMENT = 3
    TIMES = 4
    AUDIO = 5
    FRAME = 6  # live streams: what belongs to one frame, in one packet
    RESERVED = 7  # 7 to 13: later versions may give them a meaning, decoders skip them
    CHECK = 14
    LAST = 15

    @classmethod
    def _missing_(cls, value: object) -> PacketType | None:
        return cls.RESERVED if value in range(cls.RESERVED, cls.CHECK) else None


class Colour(NamedTuple):
    """Code points of ITU-T H.273 (2 = unspecified)."""

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


UNSPECIFIED = Colour()


@dataclass(frozen=True)
class Header:
    """What a decoder must know before the first packet. Width and height are the source's (odd
    sizes too)."""

    mode: Mode
    base_codec: BaseCodec
    width: int
    height: int
    fps: Fraction
    model: str = ""  # empty in mode `base`
    model_hash: str = "00000000"  # first 8 hexadecimal digits of the weights' SHA-256
    motion: MotionHeader | None = None
    base_scale: int = 1  # the base layer is 1, 1/2 or 1/4 of the frame's side
    cascade: tuple[int, ...] = (0,)
    colour: Colour = UNSPECIFIED
    tune: Tune = Tune.PSNR
    number_format: NumberFormat = NumberFormat.FP32
    live: bool = False
    clock: int = 0  # ticks per second of the frames' times; 0: frame n is shown at n / fps
    every: int = 1  # frames from one that is sent to the next (mode `animation`)

    @property
    def base_size(self) -> tuple[int, int]:
        """Width and height of the base layer's pictures: even."""
        multiple = 2 * self.base_scale
        width, height = (-(-side // multiple) * multiple for side in (self.width, self.height))
        return width // self.base_scale, height // self.base_scale

    @property
    def padded_size(self) -> tuple[int, int]:
        """Width and height of the pictures inside the codec."""
        width, height = self.base_size
        return width * self.base_scale, height * self.base_scale

    @property
    def packet_frames(self) -> int:
        """Most frames that one packet may carry."""
        if self.live:
            return 1
        return max(1, min(MAX_FRAMES, MAX_PACKET_PIXELS // (self.width * self.height)))

    @property
    def tick(self) -> Fraction:
        """Seconds of one unit of the packets' times."""
        return Fraction(1, self.clock) if self.clock else 1 / self.fps


# ---- header


def pack_header(header: Header) -> bytes:
    """The bytes before the first packet."""
    flags = _LIVE * header.live | _CLOCK * bool(header.clock) | _FEWER * (header.every > 1)
    body = _FIXED.pack(
        header.number_format << 4 | header.mode,
        header.tune << 4 | header.base_codec,
        header.base_scale.bit_length() - 1 << 4 | flags,
        *header.colour,
    )
    fps = header.fps
    for number in (header.width, header.height, fps.numerator, fps.denominator):
        body += varint(number)
    if header.clock:
        body += varint(header.clock)
    if header.every > 1:
        body += varint(header.every)
    cascade = () if header.cascade == USUAL_CASCADES[header.tune] else header.cascade
    body += varint(len(cascade)) + struct.pack(f">{len(cascade)}b", *cascade)
    if header.motion is not None:
        body += chunk(header.model.encode("ascii")) + bytes.fromhex(header.model_hash)
        body += pack_motion(header.motion)
    return with_checksum(_PREFIX.pack(MAGIC, VERSION) + chunk(body))


def _enum(kind: type[_E], value: int, what: str) -> _E:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{e.value} ({e.name.lower()})" for e in kind)
        raise DamagedError(
            f"{what} is {value}; known are {known}: the stream is damaged or from a newer hdac"
        ) from None


def _parse_header(body: memoryview) -> Header:
    """The inverse of `pack_header`'s middle part. Every number is bounded before it is used."""
    c = Cursor(body)
    first, second, third, *colour = _FIXED.unpack(c.take(_FIXED.size, "header"))
    mode, tune = _enum(Mode, first & 15, "mode"), _enum(Tune, second >> 4, "tune")
    scale, flags = third >> 4, third & 15
    if scale > 2 or flags > _LIVE | _CLOCK | _FEWER:
        raise DamagedError(
            f"base scale is 2^-{scale} and flags are {flags}; allowed are 1, 1/2 and 1/4, "
            "and 0 to 7: the stream is damaged or from a newer hdac"
        )
    width, height = c.varint("width", 1, MAX_SIDE), c.varint("height", 1, MAX_SIDE)
    fps = Fraction(c.varint("frame rate", 1, 10**6), c.varint("frame rate's denominator", 1, 10**6))
    clock = c.varint("ticks per second", 1, 10**6) if flags & _CLOCK else 0
    every = c.varint("frames from one sent to the next", 2, MAX_EVERY) if flags & _FEWER else 1
    if every > 1 and (mode is not Mode.ANIMATION or flags & _LIVE):
        kind = "a live stream" if flags & _LIVE else f"mode {mode.name.lower()}"
        raise DamagedError(f"frames that are not sent, in {kind}: the stream is damaged")
    count = c.varint("cascade length", 0, 64)
    cascade = struct.unpack(f">{count}b", c.take(count, "cascade")) or USUAL_CASCADES[tune]
    name, digest, motion = b"", "00000000", None
    if mode is not Mode.BASE:
        name, digest = bytes(c.chunk("model name", MAX_NAME)), bytes(c.take(4, "model hash")).hex()
        motion = read_motion(c)
        if not name.isascii():
            raise DamagedError(f"model name {name!r} is not ASCII: the stream is damaged")
    codec = _enum(BaseCodec, second & 15, "base codec")
    number_format = _enum(NumberFormat, first >> 4, "number format")
    return Header(
        mode, codec, width, height, fps, name.decode(), digest, motion, 1 << scale, cascade,
        Colour(*colour), tune, number_format, bool(flags & _LIVE), clock, every,
    )  # fmt: skip


def read_header(cursor: Cursor) -> Header:
    """Reads and checks everything before the first packet.

    Raises `StreamError` (not an .hdac stream, another version), `TruncatedError`, `DamagedError`.
    """
    prefix = cursor.take(min(_PREFIX.size, cursor.left), "file header")
    if bytes(prefix[:4]) != MAGIC[: len(prefix)] or not prefix:
        raise StreamError(
            f"not an .hdac stream: it starts with {bytes(prefix[:4])!r}, expected {MAGIC!r}"
        )
    if len(prefix) < _PREFIX.size:
        raise TruncatedError(
            f"file header: needed {_PREFIX.size} bytes, had {len(prefix)}; the stream is cut short"
        )
    if prefix[4] != VERSION:
        way = (
            "decode it with the hdac that made it, or encode the source again"
            if prefix[4] < VERSION
            else "install a newer hdac"
        )
        raise StreamError(f"format version {prefix[4]}; this hdac reads version {VERSION}: {way}")
    body = cursor.chunk("header", MAX_HEADER)
    cursor.checksum(0, "the header")
    return _parse_header(body)


def check_header(header: Header) -> Header:
    """Raises `UsageError` if a header cannot be written."""
    width, height, fps = header.width, header.height, header.fps
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise UsageError(
            f"picture size {width}x{height}; allowed are {MIN_SIDE}x{MIN_SIDE} to "
            f"{MAX_SIDE}x{MAX_SIDE}: scale the source with --size WxH"
        )
    if not (name := header.model).isascii() or len(name) > MAX_NAME:
        raise UsageError(
            f"model name {name!r:.80} of {len(name)} characters; allowed are 0 to {MAX_NAME} of "
            "ASCII: name the model's file so"
        )
    if not 0 <= header.clock <= 10**6:
        raise UsageError(f"clock {header.clock}; allowed are 0 to 1000000 ticks per second")
    if fps <= 0 or max(fps.numerator, fps.denominator) > 10**6:
        near = fps.limit_denominator(10**4)
        if not 0 < near.numerator <= 10**6:
            raise UsageError(f"frame rate {fps}; allowed are 1/10000 to 1000000 frames per second")
        header = replace(header, fps=near)
    return header


def check_size(header: Header, max_pixels: int) -> None:
    """Raises `UsageError` for pictures of more pixels than were allowed."""
    if header.width * header.height > max_pixels:
        raise UsageError(
            f"pictures of {header.width}x{header.height}; allowed are {max_pixels} pixels: give "
            f"--max-pixels {header.width}x{header.height} if you trust this stream"
        )


# ---- packets


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. `gop_start`: bit 0 of its flags; `sequence` counts packets, modulo 2^16; `time`
    of its first frame in ticks (live streams)."""

    type: PacketType
    payload: bytes
    gop_start: bool = False
    sequence: int = 0
    time: int = 0

    def framed(self) -> bytes:
        """As it stands in a group of a file. Raises `UsageError` for a reserved type."""
        self._check()
        return bytes([self.type]) + chunk(self.payload)

    def tobytes(self) -> bytes:
        """As it travels alone, with its own check (`wire` of the format), short if that is
        possible. Raises `UsageError` for a reserved type."""
        self._check()
        kind, payload = int(self.type), self.payload
        if self.type in (PacketType.BASE, PacketType.FRAME) and not self.gop_start:
            short = shorten(self.type is PacketType.FRAME, payload)
            kind, payload = (SHORT | short[0] << 4, short[1]) if short else (kind, payload)
        data = _WIRE.pack(kind, self.sequence) + varint(self.time) + payload
        return data + _CHECK.pack(zlib.crc32(data) & 0xFFFF)

    def _check(self) -> None:
        if self.type is PacketType.RESERVED:
            raise UsageError(
                "a packet of a reserved type: which of 7 to 13 is not kept; leave it out, or pass "
                "on the bytes that it came in"
            )

    @classmethod
    def frombytes(cls, data: bytes | memoryview) -> Packet:
        """The inverse of `tobytes`. Raises `TruncatedError`, `DamagedError`."""
        body, check = memoryview(data)[: -_CHECK.size], bytes(data[-_CHECK.size :])
        if check != _CHECK.pack(zlib.crc32(body) & 0xFFFF):
            raise DamagedError(f"the check of a packet of {len(data)} bytes does not match")
        cursor = Cursor(body)
        kind, sequence = _WIRE.unpack(cursor.take(_WIRE.size, "packet"))
        time = cursor.varint("time")
        if kind & 15 == SHORT:
            frame, payload = lengthen(kind >> 4, bytes(cursor.take(cursor.left, "payload")))
            kind, cursor = PacketType.FRAME if frame else PacketType.BASE, Cursor(payload)
        return cls._of(kind, cursor, sequence, time)

    @classmethod
    def read_framed(cls, cursor: Cursor, sequence: int = 0) -> Packet:
        """One packet of a file's group, from the front of `cursor`."""
        kind = cursor.byte("packet type")
        return cls._of(kind, Cursor(cursor.chunk("packet", MAX_PAYLOAD)), sequence & 0xFFFF)

    @classmethod
    def _of(cls, kind: int, cursor: Cursor, sequence: int = 0, time: int = 0) -> Packet:
        """A packet whose payload is what `cursor` has left."""
        payload = bytes(cursor.take(cursor.left, "payload"))
        known = _enum(PacketType, kind, "packet type")
        first = payload
        if known is PacketType.FRAME:
            with suppress(StreamError):  # `parts` will say it
                first = bytes(Cursor(payload).chunk("picture", MAX_PAYLOAD))
        starts = known < PacketType.AUDIO or known is PacketType.FRAME
        return cls(known, payload, bool(starts and len(first) and first[0] & 1), sequence, time)

    @property
    def frames(self) -> int:
        """How many frames it says it has; 0 where that cannot be read."""
        try:
            return Cursor(self.payload[1:6]).varint("frames", 1, MAX_FRAMES)
        except StreamError:
            return 0

    def parts(self, mode: Mode) -> list[Packet]:
        """The packets inside one of type FRAME; any other packet itself."""
        if self.type is not PacketType.FRAME:
            return [self]
        cursor = Cursor(self.payload)
        picture = bytes(cursor.chunk("picture", MAX_PAYLOAD))
        kind = PacketType.REFERENCE if mode is Mode.ANIMATION else PacketType.BASE
        rest = bytes(cursor.take(cursor.left, "enhancement"))
        return [
            replace(self, type=kind, payload=picture),
            replace(self, type=PacketType.ENHANCEMENT, payload=rest),
        ]


def frame_packet(picture: Packet, enhancement: Packet) -> Packet:
    """What belongs to one frame of a live stream, in one packet."""
    payload = chunk(picture.payload) + enhancement.payload
    return Packet(PacketType.FRAME, payload, picture.gop_start)
