"""Files on top of `Encoder` and `Decoder`: bytes in, bytes out, and what is inside an .hdac
file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from hdac.bitstream.container import (
    MAX_GROUP,
    BaseCodec,
    Colour,
    ContainerReader,
    ContainerWriter,
    Header,
    Mode,
    Packet,
    PacketType,
)
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.encoder import Encoder
from hdac.codec.fitting import fit
from hdac.codec.syntax import MAX_FRAMES, BaseReader, EnhancementReader, base_size
from hdac.errors import UsageError
from hdac.layers.mixed import PlainHevc
from hdac.video.picture import Picture

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Bits:
    """Where a file's bits went. Inside range-coded bytes the split is by information content,
    rounded to whole bits; what remains (file header, packet heads, checksums, rounding to bytes) is
    `header`. The sum is the file's size exactly."""

    header: int
    base: int
    reference: int
    motion: int
    fusion: int


@dataclass(frozen=True)
class StreamInfo:
    """What an .hdac file holds. kbps = bytes * 8 * fps / frames / 1000."""

    header: Header
    frames: int
    bytes: int
    bits: Bits
    refreshes: int
    qps: tuple[tuple[int, int], ...]  # (qp_intra, qp_base) of each GOP

    @property
    def kbps(self) -> float:
        return float(self.bytes * 8 * self.header.fps / self.frames / 1000) if self.frames else 0.0

    def to_json(self) -> dict[str, object]:
        h, b = self.header, self.bits
        return {
            "frames": self.frames, "fps": str(h.fps), "width": h.width, "height": h.height,
            "kbps": round(self.kbps, 4), "bytes": self.bytes,
            "bits": {"header": b.header, "base": b.base, "reference": b.reference, "motion": b.motion, "fusion": b.fusion},
            "mode": h.mode.name.lower(), "model": f"{h.model}-{h.model_hash}" if h.model else None,
            "tune": h.tune.name.lower(), "base_codec": h.base_codec.name.lower(), "refreshes": self.refreshes,
            "base_scale": h.base_scale, "frame_step": h.frame_step, "keypoints": h.keypoints,
            "qp_intra": [q[0] for q in self.qps], "qp_base": [q[1] for q in self.qps],
        }  # fmt: skip


def encode(
    pictures: Iterable[Picture],
    width: int,
    height: int,
    fps: Fraction,
    config: EncoderConfig | None = None,
    colour: Colour | None = None,
    progress: Progress | None = None,
    frames: int | None = None,
    watch: Callable[[Encoder], None] | None = None,
) -> bytes:
    """An .hdac stream of all pictures. `frames`: their number, if known (saves time); `progress` is
    told each frame's index; `watch` is called with the encoder after each frame (to take its
    `shown` pictures).

    Raises `UsageError` for settings or pictures that cannot be coded.
    """
    config = config or EncoderConfig()
    config, pictures = fit(config, pictures, width, height, fps, frames)
    encoder = Encoder(
        width,
        height,
        fps,
        replace(config, packet_frames=config.packet_frames or MAX_FRAMES),
        colour,
    )
    if frames:
        encoder.frames_ahead = frames
    out = io.BytesIO()
    groups = _Groups(ContainerWriter(out, encoder.header), encoder.packet_frames)
    count = 0
    for count, picture in enumerate(pictures, 1):
        groups.write(encoder.push(picture))
        if watch:
            watch(encoder)
        else:
            encoder.shown.clear()
        if progress:
            progress(count)
    if not count:
        raise UsageError("0 frames; at least 1 is needed")
    groups.write(encoder.flush())
    if watch:
        watch(encoder)
    groups.writer.close_group(last=True)
    return out.getvalue()


class _Groups:
    """Packets in groups, each with its checksum: a group ends where a GOP starts, and after
    `MAX_FRAMES` frames or many bytes."""

    def __init__(self, writer: ContainerWriter, packet_frames: int) -> None:
        self.writer, self._packet_frames, self._frames = writer, packet_frames, 0

    def write(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.type is not PacketType.ENHANCEMENT:
                full = self._frames >= MAX_FRAMES or self.writer.pending > MAX_GROUP // 2
                if self.writer.pending and (packet.gop_start or full):
                    self.writer.close_group()
                    self._frames = 0
                self._frames += self._packet_frames
            self.writer.write(packet)


def decode(data: bytes, level: Level = "fused", device: str = "auto") -> Iterator[Frame]:
    """The frames of an .hdac stream. Raises `StreamError` where it is damaged (after the frames
    before that place)."""
    reader = ContainerReader(data)
    decoder = Decoder(reader.header, level, device)
    for packet in reader.packets():
        yield from decoder.push(packet)
    yield from decoder.flush()


def base_units(data: bytes) -> Iterator[bytes]:
    """The base layer's access units, exactly as the base encoder wrote them (Annex B); of a mixed
    one, as plain HEVC.

    Raises `StreamError`.
    """
    reader = ContainerReader(data)
    base, plain = BaseReader(reader.header), PlainHevc(*base_size(reader.header))
    for packet in reader.packets():
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            read = base.read(packet)
            if read.gop_start:
                plain = PlainHevc(plain.width, plain.height)
            mixed = reader.header.base_codec is BaseCodec.MIXED
            yield from map(plain.convert, read.units) if mixed else read.units


def inspect(data: bytes) -> StreamInfo:
    """Reads a whole stream without decoding pictures. Raises `StreamError`."""
    reader = ContainerReader(data)
    header = reader.header
    base, enhancement = BaseReader(header), EnhancementReader(header)
    frames = refreshes = 0
    totals = {"base": 0.0, "reference": 0.0, "motion": 0.0, "fusion": 0.0}
    qps = []
    for packet in reader.packets():
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            read = base.read(packet)
            frames += read.frames if packet.type is PacketType.BASE else 0
            refreshes += read.gop_start
            if read.gop_start:
                qps.append((read.qp_intra, read.qp_base))
            totals["reference"] += read.intra_bits
            totals["base"] += read.inter_bits
        elif packet.type is PacketType.ENHANCEMENT:
            enhanced = enhancement.read(packet)
            frames += len(enhanced.frames) if header.mode is Mode.ANIMATION else 0
            totals["motion"] += enhanced.motion_bits
            totals["fusion"] += enhanced.fusion_bits
    whole = {name: round(bits) for name, bits in totals.items()}
    bits = Bits(header=8 * len(data) - sum(whole.values()), **whole)
    return StreamInfo(header, frames, len(data), bits, max(0, refreshes - 1), tuple(qps))


def frame_bits(data: bytes) -> dict[str, list[float]]:
    """Bits of each frame: of its base picture, and of its motion and fusion (what `Bits` sums;
    framing left out).

    In mode `animation` the reference's bits stand at the first frame that it serves. Raises
    `StreamError`.
    """
    reader = ContainerReader(data)
    base, enhancement = BaseReader(reader.header), EnhancementReader(reader.header)
    out: dict[str, list[float]] = {"base": [], "motion and fusion": []}
    for packet in reader.packets():
        if packet.type is PacketType.BASE:
            out["base"] += base.read(packet).frame_bits
        elif packet.type is PacketType.REFERENCE:
            out["base"] += [0.0] * (len(out["motion and fusion"]) - len(out["base"])) + base.read(
                packet
            ).frame_bits
        elif packet.type is PacketType.ENHANCEMENT:
            out["motion and fusion"] += enhancement.read(packet).frame_bits
    frames = max(map(len, out.values()))
    return {layer: bits + [0.0] * (frames - len(bits)) for layer, bits in out.items()}
