"""What is shown of unusual sources: callers' buffers, still pictures, colours, strobes."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import hdac
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder, Frame, Level
from hdac.codec.encoder import Encoder
from hdac.codec.files import decode, encode
from hdac.codec.modes import Shown
from hdac.errors import UsageError
from hdac.video.fidelity import luma_mse, plane_mse, psnr
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
    {"mode": "animation", "qp_intra": 36, "refresh": 20, "keypoints": 10},
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("settings", BUFFERED, ids=str)
def test_a_reused_buffer_does_no_harm(settings: dict[str, object]) -> None:
    pictures = scenes()[18 * ("kbps" in settings) :]
    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    expected = coded(pictures, **settings)
    for given in (in_one_buffer, in_a_ring):
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


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (2, "allowed are 4 "),
        (3, "allowed are 4 "),
        (4.5, "allowed are 4 "),
        (1 << 40, "times end at"),
    ],
)
def test_a_refused_time_leaves_no_trace(time: float, words: str) -> None:
    config = EncoderConfig(mode="base", preset="fast")
    made = []
    for refused in (False, True):
        with Encoder(*SIZE, FPS, config, clock=1000) as encoder:
            packets = encoder.push(synthetic(1)[0], 3)
            if refused:
                with pytest.raises(UsageError, match=rf"time {time}; .*{words}"):
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
    pictures = noisy(synthetic(34))
    for at in range(26, 26 + length):
        pictures[at] = Picture(*(np.full_like(p, luma) for p in pictures[at]))
    base, moved = {"qp_base": 44, "preset": "fast"}, {"qp_intra": 36, "keypoints": 10}
    qp = base if mode == "base" else moved
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


# ---- still pictures


def slides(head: list[Picture]) -> list[Picture]:
    """Pictures that stand for some frames each."""
    return [head[n] for n in (0, 0, 0, 12, 12, 12, 12, 12, 12, 20, 20, 20)]


def half_still(head: list[Picture]) -> list[Picture]:
    """A head that moves, stops, and moves on."""
    return [*head[:3], *[head[3]] * 9, *head[3:6]]


def dithered(head: list[Picture]) -> list[Picture]:
    """Nothing but noise that is too small to be coded."""
    return noisy([head[0]] * 12, 1)


STILL: dict[str, Callable[[list[Picture]], list[Picture]]] = {
    "still": lambda head: [head[0]] * 10,
    "slides": slides,
    "half still": half_still,
    "dithered": dithered,
}


def equal_to_the_last(frames: list[Frame]) -> list[bool]:
    return [a.picture.same(b.picture) for a, b in pairwise(frames)]


@pytest.mark.parametrize(
    "settings",
    [
        {"qp_base": 44},
        {"qp_base": 40, "live": True},
        {"qp_base": 44, "refresh": 5},
        {"qp_base": 46, "tune": "perceptual", "cascade": (8, 0)},
        {"qp_base": 40, "base_scale": 2, "allow_loss": 100.0},
        {"qp_base": 44, "preset": "fast"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", STILL)
def test_where_nothing_was_coded_nothing_changes(
    face: list[Picture], kind: str, settings: dict[str, object]
) -> None:
    pictures, shown = STILL[kind](face), list[Shown]()
    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    data = encode(pictures, 96, 80, FPS, config, on_shown=shown.append)
    frames = list(decode(data))
    base = list(decode(data, "base"))
    still = equal_to_the_last(base)
    assert sum(still) >= 3
    assert all(b for a, b in zip(still, equal_to_the_last(frames), strict=True) if a)
    assert all(s.picture is None or s.picture.same(f.picture)
               for s, f in zip(shown, frames, strict=True))  # fmt: skip


def test_a_still_live_stream_with_losses(head: list[Picture]) -> None:
    """What is shown of the frames that arrive does not change; nor in a file that lost its
    enhancement."""
    config = EncoderConfig(qp_base=44, live=True, refresh=6)
    with Encoder(176, 144, FPS, config) as encoder:
        packets = [p for q in slides(head) for p in encoder.push(q)] + encoder.flush()
        with Decoder(encoder.header) as decoder:
            whole = [f for p in packets for f in decoder.push(p)] + decoder.flush()
        for lost in (2, 4, 8):
            with Decoder(encoder.header) as decoder:
                came = [p for n, p in enumerate(packets) if n != lost]
                shown = [f for p in came for f in decoder.push(p)] + decoder.flush()
            frames = [f for f in shown if f.level != "concealed"]
            assert len(frames) >= 6
            assert all(f.picture.same(whole[f.number].picture) for f in frames)


# ---- never worse, in colours and with preset "fast"


def hues(head: list[Picture], step: float) -> list[Picture]:
    """Light whose hue goes round."""

    def turned(picture: Picture, angle: float) -> Picture:
        u, v = (
            (p + 45 * wave(angle)).clip(16, 240).astype(np.uint8)
            for p, wave in zip(picture[1:], (np.cos, np.sin), strict=True)
        )
        return picture._replace(u=u, v=v)

    return [turned(p, step * i) for i, p in enumerate(head[:14])]


def leaves(head: list[Picture]) -> list[Picture]:
    """A pink face in front of a grey wall goes out of the picture."""
    y, x = np.mgrid[0:144, 0:176]
    out = []
    for t in range(14):
        face = (((x - 88 - 14 * t) / 36) ** 2 + ((y - 72) / 50) ** 2 < 1).astype(int)
        luma = 120 + 20 * np.sin(y / 11) + 15 * face * np.cos(x / 5)
        half = face[::2, ::2]
        out.append(Picture(*(p.astype(np.uint8) for p in (luma, 128 - 12 * half, 128 + 25 * half))))
    return noisy(out, 2)


COLOURS: dict[str, Callable[[list[Picture]], list[Picture]]] = {
    "slow hues": lambda head: hues(head, 0.15),
    "hues": lambda head: hues(head, 0.4),
    "fast hues": lambda head: hues(head, 1.0),
    "a face leaves": leaves,
    "as it is": lambda head: head[:14],
    "grey": lambda head: [Picture(p.y, *(np.full_like(q, 128) for q in p[1:])) for p in head[:14]],
}


def decibels(picture: Picture, source: Picture) -> list[float]:
    """PSNR of the three planes; more than 52 dB is nothing that is seen."""
    return [min(52.0, psnr(plane_mse(p, q))) for p, q in zip(picture, source, strict=True)]


@pytest.mark.parametrize("qp_base", [36, 46])
@pytest.mark.parametrize("kind", COLOURS)
def test_chroma_is_not_worse(head: list[Picture], kind: str, qp_base: int) -> None:
    pictures = COLOURS[kind](head)

    def gains_of(precision: str) -> np.ndarray:
        settings = {"qp_base": qp_base, "refresh": "never", "preset": "medium"}
        data = coded(pictures, precision=precision, **settings)
        pairs = zip(decode(data), decode(data, "base"), pictures, strict=True)
        return np.array(
            [np.subtract(decibels(f.picture, s), decibels(b.picture, s)) for f, b, s in pairs]
        )

    gains = gains_of("auto")
    assert gains[:, 0].min() >= -1e-9
    assert gains.min() >= -0.501
    assert (gains @ (0.75, 0.125, 0.125)).min() >= -1e-9
    assert gains.mean(0).min() > -0.3
    if kind in ("as it is", "grey"):  # it still pays; grey, half as much in int8
        assert gains[:, 0].mean() > (0.02 if kind == "as it is" else 0.01)
        assert gains_of("fp32")[:, 0].mean() > 0.02


@pytest.mark.parametrize("amount", [(-300, 0), (300, 0), (60, 0), (0, 120)])
@pytest.mark.parametrize("period", [2, 3, 4])
def test_preset_fast_looks_at_every_picture_of_a_strobe(
    face: list[Picture], period: int, amount: tuple[int, int]
) -> None:
    """Light, or coloured light, that comes and goes at the pace at which the encoder looks."""
    luma, chroma = amount

    def lit(picture: Picture) -> Picture:
        y = (picture.y.astype(int) + luma).clip(16, 235).astype(np.uint8)
        v = (picture.v.astype(int) + chroma).clip(16, 240).astype(np.uint8)
        return Picture(y, picture.u, v)

    pictures = [p if n % period == 1 else lit(p) for n, p in enumerate(face[:16])]
    data = coded(pictures, qp_base=44, preset="fast")
    for fused, base, source in zip(decode(data), decode(data, "base"), pictures, strict=True):
        assert luma_mse(fused.picture, source) <= 1.02 * luma_mse(base.picture, source)
