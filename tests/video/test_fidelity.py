"""Error and PSNR of pictures."""

import numpy as np
import pytest

from hdac.video.fidelity import CAP, luma_mse, plane_mse, psnr
from tests.conftest import synthetic


def test_errors_of_planes() -> None:
    a = synthetic(1)[0]
    assert luma_mse(a, a) == 0
    assert luma_mse(a, a._replace(y=a.y + 3)) == 9
    assert (
        plane_mse(np.zeros((2, 2), np.uint8), np.array([[255, 0], [0, 0]], np.uint8)) == 255**2 / 4
    )


@pytest.mark.parametrize(("mse", "decibels"), [(0, CAP), (1e-9, CAP), (1, 48.1308), (255**2, 0)])
def test_decibels(mse: float, decibels: float) -> None:
    assert psnr(mse) == pytest.approx(decibels, abs=1e-4)


def test_training_measures_the_same() -> None:
    """Planes in [0, 1] of the networks, against code values."""
    import torch

    from hdac.training.validate import psnr_y

    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (6, 8, 8), np.uint8) for _ in range(2))
    planes = (torch.from_numpy(p[None] / np.float32(255)) for p in (a, b))
    assert psnr_y(*planes) == pytest.approx(psnr(plane_mse(a[:4], b[:4])), abs=1e-4)
    assert psnr_y(*[torch.zeros(1, 6, 4, 4)] * 2) == CAP
