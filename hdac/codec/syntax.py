"""Payloads of packets: what is inside the packets of `bitstream.container`, written and read.

    payload of BASE, and of REFERENCE (mode `animation`: one picture, a GOP always starts)
        := flags u8 (bit 0: a GOP starts) | varint frames | [qp_intra u8 | qp_base u8, if a GOP
           starts] | chunk(NAL units, range coded) | chunk(rest of the NAL units)
           | recoded slices, range coded
    payload of ENHANCEMENT
        := flags u8 (bit 0: a GOP starts; bit 1: switch flags present; bit 2: all is as before,
           and nothing is coded) | varint frames | range coded
    payload of TIMES (before the packets of the frames that it speaks of)
        := flags u8 (bit 0: a GOP starts) | varint frames | range coded
    payload of FRAME := chunk(payload of BASE or REFERENCE) | payload of ENHANCEMENT

(That of AUDIO is in `codec.audio`.) Each class holds the models of one GOP. Bits are information
contents, so that a file's size can be split by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from hdac.bitstream.container import (
    MAX_PAYLOAD,
    Header,
    Mode,
    Packet,
    PacketType,
)
from hdac.bitstream.cursor import Cursor, chunk, varint
from hdac.bitstream.motions import MotionHeader
from hdac.bitstream.nal import NalCompressor
from hdac.bitstream.rangecoder import Adaptive, Coder, Integer, Reader, Writer
from hdac.bitstream.recoding import bin_limit, least_size
from hdac.bitstream.short import SAME, SWITCHED
from hdac.errors import DamagedError
from hdac.layers.base import QP_MAX
from hdac.motion.between import between, is_sent, shares
from hdac.motion.kinds import parameter_coder
from hdac.motion.protocol import Moving, ParameterCoder, Parameters

_GOP_START = 1
#: Ticks between two frames of a file, at most; the last time that a stream can hold.
MAX_STEP, MAX_TIME = 1 << 22, (1 << 32) - 1


class BasePacket(NamedTuple):
    """A BASE or REFERENCE packet, read. `units`: Annex B access units; `frame_bits`: of each."""

    gop_start: bool
    qp_intra: int
    qp_base: int
    units: list[bytes]
    frame_bits: list[float]


class BaseSummary(NamedTuple):
    """A BASE or REFERENCE packet of which only the first picture of a GOP was read, if it has one:
    `intra_bits` are its bits, `bits` those of all that is coded."""

    gop_start: bool
    qp_intra: int
    qp_base: int
    frames: int
    intra_bits: float
    bits: int


class EnhancedFrame(NamedTuple):
    """What the enhancement says of one frame; `fused`: whether the network's picture is shown;
    `share`: of the time from the frame that is sent before it to the one after (None: it is sent
    itself)."""

    parameters: Moving
    fused: bool
    share: float | None = None


class EnhancementPacket(NamedTuple):
    gop_start: bool
    frames: list[EnhancedFrame]
    motion_bits: float
    fusion_bits: float
    frame_bits: list[float]


class BaseWriter:
    """Collects access units; `take` makes the packet. `kind` is BASE, or REFERENCE (one
    picture)."""

    def __init__(self, header: Header, kind: PacketType = PacketType.BASE) -> None:
        self._header, self._kind = header, kind

    def start(self, qp_intra: int, qp_base: int) -> None:
        """A GOP starts: models are fresh."""
        header = self._header
        self._nal = NalCompressor(
            header.base_codec.name.lower(), len(header.cascade), header.base_size
        )
        self._qps = bytes([qp_intra, qp_base])
        self._clear()

    def _clear(self) -> None:
        self._coder, self._slices, self._rest, self.frames = Writer(), Writer(), b"", 0

    def add(self, unit: bytes) -> float:
        """One frame's access unit; gives its bits."""
        self.frames += 1
        before = self._coder.spent + self._slices.spent
        rest = self._nal.write(self._coder, self._slices, unit)
        self._rest += rest
        return self._coder.spent + self._slices.spent - before + 8 * len(rest)

    def take(self) -> list[Packet]:
        if not self.frames:
            return []
        start, qps = bool(self._qps), self._qps
        payload = bytes([_GOP_START * start]) + varint(self.frames) + qps
        width, height = self._header.base_size
        least = least_size(self.frames, width * height, self._slices.bits)
        payload += chunk(self._coder.finish()) + chunk(self._rest)
        payload += self._slices.finish().ljust(least, b"\0")
        self._qps = b""
        self._clear()
        return [Packet(self._kind, payload, start)]


@dataclass
class _Opened:
    """A BASE or REFERENCE packet, ready for its access units. `stored`: what is left of it."""

    start: bool
    frames: int
    nal: NalCompressor
    coder: Reader
    slices: Reader
    stored: memoryview
    bits: int


