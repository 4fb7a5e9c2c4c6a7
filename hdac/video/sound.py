"""Sound in and out: what libav opens to Opus, samples to Opus, Opus to samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from hdac.errors import ToolError, UsageError
from hdac.video.opus import KBPS, RATE, TICK, OpusPacket, check_kbps, opus_ticks

#: Samples `(N,)`, float32 in [-1, 1], mono.
Samples = npt.NDArray[np.float32]

_ENCODER = "libopus"
#: Samples of a packet, 60 ms: at 20 ms a tenth of 8 kbit/s would be TOC bytes and lengths.
_FRAME = RATE * 60 // 1000
#: Samples by which a source's time stamps may stray before silence fills or samples give way.
_SLACK = RATE // 100
#: Gaps of more samples are not filled.
_LONGEST_FILL = RATE
#: Samples so far from the first picture are left out: ten days.
_FARTHEST = 864_000 * RATE


class OpusEncoder:
    """Mono samples, 48000 a second, to Opus packets of 60 ms, as they come.

    start: when the first sample is played, in 1/48000 s after the first picture (before: negative).
    kbps: 6 to 64 kbit/s. Raises `UsageError` for other rates, `ToolError` where libav has no
    encoder.
    """

    def __init__(self, start: int = 0, kbps: float = KBPS) -> None:
        if _ENCODER not in av.codecs_available:
            raise ToolError(f"PyAV has no {_ENCODER} here: install PyAV's wheel (pip install av)")
        check_kbps(kbps)
        context = av.CodecContext.create(_ENCODER, "w")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout, context.format = RATE, "mono", "flt"
        context.time_base, context.bit_rate = Fraction(1, RATE), round(1000 * kbps)
        context.options = {"application": "voip", "frame_duration": "60"}
        context.open()
        self._context = context
        assert context.extradata is not None
        self._delay = int.from_bytes(context.extradata[10:12], "little")  # pre-skip of OpusHead
        self._time, pad = divmod(start - self._delay, TICK)
        self._waiting = np.zeros(pad, np.float32)
        self._count = 0

    def push(self, samples: Samples) -> list[OpusPacket]:
        waiting, out = np.concatenate([self._waiting, samples]), list[OpusPacket]()
        whole = len(waiting) // _FRAME * _FRAME
        for start in range(0, whole, _FRAME):
            out += self._encode(waiting[start : start + _FRAME])
        self._waiting = waiting[whole:]
        return out

    def flush(self) -> list[OpusPacket]:
        """The rest, filled up with silence."""
        missing = -(len(self._waiting) + self._delay) % _FRAME + self._delay
        return self.push(np.zeros(missing, np.float32))

    def _encode(self, samples: Samples) -> Iterator[OpusPacket]:
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = self._count
        self._count += _FRAME
        for packet in self._context.encode(frame):
            data = bytes(packet)
            yield OpusPacket(self._time, data)
            self._time += opus_ticks(data)


def encode_audio(samples: Samples, rate: int = RATE, kbps: float = KBPS) -> list[OpusPacket]:
    """Opus packets of samples `(N,)` in [-1, 1], the first of which is played with the first
    picture. rate: of the samples, per second; kbps: 6 to 64 kbit/s. Raises `UsageError`."""
    given = np.asarray(samples, np.float32)
    if given.ndim != 1 or not 1000 <= rate <= 384_000:
        raise UsageError(
            f"samples {given.shape} at {rate} a second; a one-dimensional array is needed, at 1000 "
            "to 384000"
        )
    encoder, resampler = OpusEncoder(0, kbps), mono()
    packets = list[OpusPacket]()
    for start in range(0, len(given), rate):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(given[None, start : start + rate]), format="flt", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        for out in resampler.resample(frame):
            packets += encoder.push(samples_of(out))
    for out in resampler.resample(None):
        packets += encoder.push(samples_of(out))
    return packets + encoder.flush() if len(given) else []


class OpusDecoder:
    """Opus packets to samples, as they come."""

    def __init__(self) -> None:
        context = av.CodecContext.create("opus", "r")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout = RATE, "mono"
        self._context = context

    def push(self, packet: OpusPacket) -> Samples:
        """`(N,)`, mono, 48000 a second; none where it cannot be decoded."""
        try:
            frames = self._context.decode(av.Packet(packet.data))
        except av.error.FFmpegError:
            frames = []
        return np.concatenate([np.zeros(0, np.float32), *map(samples_of, frames)])


def decode_audio(packets: Iterable[OpusPacket]) -> Iterator[tuple[Fraction, Samples]]:
    """Of each Opus packet when it is played, in seconds after the first picture, and its samples
    `(N,)`, mono, 48000 a second. What cannot be decoded is left out."""
    decoder = OpusDecoder()
    for packet in packets:
        if len(samples := decoder.push(packet)):
            yield Fraction(packet.time * TICK, RATE), samples


def mono() -> av.AudioResampler:
    """To what `OpusEncoder` takes."""
    return av.AudioResampler(format="flt", layout="mono", rate=RATE)


def samples_of(frame: av.AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray(), np.float32).reshape(-1)


# ---- sources


@dataclass
class Sound:
    """The sound of a source. notes: what was left out; damage: what could not be read."""

    packets: list[OpusPacket] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def read_sound(target: str, zero: Fraction, end: Fraction | None, kbps: float) -> Sound:
    """The best audio stream of a file that libav opens, as Opus.

    zero: time of the first picture in the file, in seconds; end: of the last picture that is coded,
    in seconds after the first: what is later is cut off. kbps: 6 to 64 kbit/s.
    """
    sound = Sound()
    with av.open(target, metadata_errors="replace") as container:
        streams = container.streams
        decodable = [s for s in streams.audio if s.codec_context is not None]
        if not decodable:
            if streams.audio:
                sound.notes.append("audio is not coded: no decoder for it here")
            return sound
        if _ENCODER not in av.codecs_available:
            sound.notes.append(f"audio is not coded: PyAV has no {_ENCODER} here")
            return sound
        best = streams.best("audio")
        stream = best if isinstance(best, av.AudioStream) and best in decodable else decodable[0]
        for other in streams.audio:
            if other is not stream:
                sound.notes.append(f"audio stream {other.index} is left out")
        source = _Decoded(container, stream)
        line = Timeline(kbps, None if end is None else round(end * RATE))
        for at, samples in source.samples():
            if at is not None and end is not None and at - zero > end:
                break
            line.add(None if at is None else round((at - zero) * RATE), samples)
        line.end()
        sound.packets = line.take()
        if source.damaged:
            sound.damage.append(
                f"audio: {source.damaged} packets could not be decoded: silent there"
            )
        if source.cut:
            sound.damage.append("audio: the file is cut short")
        if line.stray:
            sound.damage.append(
                "audio: what overlaps, or is ten days from the pictures, is left out"
            )
    return sound


class _Decoded:
    """The samples of a stream, mono at 48 kHz, as far as it can be decoded."""

    def __init__(self, container: Any, stream: av.AudioStream) -> None:
        self._container, self._stream = container, stream
        self.damaged, self.cut = 0, False

    def samples(self) -> Iterator[tuple[Fraction | None, Samples]]:
        """Each with the time of its first one, in seconds, None if unknown."""
        resampler, form = mono(), None
        for frame in self._frames():
            now = frame.format.name, frame.layout.name, frame.sample_rate
            if now != (form or now):
                yield from self._resampled(resampler, None)
                resampler = mono()
            form = now
            yield from self._resampled(resampler, frame)
        if form is not None:
            yield from self._resampled(resampler, None)

    def _resampled(
        self, resampler: av.AudioResampler, frame: av.AudioFrame | None
    ) -> list[tuple[Fraction | None, Samples]]:
        try:
            return [_timed(out) for out in resampler.resample(frame)]
        except (av.error.FFmpegError, ValueError):  # a layout that nobody can mix
            self.damaged += 1
            return []

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except av.error.EOFError:
                continue
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            yield from frames

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        while True:
            try:
                yield from self._container.demux(self._stream)
                return
            except IndexError:  # PyAV's, at the first packet of a stream that begins later
                continue
            except av.error.FFmpegError:
                self.cut = True
                yield None
                return


def _timed(frame: av.AudioFrame) -> tuple[Fraction | None, Samples]:
    if frame.pts is None or not frame.time_base:
        return None, samples_of(frame)
    return frame.pts * frame.time_base, samples_of(frame)


class Timeline:
    """Puts samples where they belong: short gaps are filled with silence, long ones stay.

    kbps: 6 to 64 kbit/s; end: what is later is cut off, in 1/48000 s.
    """

    def __init__(self, kbps: float, end: int | None = None) -> None:
        self._kbps, self._end = kbps, end
        self._packets = list[OpusPacket]()
        self._encoder: OpusEncoder | None = None
        self._at = 0  # where the next sample is played, in 1/48000 s
        self.stray = False

    def add(self, at: int | None, samples: Samples) -> None:
        """at: when the first sample is played; None: after the last one."""
        at = self._at if at is None else at
        gap = at - self._at
        if abs(at) > _FARTHEST:
            self.stray = True
            return
        if self._encoder is None or gap > _LONGEST_FILL:
            self.end()
            self._at = at
        elif gap > _SLACK:
            self._push(np.zeros(gap, np.float32))
        elif gap < -_SLACK:
            samples = samples[-gap:]
            self.stray |= not len(samples)
        self._push(samples)

    def _push(self, samples: Samples) -> None:
        if self._end is not None:
            samples = samples[: max(0, self._end - self._at)]
        if not len(samples):
            return
        if self._encoder is None:
            self._encoder = OpusEncoder(self._at, self._kbps)
        self._packets += self._encoder.push(samples)
        self._at += len(samples)

    def end(self) -> None:
        """What was added is all, up to a gap."""
        if self._encoder is not None:
            self._packets += self._encoder.flush()
            self._encoder = None

    def take(self) -> list[OpusPacket]:
        """The packets since the last call."""
        taken, self._packets = self._packets, []
        return taken
