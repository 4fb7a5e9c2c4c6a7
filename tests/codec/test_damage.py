"""A damaged stream ends in a named error or a decoded picture: never a crash, a hang, or memory
without bounds. What verifies is decoded."""

import contextlib
import random
import resource
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hdac.bitstream.container import Packet, PacketType, pack_header
from hdac.bitstream.motions import Face
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.files import decode, encode, inspect
from hdac.errors import DamagedError, IncompleteError, StreamError, UsageError
from hdac.runtime.models import find_model
from hdac.video.ffmpeg import has_encoder
from hdac.video.picture import Picture
from tests.fuzz.mutate import mutant, rebuilt

FPS = Fraction(25)


@pytest.fixture(scope="module")
def stream(head: list[Picture]) -> bytes:
    """Two GOPs of 6 frames."""
    return encode(head[:12], 176, 144, FPS, EncoderConfig(qp_base=46, refresh=6))


def attempt(data: bytes, level: Level = "base") -> str:
    """Decodes what can be decoded; any other exception than the named ones fails the test."""
    outcome = "decoded"
    try:
        assert list(decode(data, level))
    except (StreamError, IncompleteError, UsageError) as error:
        outcome = type(error).__name__
    with contextlib.suppress(StreamError, UsageError):  # it reads what decoding can do without
        inspect(data)
    return outcome


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Each test may take 500 MB more than what was taken before it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


def test_every_truncation(stream: bytes) -> None:
    """Where the container is cut it is told; every byte of that is tested in `tests/bitstream`."""
    found = {attempt(stream[:size]) for size in (*range(60), *range(60, len(stream), 37))}
    assert found == {"TruncatedError", "StreamError", "IncompleteError"}


def test_random_damage(stream: bytes) -> None:
    """Bit flips or insertions; the checksums find all of them."""
    rng, slowest = random.Random(0), 0.0
    for _ in range(100):
        data = bytearray(stream)
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            data[at] ^= 1 << rng.randrange(8)
        else:
            data[at:at] = rng.randbytes(rng.randint(1, 4))
        start = time.monotonic()
        assert attempt(bytes(data)) != "decoded"
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < 5


@pytest.mark.parametrize(
    ("mode", "codec", "live", "times"),
    [
        ("hybrid", "hevc", False, 40),
        ("hybrid", "mixed", False, 24),
        ("hybrid", "hevc", True, 24),
        ("animation", "hevc", False, 8),
    ],
)
def test_damage_below_the_checksums(
    head: list[Picture], mode: str, codec: str, live: bool, times: int
) -> None:
    """What a malicious or broken encoder may write: the base layer decoder and the networks see
    it."""
    if codec == "mixed" and not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")
    config = EncoderConfig(
        mode=mode, qp_intra=40, qp_base=46, refresh=4, base_codec=codec, preset="fast", live=live
    )  # type: ignore[arg-type]
    stream, rng = encode(head[:8], 176, 144, FPS, config), random.Random(7)
    seen = set()
    for i in range(times):
        level: Level = "fused" if i % 10 == 0 else "base" if mode == "hybrid" else "animation"
        seen.add(attempt(mutant(stream, rng), level))
    assert seen - {"decoded"}


def test_another_model(stream: bytes) -> None:
    header, packets = read_stream(stream)
    other = rebuilt(replace(header, model_hash="deadbeef"), packets)
    with pytest.raises(UsageError, match="unknown model hdac-s"):
        list(decode(other))
    assert len(list(decode(other, "base"))) == 12  # the base layer needs no model


@pytest.mark.parametrize("level", ["fused", "animation"])
def test_a_network_that_takes_no_base_pictures(stream: bytes, level: Level) -> None:
    """In mode hybrid it met an assertion."""
    network, (header, packets) = find_model("hdac-face"), read_stream(stream)
    other = replace(
        header,
        model=network.name,
        model_hash=network.digest,
        motion=Face(5, 16),
        number_format=network.number_format,
    )
    with pytest.raises(DamagedError, match="mode hybrid and hdac-face, which takes no base pict"):
        Decoder(other, level)
    assert len(list(decode(rebuilt(other, packets), "base"))) == 12


def test_a_stream_opens_no_file(stream: bytes) -> None:
    """The header's model name was once taken for a path, whatever its digest."""
    header, packets = read_stream(stream)
    path = find_model("hdac-s").path
    for name in (str(path)[-64:], path.name):
        with pytest.raises(UsageError, match="unknown model"):
            list(decode(rebuilt(replace(header, model=name), packets)))


# ---- what verifies is decoded


def numbers(frames: list[Frame]) -> list[int]:
    return [frame.number for frame in frames]


def survivors(data: bytes, level: Level = "fused") -> tuple[list[Frame], str]:
    """The frames that a damaged stream gives, and what is said of the rest."""
    frames: list[Frame] = []
    try:
        for frame in decode(data, level):
            frames.append(frame)
    except IncompleteError as error:
        return frames, str(error)
    return frames, ""


