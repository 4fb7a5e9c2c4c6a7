"""What is shown of unusual sources: callers' buffers, still pictures, colours, strobes."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

import hdac
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Level
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode
from hdac.video.picture import Picture
from tests.conftest import synthetic

FPS = Fraction(25)
SIZE = (64, 48)


def coded(pictures: list[Picture], **settings: object) -> bytes:
    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    return encode(pictures, pictures[0].width, pictures[0].height, FPS, config)


def noisy(pictures: list[Picture], strength: int = 2) -> list[Picture]:
    rng = np.random.default_rng(3)
    return [
        Picture(*((p + rng.integers(-strength, strength + 1, p.shape)).clip(16, 235).astype(np.uint8)
                  for p in picture))
        for picture in pictures
    ]  # fmt: skip


# ---- callers' buffers


def in_one_buffer(pictures: list[Picture]) -> Iterator[Picture]:
    """Every picture in the same memory, as cameras and capture libraries give them."""
    buffer = Picture(*(np.empty_like(p) for p in pictures[0]))
    for picture in pictures:
        for plane, samples in zip(buffer, picture, strict=True):
            plane[:] = samples
        yield buffer


def in_a_ring(pictures: list[Picture]) -> Iterator[Picture]:
    """Two slots, each a view of one large read-only array."""
    height, width = pictures[0].y.shape
    ring = np.zeros((2, height * 3 // 2, width + 32), np.uint8)
    shown = ring.view()
    shown.flags.writeable = False
    half = width // 2
    for n, picture in enumerate(pictures):
        low, seen = ring[n % 2, height:], shown[n % 2]
        ring[n % 2, :height, :width] = picture.y
        low[:, :half], low[:, half:width] = picture.u, picture.v
        yield Picture(seen[:height, :width], seen[height:, :half], seen[height:, half:width])


def scenes() -> list[Picture]:
    first, second = noisy(synthetic(26)), noisy(synthetic(6))
    return first + [p._replace(y=255 - p.y[::-1]) for p in second]


BUFFERED = [
    {"mode": "base", "qp_base": 40, "preset": "fast"},
    {"mode": "base", "qp_base": 40, "preset": "fast", "live": True},
    {"mode": "base", "kbps": 20.0, "preset": "fast"},
    {"qp_base": 44, "preset": "fast"},
    {"mode": "animation", "qp_intra": 36, "refresh": 20},
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("given", [in_one_buffer, in_a_ring])
@pytest.mark.parametrize("settings", BUFFERED, ids=str)
def test_a_reused_buffer_does_no_harm(
    given: Callable[[list[Picture]], Iterator[Picture]], settings: dict[str, object]
) -> None:
    pictures = scenes()[18 * ("kbps" in settings) :]
    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    expected = coded(pictures, **settings)
    assert encode(given(pictures), *SIZE, FPS, config) == expected
    assert hdac.encode(given(pictures), fps=FPS, config=config) == expected


@pytest.mark.parametrize("level", ["fused", "base", "animation"])
def test_a_decoded_picture_is_the_callers_own(level: Level) -> None:
    """It can be drawn on: nothing that comes later is made of it."""
    data = coded([*synthetic(4), *synthetic(1) * 4], qp_base=44, refresh=5)
    wanted = [f.picture.tobytes() for f in decode(data, level)]
    found = []
    for frame in decode(data, level):
        found.append(frame.picture.tobytes())
        for plane in frame.picture:
            plane[:] = 0
    assert found == wanted


def test_what_is_shown_is_the_callers_own() -> None:
    pictures, shown = noisy(synthetic(6)), []

    def spoil(one: object) -> None:
        shown.append(one)
        for plane in one.picture or ():  # type: ignore[attr-defined]
            plane[:] = 0

    config = EncoderConfig(qp_base=44)
    assert encode(pictures, *SIZE, FPS, config, on_shown=spoil) == coded(pictures, qp_base=44)
    assert len(shown) == 6
