"""Pictures of twice the size by a network, patch by patch.

Patches overlap by what a sample depends on, and of each only what knows all of its surroundings is
kept, so that they show no seams: the result is the whole picture's.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hdac.runtime.planes import picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Enlarger
from hdac.video.picture import Picture

#: Side of a patch in samples of the planes: its memory is bounded, and one compiled graph serves
#: pictures of any size above it.
PATCH = 160


def reach_of(blocks: int) -> int:
    """Samples of the planes to each side that a sample depends on in a network with so many
    residual blocks: one for each of its convolutions, of which those at larger sizes need less, and
    three for Lanczos chroma."""
    return 2 * blocks + 4


def double(picture: Picture, enlarger: Enlarger, patch: int = PATCH) -> Picture:
    """The picture of twice the size; patch: side of patches in samples of the planes, more than
    twice the network's reach."""
    given = planes_from_picture(picture)
    height, width = given.shape[2:]
    made = np.empty((1, 6, 2 * height, 2 * width), np.float32)
    rows, columns = (_spans(length, patch, enlarger.reach) for length in (height, width))
    for top, bottom, first_row, end_row in rows:
        for left, right, first, end in columns:
            part = enlarger(np.ascontiguousarray(given[:, :, top:bottom, left:right]))
            made[:, :, 2 * first_row : 2 * end_row, 2 * first : 2 * end] = part[
                :, :, 2 * (first_row - top) : 2 * (end_row - top),
                2 * (first - left) : 2 * (end - left),
            ]  # fmt: skip
    return picture_from_planes(made, 2 * picture.height, 2 * picture.width)


def _spans(length: int, patch: int, reach: int) -> list[tuple[int, int, int, int]]:
    """Start and end of each patch along a side, and of what is kept of it."""
    if length <= patch:
        return [(0, length, 0, length)]
    count = 1 - (patch - length) // (patch - 2 * reach)
    starts = [min(i * (patch - 2 * reach), length - patch) for i in range(count)]
    seams = [(before + patch + after) // 2 for before, after in pairwise(starts)]
    kept = pairwise([0, *seams, length])
    return [(s, s + patch, first, end) for s, (first, end) in zip(starts, kept, strict=True)]
