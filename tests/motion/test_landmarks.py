"""Sets of points, thumbnails and the way back, and steadiness over time."""

from itertools import pairwise

import numpy as np
import pytest

from hdac.motion.facemesh import (
    APART,
    DENSE,
    FEW,
    INSIDE,
    LEFT_EYE,
    LIPS,
    MIDLINE,
    MIRROR,
    POINTS,
    RIGHT_EYE,
    SETS,
    USUAL,
    FaceTracker,
    Steady,
    eye_distance,
    found_twice,
    in_frame,
    thumbnail,
)
from hdac.runtime.backends import open_landmarks
from hdac.runtime.models import resolve_model
from hdac.video.picture import Picture

RNG = np.random.default_rng(3)


def test_sets_lie_inside_each_other() -> None:
    assert list(SETS) == [20, 68, 162, POINTS]
    sets = [set(s.tolist()) for s in SETS.values()]
    assert [len(s) for s in sets] == list(SETS), "no point twice"
    assert all(a < b for a, b in pairwise(sets))
    assert (USUAL[36], USUAL[45], USUAL[48], USUAL[54]) == (33, 263, 61, 291), "corners"
    assert {33, 263, 61, 291} <= set(FEW.tolist())
    assert {*LIPS.tolist(), *INSIDE.tolist(), *LEFT_EYE.tolist()} <= set(DENSE.tolist())


def picture(width: int, height: int, spot: tuple[int, int] | None = None) -> Picture:
    """Black, with a bright spot of 8x8 whose upper left sample is `spot`."""
    y = np.zeros((height, width), np.uint8)
    if spot is not None:
        y[spot[1] : spot[1] + 8, spot[0] : spot[0] + 8] = 255
    return Picture(y, *(np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2)))


def test_thumbnails_are_averages() -> None:
    y = RNG.integers(0, 256, (256, 256), np.uint8)
    u, v = RNG.integers(0, 256, (2, 128, 128), np.uint8)
    small = thumbnail(Picture(y, u, v))
    assert (small.shape, small.dtype) == ((1, 3, 128, 128), np.float32)
    fours = y.reshape(128, 2, 128, 2).astype(float).mean((1, 3)) / 255
    assert np.abs(small[0, 0] - fours).max() < 1e-6
    assert np.abs(small[0, 1:] * 255 - [u, v]).max() < 1e-4


@pytest.mark.parametrize("size", [(256, 256), (320, 180), (90, 160), (126, 126), (18, 64)])
def test_places_of_the_thumbnail_in_the_frame(size: tuple[int, int]) -> None:
    """The middle of a bright spot, seen there."""
    width, height = size
    spot = width // 2, height // 4
    small = thumbnail(picture(width, height, spot))[0, 0]
    centres = (np.arange(128) + 0.5) / 64 - 1
    seen = np.array([(small.sum(axis) * centres).sum() / small.sum() for axis in (0, 1)])
    found = in_frame(seen[None, None].astype(np.float32), width, height)[0, 0]
    pixels = (found + 1) / 2 * [width, height]
    assert np.abs(pixels - np.add(spot, 4)).max() < 0.1


def test_edges_fill_a_thumbnail() -> None:
    wide = Picture(*(np.full((s, 4 * s), 200, np.uint8) for s in (32, 16, 16)))
    assert np.allclose(thumbnail(wide), 200 / 255)


def face(size: float = 0.3) -> np.ndarray:
    """Eyes `size` apart, the other points anywhere."""
    points = RNG.normal(0, 0.3, (POINTS, 2)).astype(np.float32)
    points[RIGHT_EYE], points[LEFT_EYE] = (-size / 2, 0), (size / 2, 0)
    return points


def test_mirrors() -> None:
    assert np.array_equal(MIRROR[MIRROR], np.arange(POINTS))
    assert (np.flatnonzero(np.arange(POINTS) == MIRROR) == MIDLINE).all()
    for right, left in ((RIGHT_EYE, LEFT_EYE), (LIPS, LIPS), (INSIDE, INSIDE)):
        assert set(MIRROR[right].tolist()) == set(left.tolist())
    assert MIRROR[33] == 263, "outer corners of the eyes"


def test_a_face_that_leaves_stays_where_it_was() -> None:
    """Faces where a bright spot is, symmetric ones; where there is none, anything."""
    still = face()
    still = (still + still[MIRROR] * [-1, 1]).astype(np.float32) / 2

    def find(small: np.ndarray) -> np.ndarray:
        light = small[0, 0].sum(0)
        if not light.any():
            return RNG.normal(0, 1, (1, POINTS, 2)).astype(np.float32)
        there = (light * (np.arange(128) + 0.5)).sum() / light.sum() / 64 - 1
        found: np.ndarray = still[None] + np.array([there, 0], np.float32)
        return found

    tracker = FaceTracker(find, 25)
    first = tracker(picture(128, 128, (60, 60)))
    assert np.abs(first - still).max() < 1e-6
    moved = tracker(picture(128, 128, (76, 60)))
    assert 0.05 < (moved - still)[:, 0].mean() < 0.25
    assert tracker.missed == 0
    for _ in range(3):
        assert np.array_equal(tracker(picture(128, 128)), moved)
    assert tracker.missed == 3
    again = tracker(picture(128, 128, (76, 60)))
    assert (again - still)[:, 0].mean() > (moved - still)[:, 0].mean()
    assert tracker.missed == 3


def test_one_face_two_faces_and_none(head: list[Picture]) -> None:
    """The shipped network on real pictures: what it finds in a picture and in its mirror image are
    together for one face alone."""
    find = open_landmarks(resolve_model("landmarks", "fp32"))

    def apart(planes: list[np.ndarray]) -> float:
        return found_twice(find, thumbnail(Picture(*planes)))[1]

    first, last = ([p.y, p.u, p.v] for p in (head[0], head[20]))
    assert max(apart(first), apart(last)) < APART / 3
    assert apart([np.hstack(pair) for pair in zip(first, last, strict=True)]) > APART
    assert apart([np.hstack(pair) for pair in zip(last, first, strict=True)]) > APART
    assert apart([np.full_like(plane, 128) for plane in first]) > APART


def held(track: np.ndarray, fps: float = 25) -> np.ndarray:
    steady = Steady(fps)
    return np.stack([steady(points) for points in track.astype(np.float32)])


def test_jitter_of_a_still_face_goes() -> None:
    still, noise = face(), RNG.normal(0, 0.003, (60, POINTS, 2))
    track = held(still + noise)[20:] - still
    assert np.abs(track).mean() < 0.7 * np.abs(noise).mean()
    bends = [np.abs(np.diff(x, 2, axis=0)).mean() for x in (noise[20:], track)]
    assert bends[1] < 0.5 * bends[0]


def test_a_movement_is_not_late() -> None:
    """A face that moves by two distances between its eyes a second, to and fro: less than a frame
    behind."""
    still, t = face(), np.arange(50) / 25
    way = np.where(t < 1, t, 2 - t) * 0.6
    track = still + np.stack([way, 0 * way], -1)[:, None]
    away = np.abs(held(track) - track)[..., 0].mean(1)
    assert away[10:24].max() < 0.6 / 25


def test_the_size_of_a_face_changes_nothing() -> None:
    track = face() + RNG.normal(0, 0.01, (30, POINTS, 2))
    assert np.allclose(held(track) / 2, held(track / 2), atol=1e-5)
    assert eye_distance(track / 2) == pytest.approx(eye_distance(track) / 2)
