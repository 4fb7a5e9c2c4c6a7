"""Payloads of packets: what `container.py` lists as range-coded bytes, written and read.

Each class holds the models of one GOP. Bits are information contents, so that a file's size can be
split by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from hdac.bitstream.container import MAX_PAYLOAD, Cursor, Header, Packet, PacketType, chunk, varint
from hdac.bitstream.nal import NalCompressor
from hdac.bitstream.rangecoder import Adaptive, Reader, Writer
from hdac.bitstream.recoding import bin_limit, least_size
from hdac.errors import DamagedError
from hdac.layers.base import QP_MAX
from hdac.layers.motion import KeypointCoder

#: A packet's decoded pictures are bounded: frames times pixels.
MAX_PIXELS = 1 << 25
MAX_FRAMES = 256
_GOP_START, _SWITCHED = 1, 2


def frames_limit(width: int, height: int) -> int:
    """Most frames that one packet of pictures of this size may carry."""
    return max(1, min(MAX_FRAMES, MAX_PIXELS // (width * height)))


def scaled_size(width: int, height: int, scale: int) -> tuple[int, int]:
    """Width and height of base pictures at 1/`scale` of the frame's sides: even."""
    multiple = 2 * scale
    return (width + -width % multiple) // scale, (height + -height % multiple) // scale


def base_size(header: Header) -> tuple[int, int]:
    """Width and height of the base layer's pictures."""
    return scaled_size(header.width, header.height, header.base_scale)


class BasePacket(NamedTuple):
    """A BASE or REFERENCE packet, read. `units`: Annex B access units; `intra_bits`: bits of the
    GOP's first picture;
    `frame_bits`: of each frame (0 where it has no base picture)."""

    gop_start: bool
    frames: int
    qp_intra: int
    qp_base: int
    units: list[bytes]
    intra_bits: float
    inter_bits: float
    frame_bits: list[float]


class EnhancedFrame(NamedTuple):
    """What the enhancement says of one frame: keypoints `(K, 2)` as integers; whether the fused
    picture is shown."""

    keypoints: Tensor
    fused: bool


class EnhancementPacket(NamedTuple):
    gop_start: bool
    frames: list[EnhancedFrame]
    motion_bits: float
    fusion_bits: float
    frame_bits: list[float]


class BaseWriter:
    """Collects access units; `take` makes the packet. `kind` is BASE, or REFERENCE (one
    picture)."""

    def __init__(
        self,
        codec: str,
        period: int,
        size: tuple[int, int],
        kind: PacketType = PacketType.BASE,
    ) -> None:
        self.codec, self.period, self.size, self.kind = codec, period, size, kind
        self.start(0, 0)

    def start(self, qp_intra: int, qp_base: int) -> None:
        """A GOP starts: models are fresh."""
        self._compressor = NalCompressor(self.codec, self.period, self.size)
        self._qps: tuple[int, int] | None = (qp_intra, qp_base)
        self._clear()

    def _clear(self) -> None:
        self._coder, self._slices, self._rest, self.frames = Writer(), Writer(), b"", 0

    def add(self, unit: bytes | None) -> None:
        """One frame's access unit (None: a frame without a base picture)."""
        self.frames += 1
        if unit is not None:
            self._rest += self._compressor.write(self._coder, self._slices, unit)

    def take(self) -> list[Packet]:
        if not self.frames:
            return []
        start = self._qps is not None
        payload = bytes([_GOP_START if start else 0]) + varint(self.frames)
        if self._qps is not None:
            payload += bytes(self._qps)
        pixels = self.size[0] * self.size[1]
        least = least_size(self.frames, pixels, self._slices.bits)
        payload += chunk(self._coder.finish()) + chunk(self._rest)
        payload += self._slices.finish().ljust(least, b"\0")
        self._qps = None
        self._clear()
        return [Packet(self.kind, payload, start)]


