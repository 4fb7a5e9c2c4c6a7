"""The receiving end of a line: datagrams -> packets in order, and reports for the sender.

No input or output happens here, and nothing is decoded: times are given, and what a `Decoder` is to
be given comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise

from hdac.bitstream.container import Packet, PacketType
from hdac.errors import StreamError
from hdac.live.datagram import MAX_MISSING, Media, Numbers, Report
from hdac.live.least import Least

#: Seconds to wait for packets that come out of order where a GOP starts behind them, and for those
#: that are sent again.
_REORDERED, _GIVE_UP = 0.06, 0.6
#: Packets, and their bytes, that wait for one before them.
_HELD_PACKETS, _HELD_BYTES = 256, 1 << 22
#: Seconds between reports, and between those about something new.
_REPORT, _REPORT_SOON = 0.1, 0.02
#: Seconds beyond the least delay from which a packet waited on the line.
_WAITED = 0.03
#: New packets from which the rate is taken; seconds after which the least delay is forgotten.
_RECENT, _LEAST = 12, 15.0


class Receiver:
    """`receive` datagrams and `poll` between them; both return packets in order, from the first
    entry point on. Ask for a `report` after each.

    on_audio: given AUDIO packets as they come: some twice, or out of order.
    """

    def __init__(self, on_audio: Callable[[Packet], object] | None = None) -> None:
        #: datagrams; packets that came in copies or again, that came too late, that were given up;
        #: what was not ours, or came twice.
        self.datagrams = self.recovered = self.late = self.given_up = self.foreign = 0
        self.repeated = self.payload = 0
        self._on_audio = on_audio
        self._datagrams, self._packets, self._first = Numbers(), Numbers(), 0
        self._seen = deque[int](maxlen=Numbers.FAR)
        self._next: int | None = None  # packet
        self._early: dict[int, Packet] = {}
        self._since: float | None = None  # that `_next` is missing
        self._lost = True  # until the next entry point
        self._echo, self._echo_at = 0, 0.0
        # when, bytes of new packets, and whether they waited on the line
        self._recent = deque[tuple[float, int, bool]](maxlen=_RECENT)
        self._delay = 0.0
        self._least = Least(_LEAST)  # delay
        self._reported, self._told = -_REPORT, (False, set[int]())

    @property
    def expected(self) -> int:
        """Datagrams that were sent since the first one, as far as is known."""
        return 0 if self._datagrams.highest is None else self._datagrams.highest - self._first + 1

    @property
    def waiting(self) -> int:
        """Packets that wait for one before them."""
        return len(self._early)

    def lose(self) -> None:
        """What was given out could not be decoded: an entry point is needed."""
        self._lost = True

    def receive(self, data: bytes, now: float) -> list[Packet]:
        try:
            media = Media.frombytes(data)
            packets = [Packet.frombytes(wire) for wire in media.wires]
        except StreamError:
            self.foreign += 1
            return []
        number = self._datagrams.unwrap(media.number)
        if number is None:
            self.foreign += 1
            return []
        if number in self._seen:
            self.repeated += 1
            return []
        if not self.datagrams:
            self._first = number
        self._seen.append(number)
        self.datagrams += 1
        self.payload += len(data)
        self._measure(media, now)
        for place, packet in enumerate(packets):
            if packet.type is not PacketType.AUDIO:
                self._keep(packet, len(media.wires[place]), place, now)
            elif self._on_audio is not None:
                self._on_audio(packet)
        return self.poll(now)

    def _keep(self, packet: Packet, size: int, place: int, now: float) -> None:
        sequence = self._packets.unwrap(packet.sequence)
        if sequence is None:
            self.foreign += 1
            return
        if self._next is None:
            if not packet.gop_start:
                return
            self._next = sequence
        if sequence < self._next:
            self.late += not place  # copies of what is there are no news
        elif sequence not in self._early:
            self.recovered += bool(place) or sequence != self._packets.highest
            self._early[sequence] = packet
            waited = self._delay - self._least.value > _WAITED
            self._recent.append((now, size, waited))

    def poll(self, now: float) -> list[Packet]:
        """What can be given out by now: also behind what does not come."""
        packets = list[Packet]()
        while self._early:
            assert self._next is not None
            if self._next not in self._early and not self._skips(now):
                break
            packet = self._early.pop(self._next)
            self._next += 1
            self._since = None
            self._lost = self._lost and not packet.gop_start
            packets.append(packet)
        return packets

    def _skips(self, now: float) -> bool:
        """Gives up what is missing where it was waited for long enough."""
        assert self._next is not None
        self._since = now if self._since is None else self._since
        waited = now - self._since
        start = min((n for n, packet in self._early.items() if packet.gop_start), default=None)
        held = sum(len(packet.payload) for packet in self._early.values())
        full = len(self._early) > _HELD_PACKETS or held > _HELD_BYTES
        if not full and waited < (_GIVE_UP if start is None else _REORDERED):
            return False
        following = min(self._early)
        if start is not None and waited >= _REORDERED:
            following = start  # those before it need what is missing
            self._early = {n: packet for n, packet in self._early.items() if n >= start}
        self.given_up += following - self._next
        self._next, self._lost = following, True
        return True

    # ---- reports

    def report(self, now: float) -> bytes | None:
        """What the sender should know, where it is time to say it."""
        missing = self._missing()
        told_lost, told = self._told
        news = self._lost > told_lost or not told.issuperset(missing)
        if now - self._reported < (_REPORT_SOON if news else _REPORT):
            return None
        self._reported, self._told = now, (self._lost, set(missing))
        needed = self._next if self._next is not None else (self._packets.highest or 0) + 1
        return Report(
            self._datagrams.highest or 0, self.datagrams, self._echo,
            int(1000 * (now - self._echo_at)),
            max(0, int(1000 * (self._delay - self._least.value))), self._rate(),
            self._lost and self.datagrams > 0, needed, missing,
        ).tobytes()  # fmt: skip

    def _rate(self) -> int:
        """bit/s of the last packets: what came between the first of them and the last. Where most
        waited for those before them, of these alone: as much as the line takes."""
        steps = [(now - before, size, waited) for (before, *_), (now, size, waited)
                 in pairwise(self._recent)]  # fmt: skip
        full = [step for step in steps if step[2]]
        steps = full if 2 * len(full) > len(steps) else steps
        took = sum(step[0] for step in steps)
        return int(8 * sum(step[1] for step in steps) / took) if took else 0

    def _missing(self) -> tuple[int, ...]:
        if not self._early or self._next is None:
            return ()
        there = range(self._next, max(self._early))
        return tuple(n for n in there if n not in self._early)[:MAX_MISSING]

    def _measure(self, media: Media, now: float) -> None:
        """How long datagrams take, but for a constant: the clocks' difference."""
        step = (media.sent - self._echo + (1 << 31) & 0xFFFFFFFF) - (1 << 31)  # it has 32 bits
        self._echo, self._echo_at = self._echo + step, now
        self._delay = now - self._echo / 1000
        self._least.see(self._delay, now)
