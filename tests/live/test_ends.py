"""Sender and receiver against what a line, or somebody on it, may do to them."""

import math
import random
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import pytest

from hdac.bitstream.container import BaseCodec, Header, Mode, Packet, PacketType
from hdac.codec.audio import pack_audio
from hdac.errors import StreamError
from hdac.live.datagram import MAX_MISSING, Media, Numbers, Report
from hdac.live.playout import Playout
from hdac.live.receiver import Receiver
from hdac.live.sender import Sender
from hdac.live.sound import SoundBuffer
from hdac.video.opus import OpusPacket


def packet(number: int, start: bool = False, size: int = 30) -> Packet:
    payload = bytes([start]) + bytes(number % 251 for _ in range(size))
    return Packet(PacketType.BASE, payload, start, number & 0xFFFF, number)


def datagram(number: int, *packets: Packet, sent: int = 0) -> bytes:
    return Media(number, sent, [p.tobytes() for p in packets]).tobytes()


def started() -> Receiver:
    """A receiver that has packets 0 to 4, in datagrams 0 to 4."""
    receiver = Receiver()
    for n in range(5):
        assert receiver.receive(datagram(n, packet(n, n == 0)), n / 25)
    return receiver


def said(**changes: object) -> bytes:
    usual = Report(0, 1, 0, 0, 0, 0, False, 0, ())
    return usual._replace(**changes).tobytes()


# ---- what travels


def test_datagrams_come_back() -> None:
    media = Media(65535, 2**32 - 1, [b"a" * 300, b"", b"bc"])
    assert Media.frombytes(media.tobytes()) == media
    report = Report(65535, 2**32 - 1, 1, 2, 3, 4, True, 5, (6, 7))
    assert Report.frombytes(report.tobytes()) == report
    assert Report.frombytes(report._replace(held=10**6, rate=2**40).tobytes()).held == 0xFFFF


def test_foreign_bytes_are_refused() -> None:
    """Whatever comes, it is a `StreamError`, and the receiver's state is what it was."""
    rng, receiver, sender = random.Random(5), started(), Sender(8000)
    good = datagram(5, packet(5))
    for _ in range(2000):
        data = bytearray(rng.choice((good, said(), rng.randbytes(rng.randrange(60)))))
        if data and rng.random() < 0.9:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        for parse in (Media, Report):
            with suppress(StreamError):
                parse.frombytes(bytes(data[: rng.randrange(len(data) + 1)]))
    for data in (b"", b"\1", b"\2" * 40, rng.randbytes(5000), good[:-1], good + b"\1"):
        assert receiver.receive(data, 1.0) == []
        assert sender.report(data, 1.0) == []
    assert (receiver.foreign, sender.foreign) == (6, 6)
    assert receiver.receive(good, 1.0) == [packet(5)]


def test_numbers_do_not_wrap() -> None:
    numbers = Numbers()
    assert [numbers.unwrap(n & 0xFFFF) for n in range(65_000, 66_000)] == [*range(65_000, 66_000)]
    assert numbers.unwrap(65_999 - 3 & 0xFFFF) == 65_996
    assert numbers.unwrap(30_000) is None  # far away
    assert numbers.unwrap(66_000 & 0xFFFF) == 66_000
    assert numbers.unwrap(40_000) is None
    assert numbers.unwrap(40_001) == 65_536 + 40_001  # the sender goes on there


# ---- the receiver


def test_copies_fill_gaps_at_once() -> None:
    receiver = started()
    assert receiver.receive(datagram(6, packet(6), packet(5)), 0.3) == [packet(5), packet(6)]
    assert receiver.recovered == 1


def test_what_is_out_of_order_is_put_in_order() -> None:
    receiver = started()
    assert receiver.receive(datagram(6, packet(6)), 0.30) == []
    assert receiver.receive(datagram(7, packet(7)), 0.31) == []
    assert receiver.receive(datagram(5, packet(5)), 0.32) == [packet(5), packet(6), packet(7)]
    assert receiver.receive(datagram(5, packet(5)), 0.33) == []  # once more
    assert (receiver.repeated, receiver.given_up, receiver.waiting) == (1, 0, 0)


def test_a_gap_is_reported_and_given_up() -> None:
    receiver = started()
    receiver.report(0.2)
    receiver.receive(datagram(7, packet(7)), 0.3)
    data = receiver.report(0.3)
    assert data is not None
    report = Report.frombytes(data)
    assert (report.missing, report.lost, report.highest, report.received) == ((5, 6), False, 7, 6)
    assert receiver.report(0.31) is None  # nothing new
    assert receiver.poll(0.8) == []
    assert receiver.poll(0.91) == [packet(7)]  # the decoder conceals, up to the next GOP
    assert receiver.given_up == 2
    later = receiver.report(0.92)
    assert later is not None
    assert Report.frombytes(later)[6:] == (True, 8, ())
    receiver.receive(datagram(8, packet(8, start=True)), 1.0)
    done = receiver.report(1.2)
    assert done is not None
    assert not Report.frombytes(done).lost


