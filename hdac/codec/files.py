"""Files on top of `Encoder` and `Decoder`: bytes in, bytes out, and what is inside an .hdac file."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from hdac.bitstream.container import BaseCodec, Colour, ContainerReader, ContainerWriter, Header, Mode, PacketType
from hdac.codec.config import DEFAULT_QP_BASE, EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.encoder import Encoder, padding_multiple
from hdac.codec.fuser import Fuser
from hdac.codec.operating import ENHANCEMENT_KBPS, point_for
from hdac.codec.syntax import MAX_FRAMES, BaseReader, BaseWriter, EnhancementReader, EnhancementWriter, base_size
from hdac.errors import UsageError
from hdac.layers.base import QP_MAX, BaseConfig
from hdac.layers.codecs import open_base, told_cascade
from hdac.layers.mixed import PlainHevc
from hdac.layers.quantiser import LEVELS, quantise
from hdac.layers.resample import pad_to, shrink
from hdac.nets.arithmetic import pick_device
from hdac.nets.zoo import find_model, load_model
from hdac.video.picture import Picture

Progress = Callable[[int], None]
#: Frames that the bit rate search looks at.
SEARCH_FRAMES = 300


@dataclass(frozen=True)
class Bits:
    """Where a file's bits went. Inside range-coded bytes the split is by information content, rounded to whole bits; what
    remains (file header, packet heads, checksums, rounding to bytes) is `header`. The sum is the file's size exactly."""

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
    qps: tuple[tuple[int, int], ...]  # (qp_ref, qp_base) of each GOP

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
            "qp_ref": [q[0] for q in self.qps], "qp_base": [q[1] for q in self.qps],
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
    """An .hdac stream of all pictures. `frames`: their number, if known (saves time); `progress` is told each frame's index;
    `watch` is called with the encoder after each frame (to take its `shown` pictures).

    Raises `UsageError` for settings or pictures that cannot be coded.
    """
    config = config or EncoderConfig()
    config, pictures = fit_rate(config, pictures, width, height, fps, frames)
    encoder = Encoder(width, height, fps, replace(config, packet_frames=config.packet_frames or MAX_FRAMES), colour)
    if frames:
        encoder.frames_ahead = frames
    out = io.BytesIO()
    writer = ContainerWriter(out, encoder.header)
    count = checked = 0
    for count, picture in enumerate(pictures, 1):
        for packet in encoder.push(picture):
            starts = packet.gop_start and packet.type is not PacketType.ENHANCEMENT
            if writer.pending and packet.type is not PacketType.ENHANCEMENT and (starts or count - checked > MAX_FRAMES):
                writer.close_group()
                checked = count
            writer.write(packet)
        if watch:
            watch(encoder)
        else:
            encoder.shown.clear()
        if progress:
            progress(count)
    if not count:
        raise UsageError("0 frames; at least 1 is needed")
    for packet in encoder.flush():
        writer.write(packet)
    if watch:
        watch(encoder)
    writer.close_group(last=True)
    return out.getvalue()


def decode(data: bytes, level: Level = "fused", device: str = "auto") -> Iterator[Frame]:
    """The frames of an .hdac stream. Raises `StreamError` where it is damaged (after the frames before that place)."""
    reader = ContainerReader(data)
    decoder = Decoder(reader.header, level, device)
    for packet in reader.packets():
        yield from decoder.push(packet)
    yield from decoder.flush()


