"""Pictures as six planes and back."""

import numpy as np
import pytest

from hdac.runtime.planes import picture_from_planes, planes_from_picture
from tests.conftest import synthetic


@pytest.mark.parametrize("size", [(64, 48), (66, 50), (2, 2)])
def test_round_trip(size: tuple[int, int]) -> None:
    picture = synthetic(1, *size)[0]
    planes = planes_from_picture(picture)
    assert planes.dtype == np.float32
    assert planes.shape[2] * 2 % 16 == planes.shape[3] * 2 % 16 == 0
    y, x = size[1] - 1, size[0] - 1
    for row, column in ((0, 0), (y, x), (y - 1, x)):
        phase = 2 * (row % 2) + column % 2
        found = planes[0, phase, row // 2, column // 2]
        assert found == np.float32(picture.y[row, column]) / np.float32(255)
    assert planes[0, 3, -1, -1] == np.float32(picture.y[-1, -1]) / np.float32(255)
    assert planes[0, 5, -1, -1] == np.float32(picture.v[-1, -1]) / np.float32(255)
    back = picture_from_planes(planes, size[1], size[0])
    assert all((a == b).all() for a, b in zip(back, picture, strict=True))


def test_what_is_out_of_range_is_clipped() -> None:
    planes = np.full((1, 6, 8, 8), 1.5, np.float32)
    planes[0, 0], planes[0, 4] = -0.5, 0.5 / 255
    picture = picture_from_planes(planes, 16, 16)
    assert (picture.y[::2, ::2] == 0).all()
    assert (picture.y[1::2] == 255).all()
    assert (picture.u == 0).all()  # halves go to the even number