def test_a_gop_is_not_waited_for() -> None:
    """What comes before it is of no use any more."""
    receiver = started()
    assert receiver.receive(datagram(7, packet(7)), 0.3) == []
    assert receiver.receive(datagram(8, packet(8, start=True)), 0.34) == []
    assert receiver.poll(0.37) == [packet(8, start=True)]


def test_who_comes_late_waits_for_a_gop() -> None:
    receiver = Receiver()
    assert receiver.receive(datagram(0, packet(90)), 0.0) == []
    data = receiver.report(0.0)
    assert data is not None
    assert Report.frombytes(data).lost
    assert receiver.receive(datagram(1, packet(91, start=True)), 0.1) == [packet(91, start=True)]


def test_forged_numbers_change_nothing() -> None:
    receiver = started()
    for far in (30_000, 50_000, 12_345):
        assert receiver.receive(datagram(far, packet(5)), 0.3) == []
        assert receiver.receive(datagram(5 + far % 7, packet(far)), 0.3) == []
    assert receiver.poll(60.0) == []
    assert receiver.receive(datagram(13, packet(5)), 0.4) == [packet(5)]
    assert receiver.foreign >= 5


def test_what_waits_is_bounded() -> None:
    """Without packet 5 nothing can be decoded, however much comes."""
    receiver = started()
    for n in range(6, 600):
        receiver.receive(datagram(n, packet(n)), 0.3)
        assert receiver.waiting <= 257
    receiver = started()
    for n in range(6, 200):
        receiver.receive(datagram(n, packet(n, size=50_000)), 0.3)
        assert receiver.waiting * 50_000 < 5_000_000


def test_audio_passes_by() -> None:
    heard = list[Packet]()
    receiver = Receiver(heard.append)
    audio = Packet(PacketType.AUDIO, b"\0ab", sequence=40_000)
    assert receiver.receive(datagram(0, audio), 0.0) == []
    assert receiver.receive(datagram(1, packet(0, start=True), audio), 0.0) == [packet(0, True)]
    assert heard == [audio, audio]
    sender = Sender(8000)
    assert sender.send(audio, 0.0) == []  # it waits for a picture
    (data,) = sender.flush(0.0)
    assert Media.frombytes(data).wires == [audio.tobytes()]
    assert sender.flush(0.0) == []


def spoken(number: int) -> Packet:
    payload = pack_audio([OpusPacket(24 * number, b"\x18" + bytes([number] * 40))], 0)
    return Packet(PacketType.AUDIO, payload)


def test_sound_goes_with_pictures() -> None:
    """One datagram for both; alone where no picture comes, or a large one."""
    sender = Sender(8000)
    sender.send(spoken(0), 0.0)
    (data,) = sender.send(packet(0, True), 0.0)
    assert Media.frombytes(data).wires == [packet(0, True).tobytes(), spoken(0).tobytes()]
    sender.send(spoken(1), 0.1)
    (data,) = sender.send(spoken(2), 0.2)
    assert Media.frombytes(data).wires == [spoken(2).tobytes(), spoken(1).tobytes()]
    sender.send(spoken(3), 0.3)
    assert len(sender.send(packet(1, True, 2000), 0.3)) == 2
    sender.loss = 0.05
    sender.send(spoken(4), 0.4)
    (data,) = sender.send(packet(2), 0.4)
    copies = [packet(0, True).tobytes()]  # the large one is not copied
    wires = [packet(2).tobytes(), *copies, spoken(4).tobytes(), spoken(3).tobytes()]
    assert Media.frombytes(data).wires == wires


def test_sound_is_put_in_order() -> None:
    """Copies, packets out of order and late ones: each sound is given once, in order, or never."""
    header = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25), live=True, clock=1000)
    buffer = SoundBuffer(header)
    for n in (1, 0, 1, 3):
        buffer.push(spoken(n))
    buffer.push(Packet(PacketType.AUDIO, b"\0"))
    assert buffer.foreign == 1
    assert [opus.time for opus in buffer.take(0.1)] == [0, 24]
    for n in (0, 2):  # one that was given, one in time
        buffer.push(spoken(n))
    assert [opus.time for opus in buffer.take(1.0)] == [48, 72]
    buffer.push(spoken(2))
    assert buffer.take(math.inf) == []


def test_hostile_sound_is_bounded() -> None:
    header = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25), live=True, clock=1000)
    buffer = SoundBuffer(header)
    for n in range(5000):
        many = pack_audio([OpusPacket(2400 * n, b"\x18")], 0)
        buffer.push(Packet(PacketType.AUDIO, many, time=10**9))
    assert len(buffer.take(math.inf)) == 256


