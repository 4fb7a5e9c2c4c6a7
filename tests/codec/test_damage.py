"""A damaged stream ends in a named error or a decoded picture: never a crash, a hang, or memory
without bounds."""

import io
import random
import resource
import struct
import time
import zlib
from collections.abc import Iterator
from fractions import Fraction

import pytest

from hdac.bitstream.container import ContainerReader, ContainerWriter, Packet, PacketType
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Level
from hdac.codec.files import decode, encode, inspect
from hdac.errors import StreamError, UsageError
from hdac.video.ffmpeg import encoders, find_ffmpeg
from hdac.video.picture import Picture


@pytest.fixture(scope="module")
def stream(head: list[Picture]) -> bytes:
    return encode(head[:10], 176, 144, Fraction(25), EncoderConfig(qp_base=46, refresh=6))


def attempt(data: bytes, level: Level = "base") -> str:
    """Decodes what can be decoded; any other exception than the named ones fails the test."""
    frames = 0
    try:
        for _ in decode(data, level):
            frames += 1
        inspect(data)
    except (StreamError, UsageError) as error:
        return type(error).__name__
    assert frames
    return "decoded"


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Each test may take 500 MB more than what was taken before it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


def test_every_truncation(stream: bytes) -> None:
    assert {attempt(stream[:size]) for size in range(len(stream))} == {
        "TruncatedError",
        "StreamError",
    }


@pytest.mark.parametrize("seed", range(4))
def test_random_damage(stream: bytes, seed: int) -> None:
    """500 bit flips or insertions each; the checksums find all of them."""
    rng, slowest = random.Random(seed), 0.0
    for _ in range(500):
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


def repacked(stream: bytes, rng: random.Random) -> bytes:
    """Damage below the checksums: payloads altered, packets dropped, repeated or swapped, checksums
    right."""
    reader, out = ContainerReader(stream), io.BytesIO()
    packets = list(reader.packets())
    writer = ContainerWriter(out, reader.header)
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(packets))
        kind = rng.choice(("flip", "insert", "cut", "drop", "repeat", "swap", "type"))
        payload = bytearray(packets[i].payload)
        if kind == "flip":
            payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
        elif kind == "insert":
            at = rng.randrange(len(payload))
            payload[at:at] = rng.randbytes(3)
        elif kind == "cut":
            payload = payload[: rng.randrange(1, len(payload) + 1)]
        elif kind == "drop" and len(packets) > 1:
            del packets[i]
            continue
        elif kind == "repeat":
            packets.insert(i, packets[i])
            continue
        elif kind == "swap":
            j = rng.randrange(len(packets))
            packets[i], packets[j] = packets[j], packets[i]
            continue
        new = rng.choice(list(PacketType)[:3]) if kind == "type" else packets[i].type
        packets[i] = Packet(new, bytes(payload), bool(payload[0] & 1))
    for packet in packets:
        writer.write(packet)
    writer.close_group(last=True)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "codec", "times"),
    [("hybrid", "hevc", 200), ("hybrid", "mixed", 100), ("animation", "hevc", 40)],
)
def test_damage_below_the_checksums(head: list[Picture], mode: str, codec: str, times: int) -> None:
    """What a malicious or broken encoder may write: the base layer decoder and the networks see
    it."""
    if codec == "mixed" and "libvvenc" not in encoders(find_ffmpeg()):
        pytest.skip("this FFmpeg has no libvvenc")
    settings = EncoderConfig(
        mode=mode,
        qp_intra=40,
        qp_base=46,
        refresh=4,
        packet_frames=2,
        base_codec=codec,
        preset="fast",
    )  # type: ignore[arg-type]
    stream, rng = encode(head[:8], 176, 144, Fraction(25), settings), random.Random(7)
    seen = set()
    for i in range(times):
        level: Level = "fused" if i % 20 == 0 else "base" if mode == "hybrid" else "animation"
        seen.add(attempt(repacked(stream, rng), level))
    assert "DamagedError" in seen


def test_another_model(stream: bytes) -> None:
    header = bytearray(stream)
    at = stream.index(b"hdac-s") + 6
    header[at] ^= 255
    end = 6 + header[5]
    header[end : end + 4] = struct.pack(">I", zlib.crc32(header[:end]))
    with pytest.raises(UsageError, match="unknown model hdac-s"):
        list(decode(bytes(header)))
    assert len(list(decode(bytes(header), "base"))) == 10  # the base layer needs no model
