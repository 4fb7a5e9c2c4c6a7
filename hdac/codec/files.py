"""Files on top of `Encoder` and `Decoder`: bytes in, bytes out, and what is inside an .hdac
file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from hdac.bitstream.container import (
    MAX_PIXELS,
    BaseCodec,
    Colour,
    Header,
    Keypoints,
    Mode,
    PacketType,
    check_size,
)
from hdac.bitstream.motions import LandmarkSets
from hdac.bitstream.stream import StreamReader, read_stream, stored
from hdac.codec.audio import parse_audio
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Between, Decoder, Frame, Level
from hdac.codec.encoder import Encoder
from hdac.codec.fitting import fit
from hdac.codec.modes import Shown
from hdac.codec.spool import Spool
from hdac.codec.syntax import BaseReader, EnhancementReader
from hdac.damage import Damage, incomplete
from hdac.errors import StreamError
from hdac.layers.mixed import PlainHevc
from hdac.motion.protocol import Turn
from hdac.video.info import CLOCK as CLOCK
from hdac.video.info import VideoInfo
from hdac.video.opus import OpusPacket
from hdac.video.picture import Picture
from hdac.video.rate import Rate, parse_rate

#: Bits of a keypoint that nothing codes.
RAW_KEYPOINT = 64


@dataclass(frozen=True)
class Bits:
    """Where a file's bits went. Inside range-coded bytes the split is by information content,
    rounded to whole bits; `audio` is all that the sound takes; what remains (file header, packet
    heads, times, checksums) is `header`. The sum is the file's size exactly."""

    header: int
    base: int
    reference: int
    motion: int
    fusion: int
    audio: int = 0


@dataclass(frozen=True)
class StreamInfo:
    """What an .hdac file holds. kbps = (bits without audio) * fps / frames / 1000. sent: frames
    whose parameters are sent, all of them if not said otherwise in the header. landmarks: of each
    GOP, where each says how many it has."""

    header: Header
    frames: int
    bytes: int
    bits: Bits
    refreshes: int
    qps: tuple[tuple[int, int], ...]  # (qp_intra, qp_base) of each GOP
    sent: int = 0
    landmarks: tuple[int, ...] = ()

    @property
    def kbps(self) -> float:
        return self._rate(8 * self.bytes - self.bits.audio)

    @property
    def audio_kbps(self) -> float:
        """What the sound takes, over the length of the video."""
        return self._rate(self.bits.audio)

    @property
    def motion_kbps(self) -> float:
        """What is sent in place of pixels."""
        return self._rate(self.bits.motion)

    @property
    def raw_motion_kbps(self) -> float | None:
        """The same, were each keypoint that is sent two floats of 4 bytes, as Agarwal et al. (BMVC
        2022) count; None where there are no keypoints."""
        motion = self.header.motion
        if not isinstance(motion, Keypoints):
            return None
        return self._rate(RAW_KEYPOINT * motion.number * self.sent)

    def _rate(self, bits: int) -> float:
        return float(bits * self.header.fps / self.frames / 1000) if self.frames else 0.0

    def to_json(self) -> dict[str, object]:
        h, raw = self.header, self.raw_motion_kbps
        return {
            "frames": self.frames, "fps": str(h.fps), "width": h.width, "height": h.height,
            "kbps": round(self.kbps, 4), "audio_kbps": round(self.audio_kbps, 4),
            "bytes": self.bytes, "bits": vars(self.bits),
            "mode": h.mode.name.lower(), "model": f"{h.model}-{h.model_hash}" if h.model else None,
            "tune": h.tune.name.lower(), "base_codec": h.base_codec.name.lower(),
            "refreshes": self.refreshes, "base_scale": h.base_scale,
            "motion": str(h.motion) if h.motion else None, "every": h.every, "sent": self.sent,
            "landmarks": self.landmarks,
            "motion_kbps": round(self.motion_kbps, 4),
            "raw_motion_kbps": None if raw is None else round(raw, 4),
            "number_format": h.number_format.name.lower(), "live": h.live,
            "variable_frame_rate": bool(h.clock),
            "qp_intra": [q[0] for q in self.qps], "qp_base": [q[1] for q in self.qps],
        }  # fmt: skip


def encode(
    pictures: Iterable[Picture],
    width: int,
    height: int,
    fps: Rate = 25,
    config: EncoderConfig | None = None,
    colour: Colour | None = None,
    progress: Callable[[int], object] | None = None,
    frames: int | None = None,
    on_shown: Callable[[Shown], object] | None = None,
    times: Sequence[int] | None = None,
    audio: Iterable[OpusPacket] = (),
    on_note: Callable[[str], object] | None = None,
) -> bytes:
    """An .hdac stream of all pictures.

    width, height: of the source in pixels; fps: frames per second. frames: their number, if known
    (saves time); progress: told how many are coded; on_shown: told what the decoder will show of
    each; times: when each is shown, in ms, growing (a variable frame rate); audio: the sound, in
    the order of time; on_note: told what a user should know of the pictures. A bit rate is that of
    the video alone.
    Raises `UsageError` for settings or pictures that cannot be coded.
    """
    config, rate = config or EncoderConfig(), parse_rate(fps)
    config, pictures = fit(config, pictures, width, height, rate)
    frames = len(pictures) if isinstance(pictures, Spool) else frames
    clock = CLOCK if times is not None else 0
    at = chain(() if times is None else times, repeat(None))
    with Encoder(width, height, rate, config, colour, frames, clock, on_shown) as encoder:
        data = encoder.stream(pictures, at, progress, audio)
        if on_note is not None:
            for note in encoder.notes:
                on_note(note)
        return data


