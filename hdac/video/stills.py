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
from hdac.video.picture import Picture, Rgb
from hdac.video.rate import parse_rate

_SIZE = re.compile(r"(?<!\d)(\d{1,5})x(\d{1,5})(?!\d)", re.ASCII)
_RATE = re.compile(r"(?<![\d.])(\d+[_-]1001|\d+(?:\.\d+)?)(?:fps|hz)", re.IGNORECASE | re.ASCII)
_PICTURES = (".png", ".jpg", ".jpeg")

Size = tuple[int, int]


def _named_rate(name: str) -> Fraction | None:
    """The frame rate in a file's name."""
    found = _RATE.search(name)
    try:
        return parse_rate(re.sub("[_-]", "/", found[1])) if found else None
    except UsageError:  # 44100hz is another rate
        return None


class RawVideo:
    """A .yuv file (planar 8-bit 4:2:0) or pipe; its size by `size` or in its name. Raises
    `UsageError` for an unknown size and a file that is no whole number of pictures."""

    def __init__(self, path: Path, size: Size | None, fps: Fraction | None) -> None:
        named = _SIZE.search(path.stem)
        if size is None and not named:
            raise UsageError(
                f"{path}: raw yuv without a size; put WIDTHxHEIGHT into its name or give --size WxH"
            )
        width, height = size or (int(named[1]), int(named[2]))  # type: ignore[index]
        if not width or not height:
            raise UsageError(f"{path}: size {width}x{height}; both sides must be at least 1")
        rate, notes = fps or _named_rate(path.stem), list[str]()
        if rate is None:
            notes.append(assumed("raw yuv carries"))
        self._bytes = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
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
            None if total is None else total // self._bytes, notes=tuple(notes),
        )  # fmt: skip
        self.notes = notes

    def _partial(self, path: Path, total: int, size: str) -> UsageError:
        return UsageError(
            f"{path}: {total} bytes are no whole number of {size} 4:2:0 pictures ({self._bytes} "
            "bytes each); check the size (--size WxH)"
        )

    def pictures(self) -> Iterator[Picture]:
        path, width, height = self.info.path, self.info.width, self.info.height
        cw, ch = (width + 1) // 2, (height + 1) // 2
        with path.open("rb") as file:
            while data := file.read(self._bytes):
                if len(data) != self._bytes:
                    raise self._partial(path, len(data), f"{width}x{height}")
                flat = np.frombuffer(data, np.uint8)
                y = flat[: width * height].reshape(height, width)
                u, v = flat[width * height :].reshape(2, ch, cw)
                yield Picture(y.copy(), u.copy(), v.copy()).padded()


class PictureFolder:
    """The PNG and JPEG pictures of a folder, in the order of the numbers in their names. Raises
    `UsageError` if there are none, or if their sizes differ."""

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
