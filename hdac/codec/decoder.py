"""The decoder: packets in, pictures out, at one of three levels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from hdac.bitstream.container import MAX_PIXELS, Header, Mode, Packet, PacketType, check_size
from hdac.bitstream.motions import Pose
from hdac.closing import Closing
from hdac.codec.syntax import (
    BasePacket,
    BaseReader,
    EnhancementReader,
    TimesReader,
)
from hdac.codec.views import AnimatedView, BasePictures, BaseView, FusedView, Made, View
from hdac.errors import DamagedError, StreamError, UsageError
from hdac.motion.protocol import Turn
from hdac.video.colour import resolve_matrix
from hdac.video.picture import Picture

Level = Literal["fused", "base", "animation"]
LEVELS = ("fused", "base", "animation")
Between = Literal["motion", "pictures"]
BETWEEN = ("motion", "pictures")
MAX_TURN = 45
_OFFERED = {
    Mode.HYBRID: LEVELS,
    Mode.ANIMATION: ("fused", "animation"),
    Mode.BASE: ("fused", "base"),
}


class Frame(NamedTuple):
    """A decoded frame: its number from 0, its picture (even sides: crop to the header's size), what
    it was made of ("fused", "base", "animation"; "concealed": the picture before, because its own
    is lost), when it is shown, in seconds, and the stream's header."""

    number: int
    picture: Picture
    level: str
    time: Fraction
    header: Header

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """R'G'B' `(H, W, 3)` uint8 of the source's size."""
        header = self.header
        rgb = self.picture.to_rgb(resolve_matrix(header.colour.matrix, header.height))
        return rgb[: header.height, : header.width]


def check_level(header: Header, level: str) -> None:
    """Raises `UsageError` if a stream cannot be decoded at `level`."""
    if level not in LEVELS:
        raise UsageError(f"--level {level}; choose one of {', '.join(LEVELS)}")
    offered = _OFFERED[header.mode]
    if level not in offered:
        raise UsageError(
            f"--level {level}: this stream's mode is {header.mode.name.lower()}; it decodes at "
            f"{', '.join(offered)}"
        )


def check_turn(header: Header, level: str, turn: Turn | None) -> None:
    """Raises `UsageError` if the heads of a stream cannot be turned, or not so far."""
    if turn is None:
        return
    words = ",".join(f"{angle:g}" for angle in turn)
    if not isinstance(header.motion, Pose) or level == "base":
        found = f"sends {header.motion}" if header.motion else "has no network"
        raise UsageError(
            f"--rotate {words}: the stream {found}; only those of a network that sends a head pose "
            "(fv2v), at level fused or animation, show heads turned"
        )
    if not all(abs(angle) <= MAX_TURN for angle in turn):
        raise UsageError(f"--rotate {words}; allowed are -{MAX_TURN} to {MAX_TURN} degrees each")


class Decoder(Closing):
    """`push` packets in order, `flush` at the end; both return the frames that are ready. A context
    manager: `close` ends its threads.

    level: "fused" shows the best that the stream holds; "base" needs no network; "animation" shows
    reference + keypoints. max_pixels: of a picture, at most. between: frames whose parameters are
    not sent (`Header.every`) are made of parameters on the straight line ("motion"), or of the
    pictures before and after by a smaller network ("pictures"). rotate: yaw, pitch and roll, in
    degrees, by which heads are turned further, -45 to 45; of streams that say how they are turned.
    Packets that are missing show as jumps of `Packet.sequence`: lost ENHANCEMENT degrades to the
    base layer (level `animation`: to the last picture) up to the next entry point, after other
    losses decoding goes on there. Of a live stream every frame is shown from the first entry point
    on: those that are lost, and those that need them, as the last picture, "concealed", when the
    next packet comes (not more at once than a packet of a file may have frames). AUDIO of a live
    stream passes by: it does not count.
    Raises `StreamError` for damaged packets (the next entry point can be decoded again),
    `UsageError` for a level, a size or a model that is not here.
    """

    def __init__(
        self,
        header: Header,
        level: Level = "fused",
        device: str = "cpu",
        max_pixels: int = MAX_PIXELS,
        between: Between = "motion",
        rotate: Turn | None = None,
    ) -> None:
        check_level(header, level)
        check_turn(header, level, rotate)
        self._turn = rotate
        if between not in BETWEEN:
            raise UsageError(f"--between {between}; choose one of {', '.join(BETWEEN)}")
        self._interpolates = between == "pictures" and header.every > 1
        check_size(header, max_pixels)
        self.header, self.level = header, level
        self._base_reader, self._enhancement_reader = BaseReader(header), EnhancementReader(header)
        self._times_reader, self._times = TimesReader(header), deque[int]()
        self._base = BasePictures(header)
        self._view, self._workers = self._open(device)
        self._pending: BasePacket | None = None
        self._pending_time = 0
        self._number = 0
        self._time: Fraction | None = None  # of the last frame
        self._expected: int | None = None  # sequence number
        self._awaited = False  # the last packet's enhancement
        self._lost = self.header.live  # until the next entry point: a live one is joined anywhere
        self._shown: Picture | None = None  # the last one
        self._ticks = 0  # its time, in a live stream
        self._unshown = 0  # packets since

    def _open(self, device: str) -> tuple[View, int]:
        header = self.header
        if header.motion is None or self.level == "base":
            return BaseView(self._base), 0
        from hdac.codec.synthesiser import Synthesiser, network_of

        interpolates = self._interpolates
        synthesiser = Synthesiser(
            network_of(header), header.motion, device, interpolates=interpolates,
            turned=self._turn or (0, 0, 0),
        )  # fmt: skip
        if header.mode is Mode.ANIMATION or self.level == "animation":
            switched = header.mode is Mode.ANIMATION
            view = AnimatedView(
                self._base, synthesiser, interpolates, self._turn is not None, switched
            )
            return view, synthesiser.workers
        return FusedView(self._base, synthesiser), synthesiser.workers

    def hurry(self, hurried: bool) -> None:
        """Whether pictures come faster than level "fused" can be made: their base pictures are
        shown from now on, at a fraction of the time."""
        self._view.hurried = hurried

    def close(self) -> None:
        """Ends the decoder's threads."""
        self._view.close()

    def push(self, packet: Packet) -> list[Frame]:
        """Decodes one packet."""
        if self.header.live and packet.type in (PacketType.AUDIO, PacketType.LAST):
            return []
        missing = 0 if self._expected is None else packet.sequence - self._expected & 0xFFFF
        if missing >= 1 << 15:
            return []  # it comes late, or again
        reserved, live = packet.type is PacketType.RESERVED, self.header.live
        if live and not reserved and self._shown is not None and packet.time <= self._ticks:
            raise DamagedError(
                f"a frame of time {packet.time} after one of time {self._ticks}; times of a live "
                "stream grow: it is of another stream, or damaged"
            )
        self._expected = packet.sequence + 1 & 0xFFFF
        frames: list[Frame] = []
        if missing:
            frames = self._show_pending()
            first = packet.type in (PacketType.BASE, PacketType.REFERENCE, PacketType.TIMES)
            if not (missing == 1 and first and self._awaited):  # else enhancement alone is lost
                self.lose()
        if live:
            self._unshown += missing
        if reserved:  # whatever it is, it is no frame's
            return frames
        if live:
            frames += self._fill(packet.time)
        picture = packet.type in (PacketType.BASE, PacketType.REFERENCE)
        self._awaited = picture and self.header.mode is not Mode.BASE
        try:
            decoded = [f for part in packet.parts(self.header.mode) for f in self._decode(part)]
        except StreamError:
            self.lose()
            self._unshown += 1
            raise
        if live and not decoded:
            decoded = self._conceal(packet.time)
        return frames + decoded

    def flush(self) -> list[Frame]:
        """Frames that waited for an enhancement packet that never came."""
        return self._show_pending()

    def lose(self) -> None:
        """Packets are missing: nothing is decoded before the next entry point."""
        self._pending, self._lost = None, True
        self._times.clear()
        for reader in (self._base_reader, self._enhancement_reader, self._times_reader):
            reader.lose()

    # ---- packets

    def _decode(self, packet: Packet) -> list[Frame]:
        if self._lost:
            entry = (PacketType.TIMES, PacketType.BASE, PacketType.REFERENCE)
            if not packet.gop_start or packet.type not in entry:
                return []
            self._lost = False
        if packet.type is PacketType.TIMES:
            frames = self._show_pending()
            if packet.gop_start:
                self._times.clear()
            self._times.extend(self._times_reader.read(packet))
            return frames
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            return self._read_base(packet)
        if packet.type is PacketType.ENHANCEMENT and self._view.waits:
            return self._read_enhancement(packet)
        return []

    def _read_base(self, packet: Packet) -> list[Frame]:
        frames = self._show_pending()
        if (packet.type is PacketType.REFERENCE) != (self.header.mode is Mode.ANIMATION):
            raise DamagedError(
                f"a {packet.type.name} packet in a stream of mode {self.header.mode.name.lower()}"
            )
        self._pending, self._pending_time = self._base_reader.read(packet), packet.time
        if self._pending.gop_start:
            self._base.start(self._pending.qp_intra, self._pending.qp_base)
            self._view.start()
        return frames if self._view.waits else frames + self._show_pending()

    def _show_pending(self) -> list[Frame]:
        """What is there of a packet without (usable) enhancement."""
        packet, self._pending = self._pending, None
        if packet is None:
            return []
        self._enhancement_reader.lose()
        if self.header.mode is Mode.ANIMATION:  # whose frames are in the enhancement
            list(self._view.show(packet.units[:1], []))
            return []
        return self._finish(self._view.show(packet.units, None), self._pending_time)

    def _read_enhancement(self, packet: Packet) -> list[Frame]:
        try:
            enhancement = self._enhancement_reader.read(packet)
        except StreamError:
            return self._without_enhancement(packet)
        base, self._pending = self._pending, None
        units = [] if base is None else base.units
        if self.header.mode is Mode.ANIMATION:
            fits = enhancement.gop_start == (base is not None)
        else:
            start = base is not None and base.gop_start
            fits = enhancement.gop_start == start and len(enhancement.frames) == len(units)
        if not fits:
            self._pending = base
            return self._without_enhancement(packet)
        return self._finish(self._view.show(units, enhancement.frames), packet.time)

    def _without_enhancement(self, packet: Packet) -> list[Frame]:
        """An ENHANCEMENT packet that cannot be used."""
        self._enhancement_reader.lose()
        frames = self._show_pending()
        if self.header.mode is Mode.ANIMATION:
            lost = min(packet.frames, self.header.packet_frames)  # bounds their memory
            frames += self._finish(self._view.conceal(lost), packet.time)
        return frames

    # ---- frames

    def _finish(self, made: Iterator[Made], time: int) -> list[Frame]:
        """Waits for pictures in order; few are in the making at once, since they take memory."""
        frames, coming = list[Frame](), deque[Made]()
        for one in made:
            coming.append(one)
            if len(coming) > self._workers + 2:
                frames.append(self._frame(coming.popleft(), time))
        return frames + [self._frame(one, time) for one in coming]

    def _fill(self, ticks: int) -> list[Frame]:
        """The frames of a live stream that are lost between the last one and that of `ticks`."""
        if self._shown is None:
            return []
        header, step = self.header, ticks - self._ticks
        lost = step - 1
        if header.clock:  # a sender may leave frames out, but none was sent sooner than the rate
            lost = max(0, min(self._unshown, round(step * header.tick * header.fps) - 1))
        filled = min(lost, replace(header, live=False).packet_frames)  # bounds their memory
        self._number += lost - filled
        start = ticks - step * (filled + 1) // (lost + 1)
        return [
            frame
            for n in range(1, filled + 1)
            for frame in self._conceal(start + (ticks - start) * n // (filled + 1))
        ]

    def _conceal(self, ticks: int) -> list[Frame]:
        """The frame of a live stream at `ticks`, of which nothing is there."""
        if self._shown is None:
            return []
        return [self._frame(Made(self._shown, "concealed"), ticks)]

    def _frame(self, made: Made, packet_time: int) -> Frame:
        header = self.header
        if header.live:
            time = packet_time * header.tick
            if not header.clock:
                self._number = packet_time
        elif not header.clock:
            time = self._number * header.tick
        elif self._times:
            time = self._times.popleft() * header.tick
        else:  # its packet is lost
            time = Fraction(0) if self._time is None else self._time + 1 / header.fps
        picture = made.picture if isinstance(made.picture, Picture) else made.picture.result()
        # a copy: the caller may draw on it, and what is held is shown again
        frame = Frame(self._number, picture.copy(), made.level, time, header)
        self._time, self._shown = time, picture
        self._ticks, self._unshown = packet_time, 0
        self._number += 1
        return frame