def decode(
    data: bytes,
    level: Level = "fused",
    device: str = "cpu",
    strict: bool = False,
    max_pixels: int = MAX_PIXELS,
    between: Between = "motion",
    rotate: Turn | None = None,
) -> Iterator[Frame]:
    """The frames of an .hdac stream, as far as they verify.

    Raises `StreamError` where nothing can be decoded, `IncompleteError` at the end where something
    is missing. strict: damage raises `StreamError`, that which checksums find before the first
    frame. between, rotate: of `Decoder`.
    """
    if strict:
        _verify(data)
    reader, found, given = StreamReader(strict), Damage(), 0
    groups = reader.groups(data)
    next(groups, None)  # its header
    if reader.header is None:
        reader.close()
    assert reader.header is not None
    with Decoder(reader.header, level, device, max_pixels, between, rotate) as decoder:
        for packet in chain(chain.from_iterable(groups), [None]):
            try:
                frames = decoder.flush() if packet is None else decoder.push(packet)
            except StreamError as error:
                if strict:
                    raise
                found.append(str(error))
                continue
            given += len(frames)
            yield from frames
    reader.close()
    damage = reader.damage.joined(found)
    if damage and not given:
        raise StreamError(damage[0])
    if damage:
        raise incomplete(given, damage)


def _verify(data: bytes) -> None:
    """Raises `StreamError` for what checksums find."""
    reader = StreamReader()
    for _ in reader.groups(data):
        pass
    reader.close()


def base_units(data: bytes, max_pixels: int = MAX_PIXELS) -> Iterator[bytes]:
    """The base layer's access units, exactly as the base encoder wrote them (Annex B); of a mixed
    one, as plain HEVC. Raises `StreamError`."""
    header, packets = read_stream(data)
    check_size(header, max_pixels)
    base, plain = BaseReader(header), PlainHevc(*header.base_size, header.base_scale)
    for packet in packets:
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            read = base.read(packet)
            if read.gop_start:
                plain = PlainHevc(*header.base_size, header.base_scale)
            mixed = header.base_codec is BaseCodec.MIXED
            yield from map(plain.convert, read.units) if mixed else read.units


def inspect(data: bytes, max_pixels: int = MAX_PIXELS) -> StreamInfo:
    """Reads a whole stream, of its base layer only what its rate's split needs. Raises
    `StreamError`."""
    header, packets = read_stream(data)
    check_size(header, max_pixels)
    base, enhancement = BaseReader(header), EnhancementReader(header)
    frames = sent = 0
    totals = dict.fromkeys(("base", "reference", "motion", "fusion", "audio"), 0.0)
    qps, landmarks = list[tuple[int, int]](), list[int]()
    for packet in packets:
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            read = base.summary(packet)
            frames += read.frames if packet.type is PacketType.BASE else 0
            if read.gop_start:
                qps.append((read.qp_intra, read.qp_base))
            totals["reference"] += read.intra_bits
            totals["base"] += read.bits - read.intra_bits
        elif packet.type is PacketType.ENHANCEMENT:
            enhanced = enhancement.read(packet)
            frames += len(enhanced.frames) if header.mode is Mode.ANIMATION else 0
            sent += sum(frame.share is None for frame in enhanced.frames)
            if enhanced.gop_start and isinstance(header.motion, LandmarkSets):
                landmarks.append(len(enhanced.frames[0].parameters))
            totals["motion"] += enhanced.motion_bits
            totals["fusion"] += enhanced.fusion_bits
        elif packet.type is PacketType.AUDIO:
            parse_audio(packet.payload, 0)
            totals["audio"] += 8 * len(stored(packet, header.live))
    whole = {name: round(bits) for name, bits in totals.items()}
    bits = Bits(header=8 * len(data) - sum(whole.values()), **whole)
    refreshes = max(0, len(qps) - 1)
    return StreamInfo(
        header, frames, len(data), bits, refreshes, tuple(qps), sent, tuple(landmarks)
    )


def video_info(header: Header, path: Path) -> VideoInfo:
    """What a writer must know of a stream."""
    return VideoInfo(path, header.width, header.height, header.fps, None, *header.colour)


def frame_bits(data: bytes) -> dict[str, list[float]]:
    """Bits of each frame: of its base picture, and of its motion and fusion (what `Bits` sums;
    framing left out). In mode `animation` the reference's bits stand at the first frame that it
    serves. Raises `StreamError`."""
    header, packets = read_stream(data)
    base, enhancement = BaseReader(header), EnhancementReader(header)
    pictures, network = list[float](), list[float]()
    for packet in packets:
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            if packet.type is PacketType.REFERENCE:
                pictures += [0.0] * (len(network) - len(pictures))
            pictures += base.read(packet).frame_bits
        elif packet.type is PacketType.ENHANCEMENT:
            network += enhancement.read(packet).frame_bits
    frames = max(len(pictures), len(network))
    return {
        layer: bits + [0.0] * (frames - len(bits))
        for layer, bits in (("base", pictures), ("motion and fusion", network))
    }
