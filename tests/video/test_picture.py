"""Pictures from arrays and bytes, and back."""

import av
import numpy as np
import pytest

from hdac.errors import UsageError
from hdac.video.colour import picture_from_rgb
from hdac.video.picture import Picture
from tests.conftest import synthetic


def same(a: Picture, b: Picture) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def test_bytes() -> None:
    picture = synthetic(1)[0]
    assert same(Picture.frombytes(picture.tobytes(), 64, 48), picture)
    assert same(Picture.from_av(picture.to_av()), picture)
    with pytest.raises(ValueError, match="rgb24"):
        Picture.from_av(av.VideoFrame(16, 16, "rgb24"))


@pytest.mark.parametrize(("size", "more"), [((64, 48), -1), ((64, 48), 1), ((63, 48), 0)])
def test_bytes_of_another_length_are_refused(size: tuple[int, int], more: int) -> None:
    data = bytes(64 * 48 * 3 // 2 + more)
    with pytest.raises(UsageError, match=rf"{len(data)} bytes .* {size[0]}x48; expected even"):
        Picture.frombytes(data, *size)


@pytest.mark.parametrize("size", [(1, 1), (47, 61), (48, 61), (47, 64), (48, 64)])
def test_rgb_of_any_size(size: tuple[int, int]) -> None:
    rgb = np.full((*size, 3), (200, 40, 90), np.uint8)
    picture = Picture.from_rgb(rgb)
    assert picture.y.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert picture.u.shape == (picture.height // 2, picture.width // 2)
    assert np.abs(picture.to_rgb()[: size[0], : size[1]].astype(int) - rgb).max() <= 3


def test_the_matrix_goes_by_size_unless_given() -> None:
    rgb = np.full((720, 4, 3), (255, 0, 0), np.uint8)
    assert same(Picture.from_rgb(rgb), picture_from_rgb(rgb, 1))
    assert same(Picture.from_rgb(rgb[:718]), picture_from_rgb(rgb[:718], 6))
    assert same(Picture.from_rgb(rgb[:719]), picture_from_rgb(rgb, 6))  # before it is padded
    assert same(Picture.from_rgb(rgb, 9), picture_from_rgb(rgb, 9))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            np.zeros((48, 64), np.uint8),
            r"shape \(48, 64\); expected R'G'B' of \(height, width, 3\)",
        ),
        (np.zeros((48, 64, 4), np.uint8), r"shape \(48, 64, 4\)"),
        (np.zeros((3, 48, 64), np.uint8), r"colours come first: np.moveaxis"),
        (np.zeros((0, 64, 3), np.uint8), r"shape \(0, 64, 3\)"),
        (np.zeros((48, 64, 3), np.float32), r"array of float32; expected R'G'B' of uint8"),
        (np.zeros((48, 64, 3), np.int64), r"array of int64"),
        ("picture.png", r"shape \(\)"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Picture.from_rgb(array)
