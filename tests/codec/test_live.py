"""Live streams: a packet a frame, each of which stands alone; lines lose some."""

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hdac.bitstream.container import Packet, PacketType
from hdac.codec import control
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.encoder import Encoder
from hdac.errors import DamagedError, UsageError
from hdac.video.picture import Picture
from tests.codec.test_rate import scene
from tests.conftest import synthetic

FRAMES, REFRESH = 60, 12


def pushed(encoder: Encoder, pictures: list[Picture], step: int = 0) -> list[Packet]:
    """All packets, as they came; frame n's has to be there with frame n + 1 at the latest."""
    packets = list[Packet]()
    assert encoder.delay in (0, 1)
    for n, picture in enumerate(pictures):
        packets += encoder.push(picture, n * step if step else None)
        assert len(packets) == max(0, n + 1 - encoder.delay)
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


def test_no_more_is_concealed_than_a_packet_may_have() -> None:
    """An ENHANCEMENT that cannot be read says 256 frames: of large pictures they took 800 MB."""
    asked = EncoderConfig(mode="animation", qp_intra=36, refresh=3, live=True)
    with Encoder(64, 48, 25, asked) as encoder, Decoder(encoder.header) as decoder:
        packets = pushed(encoder, synthetic(3))
        packets[1] = replace(packets[1], payload=b"\0\x80\2")
        frames = [decoder.push(packet) for packet in packets]
    assert [[frame.level for frame in of] for of in frames] == [
        ["base"], ["concealed"], ["concealed"],
    ]  # fmt: skip


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
    """5 % of them: nothing that is shown as right is wrong, what cannot be right is the last
    picture, and after the next entry point all is right."""
    packets, rng = sent[1], random.Random(seed)
    lost = {n for n in range(FRAMES) if rng.random() < 0.05}
    assert lost
    whole = received(sent, packets, level)
    frames = received(sent, [p for n, p in enumerate(packets) if n not in lost], level)
    right, waiting = set[int](), False
    for n, packet in enumerate(packets):
        waiting = n in lost or (waiting and not packet.gop_start)
        if not waiting:
            right.add(n)
    last = max(set(range(FRAMES)) - lost)  # of what comes later nothing is known
    assert [frame.number for frame in frames] == list(range(min(right), last + 1))
    assert [frame.time for frame in frames] == [Fraction(frame.number, 25) for frame in frames]
    for before, frame in zip([None, *frames], frames, strict=False):
        if frame.number in right:
            assert equal(frame, whole[frame.number])
        else:
            assert frame.level == "concealed"
            assert before is not None
            assert frame.picture.same(before.picture)


def test_packets_that_come_late_or_twice(sent: tuple[Decoder, list[Packet]]) -> None:
    packets = sent[1][: 2 * REFRESH]
    whole = received(sent, packets, "base")
    twice = [p for p in packets for _ in range(2)]
    assert [f.number for f in received(sent, twice, "base")] == list(range(2 * REFRESH))
    late = [*packets[:3], *packets[4:6], packets[3], *packets[6:]]  # number 3 after number 5
    frames = received(sent, late, "base")
    assert [f.number for f in frames] == list(range(2 * REFRESH))
    assert [f.number for f in frames if f.level == "concealed"] == list(range(3, REFRESH))
    assert all(equal(f, whole[f.number]) for f in frames if f.level != "concealed")


def test_sequence_numbers_go_round(sent: tuple[Decoder, list[Packet]]) -> None:
    """They have 16 bits."""
    packets = [replace(p, sequence=p.sequence + 65530 & 0xFFFF) for p in sent[1][:REFRESH]]
    assert len(received(sent, packets, "base")) == REFRESH
    frames = received(sent, packets[:5] + packets[6:], "base")
    assert [f.number for f in frames if f.level == "base"] == list(range(5))


def test_times_after_a_gap() -> None:
    """With a clock too, where a sender may have left frames out: 4 and 5 never were, 7 is lost."""
    asked = EncoderConfig(mode="base", refresh=5, live=True)
    ticks = [0, 40, 80, 120, 240, 280, 320, 360]
    with Encoder(64, 48, 25, asked, clock=1000) as encoder, Decoder(encoder.header) as decoder:
        pictures = synthetic(len(ticks))
        packets = [
            p for picture, t in zip(pictures, ticks, strict=True) for p in encoder.push(picture, t)
        ]
        packets += encoder.flush()
        frames = [f for n, p in enumerate(packets) if n not in (1, 7) for f in decoder.push(p)]
    assert [int(1000 * f.time) for f in frames] == ticks[:-1]
    assert [f.number for f in frames] == list(range(len(ticks) - 1))
    assert [f.number for f in frames if f.level == "base"] == [0, 5, 6]


def test_an_outage_is_not_filled_without_bounds(sent: tuple[Decoder, list[Packet]]) -> None:
    """A packet of a few bytes asks for 4 billion frames."""
    first, *_, last = sent[1][: REFRESH + 1]
    far = replace(last, time=2**32 - 1, sequence=last.sequence + 1000)
    frames = received(sent, [first, far], "base")
    assert [f.number for f in frames] == [0, *range(2**32 - 1 - 256, 2**32)]
    assert [f.level for f in frames] == ["base"] + 256 * ["concealed"] + ["base"]


