"""Sources that libav opens: files, pipes and URLs, decoded as far as they go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from hdac.errors import UsageError
from hdac.video.colour import resolve_matrix
from hdac.video.filters import Filters
from hdac.video.info import VideoInfo
from hdac.video.picture import Picture
from hdac.video.timing import Timing, find_timing

_REORDERED = 16  # pictures that may be missing before the last one of a file that is cut
_ATTACHED = 1024  # AV_DISPOSITION_ATTACHED_PIC
_KINDS = "give mp4, mkv, webm, y4m, yuv or a folder of pictures"


class Opened:
    """A container and the video stream in it that counts; decodes and remembers what was odd.

    target: what `av.open` takes. Raises `UsageError` if that is no video.
    """

    def __init__(self, name: str, target: Any) -> None:
        self.name, self.notes = name, list[str]()
        try:  # pattern_type: a % in the name of a picture is no pattern
            self.container = av.open(target, options={"pattern_type": "none"})
        except av.error.FFmpegError as error:
            raise UsageError(
                f"{name}: not a video that can be read ({error.strerror}); {_KINDS}"
            ) from error
        streams = self.container.streams
        best = streams.best("video")
        if best is None or int(best.disposition) & _ATTACHED:
            kinds = ", ".join(sorted({s.type for s in streams})) or "none"
            raise UsageError(
                f"{name}: no video stream (streams: {kinds}); give a file with a video stream"
            )
        if best.codec_context is None:
            raise UsageError(f"{name}: its codec is not supported here; convert it to H.264")
        self.stream = best
        self._note_streams()
        self.sizes, self.formats = dict[tuple[int, int], int](), dict[tuple[str, bool], Any]()
        self.stamps, self.last = list[int | None](), 0
        self.interlaced = self.undecodable = self.leading = self.packets = 0
        self.cut, self._end = False, 0.0

    def _note_streams(self) -> None:
        for stream in self.container.streams.video:
            if int(stream.disposition) & _ATTACHED:
                self.notes.append(f"cover art (stream {stream.index}) is left out")
            elif stream is not self.stream:
                c = stream.codec_context
                size = f" ({c.width}x{c.height})" if c else ""
                self.notes.append(f"video stream {stream.index}{size} is left out")
        for kind in ("audio", "subtitle"):
            if any(stream.type == kind for stream in self.container.streams):
                self.notes.append(f"{kind} is not coded")

    def cropping(self) -> tuple[int, int, int, int]:
        """Samples that the container says to cut off: left, right, top, bottom."""
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)  # PyAV gives this side data as text alone
        try:
            text = self.container.dumps_format()
        finally:
            av.logging.set_level(level)
        parts = re.split(r"Stream #0:(\d+)", text)
        about = dict(zip(parts[1::2], parts[2::2], strict=False)).get(str(self.stream.index), "")
        found = re.search(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", about)
        left, right, top, bottom = map(int, found.groups()) if found else (0, 0, 0, 0)
        return left, right, top, bottom

    def frames(self) -> Iterator[av.VideoFrame]:
        """All frames that can be decoded."""
        early: list[int] = []
        for packet in self._packets():
            try:
                decoded = self.stream.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.undecodable += 1
                continue
            if not self.stamps and packet is not None and packet.pts is not None:
                early += [] if packet.is_discard else [packet.pts]
            for frame in decoded:
                assert isinstance(frame, av.VideoFrame)
                if not self.stamps and frame.pts is not None:
                    self.leading = sum(pts < frame.pts for pts in early)
                self._see(frame)
                yield frame

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """Packets of the stream, then None to flush the decoder."""
        try:
            for packet in self.container.demux():
                if packet.pts is not None and packet.time_base:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self._end = max(self._end, float(end))
                if packet.stream is self.stream and (packet.size or packet.dts is not None):
                    self.packets += 1
                    self.cut = packet.is_corrupt  # of the last one that stays
                    if packet.size:
                        yield packet
            self.cut |= self.packets < self.stream.frames or self._ends_early()
        except av.error.FFmpegError:
            self.cut = True
        yield None

    def _ends_early(self) -> bool:
        """Whether the container states more seconds than it holds."""
        states = re.match("matroska|flv", self.container.format.name)
        seconds = (self.container.duration or 0) / 1e6
        return bool(states) and self._end < seconds - max(0.25, 0.02 * seconds)

    def _see(self, frame: av.VideoFrame) -> None:
        full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        self.sizes.setdefault((frame.width, frame.height), len(self.stamps))
        self.formats.setdefault((frame.format.name, full), frame.format)
        self.interlaced += frame.interlaced_frame
        self.stamps.append(frame.pts)
        self.last = getattr(frame, "duration", 0) or 0

    def timing(self) -> Timing:
        """The timing of the frames so far."""
        s = self.stream
        guess, mean = s.guessed_rate, s.average_rate
        rates = [guess, mean, s.codec_context.framerate]
        if guess and mean and self.stamps[0] is not None and abs(mean - guess) > guess / 20:
            rates = [mean, guess]
        lost = self.undecodable + _REORDERED * self.cut
        timing = find_timing(self.stamps, s.time_base or Fraction(1), self.last, rates, lost)
        avi = self.container.format.name == "avi"  # numbers packets in the order of decoding
        return Timing(timing.fps) if avi and not timing.times else timing

    def damage(self) -> list[str]:
        """What could not be read of what was seen so far."""
        out, frames = [], len(self.stamps)
        if self.leading:
            out.append(
                f"the stream starts in the middle of a group of pictures: its first {self.leading} "
                "could not be decoded"
            )
        if self.undecodable:
            total = frames + self.undecodable
            out.append(f"{self.undecodable} of {total} pictures could not be decoded: damaged")
        if self.cut:
            stated = self.stream.frames
            of = f"{frames} of {stated}" if stated > frames else f"{frames}"
            out.append(f"the file is cut short: {of} pictures are there")
        for (width, height), index in list(self.sizes.items())[1:]:
            out.append(f"the size changes to {width}x{height} at picture {index}: scaled")
        return out

    def conversions(self) -> list[str]:
        """What the pictures' formats are converted from."""
        out = dict[str, None]()
        for (name, full), fmt in self.formats.items():
            c = fmt.components
            if is_rgb(fmt):
                out["RGB converted to limited-range 4:2:0"] = None
            else:
                if full:
                    out["full-range source converted to limited range"] = None
                if c[0].bits > 8:
                    out[f"{c[0].bits}-bit source converted to 8 bit"] = None
                halves = ((fmt.width + 1) // 2, (fmt.height + 1) // 2)
                if len(c) >= 3 and (c[1].width, c[1].height) != halves:
                    out[f"{name} converted to 4:2:0"] = None
            if any(part.is_alpha for part in c) or self.stream.metadata.get("alpha_mode") == "1":
                out["alpha is dropped: the pictures are coded as if opaque"] = None
        return list(out)


class Movie:
    """Canonical pictures of a source that libav opens.

    once: a pipe or a URL, which is read once: its notes are complete only afterwards, its frames
    are not counted. square: resample pixels that are not square.
    """

    def __init__(
        self, name: str, target: Any, size: tuple[int, int] | None, fps: Fraction | None,
        frames: int | None, square: bool, once: bool,
    ) -> None:  # fmt: skip
        self._name, self._target, self._limit = name, target, frames
        opened = Opened(name, target)
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
        timing = opened.timing()
        times = None if once or fps else timing.times
        if timing.note and not fps and not once:
            self.notes.append(timing.note)
        self.notes += [] if once else opened.damage()
        context = opened.stream.codec_context
        matrix = int(first.colorspace)
        if is_rgb(first.format) or not matrix:
            matrix = resolve_matrix(2, size[1])
        self.info = VideoInfo(
            Path(name), *size, fps or timing.fps,
            None if once else len(opened.stamps), matrix, int(context.color_primaries),
            int(context.color_trc), tuple(self.notes), times,
        )  # fmt: skip
        self._timed = fps is None
        if not once:
            opened.container.close()

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
            self.notes += [note for note in opened.damage() if note not in self.notes]
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
        width, height, name = self.info.width, self.info.height, frame.format.name
        # "area" when shrinking by two or more, as the test clips were made; bicubic otherwise
        small = frame.width >= 2 * width and frame.height >= 2 * height
        method = "AREA" if small else "BICUBIC"
        if is_rgb(frame.format):
            rgb = frame.reformat(width, height, "rgb24").to_ndarray()
            return Picture.from_rgb(np.asarray(rgb, np.uint8), self.info.matrix)
        full = int(frame.color_range) == ColorRange.JPEG or name.startswith("yuvj")
        if (frame.width, frame.height) != (width, height) or name != "yuv420p" or full:
            frame = frame.reformat(
                width, height, "yuv420p", interpolation=method,
                src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                dst_color_range=ColorRange.MPEG,
            )  # fmt: skip
        return Picture.from_av(frame).padded()


def is_rgb(fmt: av.VideoFormat) -> bool:
    """Whether samples (or a palette's entries) are R'G'B'."""
    return fmt.is_rgb or fmt.has_palette
