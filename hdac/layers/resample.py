"""Integer resampling of the base layer by 1/2 and 1/4: the same samples on every machine."""

from __future__ import annotations

import numpy as np

from hdac.video.picture import Picture, Plane

#: Cubic convolution (Keys, 1981, a = -1/2) at +-1/4 sample, in 1/128.
_TAPS = np.array([-3, 29, 111, -9], np.int32)


def pad_to(picture: Picture, multiple: int) -> Picture:
    """Edge replication to sides that are multiples of `multiple` (even)."""
    down, right = -picture.height % multiple, -picture.width % multiple
    if not down and not right:
        return picture
    chroma = (np.pad(p, ((0, down // 2), (0, right // 2)), mode="edge") for p in picture[1:])
    return Picture(np.pad(picture.y, ((0, down), (0, right)), mode="edge"), *chroma)


def downsample(picture: Picture, factor: int) -> Picture:
    """Area average by 2 or 4; the sides are multiples of 2 * factor."""

    def plane(p: Plane) -> Plane:
        height, width = p.shape
        total = p.reshape(height // factor, factor, width // factor, factor).sum(
            (1, 3), dtype=np.int32
        )
        out: Plane = ((total + factor * factor // 2) // (factor * factor)).astype(np.uint8)
        return out

    return Picture(*map(plane, picture))


def to_size(picture: Picture, width: int, height: int) -> Picture:
    """Down or up to sides that are 1, 1/2, 1/4, 2 or 4 times as long."""
    if picture.width > width:
        made = downsample(picture, picture.width // width)
    else:
        made = upsample(picture, width // picture.width)
    assert (made.width, made.height) == (width, height), "both sides have one factor"
    return made


def _double_rows(p: Plane) -> Plane:
    padded = np.pad(p.astype(np.int32), ((2, 2), (0, 0)), mode="edge")
    height = p.shape[0]
    rows = [padded[i : i + height] for i in range(5)]  # samples at -2 .. 2
    above = sum(int(t) * r for t, r in zip(_TAPS, rows[:4], strict=True))
    below = sum(int(t) * r for t, r in zip(_TAPS[::-1], rows[1:], strict=True))
    out: Plane = (
        ((np.stack([above, below], 1).reshape(2 * height, -1) + 64) >> 7)
        .clip(0, 255)
        .astype(np.uint8)
    )
    return out


def upsample(picture: Picture, factor: int) -> Picture:
    """The inverse of `downsample`: cubic convolution, 2 or 4 times."""
    while factor > 1:
        picture = Picture(
            *(_double_rows(np.ascontiguousarray(_double_rows(p).T)).T.copy() for p in picture)
        )
        factor //= 2
    return picture
