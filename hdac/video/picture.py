"""The one canonical form of a picture: 8-bit limited-range 4:2:0."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import av
import numpy as np
import numpy.typing as npt

Plane: TypeAlias = npt.NDArray[np.uint8]


class Picture(NamedTuple):
    """y `(H, W)`, u and v `(H/2, W/2)` uint8, limited range (Y' 16..235, Cb and Cr 16..240), H and
    W even."""

    y: Plane
    u: Plane
    v: Plane

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    def to_av(self) -> av.VideoFrame:
        """A PyAV frame (yuv420p) with a copy of the samples."""
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        for plane, samples in zip(frame.planes, self, strict=True):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            rows[:, : plane.width] = samples
            plane.update(rows.tobytes())
        return frame

    @classmethod
    def from_av(cls, frame: av.VideoFrame) -> Picture:
        """Copies the samples of a yuv420p frame; a yuv420p10le frame (VVC) is rounded to 8 bit."""
        deep = frame.format.name == "yuv420p10le"
        if not deep and frame.format.name not in ("yuv420p", "yuvj420p"):
            raise ValueError(f"pixel format {frame.format.name}; expected yuv420p")
        planes: list[Plane] = []
        for plane in frame.planes[:3]:
            if deep:
                words = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)[
                    :, : plane.width
                ]
                planes.append(((words.astype(np.uint32) + 2) >> 2).clip(0, 255).astype(np.uint8))
            else:
                planes.append(
                    np.frombuffer(memoryview(plane), np.uint8)
                    .reshape(plane.height, -1)[:, : plane.width]
                    .copy()
                )
        return cls(*planes)

    def tobytes(self) -> bytes:
        """Planar I420 bytes: Y, then U, then V."""
        return b"".join(np.ascontiguousarray(plane).tobytes() for plane in self)

    @classmethod
    def frombytes(cls, data: bytes | memoryview, width: int, height: int) -> Picture:
        """The inverse of `tobytes`; `data` holds exactly width * height * 3 / 2 bytes."""
        flat = np.frombuffer(data, np.uint8)
        luma, chroma = width * height, (width // 2) * (height // 2)
        return cls(
            flat[:luma].reshape(height, width).copy(),
            flat[luma : luma + chroma].reshape(height // 2, width // 2).copy(),
            flat[luma + chroma :].reshape(height // 2, width // 2).copy(),
        )
