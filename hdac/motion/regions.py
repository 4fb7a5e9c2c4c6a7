"""Motion model `regions`: a map of a face's regions on a grid, sent as the outlines of its regions
and drawn in integers, the same on every machine.

Outlines take less than the map itself, coded from the one before it (`docs/measured/nets.md`).
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from hdac.bitstream.motions import OUTLINE_POINTS, Regions
from hdac.motion.animated import TrackedAnimation
from hdac.motion.facemesh import indices
from hdac.motion.keypoints import quantise
from hdac.motion.landmarks import Order
from hdac.motion.protocol import Found, Moving, Parameters
from hdac.runtime.planes import Array
from hdac.runtime.protocol import Backend, Landmarker
from hdac.video.picture import Picture

#: Side of the map, whatever the frame's size.
MAP = 64
#: The landmarks of each region's outline, a polygon: face, right and left brow, right and left eye,
#: nose, lips, inside of the mouth. Region 0 is what is in none; later ones lie on those before.
OUTLINES = tuple(
    map(
        indices,
        (
            "10 332 389 323 397 378 152 149 172 93 162 103",
            "70 105 107 55 52",
            "300 334 336 285 282",
            "33 144 153 133 158 160",
            "263 373 380 362 385 387",
            "168 278 327 2 98 48",
            "61 181 17 405 291 270 267 0 37 40",
            "78 178 14 402 308 310 13 80",
        ),
    )
)
REGIONS = 1 + len(OUTLINES)
#: Regions of brows, eyes and mouth.
REFINED = (2, 3, 4, 5, 7, 8)
#: What is sent, one outline after the other.
POINTS = np.concatenate(OUTLINES)
assert len(POINTS) == len(set(POINTS.tolist())) == OUTLINE_POINTS
_ENDS = tuple(accumulate(map(len, OUTLINES), initial=0))
#: Each point is predicted by the one before it in its outline.
ORDER: Order = tuple(
    (place, place - 1 if place > start else -1)
    for start, end in pairwise(_ENDS)
    for place in range(start, end)
)
#: Quantiser levels per half side: a step is two thirds of a sample of the map.
REGION_LEVELS = 48


def regions(parameters: Parameters, levels: int) -> npt.NDArray[np.int64]:
    """The map `(64, 64)` of outlines `(58, 2)`, (x, y) in -levels .. levels: the region of each
    sample's middle."""
    found = np.zeros((MAP, MAP), np.int64)
    corners = MAP * parameters
    middles = levels * (2 * np.arange(MAP) + 1 - MAP)
    for number, (start, end) in enumerate(pairwise(_ENDS), 1):
        found[_inside(corners[start:end], middles)] = number
    return found


def _inside(corners: Parameters, middles: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which middles a polygon `(P, 2)` has inside, by the parity of its edges to their right: those
    that cut a middle's row at x0 + (row - y0) (x1 - x0) / (y1 - y0), beyond it."""
    ahead = np.roll(corners, -1, 0)
    (x0, y0), (x1, y1) = corners.T[..., None], ahead.T[..., None]
    cuts = (y0 <= middles) != (y1 <= middles)  # (P, 64): edges that a row crosses
    height, way = np.abs(y1 - y0), (x1 - x0) * np.sign(y1 - y0)
    right = cuts[..., None] & (
        ((middles - y0) * way)[..., None] > ((middles - x0) * height)[:, None]
    )
    odd: npt.NDArray[np.bool_] = right.sum(0) % 2 == 1
    return odd


class RegionMotion(TrackedAnimation):
    """`MotionModel` of networks that take maps of regions."""

    def __init__(
        self, motion: Regions, backend: Backend, find: Landmarker | None, fps: float
    ) -> None:
        super().__init__(backend, find, fps)
        self._motion = motion

    def analyse(self, picture: Picture) -> Found:
        return self._track(picture)[POINTS]

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        return quantise(found, last, self._motion.levels, hysteresis)

    def _given(self, parameters: Moving) -> Array:
        # (maps have edges at integers)
        return regions(np.rint(parameters).astype(np.int64), self._motion.levels)[None].astype(
            np.float32
        )
