"""Reading the small video files of a pack: with PyAV where it is installed, else with OpenCV.

OpenCV hands out the luma plane of a yuv420p file as it is (`CAP_PROP_CONVERT_RGB` off) but no
chroma planes: those are made from its BGR pictures (on one training clip 0.03 code values off on
average, 14 at most).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Stack = npt.NDArray[np.uint8]


class Frames(NamedTuple):
    """Planes of a run of pictures: y `(T, H, W)`, uv `(T, 2, H/2, W/2)` uint8, limited range."""

    y: Stack
    uv: Stack


def read_frames(path: Path) -> Frames:
    """All pictures of an 8-bit 4:2:0 file (mp4, elementary HEVC stream) or of a VVC elementary
    stream (PyAV only).

    Raises `OSError` if it holds none or cannot be read.
    """
    frames = with_av(path) if importlib.util.find_spec("av") else with_opencv(path)
    if not len(frames.y):
        raise OSError(f"{path}: no pictures could be read")
    return frames


def with_av(path: Path) -> Frames:
    import av

    from hdac.video.picture import Picture

    try:
        with av.open(str(path)) as container:
            pictures = [Picture.from_av(frame) for frame in container.decode(video=0)]
    except av.error.FFmpegError as error:
        raise OSError(f"{path}: no pictures could be read ({error.strerror})") from error
    return Frames(np.array([p.y for p in pictures]), np.array([[p.u, p.v] for p in pictures]))


def with_opencv(path: Path) -> Frames:
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of every luma plane
    try:
        luma, colour = cv2.VideoCapture(str(path)), cv2.VideoCapture(str(path))
        luma.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        ys, uvs = list[Stack](), list[Stack]()
        while True:
            (more, y), (_, bgr) = luma.read(), colour.read()
            if not more:
                break
            height, width = bgr.shape[:2]
            planar = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
            ys.append(y.reshape(-1, width)[:height].astype(np.uint8))
            uvs.append(planar[height:].reshape(2, height // 2, width // 2).astype(np.uint8))
    finally:
        cv2.utils.logging.setLogLevel(level)
    return Frames(np.array(ys), np.array(uvs))
