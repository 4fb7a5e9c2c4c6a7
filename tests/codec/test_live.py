"""Live streams: a packet a frame, each of which stands alone; lines lose some."""

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hdac.bitstream.container import Packet, PacketType
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.encoder import Encoder
from hdac.video.picture import Picture
from tests.conftest import synthetic

FRAMES, REFRESH = 60, 12


def pushed(encoder: Encoder, pictures: list[Picture], step: int = 0) -> list[Packet]:
    """All packets, as they came; frame n's has to be there with frame n + 1 at the latest."""
    packets = list[Packet]()
    for n, picture in enumerate(pictures):
        packets += encoder.push(picture, n * step if step else None)
        assert len(packets) in (n, n + 1), "a delay of at most one frame"
    return packets + encoder.flush()


def config(**settings: object) -> EncoderConfig:
    return EncoderConfig(qp_base=40, refresh=REFRESH, live=True, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sent() -> tuple[Decoder, list[Packet]]:
    """A decoder's header, and the packets of 60 frames."""
    with Encoder(64, 48, 25, config()) as encoder:
        packets = pushed(encoder, synthetic(FRAMES))
        return Decoder(encoder.header, "base"), packets


def received(
    sent: tuple[Decoder, list[Packet]], packets: list[Packet], level: Level
) -> list[Frame]:
    """What a decoder shows of the packets that arrive."""
    with Decoder(sent[0].header, level) as decoder:
        frames = [frame for p in packets for frame in decoder.push(Packet.frombytes(p.tobytes()))]
        return frames + decoder.flush()


def equal(a: Frame, b: Frame) -> bool:
    return a.level == b.level and all(
        np.array_equal(p, q) for p, q in zip(a.picture, b.picture, strict=True)
    )


def test_a_packet_a_frame(sent: tuple[Decoder, list[Packet]]) -> None:
    _, packets = sent
    assert len(packets) == FRAMES
    assert {p.type for p in packets} == {PacketType.FRAME}
    assert [p.sequence for p in packets] == list(range(FRAMES))
    assert [p.time for p in packets] == list(range(FRAMES))
    starts = [n for n, p in enumerate(packets) if p.gop_start]
    assert starts == list(range(0, FRAMES, REFRESH))
    assert [Packet.frombytes(p.tobytes()) for p in packets] == packets
    frames = received(sent, packets, "base")
    assert [f.number for f in frames] == list(range(FRAMES))
    assert [f.time for f in frames] == [Fraction(n, 25) for n in range(FRAMES)]


@pytest.mark.parametrize("mode", ["animation", "base"])
def test_packets_of_other_modes(mode: str) -> None:
    qp = {"qp_intra": 36} if mode == "animation" else {"qp_base": 40}
    asked = EncoderConfig(mode=mode, refresh=3, live=True, **qp)  # type: ignore[arg-type]
    with Encoder(64, 48, 25, asked) as encoder, Decoder(encoder.header) as decoder:
        packets = pushed(encoder, synthetic(6))
        other = PacketType.ENHANCEMENT if mode == "animation" else PacketType.BASE
        first = PacketType.FRAME if mode == "animation" else PacketType.BASE
        assert [p.type for p in packets] == [first, other, other] * 2
        travelled = [Packet.frombytes(p.tobytes()) for p in packets]
        frames = [f for p in travelled for f in decoder.push(p)] + decoder.flush()
    assert [f.number for f in frames] == list(range(6))


def test_gops_of_live_streams_are_short() -> None:
    """A GOP of 2048 frames would shut late viewers out for 80 s."""
    asked = EncoderConfig(mode="base", qp_base=45, refresh="never", live=True, preset="fast")
    still = synthetic(1, 16, 16) * 260
    with Encoder(16, 16, 25, asked) as encoder:
        packets = pushed(encoder, still)
    assert [n for n, p in enumerate(packets) if p.gop_start] == [0, 256]


def test_times_of_a_clock() -> None:
    asked = EncoderConfig(mode="base", refresh=2, live=True)
    with Encoder(64, 48, 25, asked, clock=90_000) as encoder, Decoder(encoder.header) as decoder:
        packets = pushed(encoder, synthetic(4), 3003)
        assert [p.time for p in packets] == [0, 3003, 6006, 9009]
        frames = [f for p in packets for f in decoder.push(p)] + decoder.flush()
    assert [f.time for f in frames] == [Fraction(1001 * n, 30_000) for n in range(4)]


@pytest.mark.parametrize("level", ["base", "fused"])
@pytest.mark.parametrize("seed", range(3))
def test_lost_packets(sent: tuple[Decoder, list[Packet]], level: Level, seed: int) -> None:
    """5 % of them: nothing that is shown is wrong, and after the next entry point all is shown."""
    packets, rng = sent[1], random.Random(seed)
    lost = {n for n in range(FRAMES) if rng.random() < 0.05}
    assert lost
    whole = received(sent, packets, level)
    frames = received(sent, [p for n, p in enumerate(packets) if n not in lost], level)
    assert all(equal(frame, whole[frame.number]) for frame in frames)
    expected, waiting = [], False
    for n, packet in enumerate(packets):
        waiting = n in lost or (waiting and not packet.gop_start)
        if not waiting:
            expected.append(n)
    assert [frame.number for frame in frames] == expected


def test_packets_that_come_late_or_twice(sent: tuple[Decoder, list[Packet]]) -> None:
    packets = sent[1][: 2 * REFRESH]
    whole = received(sent, packets, "base")
    twice = [p for p in packets for _ in range(2)]
    assert [f.number for f in received(sent, twice, "base")] == list(range(2 * REFRESH))
    late = [*packets[:3], *packets[4:6], packets[3], *packets[6:]]  # number 3 after number 5
    frames = received(sent, late, "base")
    assert [f.number for f in frames] == [0, 1, 2, *range(REFRESH, 2 * REFRESH)]
    assert all(equal(frame, whole[frame.number]) for frame in frames)


def test_sequence_numbers_go_round(sent: tuple[Decoder, list[Packet]]) -> None:
    """They have 16 bits."""
    packets = [replace(p, sequence=p.sequence + 65530 & 0xFFFF) for p in sent[1][:REFRESH]]
    assert len(received(sent, packets, "base")) == REFRESH
    frames = received(sent, packets[:5] + packets[6:], "base")
    assert [f.number for f in frames] == list(range(5))