def test_the_senders_clock_goes_round() -> None:
    """After 49 days: nothing waits on the line."""
    receiver = Receiver()
    for n in range(10):
        data = datagram(n, packet(n, n == 0), sent=(1 << 32) - 200 + 40 * n & 0xFFFFFFFF)
        receiver.receive(data, n / 25)
        told = receiver.report(n / 25)
    assert told is not None
    report = Report.frombytes(told)
    assert report.queue == 0
    assert report.echo == 160


# ---- the sender


def test_copies_follow_the_loss() -> None:
    sender = Sender(8000)
    for n in range(100):
        (data,) = sender.send(packet(n, n == 0), n / 25)
        assert len(Media.frombytes(data).wires) == 1
    sender.report(said(highest=99, received=85), 4.0)
    assert sender.loss == pytest.approx(0.14, abs=0.02)
    (data,) = sender.send(packet(100), 4.0)
    wires = Media.frombytes(data).wires
    assert [Packet.frombytes(wire).sequence for wire in wires] == [100, 99, 98, 97]


def test_a_report_gets_what_it_misses_but_not_again_and_again() -> None:
    sender = Sender(8000)
    for n in range(200):
        sender.send(packet(n, n == 0), n / 25)
    asked = said(highest=150, received=140, missing=(100, 101, 3, 60_000))
    (data,) = sender.report(asked, 8.0)  # 3 is too old, 60000 never was
    assert [Packet.frombytes(w).sequence for w in Media.frombytes(data).wires] == [100, 101]
    many = [sender.report(asked, 8.0 + n / 1000) for n in range(5000)]
    assert sum(map(len, many)) <= 2 * 3  # four times each at most
    assert sender.resent <= 8


def test_a_flood_of_reports() -> None:
    """Refreshes, resends and state of a sender do not grow with what it is told."""
    sender, refreshes = Sender(8000), 0
    for n in range(300):
        now = n / 25
        sender.send(packet(n, n == 0), now)
        missing = tuple(range(n, n + MAX_MISSING))
        for _ in range(50):
            sender.report(said(highest=n, received=n, lost=True, needed=n, missing=missing), now)
        refreshes += sender.take_refresh(now)
    # 60 reports a second are read, those of two pictures at the most
    assert refreshes <= 2 * 12
    assert sender.resent <= 2 * 12
    assert sender.foreign > 10_000


def test_a_gop_on_its_way_serves() -> None:
    sender = Sender(8000)
    sender.send(packet(0, True), 0.0)
    for n in range(1, 10):
        sender.send(packet(n), n / 25)
    sender.report(said(highest=9, received=8, lost=True, needed=5), 0.5)
    assert sender.take_refresh(0.5)
    sender.send(packet(10, True), 0.6)
    sender.report(said(highest=10, received=9, lost=True, needed=6), 0.65)
    assert not sender.take_refresh(0.65)
    sender.report(said(highest=10, received=9, lost=True, needed=11), 0.7)  # it is lost as well
    assert sender.take_refresh(0.7)


def test_reports_of_what_was_not_sent_are_not_believed() -> None:
    sender = Sender(8000)
    for n in range(10):
        sender.send(packet(n, n == 0), n / 25)
    sender.report(said(highest=500, received=1, lost=True, needed=5, rate=1), 1.0)
    assert (sender.loss, sender.foreign, sender.take_refresh(1.0)) == (0.0, 1, False)


def test_a_packet_too_large_for_a_datagram() -> None:
    sender = Sender(8000)
    assert sender.send(packet(0, True, size=70_000), 0.0) == []
    assert sender.refused == 1


# ---- showing


def test_pictures_are_shown_at_their_pace() -> None:
    """Times 0.00, 0.04, ... come with jitter; one comes far too late, with the next one."""
    playout, shown = Playout[int](0.04), list[tuple[int, float]]()
    arrivals = [0.5, 0.55, 0.58, 0.78, 0.7, 0.74, 0.78]
    for tick in range(500, 1000, 10):
        now = tick / 1000
        for n, at in enumerate(arrivals):
            if now - 0.005 < at <= now + 0.005:
                playout.push(n, n * 0.04, now)
        if (picture := playout.pop(now)) is not None:
            shown.append((picture, round(now, 3)))
    assert shown == [(0, 0.54), (1, 0.58), (2, 0.62), (4, 0.7), (5, 0.74), (6, 0.78)]


def test_replayed_datagrams_change_nothing() -> None:
    receiver = started()
    old = [datagram(n, packet(n, n == 0)) for n in range(5)]
    assert [p for data in old * 20 for p in receiver.receive(data, 0.4)] == []
    assert (receiver.repeated, receiver.datagrams) == (100, 5)
    again = datagram(5, replace(packet(2), time=99))  # an old packet under a new number
    assert receiver.receive(again, 0.5) == []
    assert receiver.late == 1
