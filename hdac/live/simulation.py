"""A whole call in virtual time: encoder, line, decoder, and what is seen at each frame time.

`experiments/live.py` measures with it, the tests assert with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from hdac.bitstream.container import Packet
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.encoder import Encoder
from hdac.codec.files import CLOCK
from hdac.errors import StreamError
from hdac.live.line import Line
from hdac.live.receiver import Receiver
from hdac.live.sender import Sender
from hdac.video.fidelity import luma_mse, psnr
from hdac.video.picture import Picture

#: Seconds between two looks at the line.
_STEP = 0.004
#: Seconds from a picture to when it is shown, beyond the line's delay and the frames that the
#: encoder holds: what `Playout` does, and two looks.
_ALLOWED = 0.05


@dataclass
class Outcome:
    """What came of a call. Lists have an entry a frame time; `new`: a right picture was shown that
    had not been before; `wrong`: pictures shown as right that are not what the sender knows."""

    new: list[bool] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    concealed: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    starts: int = 0
    left_out: int = 0
    rates: list[float] = field(default_factory=list)  # bit/s that the encoder was told
    bits: list[int] = field(default_factory=list)  # of each picture's packet
    sent: list[int] = field(default_factory=list)  # bits on the line, each frame time
    datagrams: int = 0
    recovered: int = 0
    given_up: int = 0
    waiting: int = 0  # packets that waited for one before them, at most

    @property
    def freeze(self) -> int:
        """Frame times without a new picture in a row, at most."""
        longest = run = 0
        for new in self.new:
            run = 0 if new else run + 1
            longest = max(longest, run)
        return longest


class Call:
    """One direction of a call over two lines, with reports on the other.

    steps: what changes before a frame, by its number.
    """

    def __init__(
        self,
        config: EncoderConfig,
        pictures: Sequence[Picture],
        forward: Line,
        back: Line,
        level: Level = "fused",
        fps: Fraction = Fraction(25),
        steps: dict[int, Callable[[Call], None]] | None = None,
    ) -> None:
        assert config.kbps is not None
        self.forward, self.back = forward, back
        self.sender, self.receiver = Sender(1000 * config.kbps), Receiver()
        self.outcome = Outcome()
        self._pictures, self._fps, self.steps = pictures, fps, steps or {}
        first = pictures[0]
        self.encoder = Encoder(first.width, first.height, fps, config, clock=CLOCK)
        self._decoder = Decoder(self.encoder.header, level)
        self._known = Decoder(self.encoder.header, level)  # to which nothing is lost
        self._truth: dict[Fraction, Picture] = {}
        #: From a picture to when it is shown.
        self.allowed = forward.config.delay + self.encoder.delay / float(fps) + _ALLOWED
        self._right: list[tuple[float, Fraction, Picture]] = []  # when, its time, the picture

    def run(self) -> Outcome:
        """To the time of the last frame."""
        outcome, count, taken, ended = self.outcome, len(self._pictures), 0, 0.0
        end = float(count / self._fps) + self.allowed
        with self.encoder, self._decoder, self._known:
            for now in _looks(end):
                if taken < count and now >= taken / self._fps:
                    if taken in self.steps:
                        self.steps[taken](self)
                    before = self.forward.sent_bytes
                    self._take(taken, now)
                    outcome.sent.append(8 * (self.forward.sent_bytes - before))
                    taken += 1
                    ended = now + float(1 / self._fps)
                elif taken == count and now >= ended:
                    self._give(self.encoder.flush(), now)
                    taken += 1
                self._travel(now)
        self._see()
        outcome.recovered, outcome.given_up = self.receiver.recovered, self.receiver.given_up
        outcome.datagrams = self.sender.datagrams
        return outcome

    def _take(self, number: int, now: float) -> None:
        """A picture enters."""
        outcome = self.outcome
        outcome.rates.append(self.sender.bitrate)
        if self.sender.behind(now):
            outcome.left_out += 1
            return
        self.encoder.set_bitrate(self.sender.bitrate)
        if self.sender.take_refresh(now):
            self.encoder.request_refresh()
        time = round(number / self._fps * CLOCK)
        self._give(self.encoder.push(self._pictures[number], time), now)

    def _give(self, packets: list[Packet], now: float) -> None:
        """Packets leave."""
        outcome = self.outcome
        for packet in packets:
            outcome.starts += packet.gop_start
            outcome.bits.append(8 * len(packet.tobytes()))
            for frame in self._known.push(packet):
                self._truth[frame.time] = frame.picture
            for datagram in self.sender.send(packet, now):
                self.forward.send(datagram, now)

    def _travel(self, now: float) -> None:
        packets = [
            p for data in self.forward.receive(now) for p in self.receiver.receive(data, now)
        ]
        self.outcome.waiting = max(self.outcome.waiting, self.receiver.waiting)
        for packet in [*packets, *self.receiver.poll(now)]:
            try:
                frames = self._decoder.push(packet)
            except StreamError as error:
                self.outcome.errors.append(str(error))
                self.receiver.lose()
                continue
            for frame in frames:
                self._judge(frame, now)
        if (report := self.receiver.report(now)) is not None:
            self.back.send(report, now)
        for data in self.back.receive(now):
            for datagram in self.sender.report(data, now):
                self.forward.send(datagram, now)

    def _judge(self, frame: Frame, now: float) -> None:
        if frame.level == "concealed":
            self.outcome.concealed += 1
        elif frame.time in self._truth and frame.picture.same(self._truth[frame.time]):
            self._right.append((now, frame.time, frame.picture))
        else:
            self.outcome.wrong += 1

    def _see(self) -> None:
        """What is on the screen at each frame time."""
        shown: tuple[Fraction, Picture] | None = None
        coming = iter(self._right)
        following = next(coming, None)
        for number, source in enumerate(self._pictures):
            time, new = number / self._fps, False
            while (
                following is not None
                and following[0] <= time + self.allowed
                and following[1] <= time
            ):
                shown, new = following[1:], True
                following = next(coming, None)
            self.outcome.new.append(new)
            if shown is not None:
                self.outcome.psnr.append(psnr(max(luma_mse(shown[1], source), 0.01)))


def _looks(end: float) -> Iterator[float]:
    for n in range(int(end / _STEP) + 1):
        yield n * _STEP
