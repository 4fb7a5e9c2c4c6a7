"""What is shown of unusual sources: callers' buffers, still pictures, colours, strobes."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

import hdac
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Level
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode
from hdac.errors import UsageError
from hdac.video.picture import Picture
from tests.conftest import synthetic

FPS = Fraction(25)
SIZE = (64, 48)


def coded(pictures: list[Picture], **settings: object) -> bytes:
    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    return encode(pictures, pictures[0].width, pictures[0].height, FPS, config)


def noisy(pictures: list[Picture], strength: int = 2) -> list[Picture]:
    rng = np.random.default_rng(3)

    def plane(samples: np.ndarray) -> np.ndarray:
        noise = rng.integers(-strength, strength + 1, samples.shape)
        return (samples + noise).clip(16, 235).astype(np.uint8)

    return [Picture(*map(plane, picture)) for picture in pictures]


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


SCRIPT = """
import importlib, pkgutil
import numpy as np
import hdac
from tests.conftest import synthetic

for module in pkgutil.walk_packages(hdac.__path__, "hdac."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
arrays = [np.full((48, 64, 3), 8 * i, np.uint8) for i in range(3)]
planes = synthetic(3)
for plane in [*arrays, *(plane for picture in planes for plane in picture)]:
    plane.flags.writeable = False
for source in (arrays, planes):
    for settings in ({"mode": "base"}, {}, {"mode": "animation", "qp_intra": 36}):
        data = hdac.encode(source, preset="fast", **settings)
        assert len([frame.to_rgb() for frame in hdac.decode(data)]) == 3
"""


def test_no_warnings_of_imports_and_of_read_only_arrays() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- refused pictures

GOOD = synthetic(1)[0]


@pytest.mark.parametrize("mode", ["base", "hybrid"])
@pytest.mark.parametrize(
    "bad",
    [
        GOOD._replace(u=GOOD.u[:-1]),
        GOOD._replace(v=np.zeros(GOOD.y.shape, np.uint8)),
        GOOD._replace(y=GOOD.y.astype(np.float32) / 255),
        GOOD._replace(y=GOOD.y.astype(np.uint16)),
        GOOD._replace(v=GOOD.v[..., None]),
        GOOD._replace(u=None),
        np.zeros((48, 64, 3), np.uint8),
        *synthetic(1, 64, 64),
    ],
    ids=lambda bad: str([(np.shape(p), getattr(p, "dtype", None)) for p in bad][:3]),
)
def test_a_refused_picture_leaves_no_trace(bad: object, mode: str) -> None:
    config, pictures = EncoderConfig(mode=mode, live=True), scenes()[22:30]  # type: ignore[arg-type]
    with Encoder(*SIZE, FPS, config) as encoder:
        expected = [p for picture in pictures for p in encoder.push(picture)] + encoder.flush()
    with Encoder(*SIZE, FPS, config) as encoder:
        found = []
        for picture in pictures:
            with pytest.raises(UsageError, match="the encoder was opened for 64x48"):
                encoder.push(bad)  # type: ignore[arg-type]
            found += encoder.push(picture)
        found += encoder.flush()
    assert found == expected


@pytest.mark.parametrize("time", [2, 3, 4.5, 1 << 40])
def test_a_refused_time_leaves_no_trace(time: float) -> None:
    config = EncoderConfig(mode="base", preset="fast")
    made = []
    for refused in (False, True):
        with Encoder(*SIZE, FPS, config, clock=1000) as encoder:
            packets = encoder.push(synthetic(1)[0], 3)
            if refused:
                with pytest.raises(UsageError, match=rf"time {time}; allowed are 4 .* to"):
                    encoder.push(synthetic(2)[1], time)  # type: ignore[arg-type]
            made.append(packets + encoder.push(synthetic(3)[2], 50) + encoder.flush())
    assert made[0] == made[1]


@pytest.mark.parametrize("codec", ["hevc", "mixed", "vvc", "auto"])
@pytest.mark.parametrize("mode", ["hybrid", "animation", "base"])
@pytest.mark.parametrize(
    ("scale", "size", "base"),
    [(4, (64, 48), "16x12"), (4, (50, 120), "14x30"), (4, (16, 16), "4x4"), (2, (32, 16), "16x8")],
)
def test_a_base_layer_too_small_is_refused_at_once(
    scale: int, size: tuple[int, int], base: str, mode: str, codec: str
) -> None:
    config = EncoderConfig(mode=mode, base_codec=codec, base_scale=scale)  # type: ignore[arg-type]
    words = rf"--base-scale {scale}: a base layer of {base}; at least 16x16 is needed"
    with pytest.raises(UsageError, match=words):
        Encoder(*size, FPS, config)


# ---- flashes and cuts


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("mode", ["base", "animation"])
@pytest.mark.parametrize(("luma", "length"), [(235, 1), (16, 1), (160, 2), (235, 3)])
def test_a_flash_costs_no_reference(mode: str, live: bool, luma: int, length: int) -> None:
    """The same bytes as without any refresh."""
    pictures = noisy(synthetic(40))
    for at in range(26, 26 + length):
        pictures[at] = Picture(*(np.full_like(p, luma) for p in pictures[at]))
    qp = {"qp_base": 44, "preset": "fast"} if mode == "base" else {"qp_intra": 36}
    made = coded(pictures, mode=mode, live=live, **qp)
    assert made == coded(pictures, mode=mode, live=live, refresh="never", **qp)


@pytest.mark.parametrize("cut", [24, 37, 39])
def test_a_scene_cut_starts_a_gop(cut: int) -> None:
    """At its first picture, in files and in live streams, and at the end of a file too."""
    other = [Picture(*(p[::-1] for p in q)) for q in noisy([q._replace(y=255 - q.y) for q in
             synthetic(40)])]  # fmt: skip
    pictures = (noisy(synthetic(40))[:cut] + other)[:40]
    for live in (False, True):
        data = coded(pictures, mode="base", preset="fast", live=live)
        _, packets = read_stream(data)
        starts = [n for n, p in enumerate(packets) if p.gop_start]
        assert len(starts) == 2
        assert not live or starts == [0, cut]
