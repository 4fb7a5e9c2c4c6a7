"""4:2:0 pictures as six planes at half size, the form in which every network sees a frame.

The four luma phases and the two chroma planes of a 4:2:0 picture all have half the frame's size, so
a frame becomes one `(6, H/2, W/2)` array without any colour conversion or resampling.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.video.picture import Picture

#: float32.
Array: TypeAlias = npt.NDArray[np.float32]

#: Size multiple that a padded frame has (the coarsest scale of the networks is 1/16 of the frame).
MULTIPLE = 16


def planes_from_picture(picture: Picture) -> Array:
    """Six planes `(1, 6, H'/2, W'/2)` in [0, 1] (code value / 255) of a picture of even sides,
    padded by edge replication to a multiple of 16."""
    height, width = picture.y.shape
    down, right = -height % MULTIPLE, -width % MULTIPLE
    luma, chroma = picture.y, np.stack([picture.u, picture.v])
    if down or right:
        luma = np.pad(luma, ((0, down), (0, right)), mode="edge")
        chroma = np.pad(chroma, ((0, 0), (0, down // 2), (0, right // 2)), mode="edge")
    planes = np.empty((1, 6, *chroma.shape[1:]), np.float32)
    for i in range(4):
        planes[0, i] = luma[i // 2 :: 2, i % 2 :: 2]
    planes[0, 4:] = chroma
    planes /= np.float32(255)
    return planes


def picture_from_planes(planes: Array, height: int, width: int) -> Picture:
    """The inverse of `planes_from_picture`, rounded and cropped to `height` x `width` (both
    even)."""
    codes = np.rint(planes[0] * np.float32(255)).clip(0, 255).astype(np.uint8)
    luma = np.empty((2 * codes.shape[1], 2 * codes.shape[2]), np.uint8)
    for i in range(4):
        luma[i // 2 :: 2, i % 2 :: 2] = codes[i]
    rows, columns = height // 2, width // 2
    return Picture(luma[:height, :width], codes[4, :rows, :columns], codes[5, :rows, :columns])
