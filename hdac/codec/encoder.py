"""The encoder: pictures in, packets out; it also knows every picture that the decoder will show."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from hdac.bitstream.container import (
    MAX_LIVE_GOP,
    Colour,
    Header,
    Mode,
    Packet,
    PacketType,
    frame_packet,
)
from hdac.bitstream.stream import StreamWriter
from hdac.closing import Closing, check_process
from hdac.codec.audio import AudioWriter
from hdac.codec.config import EncoderConfig, check_kbps
from hdac.codec.control import LandmarkController, RateController, framing
from hdac.codec.intake import check_picture, check_time
from hdac.codec.modes import Analysed, Coming, Made, Shown, open_mode
from hdac.codec.plan import make_plan
from hdac.codec.syntax import BaseWriter, EnhancementWriter, TimesWriter
from hdac.codec.trial import trial_coded
from hdac.errors import UsageError
from hdac.layers.base import GOP_MAX, QP_MAX, BaseConfig, BaseEncoder, CodedPicture
from hdac.layers.codecs import open_base
from hdac.layers.reference import FLASH, RefreshPolicy, quality
from hdac.layers.resample import pad_to, to_size
from hdac.video.opus import OpusPacket
from hdac.video.picture import Picture
from hdac.video.rate import Rate, parse_rate

#: A GOP whose QPs may change says in its header that they are so much lower than what is expected
#: to do: networks bear to be told too low a QP, not too high a one (docs/measured/layers.md).
_HEADROOM = 8
#: What the first pictures of later GOPs have more than usual: a line has no room for bursts.
_CALMER = 4
#: Seconds between the start of a GOP and one by request, at least: first pictures are dear.
_REQUEST = Fraction(1, 2)


class _Running(NamedTuple):
    """A frame whose network's picture is being made (None: it has none)."""

    frame: Analysed
    base: Picture
    made: Made | None


