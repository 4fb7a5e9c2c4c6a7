"""Video in: any file that libav opens, raw yuv and folders of PNG, as canonical pictures.

Whatever the source, what comes out is 8-bit limited-range 4:2:0 in the matrix of the source;
sources that are something else are converted, and `VideoInfo.notes` says so.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange

from hdac.errors import UsageError
from hdac.video.colour import picture_from_rgb, resolve_matrix
from hdac.video.picture import Picture, Plane

Rgb: TypeAlias = npt.NDArray[np.uint8]

DEFAULT_FPS = Fraction(25)
_SIZE = re.compile(r"(?<!\d)(\d{1,5})x(\d{1,5})(?!\d)")
_RATE = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?)(?:fps|hz)", re.IGNORECASE)
_IMAGES = (".png",)


@dataclass(frozen=True)
class VideoInfo:
    """A source as it will be coded. `width` and `height` may be odd (pictures are padded to even by
    edge replication); `frames` is None where only decoding would tell; colour code points are those
    of H.273."""

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int | None = None
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    notes: tuple[str, ...] = field(default=())


def parse_size(text: str) -> tuple[int, int]:
    """`WxH` in pixels. Raises `UsageError`."""
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    if not match or not int(match[1]) or not int(match[2]):
        raise UsageError(f"size {text!r}; expected WIDTHxHEIGHT in pixels, for example 256x256")
    return int(match[1]), int(match[2])


def even(plane: Plane) -> Plane:
    """Pads a luma plane by edge replication to even sides."""
    height, width = plane.shape
    return (
        np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
        if height % 2 or width % 2
        else plane
    )


class VideoReader:
    """Opens a source; iterating yields `Picture`s (once). `size` scales, or names the size of raw
    yuv.

    Raises `UsageError` for a missing file, a file without video, no frames, a damaged header or a
    raw file of unknown size.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int] | None = None, fps: Fraction | None = None
    ) -> None:
        self.path = Path(path)
        self._size = size
        if not self.path.exists():
            raise UsageError(
                f"{self.path}: no such file or folder; give a video file or a folder of PNG pictures"
            )
        if self.path.is_dir():
            self._open_folder(fps)
        elif self.path.suffix.lower() == ".yuv":
            self._open_raw(fps)
        else:
            self._open_libav(fps)

    def __iter__(self) -> Iterator[Picture]:
        count = 0
        for picture in self._pictures():
            count += 1
            yield picture
        if not count:
            raise UsageError(f"{self.path}: 0 frames could be decoded; at least 1 is needed")

    # ---- folders of PNG

    def _open_folder(self, fps: Fraction | None) -> None:
        def natural(path: Path) -> list[tuple[int, str]]:
            return [
                (int(part), "") if part.isdigit() else (-1, part)
                for part in re.split(r"(\d+)", path.name)
            ]

        self._files = sorted(
            (p for p in self.path.iterdir() if p.suffix.lower() in _IMAGES), key=natural
        )
        if not self._files:
            raise UsageError(f"{self.path}: the folder holds 0 PNG pictures; at least 1 is needed")
        height, width = _load_png(self._files[0]).shape[:2]
        notes = ["RGB converted to limited-range 4:2:0"]
        if fps is None:
            notes.append(
                f"pictures carry no frame rate; {DEFAULT_FPS} frames per second assumed (set it with --fps)"
            )
        self._native = (width, height)
        width, height = self._size or (width, height)
        self.info = VideoInfo(
            self.path,
            width,
            height,
            fps or DEFAULT_FPS,
            len(self._files),
            resolve_matrix(2, height),
            2,
            2,
            tuple(notes),
        )
        self._pictures = self._read_folder

    def _read_folder(self) -> Iterator[Picture]:
        for file in self._files:
            rgb = _load_png(file)
            if rgb.shape[1::-1] != self._native:
                size = "x".join(map(str, rgb.shape[1::-1]))
                raise UsageError(
                    f"{file}: picture of {size}; the first is {'x'.join(map(str, self._native))} and all must agree"
                )
            if self._size:
                rgb = np.asarray(
                    av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(*self._size).to_ndarray(),
                    np.uint8,
                )
            rgb = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
            yield picture_from_rgb(rgb, self.info.matrix)

    # ---- raw yuv

    def _open_raw(self, fps: Fraction | None) -> None:
        named = _SIZE.search(self.path.stem)
        if self._size is None and not named:
            raise UsageError(
                f"{self.path}: raw yuv without a size; put WIDTHxHEIGHT into its name or give --size WxH"
            )
        width, height = self._size or (int(named[1]), int(named[2]))  # type: ignore[index]
        if not width or not height:
            raise UsageError(f"{self.path}: size {width}x{height}; both sides must be at least 1")
        rate = _RATE.search(self.path.stem)
        notes = []
        if fps is None and rate is None:
            notes.append(
                f"raw yuv carries no frame rate; {DEFAULT_FPS} frames per second assumed (set it with --fps)"
            )
        chosen = fps or (Fraction(rate[1]) if rate else DEFAULT_FPS)
        self._bytes = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
        total = self.path.stat().st_size
        if total < self._bytes:
            raise UsageError(
                f"{self.path}: 0 frames: {total} bytes, a {width}x{height} 4:2:0 picture takes {self._bytes}"
            )
        if total % self._bytes:
            raise UsageError(
                f"{self.path}: {total} bytes are no whole number of {width}x{height} 4:2:0 pictures ({self._bytes} bytes each); "
                "check the size (--size WxH)"
            )
        self.info = VideoInfo(
            self.path, width, height, chosen, total // self._bytes, notes=tuple(notes)
        )
        self._pictures = self._read_raw

    def _read_raw(self) -> Iterator[Picture]:
        width, height = self.info.width, self.info.height
        cw, ch = (width + 1) // 2, (height + 1) // 2
        with self.path.open("rb") as file:
            while data := file.read(self._bytes):
                flat = np.frombuffer(data, np.uint8)
                y = flat[: width * height].reshape(height, width)
                u, v = flat[width * height :].reshape(2, ch, cw)
                yield Picture(even(y).copy(), u.copy(), v.copy())

    # ---- everything else

    def _open_libav(self, fps: Fraction | None) -> None:
        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
                    raise UsageError(
                        f"{self.path}: no video stream (streams: {kinds}); give a file with a video stream"
                    )
                stream = container.streams.video[0]
                context = stream.codec_context
                width, height, fmt = context.width, context.height, context.format
                if fmt is None:
                    raise UsageError(
                        f"{self.path}: the video stream has no pixel format; the file is damaged"
                    )
                rate = stream.average_rate or stream.guessed_rate or DEFAULT_FPS
                times = sorted(
                    p.pts for p in container.demux(stream) if p.pts is not None and p.size
                )
                tags = (
                    int(context.colorspace),
                    int(context.color_primaries),
                    int(context.color_trc),
                )
                full = int(context.color_range) == ColorRange.JPEG or fmt.name.startswith("yuvj")
        except av.error.FFmpegError as error:
            raise UsageError(
                f"{self.path}: not a video that can be read ({error.strerror}); give mp4, mkv, webm, y4m, yuv or PNGs"
            ) from error
        if not times and not width:
            raise UsageError(f"{self.path}: 0 frames; at least 1 is needed")
        notes = []
        self._rgb = fmt.is_rgb
        if fmt.is_rgb:
            notes.append("RGB converted to limited-range 4:2:0")
        else:
            if full:
                notes.append("full-range source converted to limited range")
            if fmt.components[0].bits > 8:
                notes.append(f"{fmt.components[0].bits}-bit source converted to 8 bit")
            if len(fmt.components) >= 3 and (fmt.components[1].width, fmt.components[1].height) != (
                (width + 1) // 2,
                (height + 1) // 2,
            ):
                notes.append(f"{fmt.name} converted to 4:2:0")
        gaps = Counter(b - a for a, b in itertools.pairwise(times))
        # time stamps in a coarse time base (1 ms) jitter by one tick
        if gaps and max(gaps) - min(gaps) > max(2, max(gaps) // 50):
            notes.append(
                f"variable frame rate: coded at the constant mean rate of {float(rate):.3f} frames per second, frame by frame"
            )
        self._full = full
        self._direct = fmt.name == "yuv420p" and not full
        width, height = self._size or (width, height)
        matrix = tags[0] if not fmt.is_rgb and tags[0] else resolve_matrix(2, height)
        self.info = VideoInfo(
            self.path,
            width,
            height,
            fps or Fraction(rate),
            len(times) or None,
            matrix,
            tags[1],
            tags[2],
            tuple(notes),
        )
        self._pictures = self._read_libav

    def _read_libav(self) -> Iterator[Picture]:
        try:
            with av.open(str(self.path)) as container:
                for frame in container.decode(video=0):
                    yield self._canonical(frame)
        except av.error.FFmpegError as error:
            raise UsageError(f"{self.path}: damaged video ({error.strerror})") from error

    def _canonical(self, frame: av.VideoFrame) -> Picture:
        width, height = self.info.width, self.info.height
        scaled = (frame.width, frame.height) != (width, height)
        if self._rgb:
            rgb = np.asarray(frame.reformat(width, height, "rgb24").to_ndarray(), np.uint8)
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            return picture_from_rgb(rgb, self.info.matrix)
        if scaled or not self._direct:
            span = ColorRange.JPEG if self._full else ColorRange.MPEG
            # "area" when shrinking by two or more, as the test clips were made; bicubic otherwise
            method = (
                "AREA" if frame.width >= 2 * width and frame.height >= 2 * height else "BICUBIC"
            )
            frame = frame.reformat(
                width,
                height,
                "yuv420p",
                interpolation=method,
                src_color_range=span,
                dst_color_range=ColorRange.MPEG,
            )
        picture = Picture.from_av(frame)
        return picture._replace(y=even(picture.y)) if width % 2 or height % 2 else picture


def _load_png(path: Path) -> Rgb:
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except av.error.FFmpegError as error:
        raise UsageError(f"{path}: not a readable PNG ({error.strerror})") from error
    raise UsageError(f"{path}: the picture file is empty")
