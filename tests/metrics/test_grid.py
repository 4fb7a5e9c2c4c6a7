"""Grid: the energies of four phases by hand and by loops, and what it must not be fooled by."""

import numpy as np
import pytest

from hdac.metrics.contract import Clip, UnavailableError
from hdac.metrics.grid import lattice, phase_energies
from hdac.metrics.registry import METRICS
from hdac.video.picture import Picture
from tests.conftest import synthetic


def picture(y: np.ndarray) -> Picture:
    chroma = np.full(((y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2), 128, np.uint8)
    return Picture(y.astype(np.uint8), chroma, chroma)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)


def doubled(y: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(y, 2, 0), 2, 1)


def test_energies_by_hand() -> None:
    """Details (0, 0): 10, 0, 0, 0; (0, 1): -5, 0; (1, 0): -5, 0; (1, 1): 5."""
    y = np.zeros((4, 4), np.uint8)
    y[0, 0] = y[1, 1] = 10
    assert phase_energies(y) == [25, 12.5, 12.5, 25]
    assert lattice(y) == 2


@pytest.mark.parametrize("size", [(3, 3), (3, 8), (64, 65), (67, 64)])
def test_energies_by_loops(size: tuple[int, int]) -> None:
    y = noise(*size).astype(int)
    for (dy, dx), found in zip(np.ndindex(2, 2), phase_energies(y.astype(np.uint8)), strict=True):
        squares = [
            ((y[i, j] - y[i, j + 1] - y[i + 1, j] + y[i + 1, j + 1]) / 2) ** 2
            for i in range(dy, size[0] - 1, 2)
            for j in range(dx, size[1] - 1, 2)
        ]
        assert found == pytest.approx(np.mean(squares))


@pytest.mark.parametrize("level", [0, 16, 235, 255])
def test_flat_pictures_hold_no_lattice(level: int) -> None:
    """Nor does one whose only detail is less than rounding leaves."""
    y = np.full((64, 64), level, np.uint8)
    assert lattice(y) == 1
    y[10, 10] ^= 1
    assert lattice(y) == 1


def test_a_doubled_picture_is_a_lattice_wherever_it_starts() -> None:
    fine, coarse = noise(128, 128), doubled(noise(65, 65))
    assert lattice(fine) < 1.1
    for dy, dx in np.ndindex(2, 2):
        assert lattice(coarse[dy : dy + 128, dx : dx + 128]) > 100


def test_the_reconstruction_alone_is_looked_at() -> None:
    plain, coarse = picture(noise(128, 128)), picture(doubled(noise(64, 64)))
    source, shown = Clip([plain, coarse]), Clip([coarse, plain])
    scores = METRICS["grid"].measure(source, shown)
    assert scores.frames == (lattice(coarse.y), lattice(plain.y))
    assert scores.value == pytest.approx(np.mean(scores.frames))
    assert METRICS["grid"].measure(shown, shown) == scores


def test_pictures_too_small_for_four_phases() -> None:
    small = Clip(synthetic(1, 64, 48))
    with pytest.raises(UnavailableError, match="of 64x48; four phases need 64 pixels a side"):
        METRICS["grid"].measure(small, small)
