"""AUDIO packets: what they hold, where they stand, and what hostile ones do."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

import hdac
from hdac.bitstream.container import BaseCodec, Header, Mode, Packet, PacketType
from hdac.bitstream.cursor import chunk, varint
from hdac.codec.audio import MAX_PACKETS, AudioReader, AudioWriter, pack_audio, parse_audio
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder
from hdac.codec.encoder import Encoder
from hdac.codec.files import encode
from hdac.errors import DamagedError, IncompleteError, StreamError, UsageError
from hdac.video.info import VideoInfo
from hdac.video.opus import MAX_BYTES, OpusPacket, opus_ticks
from hdac.video.writer import VideoWriter
from tests.conftest import synthetic
from tests.fuzz.mutate import taken, written

#: 60 ms, SILK, mono, and what a decoder takes for it.
TOC = 3 << 3
HEADER = Header(Mode.BASE, BaseCodec.HEVC, 64, 48, Fraction(25))
FRAMES = 30


def opus(count: int, time: int = 0) -> list[OpusPacket]:
    """Packets of 60 ms without gaps."""
    return [OpusPacket(time + 24 * n, bytes([TOC, n & 255, n >> 8])) for n in range(count)]


def tone(seconds: float) -> np.ndarray:
    return (0.4 * np.sin(np.arange(round(48000 * seconds)) * 0.06)).astype(np.float32)


def coded(audio: list[OpusPacket], times: list[int] | None = None, **settings: object) -> bytes:
    given = {"mode": "base", "preset": "fast", "base_encoder": "x265", "refresh": 10, **settings}
    config = EncoderConfig(**given)  # type: ignore[arg-type]
    return encode(synthetic(FRAMES), 64, 48, 25, config, times=times, audio=audio)


# ---- Opus


@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60, 80, 100, 120])
def test_durations_are_libopus(ms: float) -> None:
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = 48000, "stereo", "flt"
    context.options = {"frame_duration": f"{ms:g}"}
    context.open()
    frame = av.AudioFrame.from_ndarray(
        np.zeros((1, 2 * round(48 * ms)), np.float32), format="flt", layout="stereo"
    )
    frame.sample_rate = 48000
    (packet,) = context.encode(frame)
    assert opus_ticks(bytes(packet)) == ms / 2.5
    assert OpusPacket(0, bytes(packet)).channels == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "of 0 bytes; allowed are 1 to 4096"),
        (bytes([TOC]) * (MAX_BYTES + 1), "of 4097 bytes"),
        (bytes([TOC | 3]), "of 0 frames"),  # many frames, no number of them
        (bytes([TOC | 3, 0, 1]), "of 0 frames"),
        (bytes([TOC | 3, 3, 1]), "of 3 frames, 180 ms"),
        (bytes([31 << 3 | 3, 7, 1]), "of 7 frames, 140 ms"),
        (bytes([16 << 3 | 3, 49, 1]), "of 49 frames, 122.5 ms"),
    ],
)
def test_what_is_no_opus_packet(data: bytes, words: str) -> None:
    with pytest.raises(DamagedError, match=words):
        opus_ticks(data)
    with pytest.raises(StreamError):
        parse_audio(b"\0" + chunk(data), 0)
    with pytest.raises(UsageError, match=words):
        AudioWriter(HEADER).push(OpusPacket(0, data))


# ---- payloads


@pytest.mark.parametrize("distance", [0, 1, -1, 63, -64, 64, 1 << 20, 1 - (1 << 31)])
def test_payloads_come_back(distance: int) -> None:
    packets = opus(5, 1000 + distance)
    assert parse_audio(pack_audio(packets, 1000), 1000) == packets


def test_the_bytes_of_section_5() -> None:
    """d = -3: zigzag 5; each Opus packet behind its length."""
    packets = [OpusPacket(-3, bytes([TOC, 1])), OpusPacket(21, bytes([TOC]))]
    assert pack_audio(packets, 0) == bytes([5, 2, TOC, 1, 1, TOC])


HOSTILE = [
    b"",
    b"\0",
    b"\xff" * 6,
    b"\0\xff\xff\xff\xff\x0f",
    b"\0" + chunk(b""),
    b"\0" + chunk(bytes([TOC | 3, 63])),
    b"\0" + varint(5) + bytes([TOC]),
    b"\0" + chunk(bytes([TOC])) * (MAX_PACKETS + 1),
    b"\0" + chunk(bytes([TOC, 1])) + b"\xff\xff\x03",
]


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_payloads(payload: bytes) -> None:
    """They cost themselves, nothing else."""
    with pytest.raises(StreamError):
        parse_audio(payload, 0)
    data = coded(opus(20))
    header, packets = taken(data)
    places = [n for n, p in enumerate(packets) if p.type is PacketType.AUDIO]
    packets[places[1]] = replace(packets[places[1]], payload=payload)
    bad = written(header, packets)
    assert len(list(hdac.decode(bad))) == FRAMES
    assert list(hdac.decode(bad, strict=True))
    audio = hdac.read_audio(bad)
    kept = list(audio)
    assert len(audio.damage) == 1
    assert kept == [p for p in opus(20) if not 160 <= p.time < 320]
    with pytest.raises(StreamError):
        list(hdac.read_audio(bad, strict=True))
    with pytest.raises(StreamError):
        hdac.inspect(bad)


@pytest.mark.parametrize("seed", range(20))
def test_random_payloads(seed: int) -> None:
    rng = random.Random(seed)
    payload = bytearray(pack_audio(opus(8), 0))
    for _ in range(200):
        broken = bytearray(payload)
        broken[rng.randrange(len(broken)) :] = rng.randbytes(rng.randrange(40))
        try:
            found = parse_audio(bytes(broken), 0)
        except StreamError:
            continue
        assert all(b.time == a.end for a, b in pairwise(found))


# ---- where they stand


@pytest.mark.parametrize("mode", ["hybrid", "animation"])
@pytest.mark.parametrize("live", [False, True])
def test_other_modes(mode: str, live: bool) -> None:
    asked: dict[str, object] = {"qp_base": 40}
    if mode == "animation":
        asked = {"qp_intra": 36, "keypoints": 10}
    sound = opus(20, -3)
    data = coded(sound, mode=mode, live=live, **asked)
    assert list(hdac.read_audio(data)) == sound
    header, packets = taken(data)
    video = [p for p in packets if p.type is not PacketType.AUDIO]
    assert written(header, video) == coded([], mode=mode, live=live, **asked)
    pairs = {(a.type, b.type) for a, b in pairwise(packets)}
    assert (PacketType.BASE, PacketType.AUDIO) not in pairs, "its enhancement comes first"
    frames = [(f.number, f.level) for f in hdac.decode(data)]
    assert frames == [(f.number, f.level) for f in hdac.decode(written(header, video))]


def test_frame_by_frame() -> None:
    """Sound that comes late goes out with the next frames."""
    config = EncoderConfig(mode="base", preset="fast", live=True)
    packets = list[Packet]()
    with Encoder(64, 48, 25, config) as encoder:
        for n, picture in enumerate(synthetic(FRAMES)):
            packets += encoder.push(picture)
            if n % 5 == 4:
                encoder.push_audio(opus(20)[n // 5 * 3 : n // 5 * 3 + 3])
        packets += encoder.flush()
        with pytest.raises(UsageError, match="flushed or closed"):
            encoder.push_audio(opus(1, 999))
    reader = AudioReader(encoder.header)
    assert [p for packet in packets for p in reader.push(packet)] == opus(18)
    places = [n for n, p in enumerate(packets) if p.type is PacketType.AUDIO]
    assert packets[places[0] - 1].time == 5, "what was pushed after frame 4"


@pytest.mark.parametrize(
    "settings",
    [{}, {"clock": True}, {"live": True}, {"live": True, "clock": True}],
    ids=["file", "times", "live", "live-times"],
)
def test_the_sound_comes_back(settings: dict[str, bool]) -> None:
    times = [*accumulate((20, 60) * 15)] if settings.pop("clock", False) else None
    sound = [*opus(6, -3), *opus(12, 200)]  # with a gap, and longer than the pictures
    data = coded(sound, times, **settings)
    assert list(hdac.read_audio(data)) == sound
    without = coded([], times, **settings)
    header, packets = taken(data)
    assert written(header, [p for p in packets if p.type is not PacketType.AUDIO]) == without
    assert hdac.inspect(data).kbps == hdac.inspect(without).kbps
    assert hdac.inspect(data).bits.audio == 8 * (len(data) - len(without))


def test_sound_stands_behind_its_frames() -> None:
    """In groups of 10 frames, 400 ms: what is read so far can be played."""
    _, packets = taken(coded(opus(20)))
    kinds = [packet.type for packet in packets]
    assert kinds == [PacketType.BASE, PacketType.AUDIO] * 3
    starts = [parse_audio(p.payload, 0)[0].time for p in packets[1::2]]
    assert starts == [0 - 9 * 16, 168 - 19 * 16, 336 - 29 * 16], "from the last frame before"


def test_long_sounds_are_divided() -> None:
    writer = AudioWriter(HEADER)
    for packet in opus(MAX_PACKETS + 1):
        writer.push(packet)
    one, two = writer.take(0, last=True)
    assert len(parse_audio(one.payload, 0)) == MAX_PACKETS
    assert len(parse_audio(two.payload, 0)) == 1


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ([*opus(2), OpusPacket(47, bytes([TOC]))], "at 47; the one before ends at 48"),
        (opus(1, 1 << 32), "4294966832 from its frame; allowed are -2147483647 to 2147483647"),
        ([OpusPacket(0, b"")], "an Opus packet of 0 bytes"),
    ],
)
def test_sounds_that_are_refused(audio: list[OpusPacket], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        coded(audio)


# ---- live


@pytest.fixture(scope="module")
def sent() -> tuple[Header, list[Packet]]:
    return taken(coded(opus(20), live=True))


def test_live_sound_takes_no_number(sent: tuple[Header, list[Packet]]) -> None:
    """Decoders take it for late packets; the numbers of frames go on."""
    _, packets = sent
    video = [p for p in packets if p.type is not PacketType.AUDIO]
    assert [p.sequence for p in video] == list(range(FRAMES))
    frame = 0
    for packet in packets:
        if packet.type is PacketType.AUDIO:
            assert (packet.sequence, packet.time) == (frame - (1 << 14) & 0xFFFF, frame)
            assert len(parse_audio(packet.payload, 16 * frame)) == 1
        else:
            frame = packet.sequence
    assert len(packets) == FRAMES + 20


@pytest.mark.parametrize("seed", range(3))
def test_lost_sound_is_no_lost_frame(sent: tuple[Header, list[Packet]], seed: int) -> None:
    header, packets = sent
    rng = random.Random(seed)
    kept = [p for p in packets if p.type is not PacketType.AUDIO or rng.random() < 0.5]
    reader, heard = AudioReader(header), list[OpusPacket]()
    with Decoder(header) as decoder:
        shown = []
        for packet in kept:
            shown += decoder.push(packet)
            heard += reader.push(packet)
    assert [frame.number for frame in shown] == list(range(FRAMES))
    assert 0 < len(heard) == len(kept) - FRAMES
    assert set(heard) < set(opus(20)), "each at its own time"


@pytest.mark.parametrize("lost", [0, 1, 4, 9, 10, FRAMES - 1])
def test_a_lost_frame_among_sound(sent: tuple[Header, list[Packet]], lost: int) -> None:
    """It is seen by the next frame, whatever sound comes between; the GOP ends every 10 frames."""
    header, packets = sent
    with Decoder(header) as decoder:
        arrived = (p for p in packets if p.type is PacketType.AUDIO or p.sequence != lost)
        shown = [frame for packet in arrived for frame in decoder.push(packet)]
    end = lost // 10 * 10 + 10
    right = [f.number for f in shown if f.level != "concealed"]
    assert right == [n for n in range(FRAMES) if not lost <= n < end]
    assert [f.number for f in shown] == list(range(shown[0].number, shown[-1].number + 1))


def test_duplicates_are_played_once(sent: tuple[Header, list[Packet]]) -> None:
    header, packets = sent
    reader = AudioReader(header)
    heard = [p for packet in packets for _ in range(2) for p in reader.push(packet)]
    assert heard == opus(20)


def test_times_of_hostile_live_streams_are_written(
    sent: tuple[Header, list[Packet]], tmp_path: Path
) -> None:
    """They stand still and jump."""
    header, packets = sent
    rng = random.Random(0)
    times = [rng.choice((0, 7, p.sequence, 1 << 31)) for p in packets]
    data = written(header, [replace(p, time=t) for p, t in zip(packets, times, strict=True)])
    frames = list[hdac.Frame]()
    with pytest.raises(IncompleteError, match="times of a live stream grow"):
        frames.extend(hdac.decode(data))
    for suffix in ("mp4", "mkv"):
        info = VideoInfo(tmp_path / f"o.{suffix}", 64, 48, Fraction(25))
        with VideoWriter(info, audio=hdac.read_audio(data)) as writer:
            for frame in frames:
                writer.write(frame.picture, frame.time)
        with av.open(str(info.path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == len(frames) > 0


# ---- loss in files


def test_sound_of_lost_frames_is_lost_with_them() -> None:
    header, packets = taken(coded(opus(20)))
    group = packets[2].payload
    data = written(header, packets)
    at = data.index(group) + 9
    frames = hdac.decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(IncompleteError):
        list(frames)
    kept = list(hdac.read_audio(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]))
    closed = [p._replace(time=p.time - 160) for p in opus(20) if p.time >= 336]
    assert kept == [p for p in opus(20) if p.time < 160] + closed


# ---- samples


def test_samples_to_opus_and_back() -> None:
    samples = np.concatenate([tone(0.2), np.zeros(9600, np.float32), tone(0.2)])
    sound = hdac.encode_audio(samples)
    assert sound == hdac.encode_audio(samples), "the same bytes every time"
    assert hdac.encode_audio(samples[:0]) == []
    data = hdac.encode(synthetic(10), mode="base", preset="fast", audio=sound)
    line = np.zeros(48000)
    for time, part in hdac.decode_audio(hdac.read_audio(data)):
        at = round(time * 48000)
        line[max(at, 0) : at + len(part)] = part[max(0, -at) :]
    lags = range(-480, 481, 12)
    matches = [float((line[480 + k : 480 + k + 28000] * samples[480:28480]).sum()) for k in lags]
    energy = float((samples[480:28480] ** 2).sum())
    assert max(matches) > 0.5 * energy
    assert abs(list(lags)[int(np.argmax(matches))]) <= 240, "in time to 5 ms"


@pytest.mark.parametrize("kbps", [5.9, 64.1])
def test_rates_that_are_refused(kbps: float) -> None:
    with pytest.raises(UsageError, match="allowed are 6k to 64k"):
        hdac.encode_audio(tone(0.1), kbps=kbps)


@pytest.mark.parametrize("kbps", [6, 12])
def test_rates(kbps: int) -> None:
    rng = np.random.default_rng(0)
    noise = (0.2 * rng.standard_normal(96000)).astype(np.float32)
    size = sum(len(p.data) for p in hdac.encode_audio(noise, kbps=kbps))
    assert 0.6 < 8 * size / 2000 / kbps < 1.2


def test_samples_that_are_refused() -> None:
    for samples, rate in ((np.zeros((2, 100), np.float32), 48000), (tone(0.1), 10)):
        with pytest.raises(UsageError, match="a one-dimensional array is needed, at 1000"):
            hdac.encode_audio(samples, rate)
