"""Colour: the matrix of a source, and the one conversion between Y'CbCr and R'G'B' that hdac
uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdac.video.picture import Picture, Plane

UNSPECIFIED, BT709, BT470BG, SMPTE170M, BT2020 = 2, 1, 5, 6, 9  # H.273 matrix coefficients

#: (Kr, Kb) of ITU-T H.273 table 4
_WEIGHTS = {
    BT709: (0.2126, 0.0722),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    BT2020: (0.2627, 0.0593),
}


def resolve_matrix(matrix: int, height: int) -> int:
    """The matrix to use: as tagged, else BT.601 below 720 lines and BT.709 from there (evaluation
    protocol, section 1)."""
    if matrix in _WEIGHTS:
        return matrix
    return SMPTE170M if height < 720 else BT709


def _enlarge(plane: npt.NDArray[np.floating], height: int, width: int) -> npt.NDArray[np.floating]:
    """Doubles a chroma plane bilinearly (samples centred, edges replicated) and crops it."""
    padded = np.pad(plane, 1, mode="edge")
    rows = np.stack(
        [0.25 * padded[:-2] + 0.75 * padded[1:-1], 0.75 * padded[1:-1] + 0.25 * padded[2:]], 1
    )
    rows = rows.reshape(-1, padded.shape[1])
    both = np.stack(
        [0.25 * rows[:, :-2] + 0.75 * rows[:, 1:-1], 0.75 * rows[:, 1:-1] + 0.25 * rows[:, 2:]], 2
    )
    out: npt.NDArray[np.floating] = both.reshape(rows.shape[0], -1)[:height, :width]
    return out


def rgb_from_picture(picture: Picture, matrix: int) -> npt.NDArray[np.uint8]:
    """R'G'B' `(H, W, 3)` uint8 full range, from limited-range 4:2:0; chroma enlarged bilinearly,
    centre-sited.

    (H.273 equations 38 to 40 and 50 to 52, inverted.)
    """
    height, width = picture.y.shape
    kr, kb = _WEIGHTS[resolve_matrix(matrix, height)]
    y = (picture.y.astype(np.float32) - 16) / 219
    cb, cr = (
        _enlarge((p.astype(np.float32) - 128) / 224, height, width) for p in (picture.u, picture.v)
    )
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
    kr, kb = _WEIGHTS[resolve_matrix(matrix, height)]
    red, green, blue = np.moveaxis(rgb.astype(np.float32) / 255, -1, 0)
    y = kr * red + (1 - kr - kb) * green + kb * blue

    def chroma(difference: npt.NDArray[np.floating], scale: float) -> Plane:
        mean = difference.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        return (mean / scale * 224 + 128.5).clip(16, 240).astype(np.uint8)

    return Picture(
        (y * 219 + 16.5).astype(np.uint8),
        chroma(blue - y, 2 * (1 - kb)),
        chroma(red - y, 2 * (1 - kr)),
    )