class BaseReader:
    """Reads what `BaseWriter` wrote; remembers the GOP's models."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._nal: NalCompressor | None = None
        self._qps = (0, 0)

    def read(self, packet: Packet) -> BasePacket:
        """Raises `DamagedError` or `TruncatedError`."""
        opened = self._open(packet)
        units, bits = list[bytes](), list[float]()
        for _ in range(opened.frames):
            unit, spent = self._unit(opened)
            units.append(unit)
            bits.append(spent)
        if left := len(opened.stored):
            raise DamagedError(f"{left} bytes are left over in a packet: the stream is damaged")
        return BasePacket(opened.start, *self._qps, units, bits)

    def summary(self, packet: Packet) -> BaseSummary:
        """What a packet says without its slices, where no GOP starts. Raises `DamagedError` or
        `TruncatedError`."""
        opened = self._open(packet)
        intra = self._unit(opened)[1] if opened.start else 0.0
        return BaseSummary(opened.start, *self._qps, opened.frames, intra, opened.bits)

    def _open(self, packet: Packet) -> _Opened:
        header, cursor = self._header, Cursor(packet.payload)
        start = bool(cursor.byte("packet flags") & _GOP_START)
        most = 1 if packet.type is PacketType.REFERENCE else header.packet_frames
        frames = cursor.varint("frames of a packet", 1, most)
        if packet.type is PacketType.REFERENCE and not start:
            raise DamagedError("a reference picture that starts no GOP: the stream is damaged")
        if start:
            qp_intra, qp_base = cursor.take(2, "QPs")
            if max(qp_intra, qp_base) > QP_MAX:
                raise DamagedError(
                    f"QPs {qp_intra} and {qp_base}; allowed are 0 to {QP_MAX}: the stream is "
                    "damaged"
                )
            self._qps = qp_intra, qp_base
            codec = header.base_codec.name.lower()
            self._nal = NalCompressor(codec, len(header.cascade), header.base_size)
        if self._nal is None:
            raise DamagedError(
                "a packet without an entry point before it: the stream is damaged or was joined in "
                "the middle of a GOP"
            )
        coded = bytes(cursor.chunk("range-coded NAL units", MAX_PAYLOAD))
        stored = cursor.chunk("NAL units", MAX_PAYLOAD)
        data, (width, height) = bytes(cursor.take(cursor.left, "slices")), header.base_size
        slices = Reader(data, bin_limit(frames, width * height, len(data)))
        bits = 8 * (len(coded) + len(stored) + len(data))
        return _Opened(start, frames, self._nal, Reader(coded), slices, stored, bits)

    def _unit(self, opened: _Opened) -> tuple[bytes, float]:
        """The next access unit of a packet, and its bits."""
        coder, slices = opened.coder, opened.slices
        before = coder.spent + slices.spent
        unit, taken = opened.nal.read(coder, slices, opened.stored)
        opened.stored = opened.stored[taken:]
        return unit, coder.spent + slices.spent - before + 8 * taken

    def lose(self) -> None:
        """A packet is missing: nothing can be read until a GOP starts."""
        self._nal = None


@dataclass
class _EnhancementState:
    motion: ParameterCoder
    switch: list[Adaptive]
    before: int = 1
    last: Parameters | None = None

    @classmethod
    def fresh(cls, motion: MotionHeader) -> _EnhancementState:
        return cls(parameter_coder(motion), [Adaptive(2, (4, 4)), Adaptive(2, (1, 15))])


class EnhancementWriter:
    """Collects parameters and switch flags. Frames between those that are sent only count; the last
    one of a packet is sent (`motion.between`). Mode `animation` has flags where they change; in
    `hybrid` packets of live streams, which have a frame each, are empty where all is as before."""

    def __init__(self, header: Header) -> None:
        assert header.motion is not None
        self._motion, self._hybrid = header.motion, header.mode is Mode.HYBRID
        self._alone = self._hybrid and header.live
        self.start()

    def start(self) -> None:
        self._state, self._starts = _EnhancementState.fresh(self._motion), True
        self._clear()

    def _clear(self) -> None:
        self._sent, self.frames = list[tuple[Parameters, bool]](), 0

    def add(self, parameters: Moving, fused: bool, share: float | None = None) -> None:
        """share: None where the frame is sent."""
        self.frames += 1
        if share is None:
            assert np.issubdtype(parameters.dtype, np.integer), "what is sent"
            self._sent.append((cast("Parameters", parameters), fused))

    def take(self) -> list[Packet]:
        if not self.frames:
            return []
        flags, coded = self._code()
        payload, start = bytes([flags]) + varint(self.frames) + coded, self._starts
        self._starts = False
        self._clear()
        return [Packet(PacketType.ENHANCEMENT, payload, start)]

    def _code(self) -> tuple[int, bytes]:
        """Flags of the packet and what is range coded."""
        state, before = self._state, bool(self._state.before)
        changes = any(fused != before for _, fused in self._sent[self._starts :])
        moves = state.last is None or any((p != state.last).any() for p, _ in self._sent)
        if self._alone and not (self._starts or changes or moves):
            return SAME | SWITCHED, b""
        coder, switched = Writer(), self._hybrid or changes
        for parameters, fused in self._sent:
            state.last = state.motion.code(coder, parameters)
            if switched:
                state.before = coder.symbol(state.switch[state.before], int(fused))
        return _GOP_START * self._starts | SWITCHED * switched, coder.finish()


class EnhancementReader:
    """Reads what `EnhancementWriter` wrote."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._state: _EnhancementState | None = None

    def read(self, packet: Packet) -> EnhancementPacket:
        """Raises `DamagedError` or `TruncatedError`."""
        cursor = Cursor(packet.payload)
        flags = cursor.byte("packet flags")
        frames = cursor.varint("frames of a packet", 1, self._header.packet_frames)
        if self._header.motion is None:
            raise DamagedError("an enhancement packet in a stream of mode base")
        if flags & _GOP_START:
            self._state = _EnhancementState.fresh(self._header.motion)
        state = self._state
        if state is None:
            raise DamagedError("an enhancement packet without an entry point before it")
        if flags & SAME:
            return self._same(state, frames)
        coder, out = Reader(bytes(cursor.take(cursor.left, "enhancement"))), list[EnhancedFrame]()
        motion_bits = fusion_bits = 0.0
        bits: list[float] = []
        start, every = bool(flags & _GOP_START), self._header.every
        for index in range(frames):
            if not is_sent(index, frames, start, every):
                continue
            before, first = state.last, coder.spent
            parameters = state.last = state.motion.code(coder, None)
            middle = coder.spent
            if flags & SWITCHED:
                state.before = coder.symbol(state.switch[state.before], None)
            for share in shares(index - len(out)):
                if before is None:
                    raise DamagedError("frames between others, with nothing before them")
                moved = between(before, parameters, share)
                out.append(EnhancedFrame(moved, bool(state.before), share))
                bits.append(0.0)
            out.append(EnhancedFrame(parameters, bool(state.before)))
            motion_bits += middle - first
            fusion_bits += coder.spent - middle
            bits.append(coder.spent - first)
        return EnhancementPacket(start, out, motion_bits, fusion_bits, bits)

    def _same(self, state: _EnhancementState, frames: int) -> EnhancementPacket:
        """A packet in which all is as before."""
        last = state.last
        if last is None:
            raise DamagedError("an enhancement packet as before, with nothing before it")
        same = [EnhancedFrame(last, bool(state.before))] * frames
        return EnhancementPacket(False, same, 0.0, 0.0, [0.0] * frames)

    def lose(self) -> None:
        """A packet is missing: nothing can be read until a GOP starts."""
        self._state = None


