"""Facial landmarks: fixed points of a face, found by a small network in a thumbnail, and held
steady.

The points are those of MediaPipe's face mesh (478, with irises), which taught the network
(`nets.landmarks`); what is sent is one of the sets below, each inside the next.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.bitstream.motions import LANDMARKS
from hdac.runtime.planes import MULTIPLE, Array
from hdac.runtime.protocol import THUMBNAIL, Landmarker
from hdac.video.picture import Picture, Plane

Indices: TypeAlias = npt.NDArray[np.intp]


def indices(text: str) -> Indices:
    """Landmarks of numbers in words."""
    return np.array(text.split(), np.intp)


# Sides are the person's. Polygons, in order: FACEMESH_FACE_OVAL, _LIPS, _EYE, _EYEBROW, _NOSE of
# MediaPipe's face_mesh_connections.py.
OVAL = indices(
    "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 "
    "152 148 176 149 150 136 172 58 132 93 234 127 162 21 54 103 67 109"
)
LIPS = indices("61 146 91 181 84 17 314 405 321 375 291 409 270 269 267 0 37 39 40 185")
INSIDE = indices("78 95 88 178 87 14 317 402 318 324 308 415 310 311 312 13 82 81 80 191")
RIGHT_EYE = indices("33 7 163 144 145 153 154 155 133 173 157 158 159 160 161 246")
LEFT_EYE = indices("263 249 390 373 374 380 381 382 362 398 384 385 386 387 388 466")
RIGHT_BROW = indices("70 63 105 66 107 55 65 52 53 46")
LEFT_BROW = indices("300 293 334 296 336 285 295 282 283 276")
NOSE = indices("168 6 197 195 5 4 1 19 94 2 98 97 326 327 294 278 344 440 275 45 220 115 48 64")
RIGHT_IRIS, LEFT_IRIS = np.arange(468, 473), np.arange(473, 478)
MOUTH = np.concatenate([LIPS, INSIDE])
EYES = np.concatenate([RIGHT_EYE, LEFT_EYE, RIGHT_IRIS, LEFT_IRIS])

#: The usual 68 points (Sagonas et al., "300 Faces in-the-Wild Challenge", 2013), in their order:
#: jaw, brows, nose, eyes, lips, inside of the mouth.
USUAL = indices(
    "162 234 93 58 172 136 149 148 152 377 378 365 397 288 323 454 389 "
    "70 63 105 66 107 336 296 334 293 300 168 197 5 4 98 97 2 326 327 "
    "33 160 158 133 153 144 362 385 387 263 373 380 "
    "61 39 37 0 267 269 291 405 314 17 84 181 78 82 13 312 308 317 14 87"
)
#: The fewest that say a pose, the eyes and the mouth.
FEW = indices("234 152 454 105 334 4 33 160 133 144 362 385 263 380 61 0 291 17 13 14")
#: What polygons of regions need: outlines of the face and of its parts, the nose's ridge, irises.
DENSE = np.unique(
    np.concatenate([OVAL, MOUTH, EYES, RIGHT_BROW, LEFT_BROW, NOSE]),
)
POINTS = 478
#: Parts of a face that are drawn apart; a point is in one of them at most.
GROUPS = (OVAL, RIGHT_BROW, LEFT_BROW, NOSE, RIGHT_EYE, LEFT_EYE, LIPS, INSIDE,
          np.concatenate([RIGHT_IRIS, LEFT_IRIS]))  # fmt: skip
#: Points on the line that divides the face; of the others the right ones come first, the left ones
#: in the same order behind them.
MIDLINE = indices(
    "0 1 2 4 5 6 8 9 10 11 12 13 14 15 16 17 18 19 94 151 152 164 168 175 195 197 199 200"
)
#: Quantiser levels per half side: a step is 1/256 of the frame's side.
LANDMARK_LEVELS = 128
#: By the number of their points.
SETS = {len(s): s for s in (FEW, USUAL, DENSE, np.arange(POINTS))}
assert tuple(SETS) == LANDMARKS


def _mirror() -> Indices:
    found = np.arange(POINTS)
    right, left = np.split(np.setdiff1d(found[: RIGHT_IRIS[0]], MIDLINE), 2)
    found[right], found[left] = left, right
    # of an iris: its middle, then its edge
    found[RIGHT_IRIS], found[LEFT_IRIS] = LEFT_IRIS[[0, 3, 2, 1, 4]], RIGHT_IRIS[[0, 3, 2, 1, 4]]
    return found


#: Which point each one is in a mirror.
MIRROR = _mirror()


def eye_distance(points: Array) -> npt.NDArray[np.float32]:
    """Distance between the means of the lids' points, of faces `(..., 478, 2)`."""
    away = points[..., LEFT_EYE, :].mean(-2) - points[..., RIGHT_EYE, :].mean(-2)
    distance: npt.NDArray[np.float32] = np.linalg.norm(away, axis=-1)
    return distance


