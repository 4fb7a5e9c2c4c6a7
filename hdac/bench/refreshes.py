"""Where an .hdac file has new reference pictures."""

from __future__ import annotations

from hdac.bitstream.container import Mode, PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec.syntax import BaseReader, EnhancementReader


def refresh_frames(data: bytes) -> list[int]:
    """Frames at which new reference pictures begin, without the first. Raises `StreamError`."""
    header, packets = read_stream(data)
    base, enhancement = BaseReader(header), EnhancementReader(header)
    starts, frames = list[int](), 0
    for packet in packets:
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            read = base.summary(packet)
            starts += [frames] if read.gop_start else []
            frames += read.frames if packet.type is PacketType.BASE else 0
        elif packet.type is PacketType.ENHANCEMENT and header.mode is Mode.ANIMATION:
            frames += len(enhancement.read(packet).frames)
    return starts[1:]
