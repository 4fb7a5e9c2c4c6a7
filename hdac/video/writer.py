"""Video out: mp4 (H.264, visually lossless), mkv (FFV1), y4m, yuv and folders of PNG.

`.mkv`, `.y4m` and `.yuv` are lossless. Everything is written beside its final name and moved there
at the end, so that a killed run leaves nothing half-made under that name. "-" is y4m on stdout;
pipes are written at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import av
import numpy as np
from av.video.reformatter import ColorRange

from hdac.atomic import check_apart, check_writable, is_pipe, not_written, part_of, remove
from hdac.errors import HdacError, UsageError
from hdac.video.info import CLOCK, VideoInfo
from hdac.video.opus import OpusPacket
from hdac.video.picture import Picture, Rgb
from hdac.video.remux import OpusTrack

SUFFIXES = (".mp4", ".mkv", ".y4m", ".yuv")


def check_output(
    path: Path,
    force: bool,
    suffixes: tuple[str, ...] = (*SUFFIXES, ""),
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Path:
    """Raises `UsageError` if `path` cannot be written: unknown suffix, existing without `force`,
    one of the inputs, no such parent folder, none that allows it."""
    if is_pipe(path):
        return path
    check_apart(path, inputs)
    if path.suffix.lower() not in suffixes:
        known = ", ".join(s or "a folder (no suffix) for PNG" for s in suffixes)
        raise UsageError(f"{path}: cannot write {path.suffix or 'a folder'}; choose one of {known}")
    if os.path.exists(path) and not force:
        raise UsageError(f"{path}: exists already; give -f to overwrite it or another name")
    if os.path.exists(path) and path.is_dir() == bool(path.suffix):
        kind, wanted = ("a folder", "a file") if path.suffix else ("no folder", "a folder")
        raise UsageError(f"{path}: is {kind}; give the name of {wanted}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; make it first")
    check_writable(path)
    return path


class _Sink(Protocol):
    def write(self, picture: Picture, time: Fraction | None) -> None: ...

    def close(self) -> None: ...


class _Raw:
    """y4m and yuv. (YUV4MPEG2, mjpegtools.)"""

    def __init__(self, file: BinaryIO, info: VideoInfo, y4m: bool) -> None:
        self._file, self._info = file, info
        self._mark = b"FRAME\n" if y4m else b""
        if y4m:
            rate = f"F{info.fps.numerator}:{info.fps.denominator}"
            tags = "Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED"
            file.write(f"YUV4MPEG2 W{info.width} H{info.height} {rate} {tags}\n".encode())

    def write(self, picture: Picture, time: Fraction | None) -> None:
        samples = picture.cropped(self._info.width, self._info.height).tobytes()
        self._file.write(self._mark + samples)

    def close(self) -> None:
        self._file.flush()
        if self._file is not sys.stdout.buffer:
            self._file.close()


class _Muxed:
    """mp4 and mkv through libav, tags carried. mp4 of an odd size is 4:4:4: H.264 cannot crop 4:2:0
    to odd sides."""

    def __init__(
        self, path: Path, info: VideoInfo, lossless: bool, timed: bool,
        audio: tuple[OpusPacket, Iterator[OpusPacket]] | None,
    ) -> None:  # fmt: skip
        self._info, self._timed = info, timed
        self._tick = Fraction(1, CLOCK) if timed else 1 / info.fps
        self._container = av.open(f"file:{path}", "w", format="matroska" if lossless else "mp4")
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
        context.time_base = self._tick
        context.thread_count = 2
        if not lossless:
            context.options = {"crf": "8", "preset": "fast"} | ({"bf": "0"} if timed else {})
        self._stream, self._count = stream, 0
        self._track = audio and OpusTrack(self._container, *audio, self._tick)
        self._shift = self._track.shift if self._track else 0
        self._waiting: av.VideoFrame | None = None
        self._lasts = dict[int, int]()  # ticks that the frame at a time stamp is shown for

    def _frame(self, picture: Picture) -> av.VideoFrame:
        info = self._info
        if self._stream.pix_fmt != "yuv444p":
            return picture.cropped(info.width, info.height).to_av()
        chroma = (np.repeat(np.repeat(p, 2, 0), 2, 1) for p in picture[1:])
        planes = [p[: info.height, : info.width] for p in (picture.y, *chroma)]
        return av.VideoFrame.from_ndarray(
            np.ascontiguousarray(np.stack(planes)), format="yuv444p", channel_last=False
        )

    def write(self, picture: Picture, time: Fraction | None) -> None:
        frame = self._frame(picture)
        usual = self._count / self._info.fps
        at = usual if time is None else time
        least = 0 if self._waiting is None else (self._waiting.pts or 0) + 1
        frame.pts = max(least, round(at / self._tick) + self._shift)  # of hostile streams
        frame.time_base = self._tick
        self._count += 1
        if self._track:
            self._track.write(frame.pts)
        self._encode(frame.pts)
        self._waiting = frame

    def _encode(self, end: int) -> None:
        """Encodes the frame that waits for its end, in ticks."""
        if self._waiting is not None:
            start = self._waiting.pts or 0
            self._lasts[start] = max(1, end - start)
            self._mux(self._stream.encode(self._waiting))

    def _mux(self, packets: list[av.Packet[av.VideoStream]]) -> None:
        for packet in packets:
            if self._timed and packet.pts is not None:  # of a constant rate libav knows it
                packet.duration = self._lasts.pop(packet.pts)
            self._container.mux(packet)

    def close(self) -> None:
        if self._waiting is not None:  # by the mean rate, the whole lasts so long
            start, whole = self._waiting.pts or 0, self._count / self._info.fps / self._tick
            whole += self._shift
            usual = 1 / self._info.fps / self._tick
            self._encode(round(whole if start < whole < start + 10 * usual else start + usual))
        self._mux(self._stream.encode(None))
        if self._track:
            self._track.write()
        self._container.close()


def encode_png(rgb: Rgb) -> bytes:
    """R'G'B' `(H, W, 3)` uint8 as the bytes of a PNG."""
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt = rgb.shape[1], rgb.shape[0], "rgb24"
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.pts = 0
    return b"".join(bytes(p) for p in (*context.encode(frame), *context.encode(None)))


