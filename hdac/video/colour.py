"""Colour: the matrix of a source, and the one conversion between Y'CbCr and R'G'B' that hdac
uses."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.video.picture import Picture, Plane

Samples: TypeAlias = npt.NDArray[np.floating]

# matrix coefficients of H.273
UNSPECIFIED, BT709, FCC, BT470BG, SMPTE170M, SMPTE240M, YCGCO, BT2020 = 2, 1, 4, 5, 6, 7, 8, 9

#: (Kr, Kb) of ITU-T H.273 table 4
_WEIGHTS = {
    BT709: (0.2126, 0.0722),
    FCC: (0.30, 0.11),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    SMPTE240M: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
}


def resolve_matrix(matrix: int, height: int) -> int:
    """The matrix to use: as tagged, else BT.601 below 720 lines and BT.709 from there (evaluation
    protocol, section 1)."""
    if matrix in _WEIGHTS or matrix == YCGCO:
        return matrix
    return SMPTE170M if height < 720 else BT709


def is_known(matrix: int) -> bool:
    """Whether pictures of a matrix become the right R'G'B' (a source without one counts)."""
    return matrix == UNSPECIFIED or resolve_matrix(matrix, 0) == matrix


def differ(a: int, b: int, height: int) -> bool:
    """Whether pictures of `height` lines and matrix `a` are to be converted to `b`: not those
    that do not state theirs."""
    one, other = resolve_matrix(a, height), resolve_matrix(b, height)
    stated = a not in (0, UNSPECIFIED)
    return stated and one != other and _WEIGHTS.get(one) != _WEIGHTS.get(other)


def upsample_chroma(plane: Samples, height: int, width: int) -> Samples:
    """Doubles a chroma plane bilinearly (samples centred, edges replicated) and crops it."""
    for axis in (0, 1):
        p = np.pad(np.moveaxis(plane, axis, 0), ((1, 1), (0, 0)), mode="edge")
        pairs = [0.25 * p[:-2] + 0.75 * p[1:-1], 0.75 * p[1:-1] + 0.25 * p[2:]]
        plane = np.moveaxis(np.stack(pairs, 1).reshape(-1, p.shape[1]), 0, axis)
    return plane[:height, :width]


def rgb_from_picture(picture: Picture, matrix: int) -> npt.NDArray[np.uint8]:
    """R'G'B' `(H, W, 3)` uint8 full range, from limited-range 4:2:0; chroma upsampled
    bilinearly, centre-sited.

    (H.273 equations 38 to 40 and 50 to 52, inverted.)
    """
    height, width = picture.y.shape
    matrix = resolve_matrix(matrix, height)
    y = (picture.y.astype(np.float32) - 16) / 219
    cb, cr = (
        upsample_chroma((p.astype(np.float32) - 128) / 224, height, width)
        for p in (picture.u, picture.v)
    )
    if matrix == YCGCO:
        red, green, blue = y - cb + cr, y + cb, y - cb - cr
    else:
        kr, kb = _WEIGHTS[matrix]
        red = y + 2 * (1 - kr) * cr
        blue = y + 2 * (1 - kb) * cb
        green = (y - kr * red - kb * blue) / (1 - kr - kb)
    rgb = np.stack([red, green, blue], -1)
    out: npt.NDArray[np.uint8] = (rgb * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return out


def picture_from_rgb(rgb: npt.NDArray[np.uint8], matrix: int) -> Picture:
    """Limited-range 4:2:0 from R'G'B' `(H, W, 3)` uint8, H and W even; chroma is the mean of 2x2
    samples."""
    height, width = rgb.shape[:2]
    matrix = resolve_matrix(matrix, height)
    red, green, blue = np.moveaxis(rgb.astype(np.float32) / 255, -1, 0)
    if matrix == YCGCO:
        y, u, v, scales = (
            (red + 2 * green + blue) / 4,
            2 * green - red - blue,
            red - blue,
            (4.0, 2.0),
        )
    else:
        kr, kb = _WEIGHTS[matrix]
        y = kr * red + (1 - kr - kb) * green + kb * blue
        u, v, scales = blue - y, red - y, (2 * (1 - kb), 2 * (1 - kr))

    def chroma(difference: npt.NDArray[np.floating], scale: float) -> Plane:
        mean = difference.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        out: Plane = (mean / scale * 224 + 128.5).clip(16, 240).astype(np.uint8)
        return out

    return Picture((y * 219 + 16.5).astype(np.uint8), chroma(u, scales[0]), chroma(v, scales[1]))
