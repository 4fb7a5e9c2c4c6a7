"""Live sources: a camera, a file at its own pace, a test picture; with their sound."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, Protocol

import av
import numpy as np
from PIL import Image

from hdac.errors import UsageError
from hdac.live.meter import say
from hdac.live.microphone import Microphone, Recorded, SoundSource, beeps
from hdac.video.colour import picture_from_rgb, resolve_matrix
from hdac.video.info import VideoInfo
from hdac.video.picture import Picture, Rgb
from hdac.video.reader import VideoReader

TEST_SIZE, TEST_FPS = (256, 256), Fraction(25)
#: Shares of a frame's time before which a camera's next picture is left out.
_EVERY = 0.9
#: libav's input and the usual device, by the system.
_CAMERAS = {
    "linux": ("v4l2", "/dev/video0"),
    "darwin": ("avfoundation", "default"),
    "win32": ("dshow", "video=0"),
}


class Taken(NamedTuple):
    """A picture and when it was taken, in seconds since the source started."""

    picture: Picture
    at: float


class Source(Protocol):
    """`info`: size, rate and colour; `sound`: None where there is none. Iterating gives pictures
    when they are due."""

    info: VideoInfo
    sound: SoundSource | None

    def __iter__(self) -> Iterator[Taken]: ...


def disc_picture(n: int, width: int, height: int) -> Picture:
    """Number `n` of a moving test picture: a disc that circles over a gradient, and a bar that
    counts frames."""
    y, x = np.mgrid[0:height, 0:width]
    cx, cy = width * (0.5 + 0.25 * np.cos(n / 12)), height * (0.5 + 0.25 * np.sin(n / 12))
    disc = (x - cx) ** 2 + (y - cy) ** 2 < (min(width, height) / 6) ** 2
    luma = 40 + 100 * x / width + 80 * disc
    luma[-height // 16 :, : 1 + n % 25 * width // 25] = 200
    chroma = disc[::2, ::2]
    return Picture(
        luma.astype(np.uint8),
        (110 + 30 * chroma).astype(np.uint8),
        (140 - 30 * chroma).astype(np.uint8),
    )


class Paced:
    """Pictures that are there, at a constant rate."""

    def __init__(
        self, info: VideoInfo, pictures: Iterator[Picture], sound: SoundSource | None
    ) -> None:
        self.info, self.sound, self._pictures = info, sound, pictures

    def __iter__(self) -> Iterator[Taken]:
        start = time.monotonic()
        for n, picture in enumerate(self._pictures):
            due = float(n / self.info.fps)
            time.sleep(max(0.0, due - (time.monotonic() - start)))
            yield Taken(picture, due)


class _Camera:
    def __init__(
        self,
        device: str | None,
        size: tuple[int, int],
        fps: Fraction | None,
        sound: SoundSource | None,
    ) -> None:
        kind, usual = _CAMERAS.get(sys.platform, ("v4l2", "/dev/video0"))
        device = device or usual
        try:
            self._container = av.open(device, format=kind)
            self._stream = self._container.streams.video[0]
        except (av.error.FFmpegError, OSError, IndexError, ValueError) as error:
            raise UsageError(
                f"--source camera: {device} cannot be opened ({error}); name another one, "
                "camera:DEVICE, a video file, or testsrc"
            ) from error
        rate = fps or self._stream.average_rate or TEST_FPS
        self.info = VideoInfo(Path(device), *size, rate, matrix=resolve_matrix(2, size[1]))
        self._every, self.sound = _EVERY / float(rate), sound

    def __iter__(self) -> Iterator[Taken]:
        start, last, info = time.monotonic(), -1.0, self.info
        for frame in self._container.decode(self._stream):
            at = time.monotonic() - start
            if at - last < self._every:  # it gives more than was asked for
                continue
            last = at
            rgb = frame.to_ndarray(format="rgb24")
            yield Taken(
                picture_from_rgb(
                    _fitted(np.asarray(rgb, np.uint8), info.width, info.height), info.matrix
                ),
                at,
            )


def _fitted(rgb: Rgb, width: int, height: int) -> Rgb:
    """The middle of a picture, in the wanted shape, scaled."""
    image = Image.fromarray(rgb)
    scale = min(image.width / width, image.height / height)
    across, down = width * scale, height * scale
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (left, top, left + across, top + down)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box))


def open_source(
    name: str,
    size: tuple[int, int] | None,
    fps: Fraction | None,
    frames: int | None,
    audio: float | None = None,
    microphone: str | None = None,
) -> tuple[Source, tuple[str, ...]]:
    """`camera`, `camera:DEVICE`, `testsrc` or what `VideoReader` opens, and notes of it. size: of
    cameras and the test picture 256x256 where none is given. frames: of a file or the test picture,
    at most. audio: kbit/s of the sound, None: none; of a camera it is the microphone's (a device of
    libav's, None: the system's usual one). Raises `UsageError`."""
    if name == "testsrc":
        width, height = _even(size or TEST_SIZE)
        info = VideoInfo(Path(name), width, height, fps or TEST_FPS, frames)
        pictures = (disc_picture(n, width, height) for n in count())
        seconds = None if frames is None else float(frames / info.fps)
        sound = None if audio is None else Recorded(beeps(seconds, audio))
        return Paced(info, islice(pictures, frames), sound), ()
    if name == "camera" or name.startswith("camera:"):
        size = _even(size or TEST_SIZE)
        return _Camera(name[7:] or None, size, fps, _listen(audio, microphone)), ()
    reader = VideoReader(name, size, fps, frames, audio=audio)
    heard = Recorded(reader.audio) if reader.audio else None
    return Paced(reader.info, iter(reader), heard), reader.notes


def _listen(kbps: float | None, device: str | None) -> SoundSource | None:
    """Without a microphone a call goes on, silent, unless it was asked for by name."""
    if kbps is None:
        return None
    try:
        return Microphone(device, kbps)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if device is not None:
            raise UsageError(
                f"--microphone {device} cannot be opened ({error}); name another one, or --no-audio"
            ) from error
        say(f"no microphone ({error}): the call is silent (--microphone names one)")
        return None


def _even(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width % 2 or height % 2:
        raise UsageError(f"--size {width}x{height}; cameras and testsrc take even sides")
    return size
