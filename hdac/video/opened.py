"""A container that libav opens: the stream in it that counts, decoded as far as it goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

import av
from av.video.reformatter import ColorRange

from hdac.errors import UsageError
from hdac.video.colour import differ, is_known
from hdac.video.timing import Timing, find_timing

_REORDERED = 16  # pictures that may be missing before the last one of a file that is cut
_DEFAULT, _ATTACHED = 1, 1024  # of AV_DISPOSITION
_KINDS = "give mp4, mkv, webm, y4m, yuv or a folder of pictures"


class Look(NamedTuple):
    """What may change from frame to frame. matrix: of H.273."""

    size: tuple[int, int]
    format: str
    full: bool
    matrix: int


def look(frame: av.VideoFrame) -> Look:
    """The format of a frame."""
    name = frame.format.name
    stated = int(frame.color_range)  # libav keeps yuvj where a stream goes back to limited range
    full = stated == ColorRange.JPEG or (not stated and name.startswith("yuvj"))
    size = frame.width, frame.height
    return Look(size, name.replace("yuvj", "yuv"), full, int(frame.colorspace))


def is_rgb(name: str) -> bool:
    """Whether samples (or a palette's entries) of a format are R'G'B'."""
    fmt = av.VideoFormat(name)
    return fmt.is_rgb or fmt.has_palette


class Opened:
    """A container and the video stream in it that counts; decodes and remembers what was odd.

    target: what `av.open` takes; audio: whether somebody else codes it. Raises `UsageError` if that
    is no video.
    """

    def __init__(self, name: str, target: Any, audio: bool = False) -> None:
        self.name, self.notes = name, list[str]()
        if av.logging.get_level() is None:  # libav's errors are counted then, not printed
            av.logging.set_level(av.logging.PANIC)
        try:  # pattern_type: a % in the name of a picture is no pattern
            self.container = av.open(
                target, options={"pattern_type": "none"}, metadata_errors="replace"
            )
        except av.error.ProtocolNotFoundError as error:
            raise UsageError(f"{name}: no such file, and no such protocol; {_KINDS}") from error
        except av.error.FFmpegError as error:
            why = ": ".join([error.strerror or "", *(error.log or ())[2:]]).strip()
            raise UsageError(f"{name}: not a video that can be read ({why}); {_KINDS}") from error
        self.stream = self._choose()
        self._note_streams(("subtitle",) if audio else ("audio", "subtitle"))
        self.looks = dict[Look, int]()  # and the number of its first frame
        self.stamps, self.last = list[int | None](), 0
        self.interlaced = self.packets = 0
        self.undecodable = self.corrupt = self.errors = 0
        self.cut, self._end, self._error = False, 0.0, ""
        self._early = list[tuple[int | None, bool]]()  # (time, key) of packets before a frame
        self._leading = 0

    def _choose(self) -> av.VideoStream:
        """FFmpeg's best stream, but no attached picture and none without a decoder."""
        streams = self.container.streams
        videos = [s for s in streams.video if not int(s.disposition) & _ATTACHED]
        if not videos:
            kinds = ", ".join(sorted({s.type for s in streams})) or "none"
            raise UsageError(
                f"{self.name}: no video stream (streams: {kinds}); give a file with a video stream"
            )
        decodable = [s for s in videos if s.codec_context is not None]
        if not decodable:
            raise UsageError(f"{self.name}: its codec is not supported here; convert it to H.264")
        best = streams.best("video")
        if best in decodable:
            assert isinstance(best, av.VideoStream)
            return best
        return max(decodable, key=lambda s: (int(s.disposition) & _DEFAULT, s.width * s.height))

    def _note_streams(self, left_out: tuple[str, ...]) -> None:
        for stream in self.container.streams.video:
            if int(stream.disposition) & _ATTACHED:
                self.notes.append(f"cover art (stream {stream.index}) is left out")
            elif stream is not self.stream:
                c = stream.codec_context
                size = f" ({c.width}x{c.height})" if c else ""
                self.notes.append(f"video stream {stream.index}{size} is left out")
        for kind in left_out:
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
        packets = self._packets()
        while True:
            count, _ = av.logging.get_last_error()
            packet, decoded = next(packets), list[Any]()
            try:
                decoded = self.stream.decode(packet)
            except av.error.EOFError:
                pass
            except av.error.FFmpegError:
                self.undecodable += 1
            if (now := av.logging.get_last_error())[0] > count and now[1]:
                self.errors += 1  # a packet, whatever number of lines it was worth
                self._error = ": ".join(now[1][1:]).strip()
            if packet is not None and not self.stamps and not packet.is_discard:
                self._early.append((packet.pts, packet.is_keyframe))
            for frame in decoded:
                assert isinstance(frame, av.VideoFrame)
                if not self.stamps:
                    self._leading = self._undecoded(frame)
                self._see(frame)
                yield frame
            if packet is None:
                return

    def _undecoded(self, first: av.VideoFrame) -> int:
        """Packets that came before the first frame without being it."""
        early, self._early = self._early, []
        if first.pts is not None:
            return sum(pts is not None and pts < first.pts for pts, _ in early)
        return sum(1 for _ in takewhile(lambda packet: not packet[1], early))

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """Packets of the stream, then None to flush the decoder."""
        try:
            for packet in self._demux():
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

    def _demux(self) -> Iterator[av.Packet[Any]]:
        """Packets of all streams that were there at the start."""
        while True:
            try:
                yield from self.container.demux()
                return
            except IndexError:  # PyAV's, at the first packet of a stream that begins later
                continue

    def _ends_early(self) -> bool:
        """Whether the container states more seconds than it holds."""
        states = re.match("matroska|flv", self.container.format.name)
        seconds = (self.container.duration or 0) / 1e6
        last = 1.5 * self._end / max(1, self.packets - 1)  # FLV does not say how long the last is
        return bool(states) and self._end < seconds - max(0.25, 0.02 * seconds, last)

    def _see(self, frame: av.VideoFrame) -> None:
        self.looks.setdefault(look(frame), len(self.stamps))
        self.interlaced += frame.interlaced_frame
        self.corrupt += frame.is_corrupt
        self.stamps.append(frame.pts)
        self.last = getattr(frame, "duration", 0) or 0

    @property
    def _bare(self) -> bool:
        """Whether the times (and the rate, unless coded) of the pictures are libav's invention."""
        form = self.container.format
        none = form.flags & av.format.Flags.no_timestamps.value
        return bool(none) or form.name.endswith("_pipe") or self._rateless()

    def _rateless(self) -> bool:
        """Whether a y4m file says that its rate is unknown (libav takes 25)."""
        name = self.container.name
        if self.container.format.name != "yuv4mpegpipe" or not name.startswith("file:"):
            return False
        with open(name.removeprefix("file:"), "rb") as file:
            return not re.search(rb" F0*[1-9]", file.readline(1000))

    def timing(self) -> Timing:
        """The timing of the frames so far."""
        s, name = self.stream, self.container.format.name
        stated, guess, mean = s.codec_context.framerate, s.guessed_rate, s.average_rate
        if self._bare:
            return find_timing([], Fraction(1), 0, [stated])
        rates = [guess, mean, stated]
        if guess and mean and self.stamps[0] is not None and abs(mean - guess) > guess / 20:
            rates = [mean, guess]
        tick, depth, losses = s.time_base or Fraction(1), s.codec_context.reorder_depth, self.losses
        if guess and stated and 0 < abs(stated - guess) < guess / 500:  # 30 and 30000/1001
            rates.insert(0, stated)
        if name == "avi":
            rates.insert(0, 1 / tick)
        if depth and re.match("mpegts|mpeg|nut", name):  # nothing in these says where they end
            losses += _REORDERED * (not find_timing(self.stamps[:-depth], tick, 0, rates).times)
        timing = find_timing(self.stamps, tick, self.last, rates, losses)
        avi = name == "avi"  # numbers packets in the order of decoding
        return Timing(timing.fps) if avi and not timing.times else timing

    @property
    def losses(self) -> int:
        """Places where pictures may be missing."""
        return self.undecodable + self.corrupt + self.errors + _REORDERED * self.cut

    def _missing(self) -> int:
        """Pictures that are missing between others of a constant rate."""
        try:
            timing, stamps = self.timing(), [s for s in self.stamps if s is not None]
        except UsageError:  # a rate that nobody codes: the user sets another
            return 0
        grow = all(b > a for a, b in pairwise(stamps)) and len(stamps) == len(self.stamps)
        if self._bare or timing.times or not grow:
            return 0
        span = (stamps[-1] - stamps[0]) * (self.stream.time_base or Fraction(1))
        return max(0, round(span * timing.fps) + 1 - len(stamps))

    def damage(self) -> list[str]:
        """What could not be read of what was seen so far."""
        out, frames = [], len(self.stamps)
        silent = max(0, self.packets - frames - self.undecodable)
        leading = min(self._leading, silent) if self._bare else self._leading
        if leading:
            out.append(
                "the stream starts in the middle of a group of pictures: "
                f"{leading} before the first that can be decoded are lost"
            )
        if lost := max(self.undecodable, self._missing()):
            out.append(f"{lost} of {frames + lost} pictures could not be decoded: damaged")
        if self.cut:
            stated = self.stream.frames
            of = f"{frames} of {stated}" if stated > frames else f"{frames}"
            out.append(f"the file is cut short: {of} pictures are there")
        if self.corrupt:
            out.append(f"{self.corrupt} of {frames} pictures are damaged, shown as far as decoded")
        if self.errors and not out:
            out.append(
                f"FFmpeg reports errors in {self.errors} places (the last: {self._error}): "
                "pictures may be damaged"
            )
        return out

    def conversions(self) -> list[str]:
        """What the pictures' formats are converted from, and the first changes on the way."""
        out, changes = dict[str, None](), dict[str, str]()
        first = next(iter(self.looks))
        for look, index in self.looks.items():
            out |= dict.fromkeys(self._converted(look))
            at = f"at picture {index}: "
            if look.size != first.size:
                width, height = look.size
                changes.setdefault("size", f"the size changes to {width}x{height} {at}scaled")
            if look.format != first.format:
                changes.setdefault("form", f"the format changes to {look.format} {at}converted")
            if look.full != first.full:
                name = "full" if look.full else "limited"
                changes.setdefault("full", f"the range changes to {name} {at}converted")
            if differ(look.matrix, first.matrix, first.size[1]):
                name = f"{look.matrix} (of H.273)"
                changes.setdefault("matrix", f"the matrix changes to {name} {at}converted")
        return [*out, *changes.values()]

    def _converted(self, look: Look) -> list[str]:
        fmt, out = av.VideoFormat(look.format, *look.size), list[str]()
        c = fmt.components
        if is_rgb(look.format):
            out.append("RGB converted to limited-range 4:2:0")
        else:
            if look.full:
                out.append("full-range source converted to limited range")
            if c[0].bits > 8:
                out.append(f"{c[0].bits}-bit source converted to 8 bit")
            halves = ((fmt.width + 1) // 2, (fmt.height + 1) // 2)
            if len(c) >= 3 and (c[1].width, c[1].height) != halves:
                out.append(f"{look.format} converted to 4:2:0")
            if look.matrix and not is_known(look.matrix):
                out.append(
                    f"matrix {look.matrix} (of H.273) is carried as it is; where RGB is needed, "
                    "BT.601 or BT.709 stands in for it"
                )
        if any(part.is_alpha for part in c) or self.stream.metadata.get("alpha_mode") == "1":
            out.append("alpha is dropped: the pictures are coded as if opaque")
        return out