# ---- thumbnail


def thumbnail(picture: Picture) -> Array:
    """`(1, 3, 128, 128)` (Y, U, V in [0, 1]) by area averaging; the shorter side is made as long as
    the other by repeating the picture's edges, half of it on either side."""
    return np.stack([_square(plane) for plane in picture])[None]


def _square(plane: Plane) -> Array:
    side = max(plane.shape)
    spare = [(side - length) // 2 for length in plane.shape]
    edges = [(s, side - n - s) for s, n in zip(spare, plane.shape, strict=True)]
    samples = np.pad(plane, edges, mode="edge").astype(np.float32) / np.float32(255)
    averages = _averages(side)
    square: Array = averages @ samples @ averages.T
    return square


def _averages(side: int) -> Array:
    """`(128, side)`: how much of each sample is in each of the thumbnail's."""
    edges = np.arange(THUMBNAIL + 1) * (side / THUMBNAIL)
    places = np.arange(side)
    shares = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    averages: Array = (shares.clip(0) * (THUMBNAIL / side)).astype(np.float32)
    return averages


def in_frame(points: Array, width: int, height: int) -> Array:
    """Points of a thumbnail -> of the frame (of even sides) that it was made of: (x, y) in [-1, 1],
    -1 and 1 being the frame's borders."""
    return (points * (max(width, height) / np.array([width, height]))).astype(np.float32)


def in_padded(points: Array, width: int, height: int) -> Array:
    """Points of a frame -> of the frame as networks see it, padded right and below."""
    sides = np.array([width, height])
    wide = sides + -sides % MULTIPLE
    padded: Array = ((points + 1) * (sides / wide) - 1).astype(np.float32)
    return padded


# ---- faces over time

#: Distances between the eyes by which a picture and its mirror image may differ on average: no face
#: of `val` reaches 0.06, one of `train` in profile 0.18.
APART = 0.2


class FaceTracker:
    """The landmarks of a face in pictures that come in order: the mean of what is found in a
    picture and in its mirror image, held steady. Where those two do not agree there is no face, and
    the landmarks stay where they were.

    find: what finds them in a thumbnail; fps: pictures a second. `missed`: pictures without a face
    so far.
    """

    def __init__(self, find: Landmarker, fps: float) -> None:
        self._find, self._steady = find, Steady(fps)
        self._last: Array | None = None
        self.missed = 0

    def __call__(self, picture: Picture) -> Array:
        """Points `(478, 2)` of the next picture, (x, y) in [-1, 1] of the frame."""
        points, apart = found_twice(self._find, thumbnail(picture))
        self.missed += apart > APART
        if self._last is None or apart <= APART:
            self._last = self._steady(in_frame(points, picture.width, picture.height))
        return self._last


def found_twice(find: Landmarker, small: Array) -> tuple[Array, float]:
    """The mean of the landmarks that are found in a thumbnail and in its mirror image, `(478, 2)`,
    and how far those two are apart, in distances between the eyes."""
    here = find(small)[0]
    there = find(np.ascontiguousarray(small[..., ::-1]))[0][MIRROR] * _TURNED
    apart = np.linalg.norm(here - there, axis=-1)[USUAL].mean() / max(1e-3, eye_distance(here))
    return (here + there) / 2, float(apart)


_TURNED = np.array([-1, 1], np.float32)


class Steady:
    """A filter of each coordinate over time: the slower it moves, the more it is smoothed, so that
    jitter goes and a movement is not late.

    (Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012. Differs: lengths are in distances between
    the eyes, so that the size of a face changes nothing.)

    cutoff: of a point that stands still, in Hz; slope: what a speed of one distance a second adds.
    """

    CUTOFF, SLOPE = 1.0, 15.0

    def __init__(self, fps: float, cutoff: float = CUTOFF, slope: float = SLOPE) -> None:
        self._fps, self._cutoff, self._slope = fps, cutoff, slope
        self._last: Array | None = None
        self._speed: npt.NDArray[np.floating] = np.zeros(0)

    def __call__(self, points: Array) -> Array:
        """The points `(478, 2)` of the next frame, held steady."""
        if self._last is None:
            self._last, self._speed = points, np.zeros_like(points)
            return points
        away = points - self._last
        speed = away * (self._fps / eye_distance(points))
        self._speed = self._speed + self._share(np.array(1.0)) * (speed - self._speed)
        share = self._share(self._cutoff + self._slope * np.abs(self._speed))
        self._last = (self._last + share * away).astype(np.float32)
        return self._last

    def _share(self, cutoff: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Of a new value in the filtered one."""
        share: npt.NDArray[np.floating] = 1 / (1 + self._fps / (2 * np.pi * cutoff))
        return share
