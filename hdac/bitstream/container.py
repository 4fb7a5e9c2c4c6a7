"""The `.hdac` format. This file says all of it.

All integers are big-endian; *varint* is LEB128 (7 bits a byte, low bits first, at most 5 bytes); *chunk* is a varint
length and that many bytes.

    file    := magic "HDAC" | version u8 | chunk(header) | crc32(all before) u32 | group*
    group   := packet* check
    packet  := type u8 | chunk(payload)
    check   := type u8 (CHECK, or LAST in the last group) | varint 4 | crc32(all bytes of the group before it) u32

    header  := number format u4 (0 fp32, 1 bf16), mode u4 | tune u4 (0 psnr, 1 perceptual), base codec u4 (0 HEVC, 1 VVC,
                 2 first pictures VVC, the others HEVC)
               | log2 base scale u4, log2 frame step u4 | colour u8 * 3 (H.273 matrix, primaries, transfer)
               | varint width | varint height | varint fps numerator | varint fps denominator
               | chunk(model name, ASCII) | model hash 4 bytes | varint K | varint keypoint levels per half side
               | varint cascade length | cascade offsets i8 * (length 0: 8, 6, 8, 0; with tune 1 4, 3, 4, 0)

    payload of BASE, and of REFERENCE (animation mode: one picture, a GOP always starts): flags u8 (bit 0: a GOP starts)
                       | varint frames | [qp_intra u8 | qp_base u8, if a GOP starts] | chunk(range-coded bytes) | rest of the NAL units
    payload of ENHANCEMENT: flags u8 (bit 0: a GOP starts; bit 1: switch flags present) | varint frames | range-coded bytes

Base codec 2: a GOP's first access unit is HEVC's parameter sets (which allow PCM blocks of all sizes) and then a VVC access unit of one
picture; the others are HEVC's, and predict from it as from an HEVC picture of PCM blocks: its 10-bit samples v become (v + 2) >> 2, at most
255, repeated at the edges up to the size that HEVC's parameter sets give.

A packet holds at most 256 frames, and at most 2^25 pixels in all (one frame of any size). Coded keypoints move the reference at level
`animation`, and with frame steps the last shown picture that had a base picture. Fused pictures take, as float32, the first K
keypoints that the model's detector finds in the base pictures (of the frame and of the GOP's first one, enlarged to the frame's padded
size); published architectures take the coded ones.

A BASE packet with a starting GOP (animation mode: a REFERENCE packet) is an entry point. Range-coder models live from the
start of a GOP to its end. ENHANCEMENT packets may be dropped: what follows up to the next entry point decodes at level
`base`. In a hybrid stream the ENHANCEMENT packet of some frames follows their BASE packet.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction
from typing import BinaryIO, TypeVar

from hdac.errors import DamagedError, StreamError, TruncatedError, UsageError

MAGIC = b"HDAC"
#: 2: slices of HEVC are recoded; 3: mixed base layers, parameter sets of VVC are expected; 4: wider models for slices, cascades by tune;
#: 5: fused pictures take their keypoints from base pictures, more frames in a packet
VERSION = 5
SUFFIX = ".hdac"

MIN_SIDE, MAX_SIDE = 16, 4096
MAX_HEADER = 512
MAX_PAYLOAD = 1 << 26
MAX_GROUP = 1 << 27
MAX_KEYPOINTS = 64

_PREFIX = struct.Struct(">4sB")
_FIXED = struct.Struct(">BBBBBB")
_CRC = struct.Struct(">I")
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


USUAL_CASCADES = {Tune.PSNR: (8, 6, 8, 0), Tune.PERCEPTUAL: (4, 3, 4, 0)}


class PacketType(IntEnum):
    REFERENCE = 1
    BASE = 2
    ENHANCEMENT = 3
    CHECK = 14
    LAST = 15


@dataclass(frozen=True)
class Colour:
    """Code points of ITU-T H.273 (2 = unspecified): matrix coefficients, colour primaries, transfer characteristics."""

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Header:
    """What a decoder must know before the first packet. Width and height are the source's (odd sizes too)."""

    mode: Mode
    base_codec: BaseCodec
    width: int
    height: int
    fps: Fraction
    model: str = ""  # empty in mode `base`
    model_hash: str = "00000000"  # first 8 hexadecimal digits of the weights' SHA-256
    keypoints: int = 0
    keypoint_levels: int = 64
    base_scale: int = 1  # the base layer is 1, 1/2 or 1/4 of the frame's side
    frame_step: int = 1  # every 1st, 2nd or 4th frame has a base picture
    cascade: tuple[int, ...] = (0,)
    colour: Colour = Colour()
    tune: Tune = Tune.PSNR
    bf16: bool = False  # the encoder ran its networks in bf16 (else fp32); a decoder that does the same shows the same


