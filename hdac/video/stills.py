"""Sources without a container: raw 4:2:0 and folders of pictures."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from hdac.errors import UsageError
from hdac.video.colour import resolve_matrix
from hdac.video.filters import Filters
from hdac.video.info import DEFAULT_FPS, VideoInfo, assumed
from hdac.video.naming import RawName, parse_name
from hdac.video.picture import Picture, Plane, Rgb

#: Bits of a sample of raw video that is read; 10 are rounded to 8.
DEPTHS = (8, 10)
_PICTURES = (".png", ".jpg", ".jpeg")

Size = tuple[int, int]


class RawVideo:
    """A .yuv file (planar 4:2:0 of 8 bits, or of 10 in two bytes, low one first) or pipe; its size
    by `size` or in its name, its depth in its name. Raises `UsageError` for an unknown size, other
    samples, and a file that is no whole number of pictures."""

    def __init__(self, path: Path, size: Size | None, fps: Fraction | None) -> None:
        named = parse_name(path.stem)
        size = size or named.size
        if size is None:
            raise UsageError(
                f"{path}: raw yuv without a size; put WIDTHxHEIGHT into its name or give --size WxH"
            )
        width, height = size
        if not width or not height:
            raise UsageError(f"{path}: size {width}x{height}; both sides must be at least 1")
        self._deep, self.notes = _is_deep(path, named), list[str]()
        rate = fps or named.fps
        if rate is None:
            self.notes.append(assumed("raw yuv carries"))
        elif fps is None and named.bare:
            self.notes.append(
                f"{rate} frames per second, by the number behind the size in its name"
            )
        samples = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
        self._bytes = samples * (2 if self._deep else 1)
        if self._deep:
            self.notes.append("10 bits a sample, by its name: rounded to 8")
        self._sure = self._deep or named.bits is not None
        total = path.stat().st_size if path.is_file() else None
        if total is not None and total < self._bytes:
            raise UsageError(
                f"{path}: 0 frames: {total} bytes, a {width}x{height} 4:2:0 picture takes "
                f"{self._bytes}"
            )
        if total is not None and total % self._bytes:
            raise self._partial(path, total, f"{width}x{height}")
        self.info = VideoInfo(
            path, width, height, rate or DEFAULT_FPS,
            None if total is None else total // self._bytes, notes=tuple(self.notes),
        )  # fmt: skip
        if total is not None:
            with path.open("rb") as file:
                self._planes(file.read(self._bytes))

    def _partial(self, path: Path, total: int, size: str) -> UsageError:
        depth = " of 10 bits" if self._deep else ""
        return UsageError(
            f"{path}: {total} bytes are no whole number of {size} 4:2:0 pictures{depth} "
            f"({self._bytes} bytes each); check the size (--size WxH) and the name"
        )

    def _planes(self, data: bytes) -> Plane:
        """The samples of a picture, of 8 bits. Raises `UsageError` where they are of another
        depth."""
        flat = np.frombuffer(data, np.uint8)
        if self._deep:
            deep = np.frombuffer(data, "<u2")
            if deep.max() > 1023:
                raise UsageError(
                    f"{self.info.path}: samples of up to {deep.max()}; 10 bits, as its name says, "
                    "are 0 to 1023: correct the name, or convert the file"
                )
            return np.minimum((deep + 2) >> 2, 255).astype(np.uint8)
        if not self._sure:
            _check_depth(self.info.path, flat)
            self._sure = True
        return flat

    def pictures(self) -> Iterator[Picture]:
        path, width, height = self.info.path, self.info.width, self.info.height
        cw, ch = (width + 1) // 2, (height + 1) // 2
        with path.open("rb") as file:
            while data := file.read(self._bytes):
                if len(data) != self._bytes:
                    raise self._partial(path, len(data), f"{width}x{height}")
                flat = self._planes(data)
                y = flat[: width * height].reshape(height, width)
                u, v = flat[width * height :].reshape(2, ch, cw)
                yield Picture(y.copy(), u.copy(), v.copy()).padded()


def _is_deep(path: Path, named: RawName) -> bool:
    """Whether a name says 10 bits. Raises `UsageError` for samples that are not read."""
    if named.layout:
        raise UsageError(
            f"{path}: {named.layout} by its name; only planar 4:2:0 is read, low byte first "
            "(yuv420p, yuv420p10le): convert it, e.g. to y4m"
        )
    if named.bits not in (None, *DEPTHS):
        allowed = " and ".join(map(str, DEPTHS))
        raise UsageError(
            f"{path}: {named.bits} bits a sample by its name; allowed are {allowed}: convert it, "
            "e.g. to y4m"
        )
    return named.bits == 10


def _check_depth(path: Path, flat: Plane) -> None:
    """Raises `UsageError` for bytes that look like samples of two bytes: every second one is small.
    Colours of a picture of 8 bits are around 128."""
    for high, low in ((flat[1::2], flat[::2]), (flat[::2], flat[1::2])):
        if high.size and high.max() < 16 <= low.max():
            raise UsageError(
                f"{path}: every second byte is at most {high.max()}: samples of more than 8 bits? "
                "Put 10bit into its name (head_256x256_24_10bit.yuv), or 8bit if it is that"
            )


class PictureFolder:
    """The PNG and JPEG pictures of a folder, in the order of the numbers in their names; the frame
    rate may be in that of the folder. Raises `UsageError` if there are none, or if their sizes
    differ."""

    def __init__(self, path: Path, size: Size | None, fps: Fraction | None) -> None:
        there = [p for p in path.iterdir() if not p.name.startswith(".")]
        self._files = sorted((p for p in there if p.suffix.lower() in _PICTURES), key=_natural)
        if not self._files:
            raise UsageError(
                f"{path}: the folder holds 0 PNG or JPEG pictures; at least 1 is needed"
            )
        self.notes = ["RGB converted to limited-range 4:2:0"]
        if others := sorted(p.name for p in there if p not in self._files):
            more = ", ..." if len(others) > 3 else ""
            self.notes.append(
                f"{len(others)} others in the folder are no PNG or JPEG pictures and are left out: "
                f"{', '.join(others[:3])}{more}"
            )
        fps = fps or parse_name(path.name).fps
        if fps is None:
            self.notes.append(assumed("pictures carry"))
        if gaps := _gaps([p.stem for p in self._files]):
            self.notes.append(f"there are no pictures of the numbers {gaps}")
        first, notes = load_image(self._files[0])
        self.notes += notes
        self._native, self._scale = first.shape[1::-1], size
        width, height = size or self._native
        self.info = VideoInfo(
            path, width, height, fps or DEFAULT_FPS, len(self._files),
            resolve_matrix(2, height), notes=tuple(self.notes),
        )  # fmt: skip

    def pictures(self) -> Iterator[Picture]:
        for file in self._files:
            rgb, _ = load_image(file)
            if rgb.shape[1::-1] != self._native:
                found, wanted = ("x".join(map(str, s)) for s in (rgb.shape[1::-1], self._native))
                raise UsageError(
                    f"{file}: picture of {found}; the first is {wanted} and all must agree"
                )
            if self._scale:
                frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(*self._scale)
                rgb = np.asarray(frame.to_ndarray(), np.uint8)
            yield Picture.from_rgb(rgb, self.info.matrix)


def _gaps(stems: list[str]) -> str:
    """Numbers that are missing between those of pictures, in steps of the smallest difference."""
    found = [re.search(r"([0-9]+)[^0-9]*$", stem) for stem in stems]
    numbers = [int(m[1]) for m in found if m]
    pairs = list(pairwise(numbers))
    if len(numbers) < len(stems) or any(b <= a for a, b in pairs):
        return ""
    step = min((b - a for a, b in pairs), default=1)
    holes = ((a + step, b - step) for a, b in pairs if b - a >= 2 * step)
    return ", ".join(str(a) if a >= b else f"{a} to {b}" for a, b in holes)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts frame2 before frame10."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(p), "") if i % 2 else (-1, p) for i, p in enumerate(parts)]


def load_image(path: Path) -> tuple[Rgb, list[str]]:
    """R'G'B' `(H, W, 3)` uint8 of a picture file, and what was done to it. Raises `UsageError`."""
    try:  # by its bytes: libav takes a % in a name for a pattern
        with av.open(io.BytesIO(path.read_bytes()), "r") as container:
            for frame in container.decode(video=0):
                filters = Filters(frame, (0, 0, 0, 0), deinterlace=False)  # turned as tagged
                if any(c.is_alpha for c in frame.format.components):
                    filters.notes.append("alpha is dropped: the pictures are coded as if opaque")
                (frame,) = filters.apply(iter([frame]))
                return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), filters.notes
    except (av.error.FFmpegError, IndexError) as error:
        raise UsageError(f"{path}: not a readable picture ({error})") from error
    raise UsageError(f"{path}: the picture file is empty")