def save_png(path: Path, rgb: Rgb) -> None:
    """Writes R'G'B' `(H, W, 3)` uint8 as a PNG."""
    path.write_bytes(encode_png(rgb))


class _Folder:
    def __init__(self, path: Path, info: VideoInfo) -> None:
        path.mkdir()
        self._path, self._info, self._count = path, info, 0

    def write(self, picture: Picture, time: Fraction | None) -> None:
        rgb = picture.to_rgb(self._info.matrix)[: self._info.height, : self._info.width]
        save_png(self._path / f"{self._count:06d}.png", rgb)
        self._count += 1

    def close(self) -> None:
        pass


class VideoWriter:
    """Writes pictures to `info.path` by its suffix (none: a folder of PNG; "-": y4m on stdout). A
    context manager: the result appears under its name only when the block ends without an error.
    In a folder that exists the pictures of the same names are replaced, all else stays.

    info: the size (odd sizes are cropped back from padded pictures), rate and colour of the video.
    timed: each picture is written with its time, where the format has times. audio: the sound, in
    the order of time, asked for more with each picture; mp4 and mkv take it (`audible` then).
    `notes` says what could not be kept, and what else is in the folder.
    """

    def __init__(
        self,
        info: VideoInfo,
        force: bool = False,
        timed: bool = False,
        audio: Iterable[OpusPacket] = (),
    ) -> None:
        self.path, self.notes = check_output(info.path, force), list[str]()
        suffix, pipe = self.path.suffix.lower(), is_pipe(self.path)
        suffix = suffix or ".y4m" if pipe else suffix
        muxed = suffix in (".mp4", ".mkv")
        if timed and not muxed:
            self.notes.append(
                f"{suffix[1:] or 'PNG'} has no frame times (mp4 and mkv have): a variable rate "
                f"becomes a constant one, {float(info.fps):.6g} frames per second"
            )
        sound = iter(audio)
        first = next(sound, None)
        if first is not None and not muxed:
            self.notes.append(
                f"{suffix[1:] or 'PNG'} has no sound (mp4 and mkv have): it is left out"
            )
        if pipe and muxed:
            raise UsageError(f"{self.path}: {suffix} cannot be written to a pipe; y4m can")
        self._part = None if pipe else part_of(self.path)
        with self._errors():
            heard = None if first is None else (first, sound)
            self.audible = muxed and heard is not None
            self._sink = self._open(info, suffix, timed and muxed, heard)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of files and of FFmpeg's writers as `HdacError`; what was begun is removed."""
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            if self._part is not None:
                remove(self._part)
            raise not_written(self.path, error) from error

    def _open(
        self,
        info: VideoInfo,
        suffix: str,
        timed: bool,
        audio: tuple[OpusPacket, Iterator[OpusPacket]] | None,
    ) -> _Sink:
        if self._part is None:
            stdout = str(self.path) == "-"
            file = sys.stdout.buffer if stdout else self.path.open("wb")
            return _Raw(file, info, suffix == ".y4m")
        if not suffix:
            return _Folder(self._part, info)
        if suffix in (".y4m", ".yuv"):
            return _Raw(self._part.open("wb"), info, suffix == ".y4m")
        return _Muxed(self._part, info, suffix == ".mkv", timed, audio)

    def write(self, picture: Picture, time: Fraction | None = None) -> None:
        """time: when it is shown, in seconds, growing; None: at the rate. Without `timed` it is a
        multiple of the frame period."""
        with self._errors():
            self._sink.write(picture, time)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with self._errors():
                self._sink.close()
                if kind is None and self._part is not None:
                    self._move(self._part)
        except HdacError:
            if kind is None:  # else the first error says more
                raise
        finally:
            if self._part is not None:
                remove(self._part)

    def _move(self, part: Path) -> None:
        if not (part.is_dir() and self.path.is_dir()):
            os.replace(part, self.path)
            return
        ours = {file.name for file in part.iterdir()}
        for name in sorted(ours):
            os.replace(part / name, self.path / name)
        others = sorted(
            p.name for p in self.path.iterdir() if p.suffix.lower() == ".png" and p.name not in ours
        )
        if others:
            names = f"{others[0]} to {others[-1]}" if len(others) > 1 else others[0]
            self.notes.append(
                f"{len(others)} other pictures were in the folder and are still there ({names})"
            )