def test_times_that_do_not_grow(sent: tuple[Decoder, list[Packet]]) -> None:
    with Decoder(sent[0].header, "base") as decoder:
        for packet in sent[1][:3]:
            decoder.push(packet)
        with pytest.raises(DamagedError, match="time 1 after one of time 2"):
            decoder.push(replace(sent[1][3], time=1))
        (frame,) = decoder.push(sent[1][3])  # it is as if the other one never came
    assert (frame.number, frame.level) == (3, "base")


def test_audio_passes_by(sent: tuple[Decoder, list[Packet]]) -> None:
    audio = Packet(PacketType.AUDIO, b"\0", sequence=40_000)
    packets = [p for packet in sent[1][:5] for p in (audio, packet)]
    assert [f.number for f in received(sent, packets, "base")] == list(range(5))


@pytest.mark.parametrize("later", [0, 1, 5])
def test_reserved_packets_are_skipped(sent: tuple[Decoder, list[Packet]], later: int) -> None:
    """They take a sequence number, and are of the frame before, the next one or none."""
    *packets, last = sent[1][:4]
    reserved = Packet(PacketType.RESERVED, b"\1?", sequence=3, time=packets[-1].time + later)
    last = replace(last, sequence=4)
    with Decoder(sent[0].header, "base") as decoder:
        frames = [f for packet in (*packets, reserved, last) for f in decoder.push(packet)]
    assert [(f.number, f.level) for f in frames] == [(n, "base") for n in range(4)]


def test_a_gap_before_a_reserved_packet_is_a_loss(sent: tuple[Decoder, list[Packet]]) -> None:
    reserved = Packet(PacketType.RESERVED, b"", sequence=2)
    packets = [sent[1][0], reserved, *sent[1][3:5]]
    with Decoder(sent[0].header, "base") as decoder:
        frames = [f for packet in packets for f in decoder.push(packet)]
    assert [(f.number, f.level) for f in frames[:2]] == [(0, "base"), (1, "concealed")]
    assert {f.level for f in frames[1:]} == {"concealed"}


def starts(config: EncoderConfig, frames: int, asked: set[int]) -> list[int]:
    """Frames that start a GOP where a refresh is requested before frames `asked`."""
    with Encoder(64, 48, 25, config) as encoder:
        packets = list[Packet]()
        for n, picture in enumerate(synthetic(frames)):
            if n in asked:
                encoder.request_refresh()
            packets += encoder.push(picture)
        packets += encoder.flush()
    return [p.time for p in packets if p.gop_start]


@pytest.mark.parametrize("mode", ["hybrid", "base", "animation"])
def test_a_refresh_on_request(mode: str) -> None:
    asked = EncoderConfig(mode=mode, refresh="never", live=True, preset="fast")  # type: ignore[arg-type]
    assert starts(asked, 24, {20}) == [0, 20]


def test_a_storm_of_requests() -> None:
    """Two GOPs a second at most; the last request is not forgotten."""
    asked = EncoderConfig(mode="base", refresh="never", live=True, preset="fast")
    assert starts(asked, 50, set(range(1, 27))) == [0, 12, 24, 36]
    assert starts(asked, 20, {1}) == [0, 12]


def test_a_bit_rate_that_changes() -> None:
    asked = EncoderConfig(mode="base", preset="fast", kbps=20, live=True, refresh="never")
    with Encoder(64, 48, 25, asked) as encoder:
        sizes = list[int]()
        for n, picture in enumerate(scene(2, 250, 1.5)):
            if n in (75, 150):
                encoder.set_bitrate(5000 if n == 75 else 20_000)
            sizes += [8 * len(p.payload) for p in encoder.push(picture)]
        for bps in (499, 5_000_001, float("nan")):
            with pytest.raises(UsageError, match=r"allowed are 0\.5k to 5000k"):
                encoder.set_bitrate(bps)
    high, low, again = (sum(sizes[n : n + 50]) / 2000 for n in (25, 100, 200))
    assert high == pytest.approx(20, rel=0.25)
    assert low == pytest.approx(5, rel=0.25)
    assert again == pytest.approx(20, rel=0.25)


@pytest.mark.parametrize("mode", ["hybrid", "animation"])
def test_an_encoder_without_a_rate(mode: str) -> None:
    with (
        Encoder(64, 48, 25, EncoderConfig(mode=mode, live=True)) as encoder,  # type: ignore[arg-type]
        pytest.raises(UsageError, match="open it with kbps"),
    ):
        encoder.set_bitrate(8000)


def firsts(kbps: float) -> list[int]:
    """Bits of the first pictures of GOPs: at once, on request, and at a quarter of the rate."""
    asked = EncoderConfig(mode="base", preset="fast", kbps=kbps, live=True, refresh="never")
    packets = list[Packet]()
    with Encoder(64, 48, 25, asked) as encoder:
        for n, picture in enumerate(scene(2, 42, 1.5)):
            if n in (20, 40):
                encoder.request_refresh()
            if n == 40:
                encoder.set_bitrate(250 * kbps)
            packets += encoder.push(picture)
        packets += encoder.flush()
    return [8 * len(p.payload) for p in packets if p.gop_start]


def test_first_pictures_fit_on_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.7 s of the rate at most; where the rate has room they are as before."""
    bounds = [700 * kbps + 64 for kbps in (4, 4, 1)]  # the packet has a head, too
    bounded, free = firsts(4), firsts(100)
    monkeypatch.setattr(control, "_BOUND", 1e6)
    assert all(bits <= bound for bits, bound in zip(bounded, bounds, strict=True))
    assert any(bits > bound for bits, bound in zip(firsts(4), bounds, strict=True))
    assert firsts(100) == free