class Cursor:
    """Reads a byte string front to back; every shortfall is a `TruncatedError` that says what was missing."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data, self.at = memoryview(data), 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int, what: str) -> memoryview:
        if count > self.left:
            raise TruncatedError(
                f"{what}: needed {count} bytes, had {self.left}; the stream is cut short"
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def varint(self, what: str, low: int = 0, high: int = (1 << 32) - 1) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte(what)
            value |= (byte & 127) << shift
            if byte < 128:
                break
        else:
            raise DamagedError(
                f"{what}: a variable-length integer is longer than 5 bytes; the stream is damaged"
            )
        if not low <= value <= high:
            raise DamagedError(
                f"{what} is {value}; allowed are {low} to {high}: the stream is damaged"
            )
        return value

    def chunk(self, what: str, limit: int) -> memoryview:
        return self.take(self.varint(f"length of {what}", 0, limit), what)


def varint(value: int) -> bytes:
    """LEB128 of 0 <= value < 2^35."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def chunk(data: bytes) -> bytes:
    return varint(len(data)) + data


def pack_header(header: Header) -> bytes:
    """The bytes before the first group."""
    scale, step = header.base_scale.bit_length() - 1, header.frame_step.bit_length() - 1
    body = _FIXED.pack(
        header.bf16 << 4 | header.mode,
        header.tune << 4 | header.base_codec,
        scale << 4 | step,
        header.colour.matrix,
        header.colour.primaries,
        header.colour.transfer,
    )
    numbers = (header.width, header.height, header.fps.numerator, header.fps.denominator)
    body += (
        b"".join(map(varint, numbers))
        + chunk(header.model.encode("ascii"))
        + bytes.fromhex(header.model_hash)
    )
    body += varint(header.keypoints) + varint(header.keypoint_levels)
    cascade = () if header.cascade == USUAL_CASCADES[header.tune] else header.cascade
    body += varint(len(cascade)) + struct.pack(f">{len(cascade)}b", *cascade)
    data = _PREFIX.pack(MAGIC, VERSION) + chunk(body)
    return data + _CRC.pack(zlib.crc32(data))


def _enum(kind: type[_E], value: int, what: str) -> _E:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{e.value} ({e.name.lower()})" for e in kind)
        raise DamagedError(
            f"{what} is {value}; known are {known}: the stream is damaged or from a newer hdac"
        ) from None


def parse_header(body: memoryview) -> Header:
    """The inverse of `pack_header`'s middle part. Every number is bounded before it is used."""
    c = Cursor(body)
    mode, codec, shifts, matrix, primaries, transfer = _FIXED.unpack(c.take(_FIXED.size, "header"))
    if mode >> 4 > 1:
        raise DamagedError(
            f"number format is {mode >> 4}; known are 0 (fp32) and 1 (bf16): the stream is damaged or from a newer hdac"
        )
    if shifts >> 4 > 2 or shifts & 15 > 2:
        raise DamagedError(
            f"base scale and frame step are 2^-{shifts >> 4} and 2^{shifts & 15}; at most a quarter and 4"
        )
    width, height = c.varint("width", 1, MAX_SIDE), c.varint("height", 1, MAX_SIDE)
    fps = Fraction(c.varint("frame rate", 1, 10**6), c.varint("frame rate's denominator", 1, 10**6))
    name, tune = bytes(c.chunk("model name", 64)), _enum(Tune, codec >> 4, "tune")
    digest = bytes(c.take(4, "model hash")).hex()
    keypoints, levels = c.varint("keypoints", 0, MAX_KEYPOINTS), c.varint("keypoint levels", 1, 512)
    count = c.varint("cascade length", 0, 64)
    cascade = struct.unpack(f">{count}b", c.take(count, "cascade")) or USUAL_CASCADES[tune]
    if not name.isascii():
        raise DamagedError(f"model name {name!r} is not ASCII: the stream is damaged")
    return Header(
        _enum(Mode, mode & 15, "mode"), _enum(BaseCodec, codec & 15, "base codec"), width, height, fps, name.decode(), digest,
        keypoints, levels, 1 << (shifts >> 4), 1 << (shifts & 15), cascade, Colour(matrix, primaries, transfer),
        tune, bool(mode >> 4),
    )  # fmt: skip


