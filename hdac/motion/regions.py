"""A map of a face's regions on a grid: polygons of landmarks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdac.motion.facemesh import (
    INSIDE,
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
)
from hdac.runtime.planes import Array

#: Side of the map, whatever the frame's size.
MAP = 64
#: Outline of the nose: its root, wings and base.
_NOSE = np.array([168, 278, 294, 327, 2, 98, 64, 48])
#: Region 0 is what is none of a face; later ones lie on those before.
POLYGONS = (OVAL, RIGHT_BROW, LEFT_BROW, RIGHT_EYE, LEFT_EYE, _NOSE, LIPS, INSIDE)
REGIONS = 1 + len(POLYGONS)
#: Regions of brows, eyes and mouth.
REFINED = (2, 3, 4, 5, 7, 8)
_CENTRES = ((np.arange(MAP) + 0.5) * (2 / MAP) - 1).astype(np.float32)


def regions(points: Array) -> npt.NDArray[np.int64]:
    """The map `(64, 64)` of a face `(478, 2)`, (x, y) in [-1, 1]: the region of each sample's
    middle."""
    found = np.zeros((MAP, MAP), np.int64)
    for number, polygon in enumerate(POLYGONS, 1):
        found[_inside(points[polygon])] = number
    return found


def _inside(corners: Array) -> npt.NDArray[np.bool_]:
    """Which middles a polygon `(P, 2)` has inside, by the parity of its edges to their right."""
    ahead = np.roll(corners, -1, 0)
    (x0, y0), (x1, y1) = corners.T[..., None], ahead.T[..., None]
    rows = _CENTRES[None]
    cuts = (y0 <= rows) != (y1 <= rows)  # (P, 64): edges that a row crosses
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
    right = cuts[..., None] & (at[..., None] > _CENTRES)
    odd: npt.NDArray[np.bool_] = right.sum(0) % 2 == 1
    return odd
