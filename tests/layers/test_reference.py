import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.layers.reference import RefreshPolicy, check_refresh, luma_mse
from hdac.video.picture import Picture
from tests.conftest import synthetic


def asked(
    policy: RefreshPolicy, pictures: list[Picture], quality: list[float], bits: list[int]
) -> list[int]:
    """Frames at which the policy wants a refresh."""
    out = []
    for i, (picture, q, b) in enumerate(zip(pictures, quality, bits, strict=True)):
        wanted = policy.wants(picture)
        out += [i] * wanted
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


@pytest.mark.parametrize(("intra", "refreshed"), [(2000, True), (60_000, False)])
def test_rate_distortion_rule(intra: int, refreshed: bool) -> None:
    """Quality that has fallen for good is worth a cheap intra picture, not a dear one."""
    quality = [38.0] * 40 + [33.0] * 40
    got = asked(RefreshPolicy(), synthetic(80), quality, [intra] + [200] * 79)
    assert (len(got) > 1) == refreshed


def test_luma_mse() -> None:
    a = synthetic(1)[0]
    assert luma_mse(a, a) == 0
    assert luma_mse(a, a._replace(y=a.y + 3)) == 9


@pytest.mark.parametrize("value", [0, -5, 99999])
def test_bad_period(value: int) -> None:
    with pytest.raises(
        UsageError, match=rf"--refresh {value}; allowed are auto, never or a period"
    ):
        check_refresh(value)
