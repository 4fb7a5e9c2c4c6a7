"""The one canonical form of a picture: 8-bit limited-range 4:2:0."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.errors import UsageError

if TYPE_CHECKING:
    import av

Plane: TypeAlias = npt.NDArray[np.uint8]
Rgb: TypeAlias = npt.NDArray[np.uint8]


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

    @classmethod
    def from_rgb(cls, rgb: Rgb, matrix: int | None = None) -> Picture:
        """From R'G'B' `(H, W, 3)` uint8, full range; odd sides are padded to even by edge
        replication. matrix: of H.273; None: by size (BT.601 below 720 lines, else BT.709).

        Raises `UsageError` for another shape, order or dtype.

        >>> Picture.from_rgb(np.zeros((47, 61, 3), np.uint8)).y.shape
        (48, 62)
        """
        from hdac.video.colour import picture_from_rgb, resolve_matrix

        array = np.asarray(rgb)
        if array.ndim != 3 or array.shape[2] != 3 or not array.size:
            first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
            hint = " (its colours come first: np.moveaxis(array, 0, -1))" if first else ""
            raise UsageError(
                f"an array of shape {array.shape}{hint}; expected R'G'B' of (height, width, 3)"
            )
        if array.dtype != np.uint8:
            raise UsageError(f"an array of {array.dtype}; expected R'G'B' of uint8, 0 to 255")
        matrix = resolve_matrix(2 if matrix is None else matrix, array.shape[0])
        pad = [(0, side % 2) for side in array.shape[:2]]
        return picture_from_rgb(np.pad(array, (*pad, (0, 0)), mode="edge"), matrix)

    def to_rgb(self, matrix: int | None = None) -> Rgb:
        """R'G'B' `(H, W, 3)` uint8, full range; `matrix` as in `from_rgb`."""
        from hdac.video.colour import rgb_from_picture

        return rgb_from_picture(self, 2 if matrix is None else matrix)

    def copy(self) -> Picture:
        """The same samples in memory of their own, writeable."""
        return Picture(*(plane.copy() for plane in self))

    def same(self, other: Picture) -> bool:
        """Whether all samples are equal."""
        return all(map(np.array_equal, self, other))

    def padded(self) -> Picture:
        """The picture with luma of even sides, by edge replication."""
        height, width = self.y.shape
        if height % 2 or width % 2:
            y = np.pad(self.y, ((0, height % 2), (0, width % 2)), mode="edge")
            return self._replace(y=y)
        return self

    def cropped(self, width: int, height: int) -> Picture:
        """Back to a source's odd size: luma `height` x `width`, chroma rounded up."""
        u, v = (p[: (height + 1) // 2, : (width + 1) // 2] for p in (self.u, self.v))
        return Picture(self.y[:height, :width], u, v)

    def to_av(self) -> av.VideoFrame:
        """A PyAV frame (yuv420p) with a copy of the samples."""
        import av  # training machines may lack it

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
            rows = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8)
            samples = rows.reshape(plane.height, -1)[:, : plane.width]
            if deep:
                samples = ((samples.astype(np.uint32) + 2) >> 2).clip(0, 255)
            planes.append(samples.astype(np.uint8))
        return cls(*planes)

    def tobytes(self) -> bytes:
        """Planar I420 bytes: Y, then U, then V."""
        return b"".join(np.ascontiguousarray(plane).tobytes() for plane in self)

    @classmethod
    def frombytes(cls, data: bytes | memoryview, width: int, height: int) -> Picture:
        """The inverse of `tobytes`. Raises `UsageError` unless the sides are even and `data` holds
        exactly width * height * 3 / 2 bytes."""
        luma, flat = width * height, np.frombuffer(data, np.uint8)
        if width < 2 or height < 2 or width % 2 or height % 2 or flat.size * 2 != luma * 3:
            raise UsageError(
                f"{flat.size} bytes for a 4:2:0 picture of {width}x{height}; expected even sides "
                f"and {luma * 3 // 2} bytes"
            )
        chroma = flat[luma:].reshape(2, height // 2, width // 2).copy()
        return cls(flat[:luma].reshape(height, width).copy(), *chroma)
