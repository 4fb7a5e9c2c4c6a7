"""Samples of clips: what augmentation does to pictures that are known."""

import numpy as np
import pytest
import torch

from hdac.training.clips import Clip, Sampler
from hdac.training.pack import Version
from hdac.training.reading import Frames

SIDE, CROP = 12, 4


def flat(y: int, uv: int) -> Frames:
    half = SIDE // 2
    return Frames(np.full((2, SIDE, SIDE), y, np.uint8), np.full((2, 2, half, half), uv, np.uint8))


def quantiles(values: np.ndarray) -> list[float]:
    return [float(q) for q in np.quantile(values, (0, 0.25, 0.5, 0.75, 1))]


def test_augmentation() -> None:
    """All as likely: gains of 0.75 to 1.2, offsets of -20 to 20, saturations of 0.7 to 1.3, even
    places, mirrored or not. Tints of a deviation of 6. The four pictures of a sample have the same
    ones, and a seed gives the same ones again."""
    original, coded = flat(100, 110), flat(150, 140)
    coded.y[0] = 100 + np.arange(SIDE) + 9 * np.arange(SIDE)[:, None]  # the reference says where
    clips = [Clip(original, ((Version("a", 0, 30, 40, "a", 0), coded),))]
    batch, again = (Sampler(clips, 5).batch(4000, CROP) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    assert not torch.equal(batch.target, Sampler(clips, 6).batch(4000, CROP).target)
    assert torch.equal(batch.reference_original, batch.target)

    target, base, reference = (
        x.double().numpy() * 255 for x in (batch.target, batch.base, batch.reference)
    )
    assert np.ptp(base[:, :4], (1, 2, 3)).max() < 1e-4
    gain = (base - target)[:, 0, 0, 0] / 50
    saturation = (base - target)[:, 4:, 0, 0] / 30
    assert quantiles(gain) == pytest.approx([0.75, 0.8625, 0.975, 1.0875, 1.2], abs=0.015)
    assert quantiles(saturation) == pytest.approx([0.7, 0.85, 1, 1.15, 1.3], abs=0.02)
    assert np.allclose(saturation[:, 0], saturation[:, 1], atol=1e-5)
    offset = target[:, 0, 0, 0] - (100 - 125) * gain - 125
    assert quantiles(offset) == pytest.approx([-20, -10, 0, 10, 20], abs=1.2)
    tint = target[:, 4:, 0, 0] - (110 - 128) * saturation - 128
    assert tint.mean() == pytest.approx(0, abs=0.3)
    assert tint.std(0) == pytest.approx([6, 6], abs=0.3)
    apart = np.corrcoef([gain, saturation[:, 0], offset, *tint.T]) - np.eye(5)
    assert np.abs(apart).max() < 0.06

    ramp = np.rint((reference - target)[:, :4] / gain[:, None, None, None]).astype(int)
    place = ramp.min((1, 2, 3))
    counts = np.zeros((SIDE, SIDE), int)
    np.add.at(counts, divmod(place, 9), 1)
    # a column of 9 and more reads as the next row's; places are even, up to 8
    assert np.all(counts[:9:2, :9:2] > 100)
    assert counts[:9:2, :9:2].sum() == 4000
    mirrored = ramp[:, 0, 0, 0] > ramp[:, 1, 0, 0]
    assert mirrored.mean() == pytest.approx(0.5, abs=0.03)
    assert set(np.diff(ramp[:, :2, 0, 0]).flat) == {-1, 1}