class _Times:
    """The state of one GOP's times; `code` is the syntax of one, the same for both directions."""

    def __init__(self) -> None:
        self._model, self._before, self._step = Integer(), -1, 0

    def code(self, coder: Coder, time: int | None) -> int:
        if self._before < 0:
            high = coder.uniform(1 << 16, None if time is None else time >> 16)
            low = coder.uniform(1 << 16, None if time is None else time & 0xFFFF)
            self._before = high << 16 | low
            return self._before
        change = 0 if time is None else time - self._before - self._step
        zigzag = 2 * change if change >= 0 else -2 * change - 1
        zigzag = self._model.code(coder, None if time is None else zigzag)
        self._step += -(zigzag + 1) // 2 if zigzag & 1 else zigzag // 2
        self._before = max(0, self._before + self._step)
        return self._before


class TimesWriter:
    """Collects the frames' times in ticks. The first of a GOP is coded as it is, of the others how
    the step from frame to frame changes."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._state, self._starts = _Times(), True
        self._clear()

    def _clear(self) -> None:
        self._coder, self._frames = Writer(), 0

    def add(self, time: int) -> None:
        self._state.code(self._coder, time)
        self._frames += 1

    def take(self) -> list[Packet]:
        if not self._frames:
            return []
        payload = bytes([_GOP_START * self._starts]) + varint(self._frames) + self._coder.finish()
        packet = Packet(PacketType.TIMES, payload, self._starts)
        self._starts = False
        self._clear()
        return [packet]


class TimesReader:
    """Reads what `TimesWriter` wrote."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._state: _Times | None = None

    def read(self, packet: Packet) -> list[int]:
        """The times of the next frames, in ticks. Raises `DamagedError` or `TruncatedError`."""
        cursor = Cursor(packet.payload)
        if cursor.byte("packet flags") & _GOP_START:
            self._state = _Times()
        state = self._state
        if state is None:
            raise DamagedError("a packet of times without an entry point before it")
        frames = cursor.varint("frames of a packet", 1, self._header.packet_frames)
        coder = Reader(bytes(cursor.take(cursor.left, "times")))
        return [state.code(coder, None) for _ in range(frames)]

    def lose(self) -> None:
        """A packet is missing: nothing can be read until a GOP starts."""
        self._state = None
