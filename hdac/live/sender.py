"""The sending end of a line: packets -> datagrams, and what follows from the receiver's reports:
copies of packets, packets sent again, the bit rate, refreshes.

No input or output happens here: times are given, so that simulated lines serve as well as real
ones.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from hdac.bitstream.container import Packet, PacketType
from hdac.errors import StreamError
from hdac.live.congestion import Congestion
from hdac.live.datagram import FRAGMENT, MAX_DATAGRAM, Media, Report

#: bit/s below which faces are not worth sending.
FLOOR = 2000.0
#: Loss from which on a datagram carries so many of the packets before it.
_COPIES = ((0.1, 3), (0.03, 2), (0.003, 1))
#: Datagrams over which loss is averaged.
_AVERAGED = 100.0
#: Bytes of a packet from which on it is not copied: it is sent again where it is missed.
_LARGE = FRAGMENT // 2
#: Packets of sound that wait for a picture, at most.
_SOUNDS = 1
#: Packets that can be sent again; how often; seconds between, at least.
_HISTORY, _AGAIN, _AGAIN_GAP = 128, 4, 0.08
#: Reports that are listened to in a second.
_REPORTS = 60
#: Seconds that the line may be behind before pictures are left out, and for how long they are.
_BEHIND, _LEFT_OUT = 0.3, 0.6
#: Seconds after that in which what arrives says nothing of the line.
_DRAINED = 0.7
#: Seconds of a GOP after which another one starts, whatever the frame rate.
_REFRESH = 12.0


@dataclass
class _Sent:
    """A packet that may have to be sent again."""

    wire: bytes
    times: int = 0
    last: float = 0.0


class Sender:
    """`send` packets, `report` what the receiver says; both return datagrams for the line. Before
    each picture ask `bitrate`, `take_refresh` and `behind`, from any thread.

    bitrate: the pictures' highest, bit/s; copies come on top of it.
    """

    def __init__(self, bitrate: float) -> None:
        #: Share of datagrams; seconds; seconds that datagrams wait on the line.
        self.loss, self.round_trip, self.queue = 0.0, 0.0, 0.0
        self.datagrams = self.payload = self.resent = self.foreign = self.refused = 0
        self._congestion = Congestion(bitrate, FLOOR)
        self._number = 0  # of the next datagram
        self._recent = deque[bytes](maxlen=3)  # packets, the newest last
        self._sounds, self._said = list[bytes](), deque[bytes](maxlen=2)  # to be sent, sent
        self._history = OrderedDict[int, _Sent]()
        self._unreported = deque[tuple[int, float]]()  # datagrams on their way, when they left
        self._oldest: float | None = None  # when the first of them did
        self._highest = self._received = 0  # of the last report
        self._refresh, self._last_start = False, 0  # sequence number of the last GOP's first packet
        self._started = self._pictured = 0.0  # when the last GOP started, the last picture was sent
        self._left_out = -_DRAINED
        self._second, self._reports = 0, 0

    @property
    def bitrate(self) -> float:
        """bit/s that the pictures may have now."""
        return self._congestion.bitrate

    @property
    def copies(self) -> int:
        """How many packets before it a datagram carries."""
        if self._congestion.crowded:
            return 0
        return next((count for loss, count in _COPIES if self.loss >= loss), 0)

    @property
    def idle(self) -> bool:
        """Whether the receiver has the last datagram."""
        return self._oldest is None

    def limit(self, bitrate: float) -> None:
        """Another highest bit rate, bit/s."""
        self._congestion.set_ceiling(bitrate)

    def take_refresh(self, now: float) -> bool:
        """Whether the next picture should start a GOP; says so once."""
        wanted = self._refresh or now - self._started > _REFRESH
        self._refresh = False
        return wanted

    def behind(self, now: float) -> bool:
        """Whether to leave the next picture out: the line is full. Not for long, and not where
        datagrams do not come at all: that is loss."""
        oldest = self._oldest
        waiting = 0.0 if oldest is None else now - oldest - self.round_trip
        behind = min(waiting, self.queue) > _BEHIND and now - self._pictured < _LEFT_OUT
        if behind:
            self._left_out = now
        return behind

    def send(self, packet: Packet, now: float) -> list[bytes]:
        """The datagrams of one packet, which also carry copies of those before it."""
        wire = packet.tobytes()
        if len(wire) > MAX_DATAGRAM - 16:
            self.refused += 1  # the receiver will ask for another
            return []
        if packet.type is PacketType.AUDIO:  # goes with the next picture, if one comes soon
            self._sounds.append(wire)
            return self.flush(now) if len(self._sounds) > _SOUNDS else []
        if packet.gop_start:
            self._last_start, self._started = packet.sequence, now
        self._pictured = now
        copies = list(self._recent)[::-1][: self.copies]
        if len(wire) < _LARGE:
            self._recent.append(wire)
        self._history[packet.sequence] = _Sent(wire)
        if len(self._history) > _HISTORY:
            self._history.popitem(last=False)
        if len(wire) < _LARGE:
            return self._filled([wire, *copies, *self._take_sounds()], now)
        return [*self._filled([wire, *copies], now), *self.flush(now)]

    def flush(self, now: float) -> list[bytes]:
        """The sound that waits for a picture."""
        sounds = self._take_sounds()
        return self._filled(sounds, now) if sounds else []

    def _take_sounds(self) -> list[bytes]:
        """What waits, and copies of what went before: half as many as of pictures, sounds last
        longer."""
        new = self._sounds[::-1]
        copies = list(self._said)[::-1][: -(-self.copies // 2)] if new else []
        self._said.extend(self._sounds)
        self._sounds.clear()
        return [*new, *copies]

    def report(self, data: bytes, now: float) -> list[bytes]:
        """Takes a receiver's report; gives the datagrams that it asks for again."""
        second = int(now)
        self._reports = self._reports + 1 if second == self._second else 1
        self._second = second
        try:
            report = Report.frombytes(data)
        except StreamError:
            self.foreign += 1
            return []
        if not report.received:  # it is there, and has nothing yet
            return []
        expected = report.highest - self._highest & 0xFFFF
        ahead = self._number - report.highest & 0xFFFF  # it cannot have what was not sent
        if self._reports > _REPORTS or expected >= 0x8000 or not 0 < ahead < 0x8000:
            self.foreign += 1
            return []
        self._learn(report, expected, now)
        # a GOP that is on its way already serves
        late = report.needed - self._last_start & 0xFFFF
        self._refresh |= report.lost and 0 < late < 0x8000
        return self._again(report.missing, now)

    def _learn(self, report: Report, expected: int, now: float) -> None:
        came = report.received - self._received & 0xFFFFFFFF
        self._highest, self._received = report.highest, report.received
        if expected:
            weight = min(1.0, expected / _AVERAGED)
            lost = min(1.0, max(0.0, 1 - came / expected))
            self.loss += weight * (lost - self.loss)
        while self._unreported and report.highest - self._unreported[0][0] & 0xFFFF < 0x8000:
            self._unreported.popleft()
        self._oldest = self._unreported[0][1] if self._unreported else None
        trip = (int(1000 * now) - report.echo - report.held & 0xFFFFFFFF) / 1000
        if trip < 10:
            self.round_trip = trip if not self.round_trip else min(trip, 1.01 * self.round_trip)
        self.queue = report.queue / 1000
        if now - self._left_out >= _DRAINED:
            self._congestion.update(self.loss, self.queue, report.rate, now)

    def _again(self, missing: tuple[int, ...], now: float) -> list[bytes]:
        wires = []
        for sequence in missing:
            sent = self._history.get(sequence)
            if sent is None or sent.times >= _AGAIN:
                continue
            if now - sent.last >= max(_AGAIN_GAP, self.round_trip):
                sent.times, sent.last = sent.times + 1, now
                wires.append(sent.wire)
        self.resent += len(wires)
        return self._filled(wires, now) if wires else []

    def _filled(self, wires: list[bytes], now: float) -> list[bytes]:
        """Packets in as few datagrams as they fit in."""
        groups: list[list[bytes]] = []
        for wire in wires:
            if groups and sum(map(len, groups[-1])) + len(wire) <= FRAGMENT - 32:
                groups[-1].append(wire)
            else:
                groups.append([wire])
        return [self._datagram(group, now) for group in groups]

    def _datagram(self, wires: list[bytes], now: float) -> bytes:
        data = Media(self._number & 0xFFFF, int(1000 * now), wires).tobytes()
        self._unreported.append((self._number & 0xFFFF, now))
        if len(self._unreported) > 4 * _HISTORY:
            self._unreported.popleft()
        self._oldest = self._unreported[0][1]
        self._number += 1
        self.datagrams += 1
        self.payload += len(data)
        return data
