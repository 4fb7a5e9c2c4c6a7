import math

import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.layers.reference import FLASH, RefreshPolicy, check_refresh, quality
from hdac.video.fidelity import psnr
from hdac.video.picture import Picture
from tests.conftest import synthetic


def asked(
    policy: RefreshPolicy,
    pictures: list[Picture],
    quality: list[float],
    bits: list[int],
    ahead: int = 0,
) -> list[int]:
    """Frames at which the policy wants a refresh; `ahead`: following pictures that it is shown."""
    out = []
    for i, (picture, q, b) in enumerate(zip(pictures, quality, bits, strict=True)):
        wanted = policy.wants(picture, pictures[i + 1 : i + 1 + ahead])
        out += [i] * wanted
        if wanted:
            policy.start()
        policy.report(q, b)
    return out


def scene(value: int, frames: int) -> list[Picture]:
    return [p._replace(y=(p.y // 2 + value).astype(np.uint8)) for p in synthetic(frames)]


def test_scene_cut_but_not_too_soon() -> None:
    pictures = scene(0, 10) + scene(90, 30) + scene(0, 30)
    flat = ([40.0] * 70, [100] * 70)
    # the cut at 10 comes before the minimum distance
    assert asked(RefreshPolicy(), pictures, *flat) == [0, 40]
    assert asked(RefreshPolicy("never"), pictures, *flat) == [0]
    assert asked(RefreshPolicy(20), pictures, *flat) == [0, 20, 40, 60]


def refreshes(pictures: list[Picture], ahead: int) -> list[int]:
    count = len(pictures)
    return asked(RefreshPolicy(), pictures, [40.0] * count, [100] * count, ahead)


def talking(head: list[Picture], frames: int) -> list[Picture]:
    """A head that goes on moving: to and fro."""
    return [(head + head[::-1])[i % 48] for i in range(frames)]


def flat(picture: Picture, luma: int) -> Picture:
    return Picture(np.full_like(picture.y, luma), *(np.full_like(p, 128) for p in picture[1:]))


def lighter(picture: Picture, gain: float, offset: float) -> Picture:
    return picture._replace(y=(picture.y * gain + offset).clip(16, 235).astype(np.uint8))


def noise(picture: Picture) -> Picture:
    rng = np.random.default_rng(0)
    return Picture(*(rng.integers(16, 236, p.shape).astype(np.uint8) for p in picture))


def tinted(picture: Picture, u: int, v: int) -> Picture:
    """The same luma in the light of a coloured lamp."""
    u, v = (np.clip(p.astype(int) + d, 16, 240) for p, d in zip(picture[1:], (u, v), strict=True))
    return Picture(picture.y, u.astype(np.uint8), v.astype(np.uint8))


def upside_down(picture: Picture) -> Picture:
    return Picture(*(p[::-1] for p in picture))


FLASHES = {
    "white": lambda p: flat(p, 235),
    "black": lambda p: flat(p, 16),
    "grey": lambda p: flat(p, 190),
    "overexposed": lambda p: lighter(p, 1.3, 90),
    "bright": lambda p: lighter(p, 1.0, 60),
    "dim": lambda p: lighter(p, 0.3, 10),
    "red": lambda p: tinted(p, -20, 60),
}
FOREIGN = {"foreign": noise, "turned": upside_down}
AHEAD = pytest.mark.parametrize("ahead", [0, FLASH])


@AHEAD
@pytest.mark.parametrize("length", range(1, FLASH + 1))
@pytest.mark.parametrize("kind", FLASHES)
def test_a_flash_starts_no_gop(head: list[Picture], kind: str, length: int, ahead: int) -> None:
    for at in (24, 31):
        pictures = talking(head, 70)
        pictures[at : at + length] = map(FLASHES[kind], pictures[at : at + length])
        assert refreshes(pictures, ahead) == [0]
        pictures[60] = FLASHES[kind](pictures[60])  # and again
        assert refreshes(pictures, ahead) == [0]


@pytest.mark.parametrize("length", range(1, FLASH + 1))
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_picture_of_something_else_is_soon_over(
    head: list[Picture], kind: str, length: int
) -> None:
    """Live, where nobody knows the next one, the head gets its own GOP again."""
    pictures = talking(head, 80)
    pictures[30 : 30 + length] = map(FOREIGN[kind], pictures[30 : 30 + length])
    assert refreshes(pictures, FLASH) == [0]
    assert refreshes(pictures, 0) == [0, 30, 30 + length]


@AHEAD
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_scene_cut_is_seen_at_once(head: list[Picture], kind: str, ahead: int) -> None:
    pictures = talking(head, 90)
    other = [FOREIGN[kind](pictures[0])] * 30
    assert refreshes(pictures[:30] + other + pictures[:40], ahead) == [0, 30, 60]
    assert refreshes(pictures[:30] + other[:1], ahead) == [0, 30]  # nothing follows


@pytest.mark.parametrize("kind", [k for k in FLASHES if k not in ("white", "black")])
def test_light_that_stays(head: list[Picture], kind: str) -> None:
    """A lamp that is switched on, or changes its colour: live it is known when it has stayed."""
    pictures = talking(head, 70)
    pictures[30:] = map(FLASHES[kind], pictures[30:])
    assert refreshes(pictures, FLASH) == [0, 30]
    assert refreshes(pictures, 0) == [0, 30 + FLASH]


@AHEAD
@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_strobe_starts_no_gop(head: list[Picture], period: int, ahead: int) -> None:
    pictures = talking(head, 100)
    lit = [lighter(p, 1.3, 90) if i >= 30 and i % period else p for i, p in enumerate(pictures)]
    assert refreshes(lit, ahead) == [0]


@AHEAD
def test_fades_and_motion_start_no_gop(head: list[Picture], ahead: int) -> None:
    pictures = talking(head, 90)
    fade = [lighter(p, max(0.0, 1 - max(0, i - 30) / 25), 0) for i, p in enumerate(pictures)]
    pan = [Picture(*(np.roll(p, 2 * i, 1) for p in q)) for i, q in enumerate(pictures)]
    colour = [tinted(p, round(25 * math.sin(i / 5)), 0) for i, p in enumerate(pictures)]
    assert [refreshes(source, ahead) for source in (fade, pan, colour)] == [[0]] * 3


@pytest.mark.parametrize(("intra", "refreshed"), [(2000, True), (60_000, False)])
def test_rate_distortion_rule(intra: int, refreshed: bool) -> None:
    """Quality that has fallen for good is worth a cheap intra picture, not a dear one."""
    quality = [38.0] * 40 + [33.0] * 40
    got = asked(RefreshPolicy(), synthetic(80), quality, [intra] + [200] * 79)
    assert (len(got) > 1) == refreshed


def test_quality_of_decisions_ends_at_68_db() -> None:
    a = synthetic(1)[0]
    one = a.y.copy()
    one[0, 0] += 1
    assert quality(a, a) == quality(a._replace(y=one), a) == pytest.approx(68.13, abs=0.01)
    assert quality(a._replace(y=a.y + 3), a) == psnr(9)


@pytest.mark.parametrize("value", [0, -5, 99999, True, "nevr", ""])
def test_bad_period(value: int) -> None:
    with pytest.raises(
        UsageError, match=rf"--refresh {value}; allowed are auto, never, drift or a period"
    ):
        check_refresh(value)
