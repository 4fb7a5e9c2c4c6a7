"""Payload: what a file has beside start codes, headers of its units, and the container."""

import av
import pytest

from hdac.bench.payload import payload_kbps, stream_payload
from hdac.codec.config import EncoderConfig
from hdac.codec.files import encode, inspect
from tests.conftest import synthetic


@pytest.mark.parametrize(
    ("suffix", "data", "size"),
    [
        (".hevc", b"\0\0\0\1\x40\1abc\0\0\1\x26\1defg", 7), (".vvc", b"\0\0\1\0\1a", 1),
        (".h264", b"\0\0\0\1\x67abc\0\0\1\x65de", 5), (".266", b"\0\0\1\0\1\0\0\3\1", 4),
        (".obu", b"\x12\0\x0a\x03abc\x32\x02de", 5), (".obu", b"\x36\x08\x02de", 2),
        (".obu", b"\x32\x81\x01" + bytes(129), 129),
    ],
)  # fmt: skip
def test_streams(suffix: str, data: bytes, size: int) -> None:
    assert stream_payload(suffix, data) == 8 * size


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".hevc", b""), (".hevc", b"no start code"), (".bin", b"\0\0\1\x26\1a"), (".obu", b""),
        (".obu", b"\x12"), (".obu", b"\x32\x05abc"), (".obu", b"\x32\xff\xff\xff\xff\xff\x01"),
        (".obu", b"\x30ab"), (".obu", b"\xb2\x01a"),
    ],
)  # fmt: skip
def test_what_is_no_such_stream(suffix: str, data: bytes) -> None:
    assert stream_payload(suffix, data) is None


def coded(name: str, options: dict[str, str]) -> bytes:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.framerate = 64, 48, "yuv420p", 25
    context.options = options
    frames = [p.to_av() for p in synthetic(4)]
    for i, frame in enumerate(frames):
        frame.pts = i
    return b"".join(bytes(p) for f in (*frames, None) for p in context.encode(f))


@pytest.mark.parametrize(
    ("name", "suffix", "options", "overhead"),
    [
        ("libx264", ".h264", {"preset": "ultrafast", "tune": "zerolatency"}, (4, 5)),
        ("libx265", ".hevc", {"preset": "ultrafast", "x265-params": "log-level=none"}, (5, 6)),
    ],
)  # fmt: skip
def test_streams_of_encoders(
    name: str, suffix: str, options: dict[str, str], overhead: tuple[int, int]
) -> None:
    """A start code of 3 or 4 bytes and a header of 1 or 2 for each unit."""
    data = coded(name, options)
    found = stream_payload(suffix, data)
    assert found is not None
    units = data.count(b"\0\0\1")
    low, high = overhead
    assert units * low <= len(data) - found // 8 <= units * high


def test_hdac_files() -> None:
    config = EncoderConfig(mode="base", base_codec="hevc")
    data = encode(synthetic(3), 64, 48, 25, config)
    info = inspect(data)
    record = {"bytes": len(data), "bits": vars(info.bits), "results": {"bitrate": [info.kbps]}}
    layers = info.bits.base + info.bits.reference
    assert info.bits.header > 0
    assert payload_kbps(record) == pytest.approx(info.kbps * layers / (8 * len(data)))


@pytest.mark.parametrize("bits", [None, 0, -8, 808, "400", True, [400], float("nan")])
def test_points_that_keep_nothing_of_it(bits: object) -> None:
    record = {"bytes": 100, "bits": None, "results": {"bitrate": [10.0]}}
    assert payload_kbps(record) is None
    assert payload_kbps({**record, "payload_bits": bits}) is None
    assert payload_kbps({**record, "payload_bits": 400}) == 5