def test_one_flipped_bit_loses_one_group(head: list[Picture]) -> None:
    """Once all four groups were lost on the command line."""
    config = EncoderConfig(mode="base", qp_base=46, refresh=6, preset="fast")
    data = encode(head, 176, 144, FPS, config)
    whole = list(decode(data))
    for place, lost in ((len(data) - 20, range(18, 24)), (len(data) // 3, None)):
        damaged = bytearray(data)
        damaged[place] ^= 4
        frames, said = survivors(bytes(damaged))
        assert len(frames) == 18
        assert "18 frames were decoded; some are missing: the checksum of bytes" in said
        kept = [f for f in whole if lost is None or f.number not in lost]
        shown = {f.picture.tobytes() for f in whole}
        assert all(f.picture.tobytes() in shown for f in frames)
        if lost is not None:
            assert all(equal(a, b) for a, b in zip(frames, kept, strict=True))
        with pytest.raises(DamagedError, match="checksum"):
            next(decode(bytes(damaged), strict=True))


def equal(a: Frame, b: Frame) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a.picture, b.picture, strict=True))


def test_what_is_cut_off(stream: bytes) -> None:
    frames, said = survivors(stream[:-30], "base")
    assert len(frames) == 6
    assert "cut short" in said


def damaged_enhancement(stream: bytes, kind: str) -> bytes:
    """The first ENHANCEMENT packet is lost, cut or altered; checksums are right."""
    header, packets = read_stream(stream)
    at = next(i for i, p in enumerate(packets) if p.type is PacketType.ENHANCEMENT)
    if kind == "lost":
        del packets[at]
    else:
        payload = packets[at].payload[:1] if kind == "cut" else b"\3\377" + packets[at].payload
        packets[at] = Packet(PacketType.ENHANCEMENT, payload, packets[at].gop_start)
    return rebuilt(header, packets)


@pytest.mark.parametrize("kind", ["lost", "cut", "altered"])
def test_enhancement_degrades(stream: bytes, kind: str) -> None:
    """Level fused: to the base layer; level animation: to the reference, since P pictures need
    those before them."""
    base, whole = list(decode(stream, "base")), list(decode(stream))
    moved = list(decode(stream, "animation"))
    data = damaged_enhancement(stream, kind)
    fused, animated = list(decode(data)), list(decode(data, "animation"))
    assert numbers(fused) == numbers(animated) == list(range(12))
    assert all(equal(a, b) for a, b in zip(fused[:6], base[:6], strict=True))
    assert all(equal(a, b) for a, b in zip(fused[6:], whole[6:], strict=True))
    assert [f.level for f in animated[:6]] == ["base"] + ["concealed"] * 5
    assert all(equal(f, base[0]) for f in animated[:6])
    assert all(equal(a, b) for a, b in zip(animated[6:], moved[6:], strict=True))


def test_animation_stream_without_an_enhancement(head: list[Picture]) -> None:
    config = EncoderConfig(mode="animation", qp_intra=40, refresh=6, keypoints=10)
    stream = encode(head[:12], 176, 144, FPS, config)
    whole = list(decode(stream))
    frames = list(decode(damaged_enhancement(stream, "lost")))
    assert all(equal(a, b) for a, b in zip(frames, whole[6:], strict=True))
    levels = [f.level for f in decode(damaged_enhancement(stream, "altered"))]
    assert levels[-6:] == ["base"] + ["animation"] * 5


def test_decoding_starts_at_a_refresh(stream: bytes) -> None:
    header, packets = read_stream(stream)
    entry = [i for i, p in enumerate(packets) if p.gop_start and p.type is PacketType.BASE][1]
    whole = list(decode(stream))
    with Decoder(header) as decoder:
        late = [f for p in packets[entry:] for f in decoder.push(p)] + decoder.flush()
    assert all(equal(a, b) for a, b in zip(late, whole[6:], strict=True))


def test_joining_in_the_middle_of_a_gop(head: list[Picture]) -> None:
    """A live stream starts anywhere, and is shown from its next entry point on."""
    stream = encode(head[:6], 176, 144, FPS, EncoderConfig(mode="base", live=True, refresh=3))
    header, packets = read_stream(stream)
    with Decoder(header) as decoder:
        shown = [[frame.number for frame in decoder.push(packet)] for packet in packets[1:]]
    assert shown == [[], [], [3], [4], [5]]


# ---- bounds


def test_sizes_are_checked_before_any_work(stream: bytes) -> None:
    """A 1.5 kB file of 4096x2048 once took 4 GB and 15 s for one frame."""
    header, packets = read_stream(stream)
    large = rebuilt(replace(header, width=4096, height=2048), packets)
    for call in (lambda: list(decode(large)), lambda: inspect(large)):
        with pytest.raises(
            UsageError, match="4096x2048; allowed are 2088960 pixels: give --max-pixels 4096x2048"
        ):
            call()
    with pytest.raises(StreamError):
        list(decode(large, "base", max_pixels=4096 * 2048))


def test_headers_of_any_bytes() -> None:
    """Valid checksums, random bodies."""
    rng = random.Random(3)
    good = pack_header(read_stream(encode([black()], 64, 64, FPS))[0])
    for _ in range(300):
        body = bytearray(good[:-4])
        for _ in range(rng.randint(1, 4)):
            body[rng.randrange(6, len(body))] = rng.randrange(256)
        data = bytes(body) + struct.pack(">I", zlib.crc32(body))
        assert attempt(data) != "decoded"


def black() -> Picture:
    return Picture(*(np.full(size, 128, np.uint8) for size in ((64, 64), (32, 32), (32, 32))))


def test_use_after_the_end(head: list[Picture]) -> None:
    from hdac.codec.encoder import Encoder

    encoder = Encoder(176, 144, FPS, EncoderConfig(mode="base"))
    encoder.push(head[0])
    encoder.flush()
    with pytest.raises(UsageError, match="flushed or closed"):
        encoder.push(head[1])
