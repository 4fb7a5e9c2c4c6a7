"""Video out: mp4 (H.264, visually lossless), mkv (FFV1), y4m, yuv and folders of PNG.

`.mkv`, `.y4m` and `.yuv` are lossless. Everything is written beside its final name and moved there
at the end, so that a killed run leaves nothing half-made under that name.
"""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange

from hdac.errors import UsageError
from hdac.video.colour import rgb_from_picture
from hdac.video.picture import Picture
from hdac.video.reader import VideoInfo

SUFFIXES = (".mp4", ".mkv", ".y4m", ".yuv")


def check_output(path: Path, force: bool, suffixes: tuple[str, ...] = (*SUFFIXES, "")) -> Path:
    """Raises `UsageError` if `path` cannot be written: unknown suffix, existing without `force`, no
    such parent folder."""
    if path.suffix.lower() not in suffixes:
        known = ", ".join(s or "a folder (no suffix) for PNG" for s in suffixes)
        raise UsageError(f"{path}: cannot write {path.suffix or 'a folder'}; choose one of {known}")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists already; give -f to overwrite it or another name")
    if path.is_dir() and path.suffix:
        raise UsageError(f"{path}: is a folder; give a file name")
    if path.is_dir() and any(p.suffix.lower() != ".png" for p in path.iterdir()):
        raise UsageError(
            f"{path}: the folder holds more than PNG pictures and is not replaced; give another name"
        )
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; make it first")
    return path


class _Sink(Protocol):
    def write(self, picture: Picture) -> None: ...

    def close(self) -> None: ...


def crop(picture: Picture, width: int, height: int) -> Picture:
    """Back to an odd size: luma `height` x `width`, chroma rounded up."""
    return Picture(
        picture.y[:height, :width],
        *(p[: (height + 1) // 2, : (width + 1) // 2] for p in picture[1:]),
    )


class _Raw:
    """y4m and yuv. (YUV4MPEG2, mjpegtools.)"""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self._file: BinaryIO = path.open("wb")
        self._info = info
        self._mark = b"FRAME\n" if info.path.suffix.lower() == ".y4m" else b""
        if self._mark:
            rate = f"F{info.fps.numerator}:{info.fps.denominator}"
            head = f"YUV4MPEG2 W{info.width} H{info.height} {rate} Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED\n"
            self._file.write(head.encode())

    def write(self, picture: Picture) -> None:
        self._file.write(self._mark + crop(picture, self._info.width, self._info.height).tobytes())

    def close(self) -> None:
        self._file.close()


class _Muxed:
    """mp4 and mkv through libav, tags carried. mp4 of an odd size is 4:4:4: H.264 cannot crop 4:2:0
    to odd sides."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self._info = info
        lossless = info.path.suffix.lower() == ".mkv"
        self._container = av.open(str(path), "w", format="matroska" if lossless else "mp4")
        stream = self._container.add_stream("ffv1" if lossless else "libx264", rate=info.fps)
        assert isinstance(stream, av.VideoStream)
        odd = bool(info.width % 2 or info.height % 2)
        stream.width, stream.height = info.width, info.height
        stream.pix_fmt = "yuv444p" if odd and not lossless else "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = (
            info.matrix,
            info.primaries,
            info.transfer,
        )
        context.color_range = ColorRange.MPEG
        context.time_base = 1 / info.fps
        context.thread_count = 2
        if not lossless:
            context.options = {"crf": "8", "preset": "fast"}
        self._stream, self._count = stream, 0

    def write(self, picture: Picture) -> None:
        info = self._info
        if self._stream.pix_fmt == "yuv444p":
            u, v = (
                np.repeat(np.repeat(p, 2, 0), 2, 1)[: info.height, : info.width]
                for p in picture[1:]
            )
            planes = [picture.y[: info.height, : info.width], u, v]
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(np.stack(planes)), format="yuv444p", channel_last=False
            )
        else:
            frame = crop(picture, info.width, info.height).to_av()
        frame.pts, frame.time_base = self._count, 1 / info.fps
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def save_png(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Writes R'G'B' `(H, W, 3)` uint8 as a PNG."""
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt = rgb.shape[1], rgb.shape[0], "rgb24"
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.pts = 0
    packets = [*context.encode(frame), *context.encode(None)]
    path.write_bytes(b"".join(bytes(p) for p in packets))


class _Folder:
    def __init__(self, path: Path, info: VideoInfo) -> None:
        path.mkdir()
        self._path, self._info, self._count = path, info, 0

    def write(self, picture: Picture) -> None:
        info = self._info
        rgb = rgb_from_picture(picture, info.matrix)[: info.height, : info.width]
        save_png(self._path / f"{self._count:06d}.png", rgb)
        self._count += 1

    def close(self) -> None:
        pass


class VideoWriter:
    """Writes pictures to `info.path` by its suffix (none: a folder of PNG). A context manager: the
    result appears under its name only when the block ends without an error.

    info: the size (odd sizes are cropped back from padded pictures), rate and colour of the video.
    """

    def __init__(self, info: VideoInfo, force: bool = False) -> None:
        self.path = check_output(info.path, force)
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        suffix = self.path.suffix.lower()
        kind = _Folder if not suffix else _Raw if suffix in (".y4m", ".yuv") else _Muxed
        self._sink: _Sink = kind(self._part, info)

    def write(self, picture: Picture) -> None:
        self._sink.write(picture)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._sink.close()
            if kind is None:
                if self.path.is_dir():
                    shutil.rmtree(self.path)
                os.replace(self._part, self.path)
        finally:
            if self._part.is_dir():
                shutil.rmtree(self._part)
            else:
                self._part.unlink(missing_ok=True)
