"""`hdac.encode`, `hdac.decode`, `hdac.inspect`: whole streams from whatever holds them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.bitstream.container import MAX_PIXELS, Colour, read_header
from hdac.bitstream.cursor import Cursor
from hdac.codec import files
from hdac.codec.audio import Audio
from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Between, Frame, Level
from hdac.errors import UsageError
from hdac.motion.protocol import Turn
from hdac.video.opus import KBPS, OpusPacket
from hdac.video.picture import Picture
from hdac.video.rate import Rate, parse_rate

#: R'G'B' `(H, W, 3)` uint8, or a picture.
Source: TypeAlias = Picture | npt.NDArray[np.uint8]
Stream: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO


def encode(
    source: str | os.PathLike[str] | Iterable[Source],
    *,
    fps: Rate | None = None,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    colour: Colour | None = None,
    config: EncoderConfig | None = None,
    progress: Callable[[int], object] | None = None,
    audio: bool | Iterable[OpusPacket] = True,
    audio_kbps: float = KBPS,
    **settings: Any,
) -> bytes:
    """An .hdac stream.

    source: a path of a video or of a folder of PNG pictures, or the frames themselves: R'G'B'
    arrays `(H, W, 3)` uint8 (any size, odd too) or `Picture`s, all of one size.
    fps: frames per second (a path's own, 25 for frames); size: (width, height) that a path's
    pictures are scaled to; frames: code the first so many only; colour: code points of H.273;
    config, or its fields as keywords: what the encoder does; progress: told how many are coded;
    audio: Opus packets in the order of time (`hdac.encode_audio` makes them of samples), or whether
    to keep the sound of a path, at `audio_kbps`, 6 to 64 kbit/s.
    Raises `UsageError` for what cannot be coded.

    >>> data = encode([np.zeros((48, 64, 3), np.uint8)] * 3, mode="base", qp_base=40)
    >>> len(list(decode(data)))
    3
    """
    if config is not None and settings:
        raise UsageError(f"config and {', '.join(settings)}; give a config or its fields")
    try:
        config = config or EncoderConfig(**settings)
    except TypeError as error:
        known = ", ".join(EncoderConfig.__dataclass_fields__)
        raise UsageError(f"{error}; settings are {known}") from None
    if frames is not None and frames < 1:
        raise UsageError(f"frames {frames}; at least 1 is needed")
    if isinstance(source, str | os.PathLike):
        from hdac.video.reader import VideoReader

        rate = None if fps is None else parse_rate(fps)
        own = audio_kbps if audio is True else None
        reader = VideoReader(os.fspath(source), size, rate, frames, audio=own)
        info = reader.info
        colour = colour or Colour(info.matrix, info.primaries, info.transfer)
        return files.encode(
            reader, info.width, info.height, info.fps, config, colour, progress, info.frames,
            times=info.times, audio=reader.audio if own is not None else _packets(audio),
        )  # fmt: skip
    if size is not None:
        raise UsageError(f"size {size}; only the pictures of a path are scaled")
    given = iter(islice(source, frames))
    first = next(given, None)
    if first is None:
        raise UsageError("0 frames; at least 1 is needed")
    matrix = colour.matrix if colour else None
    picture = _picture(first, matrix, None)
    width, height = _size(first)
    pictures = chain([picture], (_picture(frame, matrix, (width, height)) for frame in given))
    return files.encode(
        pictures, width, height, 25 if fps is None else fps, config, colour, progress,
        len(source) if frames is None and isinstance(source, list | tuple) else None,
        audio=_packets(audio),
    )  # fmt: skip


def _packets(audio: bool | Iterable[OpusPacket]) -> Iterable[OpusPacket]:
    return () if isinstance(audio, bool) else audio


def _size(frame: Source) -> tuple[int, int]:
    height, width = np.shape(frame.y if isinstance(frame, Picture) else frame)[:2]
    return int(width), int(height)


def _picture(frame: Source, matrix: int | None, size: tuple[int, int] | None) -> Picture:
    picture = frame if isinstance(frame, Picture) else Picture.from_rgb(frame, matrix)
    if size is not None and _size(frame) != size:
        found = "x".join(map(str, _size(frame)))
        raise UsageError(f"a frame of {found}; the first is {size[0]}x{size[1]}: all must agree")
    return picture


def _bytes(source: Stream) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise UsageError(f"{path}: no such file; give an .hdac file")
        return path.read_bytes()
    return source.read()


def decode(
    source: Stream,
    level: Level = "fused",
    *,
    size: tuple[int, int] | None = None,
    device: str = "cpu",
    strict: bool = False,
    max_pixels: int = MAX_PIXELS,
    between: Between = "motion",
    rotate: Turn | None = None,
) -> Iterator[Frame]:
    """The frames of an .hdac stream: of its bytes, a path or a binary file object.

    level: "fused" (the best that it holds), "base" or "animation"; size: (width, height) that
    pictures are enlarged to, up to 4 times each side, in the same shape (their `header` has it);
    between: "motion" or "pictures", what frames that were not sent are made of; rotate: (yaw,
    pitch, roll) in degrees by which heads are turned further, to the viewer's right, up and
    clockwise (streams of `fv2v`);
    device: "cpu", "torch" or "cuda"; max_pixels: of a picture, at most. What verifies is decoded;
    `IncompleteError` says at the end what is missing, `StreamError` that nothing can be decoded
    (strict: that anything is damaged).
    """
    data = _bytes(source)
    frames = files.decode(data, level, device, strict, max_pixels, between, rotate)
    if size is None:
        return frames
    from hdac.codec.enlarged import enlarged, enlarged_header

    header = read_header(Cursor(data))
    return enlarged(frames, header, enlarged_header(header, size, max_pixels), device)


def read_audio(source: Stream, *, strict: bool = False) -> Audio:
    """The sound of an .hdac stream: iterating yields Opus packets, for `hdac.decode_audio`. strict:
    damage raises `StreamError`."""
    return Audio(_bytes(source), strict)


def inspect(source: Stream, *, max_pixels: int = MAX_PIXELS) -> files.StreamInfo:
    """What an .hdac stream holds: sizes, rate, where its bits went. Raises `StreamError`."""
    return files.inspect(_bytes(source), max_pixels)
