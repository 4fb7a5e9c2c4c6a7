"""Mode animation where a face comes, leaves, or is not there."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from hdac.bitstream.container import PacketType
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode
from hdac.codec.syntax import EnhancementReader, EnhancementWriter
from hdac.motion.facemesh import POINTS
from hdac.runtime.planes import Array
from tests.conftest import synthetic

FRAMES = 60
#: Frames for which a face must have come or be gone at 25 pictures a second.
SEEN = 13


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says in which pictures there is a face ("f"), which goes to the right."""

    def say(where: str) -> None:
        count = iter(enumerate(where))
        points = np.random.default_rng(1).uniform(-0.5, 0.5, (POINTS, 2)).astype(np.float32)

        def found_twice(find: object, small: Array) -> tuple[Array, float]:
            number, what = next(count)
            return points + np.float32([number / 100, 0]), 0.0 if what == "f" else 9.0

        monkeypatch.setattr("hdac.motion.facemesh.found_twice", found_twice)

    return say


def coded(every: int = 1) -> tuple[bytes, tuple[str, ...]]:
    """A stream, and the encoder's notes."""
    settings = EncoderConfig("animation", qp_intra=40, preset="fast", every=every)
    pictures = synthetic(FRAMES)
    encoder = Encoder(64, 48, Fraction(25), settings, frames=FRAMES)
    return encoder.stream(pictures, [None] * FRAMES), encoder.notes


def starts(stream: bytes) -> list[int]:
    """Frames that are references."""
    header, packets = read_stream(stream)
    reader, number, found = EnhancementReader(header), 0, []
    for packet in packets:
        if packet.type is PacketType.ENHANCEMENT:
            read = reader.read(packet)
            found += [number] * read.gop_start
            number += len(read.frames)
    assert number == FRAMES
    return found


def levels(stream: bytes) -> str:
    """Of each frame, its first letter."""
    return "".join(frame.level[0] for frame in decode(stream))


@pytest.mark.parametrize("every", [1, 4])
def test_nothing_moves_without_a_face(faces: Callable[[str], None], every: int) -> None:
    faces("-" * FRAMES)
    stream, notes = coded(every)
    frames = list(decode(stream))
    assert [f.level for f in frames] == ["base"] * FRAMES
    assert all(f.picture.same(frames[0].picture) for f in frames)
    assert notes[0].startswith("no face in 60 of 60 pictures")
    between = decode(stream, between="pictures")
    assert all(f.picture.same(frames[0].picture) for f in between)


def test_a_face_comes(faces: Callable[[str], None]) -> None:
    faces("-" * 30 + "f" * 30)
    stream, _ = coded()
    new = 30 + SEEN
    assert starts(stream) == [0, new]
    assert levels(stream) == "b" * new + "b" + "a" * (FRAMES - new - 1)


def test_a_face_leaves(faces: Callable[[str], None]) -> None:
    faces("f" * 30 + "-" * 30)
    stream, notes = coded()
    new = 30 + SEEN
    assert starts(stream) == [0, new]
    assert levels(stream) == "b" + "a" * (new - 1) + "b" * (FRAMES - new)
    assert notes[0].startswith("no face in 30 of 60 pictures")


def test_frames_in_between_count(faces: Callable[[str], None]) -> None:
    """One frame in four is sent: 13 frames are over with the fourth of them."""
    faces("f" * 30 + "-" * 30)
    stream, _ = coded(4)
    (first, new) = starts(stream)
    assert first == 0
    assert 30 + SEEN <= new <= 30 + SEEN + 4
    assert levels(stream) == "b" + "a" * (new - 1) + "b" * (FRAMES - new)


def test_a_face_that_is_away_for_a_moment(faces: Callable[[str], None]) -> None:
    faces("f" * 30 + "-" * 12 + "f" * 18)
    stream, _ = coded()
    assert starts(stream) == [0]
    assert levels(stream) == "b" + "a" * (FRAMES - 1)


def test_faces_that_are_seen_cost_nothing(faces: Callable[[str], None]) -> None:
    """Flags are coded where they change alone."""
    faces("f" * FRAMES)
    _, packets = read_stream(coded()[0])
    flags = [p.payload[0] for p in packets if p.type is PacketType.ENHANCEMENT]
    assert [f & 2 for f in flags] == [0] * len(flags)


@pytest.mark.parametrize("shown", ["fffff", "f----", "-----", "ff-f-", "-f-ff"])
def test_flags_are_read_as_written(faces: Callable[[str], None], shown: str) -> None:
    """In packets of one frame, and in one of all."""
    faces("f" * FRAMES)
    header, _ = read_stream(coded()[0])
    assert header.motion is not None
    rng = np.random.default_rng(2)
    sent = [rng.integers(-9, 9, header.motion.shape) for _ in shown]
    for size in (1, len(shown)):
        writer, reader, read = EnhancementWriter(header), EnhancementReader(header), []
        for number, (parameters, flag) in enumerate(zip(sent, shown, strict=True), 1):
            writer.add(parameters, flag == "f")
            if number % size == 0:
                (packet,) = writer.take()
                read += reader.read(packet).frames
        assert "".join("-f"[frame.fused] for frame in read)[1:] == shown[1:]
        assert all((f.parameters == p).all() for f, p in zip(read, sent, strict=True))
