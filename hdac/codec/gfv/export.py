"""An .hdac file with a VVC base layer -> a VVC stream with generative face video messages.

Mode `animation`: a coded picture a GOP, whose messages are counted up. Mode `hybrid`: every picture
is coded; a GOP's first is the base picture, the others go into the generator. Where the encoder
decided against the network's picture, the message says that its parameters are of low confidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from hdac.bitstream.container import (
    MAX_PIXELS,
    BaseCodec,
    Header,
    Keypoints,
    Mode,
    PacketType,
    check_size,
)
from hdac.bitstream.stream import read_stream
from hdac.bitstream.vvc.gfv import Coordinates, GfvMessage, References
from hdac.bitstream.vvc.gfv_syntax import pack
from hdac.bitstream.vvc.sei import insert
from hdac.codec.gfv.uri import NetworkName
from hdac.codec.syntax import BaseReader, EnhancedFrame, EnhancementReader
from hdac.errors import DamagedError, UsageError
from hdac.motion.protocol import Moving


@dataclass(frozen=True)
class GfvExport:
    """A VVC stream. gfv_bits: its messages, NAL units and all; hdac_bits: motion and switch flags
    as the .hdac file has them. notes: what the stream cannot say."""

    stream: bytes
    pictures: int
    messages: int
    gfv_bits: int
    hdac_bits: float
    fps: Fraction
    notes: tuple[str, ...]

    def kbps(self, bits: float) -> float:
        """1000 bits a second of what is shown."""
        return float(bits * self.fps / self.messages / 1000)

    def to_json(self) -> dict[str, object]:
        return {
            "pictures": self.pictures, "bytes": len(self.stream), "messages": self.messages,
            "gfv_bits": self.gfv_bits, "gfv_kbps": round(self.kbps(self.gfv_bits), 4),
            "hdac_bits": round(self.hdac_bits), "hdac_kbps": round(self.kbps(self.hdac_bits), 4),
            "notes": list(self.notes),
        }  # fmt: skip

    def describe(self) -> str:
        return (
            f"{self.messages} messages at {self.kbps(self.gfv_bits):.2f} kbps (in .hdac "
            f"{self.kbps(self.hdac_bits):.2f})"
        )


def export_gfv(data: bytes, max_pixels: int = MAX_PIXELS) -> GfvExport:
    """The VVC stream of an .hdac file: the exact base pictures and quantised parameters.

    Raises `StreamError`, and `UsageError` where the file is of another base codec or mode.
    """
    header, packets = read_stream(data)
    check_size(header, max_pixels)
    motion = _check(header)
    base, enhancement = BaseReader(header), EnhancementReader(header)
    units, messages, hdac_bits = list[bytes](), _Messages(header, motion), 0.0
    for packet in packets:
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            read = base.read(packet)
            if read.gop_start:
                messages.start(len(units), read.qp_intra, read.qp_base)
            units += read.units
        elif packet.type is PacketType.ENHANCEMENT:
            enhanced = enhancement.read(packet)
            hdac_bits += enhanced.motion_bits + enhanced.fusion_bits
            for frame in enhanced.frames:
                messages.add(frame)
    if not messages.made:
        raise DamagedError("the stream has no frame with face parameters: it is damaged, or empty")
    coded = b"".join(units)
    stream = insert(coded, messages.made)
    notes = ["VVC streams have no frame times (the .hdac file has)"] if header.clock else []
    return GfvExport(
        stream, len(units), len(messages.made), 8 * (len(stream) - len(coded)), hdac_bits,
        header.fps, tuple(notes),
    )  # fmt: skip


def _check(header: Header) -> Keypoints:
    """Raises `UsageError` for streams that GFV messages cannot carry."""
    if header.motion is None:
        raise UsageError(
            "--gfv: this stream's mode is base, without face parameters: encode with --mode hybrid "
            "or animation"
        )
    if header.every > 1:
        raise UsageError(
            f"--gfv: this stream has keypoints of one frame in {header.every}; the messages have "
            "those of every frame: encode without --every"
        )
    if header.base_codec is not BaseCodec.VVC:
        raise UsageError(
            f"--gfv: this stream's base codec is {header.base_codec.name.lower()}, and the "
            "messages are VVC's: encode with --base-codec vvc"
        )
    if not isinstance(header.motion, Keypoints):
        raise UsageError(
            f"--gfv: this stream has {header.motion} a frame; the messages have keypoints: encode "
            "with --model hdac-s"
        )
    levels = header.motion.levels
    if levels & levels - 1 or any(header.cascade):
        raise UsageError(
            f"--gfv: keypoint levels {levels} and cascade {header.cascade}; a power of two and "
            "zeros are needed, as hdac writes them: encode the source again"
        )
    return header.motion


class _Messages:
    """The messages of one GOP after another."""

    def __init__(self, header: Header, motion: Keypoints) -> None:
        self._header, self._levels = header, motion.levels
        self._precision = max(1, motion.levels.bit_length() - 1)
        self._references, self._index = References(), -1  # -1: no GOP has started
        self.made: list[GfvMessage] = []

    def start(self, picture: int, qp_intra: int, qp_base: int) -> None:
        """A GOP starts with this coded picture."""
        self._name = NetworkName.of(self._header, qp_intra, qp_base)
        self._first, self._index = picture, 0

    def add(self, frame: EnhancedFrame) -> None:
        """The next frame of the GOP. Raises `DamagedError` where none has started."""
        if self._index < 0:
            raise DamagedError("face parameters without a picture before them: damaged")
        index, hybrid = self._index, self._header.mode is Mode.HYBRID
        message = GfvMessage(
            cnt=0 if hybrid else index,
            base_picture=index == 0,
            network=self._name.to_network() if index == 0 else None,
            fusion=hybrid and index > 0,
            low_confidence=not frame.fused and index > 0,
            coordinates=self._coordinates(frame.parameters),
            picture=self._first + (index if hybrid else 0),
        )
        message = min(self._ways(message), key=lambda one: len(pack(one, self._references)))
        self._references.remember(message)
        self.made.append(message)
        self._index += 1

    def _coordinates(self, parameters: Moving) -> Coordinates:
        points = (
            (Fraction(x, self._levels), Fraction(y, self._levels)) for x, y in parameters.tolist()
        )
        return Coordinates(tuple(points), self._precision)

    def _ways(self, message: GfvMessage) -> Iterator[GfvMessage]:
        """The same message, predicted or not."""
        assert message.coordinates is not None
        for predicted in (True, False):
            coordinates = replace(message.coordinates, predicted=predicted)
            yield replace(message, coordinates=coordinates)