class BaseReader:
    """Reads what `BaseWriter` wrote; remembers the GOP's models."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self._codec = header.base_codec.name.lower()
        self._compressor: NalCompressor | None = None
        self._index = 0  # frame within the GOP
        self._qps = (0, 0)

    def read(self, packet: Packet) -> BasePacket:
        """Raises `DamagedError` or `TruncatedError`."""
        cursor = Cursor(packet.payload)
        start = bool(cursor.byte("packet flags") & _GOP_START)
        frames = cursor.varint(
            "frames of a packet", 1, frames_limit(self.header.width, self.header.height)
        )
        if start:
            qps = cursor.take(2, "QPs")
            if max(qps) > QP_MAX:
                raise DamagedError(
                    f"QPs {qps[0]} and {qps[1]}; allowed are 0 to {QP_MAX}: the stream is damaged"
                )
            self._qps = (qps[0], qps[1])
            size, self._index = base_size(self.header), 0
            self._compressor = NalCompressor(self._codec, len(self.header.cascade), size)
        if self._compressor is None:
            raise DamagedError(
                "a packet without an entry point before it: the stream is damaged or was joined in the middle of a GOP"
            )
        coder = Reader(bytes(cursor.chunk("range-coded bytes", MAX_PAYLOAD)))
        stored, units = cursor.chunk("NAL units", MAX_PAYLOAD), []
        width, height = base_size(self.header)
        data = bytes(cursor.take(cursor.left, "slices"))
        slices = Reader(data, bin_limit(frames, width * height, len(data)))
        bits, each = [0.0, 0.0], []
        for i in range(self._index, self._index + frames):
            each.append(0.0)
            if i % self.header.frame_step:
                continue
            before = coder.spent + slices.spent
            unit, taken = self._compressor.read(coder, slices, stored)
            stored = stored[taken:]
            each[-1] = coder.spent + slices.spent - before + 8 * taken
            bits[i > 0] += each[-1]
            units.append(unit)
        if len(stored):
            raise DamagedError(
                f"{len(stored)} bytes are left over in a packet: the stream is damaged"
            )
        self._index += frames
        return BasePacket(start, frames, *self._qps, units, bits[0], bits[1], each)


@dataclass
class _EnhancementState:
    keypoints: KeypointCoder
    switch: list[Adaptive]
    before: int = 1

    @classmethod
    def fresh(cls, keypoints: int, levels: int) -> _EnhancementState:
        return cls(KeypointCoder(keypoints, levels), [Adaptive(2, (4, 4)), Adaptive(2, (1, 15))])


class EnhancementWriter:
    """Collects keypoints and switch flags (`switched` False: no flags, as in mode `animation`)."""

    def __init__(self, keypoints: int, levels: int, switched: bool) -> None:
        self.keypoints, self.levels, self.switched = keypoints, levels, switched
        self.start()

    def start(self) -> None:
        self._state = _EnhancementState.fresh(self.keypoints, self.levels)
        self._starts = True
        self._clear()

    def _clear(self) -> None:
        self._coder, self.frames = Writer(), 0

    @property
    def last(self) -> Tensor | None:
        """The integers of the frame before, None at the start of a GOP."""
        return self._state.keypoints.last

    def add(self, keypoints: Tensor, fused: bool) -> None:
        state = self._state
        state.keypoints.code(self._coder, keypoints)
        if self.switched:
            state.before = self._coder.symbol(state.switch[state.before], int(fused))
        self.frames += 1

    def take(self) -> list[Packet]:
        if not self.frames:
            return []
        flags = (_GOP_START if self._starts else 0) | (_SWITCHED if self.switched else 0)
        payload = bytes([flags]) + varint(self.frames) + self._coder.finish()
        packet = Packet(PacketType.ENHANCEMENT, payload, self._starts)
        self._starts = False
        self._clear()
        return [packet]


class EnhancementReader:
    """Reads what `EnhancementWriter` wrote."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self._state: _EnhancementState | None = None

    def read(self, packet: Packet) -> EnhancementPacket:
        """Raises `DamagedError` or `TruncatedError`."""
        cursor = Cursor(packet.payload)
        flags = cursor.byte("packet flags")
        header = self.header
        frames = cursor.varint("frames of a packet", 1, frames_limit(header.width, header.height))
        if flags & _GOP_START:
            self._state = _EnhancementState.fresh(header.keypoints, header.keypoint_levels)
        state = self._state
        if state is None:
            raise DamagedError("an enhancement packet without an entry point before it")
        coder, out, switch_bits, each = (
            Reader(bytes(cursor.take(cursor.left, "enhancement"))),
            [],
            0.0,
            [],
        )
        for _ in range(frames):
            first = coder.spent
            keypoints, fused = state.keypoints.code(coder, None), True
            if flags & _SWITCHED:
                before = coder.spent
                state.before = coder.symbol(state.switch[state.before], None)
                switch_bits += coder.spent - before
                fused = bool(state.before)
            out.append(EnhancedFrame(keypoints, fused))
            each.append(coder.spent - first)
        return EnhancementPacket(
            bool(flags & _GOP_START), out, coder.spent - switch_bits, switch_bits, each
        )

    def lose(self) -> None:
        """A packet is missing: nothing can be read until a GOP starts."""
        self._state = None