def base_units(data: bytes) -> Iterator[bytes]:
    """The base layer's access units, exactly as the base encoder wrote them (Annex B); of a mixed one, as plain HEVC.

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
                qps.append((read.qp_ref, read.qp_base))
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
    """Bits of each frame: of its base picture, and of its motion and fusion (what `Bits` sums; framing left out).

    In mode `animation` the reference's bits stand at the first frame that it serves. Raises `StreamError`.
    """
    reader = ContainerReader(data)
    base, enhancement = BaseReader(reader.header), EnhancementReader(reader.header)
    out: dict[str, list[float]] = {"base": [], "motion and fusion": []}
    for packet in reader.packets():
        if packet.type is PacketType.BASE:
            out["base"] += base.read(packet).frame_bits
        elif packet.type is PacketType.REFERENCE:
            out["base"] += [0.0] * (len(out["motion and fusion"]) - len(out["base"])) + base.read(packet).frame_bits
        elif packet.type is PacketType.ENHANCEMENT:
            out["motion and fusion"] += enhancement.read(packet).frame_bits
    frames = max(map(len, out.values()))
    return {layer: bits + [0.0] * (frames - len(bits)) for layer, bits in out.items()}


# ---- bit rate


def fit_rate(
    config: EncoderConfig, pictures: Iterable[Picture], width: int, height: int, fps: Fraction, frames: int | None
) -> tuple[EncoderConfig, Iterable[Picture]]:
    """Settings whose QPs meet `config.kbps` on these pictures (on the first `SEARCH_FRAMES` of them), and the pictures.

    The table of operating points starts the search; the thinned base layer of each candidate is measured, what motion and
    framing cost is added as a constant. Without a target rate nothing is read ahead.
    """
    target = config.animation_kbps if config.mode == "animation" else config.kbps
    if target is None:
        return config, pictures
    source = iter(pictures)
    ahead = list(itertools.islice(source, SEARCH_FRAMES))
    everything = itertools.chain(ahead, source)
    if not ahead:
        return config, everything
    if config.mode == "animation":
        seconds = float((frames or len(ahead)) / fps)
        moving = _motion_kbps(config, ahead, fps)
        qp = _search(lambda qp: _still_kbits(config, ahead[0], qp, width, height, fps) / seconds + moving, target, 34)
        # a second reference would double the rate that was asked for
        refresh = "never" if config.refresh == "auto" else config.refresh
        return replace(config, kbps=None, qp_ref=qp, refresh=refresh), everything
    start = point_for(target, width * height * float(fps)).qp_base
    best = _search(lambda qp: _base_kbps(config, ahead, qp, config.qp_ref, width, height, fps), target, start)
    ref = config.ref_for(best)
    if best == QP_MAX and config.qp_ref is None:  # very low rates: the first picture must give way too
        ref = max(ref, _search(lambda qp: _base_kbps(config, ahead, QP_MAX, qp, width, height, fps), target, ref))
    return replace(config, kbps=None, qp_base=best, qp_ref=ref), everything


def _search(rate: Callable[[int], float], target: float, start: int) -> int:
    """The QP in 0 .. 51 whose rate is nearest to `target` (in ratio); the rate falls with the QP by about 12 % a step."""
    known: dict[int, float] = {}
    qp = min(QP_MAX, max(0, start))
    while qp not in known:
        known[qp] = rate(qp)
        step = round(math.log(known[qp] / target) / math.log(1.12))
        above = [q for q in known if known[q] > target]
        below = [q for q in known if known[q] <= target]
        low, high = max(above, default=-1) + 1, min(below, default=QP_MAX + 1) - 1
        if low > high:
            break
        qp = min(high, max(low, qp + (step or (1 if known[qp] > target else -1))))
        qp = min(QP_MAX, max(0, qp))
    return min(known, key=lambda q: abs(math.log(known[q] / target)))


def _enhancement_kbps(config: EncoderConfig, fps: Fraction) -> float:
    return 0.0 if config.mode == "base" else ENHANCEMENT_KBPS * float(fps) / 25


def _base_kbps(
    config: EncoderConfig, pictures: list[Picture], qp: int, qp_ref: int | None, width: int, height: int, fps: Fraction
) -> float:
    """Rate of one GOP of all pictures, thinned."""
    ref = config.ref_for(qp) if qp_ref is None else qp_ref
    multiple, scale = padding_multiple(config.base_scale), config.base_scale
    w, h = (side + -side % multiple for side in (width, height))
    settings = BaseConfig(w // scale, h // scale, fps, ref, qp, config.offsets, config.preset)
    base = open_base(config.codec, settings, config.ffmpeg, len(pictures))
    writer = BaseWriter(config.codec, len(told_cascade(config.codec, config.offsets)))
    writer.start(ref, qp)
    coded = [c for p in pictures[:: config.frame_step] for c in base.push(shrink(pad_to(p, multiple), scale))] + base.flush()
    for picture in coded:
        writer.add(picture.data)
    size = sum(len(p.tobytes()) for p in writer.take()) + 45
    return float(size * 8 * fps / len(pictures) / 1000) + _enhancement_kbps(config, fps)


def _still_kbits(config: EncoderConfig, first: Picture, qp: int, width: int, height: int, fps: Fraction) -> float:
    """Size of the file without its keypoints, kbit."""
    single = replace(config, frame_step=1, mode="base", base_codec=config.codec)
    return _base_kbps(single, [first], DEFAULT_QP_BASE, qp, width, height, fps) / float(fps)


def _motion_kbps(config: EncoderConfig, pictures: list[Picture], fps: Fraction) -> float:
    """Rate of the keypoints: 0.2 to 1 kbps, as much as the head moves."""
    fuser = Fuser(load_model(find_model(config.weights)), pick_device(config.device), bf16=False, keypoints=config.keypoints)
    found = [fuser.keypoints(pad_to(p, padding_multiple(config.base_scale))) for p in pictures]
    writer, last = EnhancementWriter(fuser.count, LEVELS, switched=False), None
    for future in found:
        last = quantise(future.result(), last)
        writer.add(last, True)
    size = sum(len(p.tobytes()) for p in writer.take())
    return float(size * 8 * fps / len(pictures) / 1000)
