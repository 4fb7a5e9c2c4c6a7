"""Sources that libav opens: files, pipes and URLs, as canonical pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from hdac.errors import UsageError
from hdac.video.colour import differ, picture_from_rgb, resolve_matrix, rgb_from_picture
from hdac.video.filters import Filters
from hdac.video.info import VideoInfo
from hdac.video.opened import Opened, is_rgb, look
from hdac.video.opus import OpusPacket
from hdac.video.picture import Picture
from hdac.video.sound import read_sound
from hdac.video.timing import Timing


class Movie:
    """Canonical pictures of a source that libav opens.

    once: a pipe or a URL, which is read once: its notes are complete only afterwards, its frames
    are not counted. square: resample pixels that are not square. audio: kbit/s of the sound, which
    is read where that can be done twice; None: it is left out.
    """

    def __init__(
        self, name: str, target: Any, size: tuple[int, int] | None, fps: Fraction | None,
        frames: int | None, square: bool, once: bool, audio: float | None = None,
    ) -> None:  # fmt: skip
        self._name, self._target, self._limit = name, target, frames
        audio = None if once else audio
        opened = Opened(name, target, audio is not None)
        source = islice(opened.frames(), frames)
        first = next(source, None)
        if first is None:
            raise UsageError(self._nothing(opened))
        self._source = (opened, first, source) if once else None
        for _ in () if once else source:
            pass
        self._filters = Filters(first, opened.cropping(), bool(opened.interlaced))
        width, height = self._filters.size(first)
        self.notes = [*opened.notes, *opened.conversions(), *self._filters.notes]
        aspect = opened.stream.sample_aspect_ratio
        size = size or self._shape(width, height, aspect, square)
        timing = Timing(fps) if fps else opened.timing()
        times = None if once else timing.times
        self.notes += [timing.note] * bool(timing.note)
        self.damage = [] if once else opened.damage()
        self.notes += self.damage
        context = opened.stream.codec_context
        matrix = int(first.colorspace)
        if is_rgb(first.format.name) or not matrix:
            matrix = resolve_matrix(2, size[1])
        self.info = VideoInfo(
            Path(name), *size, timing.fps,
            None if once else len(opened.stamps), matrix, int(context.color_primaries),
            int(context.color_trc), tuple(self.notes), times,
        )  # fmt: skip
        self._timed = fps is None
        self.audio, self._silent = list[OpusPacket](), list[str]()
        if audio is not None:
            self._read_sound(opened, fps, audio)
        if not once:
            opened.container.close()

    def _read_sound(self, opened: Opened, fps: Fraction | None, kbps: float) -> None:
        """The sound beside the pictures, up to the end of the last one if not all are coded."""
        info, tick = self.info, opened.stream.time_base or Fraction(1)
        stamps = [stamp for stamp in opened.stamps if stamp is not None]
        last = (len(opened.stamps) - 1) / info.fps
        if info.times:
            last = Fraction(info.times[-1], 1000)
        end = None if self._limit is None else last + 1 / info.fps
        sound = read_sound(self._target, stamps[0] * tick if stamps else Fraction(0), end, kbps)
        self.audio, self._silent = sound.packets, sound.damage
        self.notes += sound.notes + sound.damage
        self.damage += sound.damage
        if fps and stamps and sound.packets:
            shift = float(last - (stamps[-1] - stamps[0]) * tick)
            if abs(shift) > 0.02:
                self.notes.append(
                    f"at {float(fps):.6g} frames per second the last picture is shown "
                    f"{abs(shift):.2f} s {'later' if shift > 0 else 'earlier'}, the sound as before"
                )

    @staticmethod
    def _nothing(opened: Opened) -> str:
        if opened.container.format.name.startswith("webp"):
            return f"{opened.name}: animated WebP is not supported here; convert it, e.g. to mp4"
        if opened.undecodable:
            return f"{opened.name}: damaged video: none of its pictures can be decoded"
        return f"{opened.name}: 0 frames could be decoded; at least 1 is needed"

    def _shape(
        self, width: int, height: int, aspect: Fraction | None, square: bool
    ) -> tuple[int, int]:
        """The size to code, by the shape of the pixels."""
        one = Fraction(1)
        aspect = aspect or one
        aspect = 1 / aspect if self._filters.turned else aspect
        wide, high = round(width * max(one, aspect)), round(height / min(one, aspect))
        if (wide, high) == (width, height):
            return width, height
        shape = f"pixels are {aspect.numerator}:{aspect.denominator}, not square"
        if square:
            self.notes.append(f"{shape}: resampled from {width}x{height} to {wide}x{high}")
            return wide, high
        self.notes.append(
            f"{shape}: coded as they are, {width}x{height} (--square resamples to {wide}x{high})"
        )
        return width, height

    def pictures(self) -> Iterator[Picture]:
        """All pictures, once."""
        if self._source is None:
            opened = Opened(self._name, self._target)
            source: Iterator[av.VideoFrame] = islice(opened.frames(), self._limit)
        else:
            opened, first, rest = self._source
            source = chain([first], rest)
        with opened.container:  # its streams are not to be touched after it is closed
            for frame in self._filters.apply(source):
                yield self._canonical(frame)
            self.damage = [*opened.damage(), *self._silent]
            self.notes += [note for note in self.damage if note not in self.notes]
            if self._source is not None:
                self._note_late(opened)

    def _note_late(self, opened: Opened) -> None:
        """What a pipe showed after its first picture."""
        self.notes += [note for note in opened.conversions() if note not in self.notes]
        if opened.interlaced and not self._filters.deinterlace:
            self.notes.append(f"{opened.interlaced} pictures are interlaced and coded as they are")
        if self._timed and opened.timing().times is not None:
            self.notes.append(
                "variable frame rate: a pipe is coded at the constant rate of "
                f"{float(self.info.fps):.6g} frames per second; give a file to carry its times"
            )

    def _canonical(self, frame: av.VideoFrame) -> Picture:
        width, height, seen = self.info.width, self.info.height, look(frame)
        # "area" when shrinking by two or more, as the test clips were made; bicubic otherwise
        small = frame.width >= 2 * width and frame.height >= 2 * height
        method = "AREA" if small else "BICUBIC"
        if is_rgb(seen.format):
            rgb = frame.reformat(width, height, "rgb24").to_ndarray()
            return Picture.from_rgb(np.asarray(rgb, np.uint8), self.info.matrix)
        if seen.size != (width, height) or seen.format != "yuv420p" or seen.full:
            named = frame.format.name.startswith("yuvj")  # read as full range, whatever is stated
            frame = frame.reformat(
                width, height, "yuv420p", interpolation=method,
                src_color_range=ColorRange.JPEG if seen.full or named else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG if named and not seen.full else ColorRange.MPEG,
            )  # fmt: skip
        picture = Picture.from_av(frame).padded()
        if not differ(seen.matrix, self.info.matrix, height):
            return picture
        rgb = rgb_from_picture(picture, resolve_matrix(seen.matrix, height))
        return picture_from_rgb(rgb, resolve_matrix(self.info.matrix, height))
