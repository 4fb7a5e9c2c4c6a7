"""Opus packets into a container as they are, beside the pictures."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any

import av
from av.container import OutputContainer

from hdac.video.opus import CLOCK, RATE, TICK, OpusPacket

#: Ticks of sound before the first picture that are not played: the encoder's delay is some.
_PRE_SKIP = 32
_SERIAL = 1
_HEAD = struct.Struct("<8sBBHIhB")  # OpusHead (RFC 7845, section 5.1)
_PAGE = struct.Struct("<4sBBqIIIB")  # Ogg page (RFC 3533, section 6)


class OpusTrack:
    """An audio stream of an output container, to which packets are copied.

    first: the first packet; rest: those after it, in the order of time (where it ends while
    pictures still come, it is asked again); tick: seconds of a tick of the pictures' times. Of
    sound that begins before the first picture up to 80 ms become the container's pre-skip, which
    players do not play; of more, nothing is lost: the pictures are moved by `shift` ticks.
    """

    def __init__(
        self, container: OutputContainer, first: OpusPacket, rest: Iterator[OpusPacket],
        tick: Fraction,
    ) -> None:  # fmt: skip
        self._rest, self._container = rest, container
        self._next: OpusPacket | None = first
        early = max(0, -first.time)
        skip = early * TICK if early <= _PRE_SKIP else 0
        self.shift = 0 if skip else ceil(Fraction(early, CLOCK) / tick)
        self._tick, self._delay = tick, round(self.shift * tick * RATE)
        with av.open(io.BytesIO(_ogg(first.channels, skip)), format="ogg") as template:
            self._stream: Any = container.add_stream_from_template(template.streams.audio[0])
        self._stream.time_base = Fraction(1, RATE)

    def write(self, until: int | None = None) -> None:
        """Packets that start before `until`, in ticks of the pictures' times in the container;
        None: all of them."""
        while (packet := self._next or next(self._rest, None)) is not None:
            self._next = packet
            start = packet.time * TICK + self._delay
            if until is not None and start >= until * self._tick * RATE:
                return
            out = av.Packet(packet.data)
            out.stream, out.time_base = self._stream, Fraction(1, RATE)
            out.pts = out.dts = start
            out.duration = (packet.end - packet.time) * TICK
            self._container.mux(out)
            self._next = None


def _ogg(channels: int, pre_skip: int) -> bytes:
    """An Ogg stream of one packet, of which libav takes a stream's parameters. (Its Opus encoder
    would state a pre-skip of its own.)"""
    head = _HEAD.pack(b"OpusHead", 1, channels, pre_skip, RATE, 0, 0)
    tags = b"OpusTags" + bytes(8)
    return b"".join(_page(data, number) for number, data in enumerate((head, tags, b"\x18")))


def _page(data: bytes, number: int) -> bytes:
    """A page of one packet of less than 255 bytes."""
    flags = 2 if number == 0 else 0  # 2: the stream begins
    page = _PAGE.pack(b"OggS", 0, flags, 0, _SERIAL, number, 0, 1) + bytes([len(data)]) + data
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", crc) + page[26:]
