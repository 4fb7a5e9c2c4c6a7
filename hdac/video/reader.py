"""Video in: files, pipes and URLs that libav opens, raw yuv and folders of pictures, as canonical
pictures.

Whatever the source, what comes out is 8-bit limited-range 4:2:0 in the matrix of the source;
sources that are something else are converted, and the notes say so.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from hdac.errors import UsageError
from hdac.video.info import VideoInfo as VideoInfo
from hdac.video.info import parse_size as parse_size
from hdac.video.movie import Movie
from hdac.video.opus import OpusPacket
from hdac.video.picture import Picture
from hdac.video.stills import PictureFolder, RawVideo

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class _Pipe:
    """A file that libav reads front to back. (Python reads it: Ctrl-C ends the waiting.)"""

    def __init__(self, file: io.FileIO) -> None:
        self.read = file.read


class VideoReader:
    """Opens a source; iterating yields `Picture`s (once).

    path: a file, a folder, "-" (stdin) or a URL; files are decoded once before, to know their
    frames' times and faults. size: (width, height) to scale to, or of the pictures of raw yuv.
    fps: overrides the rate. frames: read the first so many only. square: resample pixels that are
    not square. audio: kbit/s at which the sound of a file is coded, 6 to 64; None: it is left out,
    as that of pipes and URLs is, which are read once.
    `notes` says what was converted, left out or damaged: of a pipe or a URL all of it only after
    the last picture.
    Raises `UsageError` for a missing file, a file without video, no frames or a raw file of unknown
    size.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: tuple[int, int] | None = None,
        fps: Fraction | None = None,
        frames: int | None = None,
        square: bool = False,
        audio: float | None = None,
    ) -> None:
        self.name, self.path, self._limit = os.fspath(path), Path(path), frames
        self._source = self._open(size, fps, frames, square, audio)
        info = self._source.info
        if frames is not None and info.frames is not None:
            info = replace(info, frames=min(frames, info.frames))
        self.info = info

    def _open(
        self,
        size: tuple[int, int] | None,
        fps: Fraction | None,
        frames: int | None,
        square: bool,
        audio: float | None,
    ) -> Movie | PictureFolder | RawVideo:
        name, path = self.name, self.path
        if name == "-" and not stat.S_ISREG(os.fstat(0).st_mode):
            stdin = io.FileIO(0, closefd=False)
            return Movie(name, _Pipe(stdin), size, fps, frames, square, once=True)
        if name == "-":
            path = Path("/dev/stdin")
        if not os.path.exists(path):  # (Path.exists raises for too long a name)
            if _URL.match(name):
                return Movie(name, name, size, fps, frames, square, once=True)
            raise UsageError(
                f"{name}: no such file or folder; give a video file or a folder of pictures"
            )
        if path.is_dir():
            return PictureFolder(path, size, fps)
        if path.suffix.lower() == ".yuv":
            return RawVideo(path, size, fps)
        if path.is_file():
            return Movie(name, f"file:{path}", size, fps, frames, square, once=False, audio=audio)
        return Movie(name, _Pipe(io.FileIO(path)), size, fps, frames, square, once=True)

    @property
    def audio(self) -> list[OpusPacket]:
        """The sound, in time with the pictures; empty where there is none."""
        return self._source.audio if isinstance(self._source, Movie) else []

    @property
    def notes(self) -> tuple[str, ...]:
        """What was converted, left out or damaged, as far as it is known."""
        return tuple(self._source.notes)

    @property
    def damage(self) -> tuple[str, ...]:
        """Those of the notes that say what could not be read."""
        return tuple(self._source.damage) if isinstance(self._source, Movie) else ()

    def __iter__(self) -> Iterator[Picture]:
        pictures = self._source.pictures()
        return pictures if isinstance(self._source, Movie) else islice(pictures, self._limit)