@dataclass(frozen=True)
class Packet:
    """One packet; `gop_start`: bit 0 of its flags."""

    type: PacketType
    payload: bytes
    gop_start: bool = False

    def tobytes(self) -> bytes:
        return bytes([self.type]) + chunk(self.payload)


class ContainerWriter:
    """Writes a stream to a binary file object; `close_group` makes what was written so far verifiable."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self.written = file.write(pack_header(header))
        self._crc, self._pending = 0, 0

    def write(self, packet: Packet) -> None:
        data = packet.tobytes()
        self._crc = zlib.crc32(data, self._crc)
        self._pending += len(data)
        self.written += self._file.write(data)

    def close_group(self, last: bool = False) -> None:
        """Ends the group with its checksum."""
        kind = PacketType.LAST if last else PacketType.CHECK
        self.written += self._file.write(Packet(kind, _CRC.pack(self._crc)).tobytes())
        self._crc, self._pending = 0, 0

    @property
    def pending(self) -> int:
        """Bytes since the last checksum."""
        return self._pending


def read_header(cursor: Cursor) -> Header:
    """Reads and checks everything before the first group.

    Raises `StreamError` (not an .hdac stream, newer version), `TruncatedError`, `DamagedError`.
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
    if prefix[4] < VERSION:
        raise StreamError(
            f"format version {prefix[4]}; this hdac reads version {VERSION}: "
            "decode it with the hdac that made it, or encode the source again"
        )
    if prefix[4] > VERSION:
        raise StreamError(
            f"format version {prefix[4]}; this hdac reads version {VERSION}: install a newer hdac"
        )
    body = cursor.chunk("header", MAX_HEADER)
    (crc,) = _CRC.unpack(cursor.take(_CRC.size, "header checksum"))
    if zlib.crc32(cursor.data[: cursor.at - _CRC.size]) != crc:
        raise DamagedError("the header's checksum does not match: the stream is damaged")
    return parse_header(body)


class ContainerReader:
    """A whole stream in memory: `header`, then `packets()` group by group, each verified before any of it is handed out."""

    def __init__(self, data: bytes) -> None:
        self._cursor = Cursor(data)
        self.header = read_header(self._cursor)

    def packets(self) -> Iterator[Packet]:
        """The packets in order. Raises `TruncatedError` or `DamagedError` at the first group that is not whole."""
        cursor = self._cursor
        while True:
            start, group = cursor.at, []
            while True:
                before = cursor.at
                kind = _enum(PacketType, cursor.byte("packet type"), "packet type")
                payload = cursor.chunk("packet", MAX_PAYLOAD)
                if cursor.at - start > MAX_GROUP:
                    raise DamagedError(
                        f"a group is longer than {MAX_GROUP} bytes: the stream is damaged"
                    )
                if kind in (PacketType.CHECK, PacketType.LAST):
                    break
                group.append(Packet(kind, bytes(payload), bool(payload[:1] and payload[0] & 1)))
            if (
                len(payload) != _CRC.size
                or zlib.crc32(cursor.data[start:before]) != _CRC.unpack(payload)[0]
            ):
                raise DamagedError(
                    f"the checksum of bytes {start} to {before} does not match: the stream is damaged"
                )
            yield from group
            if kind is PacketType.LAST:
                if cursor.left:
                    raise DamagedError(
                        f"{cursor.left} bytes follow the last packet: the stream is damaged"
                    )
                return


def check_header(header: Header) -> Header:
    """Raises `UsageError` if a header cannot be written."""
    if not (MIN_SIDE <= header.width <= MAX_SIDE and MIN_SIDE <= header.height <= MAX_SIDE):
        raise UsageError(
            f"picture size {header.width}x{header.height}; allowed are {MIN_SIDE}x{MIN_SIDE} to {MAX_SIDE}x{MAX_SIDE}: "
            f"scale the source with --size WxH"
        )
    if header.fps <= 0 or max(header.fps.numerator, header.fps.denominator) > 10**6:
        fps = header.fps.limit_denominator(10**4)
        if not 0 < fps.numerator <= 10**6:
            raise UsageError(
                f"frame rate {header.fps}; allowed are 1/10000 to 1000000 frames per second"
            )
        header = replace(header, fps=fps)
    return header