class Encoder(Closing):
    """`push` pictures, `flush` at the end; both return the packets that are ready. A context
    manager: `close` ends its threads.

    In live streams a frame's packets come at once where there is one core, and with the next frame
    where there are more: two frames are in the making then. In others a packet has many frames, and
    with refresh "auto" a frame waits for the next three, which tell a flash from a scene cut. The
    first frame of a GOP takes 1 to 3 s with base codec "mixed"; with "vvc" nothing comes before the
    GOP is complete.

    width, height: the source's size in pixels (odd sizes: pictures come padded to even); fps:
    frames per second, an int, float, str or Fraction. Pictures are 8-bit limited-range 4:2:0.
    frames: how many will come, if known (saves time). clock: ticks per second of the times that
    `push` is given; 0: the frame rate is constant. on_shown: told of each frame, in order, what the
    decoder will show.
    Raises `UsageError` for settings that cannot be.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: Rate = 25,
        config: EncoderConfig | None = None,
        colour: Colour | None = None,
        frames: int | None = None,
        clock: int = 0,
        on_shown: Callable[[Shown], object] | None = None,
    ) -> None:
        config = config or EncoderConfig()
        network = synthesiser = None
        if config.mode != "base":
            from hdac.codec.synthesiser import Synthesiser, network_for

            network = network_for(
                config.network, config.mode, config.tune, config.precision, config.device,
                config.base_scale or 1,
            )  # fmt: skip
        self.plan = plan = make_plan(
            config, width, height, parse_rate(fps), colour, network, frames, clock
        )
        header = plan.header
        self._enhancement: EnhancementWriter | None = None
        self._synthesiser: Synthesiser | None = None
        if network is not None and header.motion is not None:
            synthesiser = Synthesiser(network, header.motion, config.device, fps=float(header.fps))
            self._enhancement, self._synthesiser = EnhancementWriter(header), synthesiser
        self._landmarks: LandmarkController | None = None
        if network is not None and config.motion_kbps is not None:
            most, numbers = config.motion_kbps, network.landmark_counts
            first = config.keypoints or network.usual
            self._landmarks = LandmarkController(most, float(header.fps), numbers, first)
        self._mode = open_mode(plan, synthesiser, on_shown is not None)
        self._on_shown = on_shown
        least = max(1, round(header.fps * _REQUEST))
        self._policy = RefreshPolicy(plan.refresh, plan.gop_frames, least)
        # pictures and their times, not coded yet; how many may wait
        self._ahead: deque[tuple[Picture, int]] = deque()
        looks = plan.refresh in ("auto", "drift") and not header.live
        self._lookahead = FLASH if looks else 0
        kind = PacketType.REFERENCE if header.mode is Mode.ANIMATION else PacketType.BASE
        self._base_writer = BaseWriter(header, kind)
        self._times = TimesWriter() if header.clock and not header.live else None
        self._control: RateController | None = None
        if plan.kbps is not None:
            self._control = RateController(
                plan.kbps, float(header.fps), plan.base.qp_base, header.cascade,
                framing(header.live, network is not None), MAX_LIVE_GOP if header.live else GOP_MAX,
            )  # fmt: skip
        self._config: BaseConfig | None = None  # of the present GOP
        self._base: BaseEncoder | None = None
        self._waiting: deque[Analysed] = deque()  # for their base pictures
        self._running: deque[_Running] = deque()
        self._held: tuple[Picture, int] | None = None  # the last base picture and its QP
        self._index = self._coded = self._count = 0
        self._packet_frames = self._sequence = 0
        self._ready: deque[Packet] = deque()  # of the base layer, whose frames are in the making
        self._packet_time, self._last_time = 0, -1
        self._finished = self._taken = 0  # times of the last frames that are coded, in packets
        self._sound = AudioWriter(header)
        self._closed, self._process = False, os.getpid()

    @property
    def header(self) -> Header:
        return self.plan.header

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the pictures so far."""
        missed = 0 if self._synthesiser is None else self._synthesiser.missed
        if not missed:
            return ()
        return (
            f"no face in {missed} of {self._count} pictures: mode animation leaves them as the one "
            "before; use mode hybrid or base",
        )

    @property
    def delay(self) -> int:
        """How many later frames a live stream's packet waits for: 0 or 1."""
        return self._mode.in_flight

    def close(self) -> None:
        """Ends the encoder's threads; frames that were not flushed are lost."""
        self._closed = True
        self._mode.close()
        if self._base is not None:
            self._base.close()
            self._base = None

    def request_refresh(self) -> None:
        """The next picture starts a GOP: a receiver has lost what others need. However often it is
        asked for, half a second passes between two starts; what was asked for before waits."""
        self._policy.request()

    def set_bitrate(self, bps: float) -> None:
        """The target rate from the next picture on, 500 to 5,000,000 bit/s. Raises `UsageError`,
        also where the encoder was opened without a rate."""
        check_kbps(bps / 1000)
        if self._control is None:
            raise UsageError(
                f"bit rate {bps:g}: this encoder holds none (QPs, or mode animation); open it with "
                "kbps"
            )
        self._control.set_target(bps / 1000)

    def push(self, picture: Picture, time: int | None = None) -> list[Packet]:
        """Codes one picture, of which it takes a copy. `time`: when it is shown, in ticks of the
        clock; None: at the frame rate. Raises `UsageError` if it is not of the announced size, if
        its time is not after the last one's, or after `flush`; then it is as if it never came."""
        check_process(self._process)
        self._check_open()
        check_picture(self.header, picture)
        check_time(self.header, time, self._last_time)
        at = self._count if time is None else time
        self._last_time = at
        self._count += 1
        self._ahead.append((picture.copy(), at))  # callers reuse their buffers
        return self._with_sound(self._code_next()) if len(self._ahead) > self._lookahead else []

    def push_audio(self, audio: Iterable[OpusPacket]) -> None:
        """The next Opus packets of the sound, in the order of time. They come out of `push` and
        `flush` behind the packets of the frames that they are played with. Raises `UsageError` for
        others, and after `flush`."""
        self._check_open()
        for packet in audio:
            self._sound.push(packet)

    def _code_next(self) -> list[Packet]:
        """Codes the oldest picture that waits."""
        picture, at = self._ahead.popleft()
        packets: list[Packet] = []
        source = pad_to(picture, 2 * self.header.base_scale)
        found = self._mode.analyse(source)
        following = [following for following, _ in self._ahead]
        coming = Coming(self._index, source, found, at)
        if self._policy.wants(picture, following, lambda: self._mode.outdated(coming)):
            packets += self._end_gop()
            self._start_gop(picture)
            coming = coming._replace(number=0)
        coded: list[CodedPicture] = []
        if self._mode.has_base(self._index):
            assert self._base is not None
            assert self._config is not None
            repeats = self._index > 0 and self._control is not None and self._control.repeats
            given = self._last if repeats else source
            size = self._config.size(self._index)
            coded = self._base.push(to_size(given, *size), self._offset())
            if self.plan.refresh == "drift":  # pictures are judged as they come
                coded += self._base.flush()
        self._waiting += self._mode.take(coming)
        self._index += 1
        return packets + self._code_all(coded)

    def flush(self) -> list[Packet]:
        """Codes what is still waiting; the stream is complete then."""
        check_process(self._process)
        packets = [packet for _ in range(len(self._ahead)) for packet in self._code_next()]
        packets += self._end_gop()
        self.close()
        return self._with_sound(packets, last=True)

    def stream(
        self,
        pictures: Iterable[Picture],
        times: Iterable[int | None],
        progress: Callable[[int], object] | None = None,
        audio: Iterable[OpusPacket] = (),
    ) -> bytes:
        """All pictures, pushed and flushed: a whole stream. `progress`: told how many are pushed;
        `audio`: the sound, in the order of time. Raises `UsageError`, also where there are no
        pictures."""
        out, count = io.BytesIO(), 0
        self.push_audio(audio)
        with StreamWriter(out, self.header) as writer:
            for count, (picture, time) in enumerate(zip(pictures, times, strict=False), 1):
                for packet in self.push(picture, time):
                    writer.write(packet)
                if progress is not None:
                    progress(count)
            if not count:
                raise UsageError("0 frames; at least 1 is needed")
            for packet in self.flush():
                writer.write(packet)
        return out.getvalue()

    def _with_sound(self, packets: list[Packet], last: bool = False) -> list[Packet]:
        """Packets of frames and the sound up to their end, which is not counted: its loss is none
        of a frame."""
        due = packets or last
        return packets + (self._sound.take(self._taken, last, self._sequence - 1) if due else [])

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("the encoder was flushed or closed: open another one for more frames")

    # ---- GOPs

    def _start_gop(self, first: Picture) -> None:
        header = self.header
        choice, adaptive = self.plan.base, False
        if self._control is not None:
            choice = choice.at(self._control.qp_base)
            if self._held is not None:
                choice = choice._replace(qp_intra=min(QP_MAX, choice.qp_intra + _CALMER))
            if adaptive := choice.codec != "vvc" and choice.encoder == "x265":
                choice = choice._replace(qp_base=max(0, choice.qp_base - _HEADROOM))
            if header.live:
                choice = trial_coded(first, self.plan, choice, self._control)
        self._config = replace(choice.config(header), adaptive=adaptive)
        pictures = 1 if header.mode is Mode.ANIMATION else self.plan.gop_frames
        self._base = open_base(choice.codec, self._config, self.plan.ffmpeg, pictures)
        self._base_writer.start(choice.qp_intra, choice.qp_base)
        for writer in (self._enhancement, self._times):
            if writer is not None:
                writer.start()
        if self._landmarks is not None and self._synthesiser is not None:
            self._synthesiser.send(self._landmarks.start())
        self._mode.start()
        self._policy.start()
        self._index = self._coded = 0

    def _end_gop(self) -> list[Packet]:
        packets: list[Packet] = []
        if self._base is not None:
            self._waiting += self._mode.rest()
            packets = self._code_all(self._base.flush())
            self._base.close()
            self._base = None
        return packets + self._settle(0) + self._take()

    # ---- frames

    def _code_all(self, coded: list[CodedPicture]) -> list[Packet]:
        """Waiting frames in order, as far as those that have base pictures got them."""
        packets, came = list[Packet](), deque(coded)
        while self._waiting:
            has_base = self._mode.has_base(self._waiting[0].number)
            if has_base and not came:
                break
            packets += self._code(self._waiting.popleft(), came.popleft() if has_base else None)
        return packets

    def _code(self, frame: Analysed, coded: CodedPicture | None) -> list[Packet]:
        """A frame whose base picture is there (None: it has none of its own)."""
        if coded is not None:
            assert self._config is not None
            self._last = coded.picture
            base = to_size(coded.picture, *self.header.padded_size)
            self._policy.report(quality(base, frame.source), 8 * len(coded.data))
            self._held = base, self._config.qp(self._coded)
        assert self._held is not None
        base, qp = self._held
        made = self._mode.synthesise(frame, base, qp)
        self._running.append(_Running(frame, base, made))
        if coded is not None:
            self._write(coded.data)
            self._coded += 1
        return self._settle(self._mode.in_flight)

    def _write(self, unit: bytes) -> None:
        """A base picture, whose size says what the next one may take."""
        bits = self._base_writer.add(unit)
        if self._base_writer.frames >= self.plan.packet_frames:
            self._ready += self._base_writer.take()
        if self._control is None:
            return
        if self._coded == 0:
            self._control.report_first(bits)
        else:
            self._control.report(bits)

    def _offset(self) -> int:
        """What the next picture's QP is above the one that the header says."""
        assert self._config is not None
        if self._control is None or not self._config.adaptive or not self._index:
            return 0
        return self._control.offset(self._config.qp_base)

    def _settle(self, allowed: int) -> list[Packet]:
        """Finishes the oldest frames until at most `allowed` are still being made."""
        packets = []
        while len(self._running) > allowed:
            packets += self._finish(self._running.popleft())
        return packets

    def _finish(self, running: _Running) -> list[Packet]:
        """Everything that is written of a frame."""
        frame = running.frame
        shown = self._mode.decide(frame, running.base, running.made)
        if not self._packet_frames:
            self._packet_time = frame.time
        if self._enhancement is not None and frame.parameters is not None:
            self._enhancement.add(frame.parameters, shown.level != "base", frame.share)
        if self._times is not None:
            self._times.add(frame.time)
        if self._on_shown is not None:
            self._on_shown(shown)
        self._packet_frames += 1
        self._finished = frame.time
        return self._take() if self._packet_frames >= self.plan.packet_frames else []

    def _take(self) -> list[Packet]:
        packets = self._times.take() if self._times is not None else []
        if self._ready:
            packets.append(self._ready.popleft())
        elif self._packet_frames:
            packets += self._base_writer.take()
        enhancement = self._enhancement.take() if self._enhancement is not None else []
        if self._landmarks is not None:
            self._landmarks.report(enhancement, self._packet_frames)
        packets += enhancement
        self._packet_frames = 0
        self._taken = self._finished
        time, out = 0, []
        if self.header.live:
            time = self._packet_time
            packets = [frame_packet(*packets)] if len(packets) == 2 else packets
        for packet in packets:
            out.append(replace(packet, sequence=self._sequence, time=time))
            self._sequence = self._sequence + 1 & 0xFFFF
        return out
