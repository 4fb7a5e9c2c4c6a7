"""The decoder: packets in, pictures out, at one of three levels."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Literal, NamedTuple

import av

from hdac.bitstream.container import Header, Mode, Packet, PacketType
from hdac.codec.fuser import Fuser
from hdac.codec.syntax import BasePacket, BaseReader, EnhancedFrame, EnhancementReader, base_size
from hdac.errors import DamagedError, UsageError
from hdac.layers.base import BaseConfig
from hdac.layers.codecs import open_decoder
from hdac.layers.resample import enlarge
from hdac.nets.arithmetic import pick_device
from hdac.nets.zoo import find_model, load_model
from hdac.video.picture import Picture

Level = Literal["fused", "base", "animation"]
LEVELS = ("fused", "base", "animation")


class Frame(NamedTuple):
    """A decoded frame: its number from 0, its picture (even sides: crop to the header's size) and
    what it was made of."""

    number: int
    picture: Picture
    level: str


class _Coming(NamedTuple):
    """A frame whose picture may still be in the making."""

    number: int
    picture: Picture | Future[Picture]
    level: str


def _finished(frame: _Coming) -> Frame:
    return Frame(
        frame.number,
        frame.picture if isinstance(frame.picture, Picture) else frame.picture.result(),
        frame.level,
    )


def check_level(header: Header, level: str) -> None:
    """Raises `UsageError` if a stream cannot be decoded at `level`."""
    if level not in LEVELS:
        raise UsageError(f"--level {level}; choose one of {', '.join(LEVELS)}")
    offered = {
        Mode.HYBRID: LEVELS,
        Mode.ANIMATION: ("fused", "animation"),
        Mode.BASE: ("fused", "base"),
    }[header.mode]
    if level not in offered:
        raise UsageError(
            f"--level {level}: this stream's mode is {header.mode.name.lower()}; it decodes at {', '.join(offered)}"
        )


class Decoder:
    """`push` packets in order, `flush` at the end; both return the frames that are ready.

    level: "fused" shows the best that the stream holds; "base" needs no network; "animation" shows
    reference + keypoints. Lost ENHANCEMENT packets degrade to the base layer up to the next entry
    point. Raises `StreamError` for damaged packets, `UsageError` for a level or a model that is not
    here.
    """

    def __init__(self, header: Header, level: Level = "fused", device: str = "auto") -> None:
        check_level(header, level)
        self.header, self.level = header, level
        self._moves = header.mode is Mode.ANIMATION or level == "animation"
        self._fuser: Fuser | None = None
        if header.mode is not Mode.BASE and level != "base":
            net = load_model(find_model(header.model, header.model_hash))
            if not net.takes(header.keypoints):
                raise DamagedError(
                    f"the header says {header.keypoints} keypoints, which {header.model} does not take: it is damaged"
                )
            self._fuser = Fuser(net, pick_device(device), header.bf16, keypoints=header.keypoints)
        self._base_reader, self._enhancement_reader = BaseReader(header), EnhancementReader(header)
        self._base_decoder = open_decoder(header.base_codec.name.lower(), *base_size(header))
        self._pending: BasePacket | None = None
        self._config: BaseConfig | None = None
        self._held: Picture | None = None
        self._referenced = False  # the present GOP's reference is set
        self._index = self._gop_index = 0

    def push(self, packet: Packet) -> list[Frame]:
        """Decodes one packet."""
        if packet.type in (PacketType.BASE, PacketType.REFERENCE):
            frames = self._show_pending()
            if (packet.type is PacketType.REFERENCE) != (self.header.mode is Mode.ANIMATION):
                raise DamagedError(
                    f"a {packet.type.name} packet in a stream of mode {self.header.mode.name.lower()}"
                )
            self._pending = self._base_reader.read(packet)
            if self._pending.gop_start:
                self._start_gop(self._pending)
            return frames if self._fuser else frames + self._show_pending()
        if packet.type is PacketType.ENHANCEMENT and self._fuser:
            return self._enhance(packet)
        return []

    def flush(self) -> list[Frame]:
        """Frames that waited for an enhancement packet that never came."""
        return self._show_pending()

    # ---- GOPs

    def _start_gop(self, packet: BasePacket) -> None:
        header = self.header
        self._config = BaseConfig(
            *base_size(header), header.fps, packet.qp_intra, packet.qp_base, header.cascade
        )
        self._gop_index, self._referenced = 0, False
        self._base_decoder = open_decoder(header.base_codec.name.lower(), *base_size(header))

    def _decode(self, unit: bytes) -> Picture:
        """One access unit -> its picture, at full size."""
        assert self._config is not None
        try:
            pictures = self._base_decoder.push(unit)
        except (av.error.FFmpegError, ValueError) as error:
            raise DamagedError(
                f"the base layer of frame {self._index} does not decode ({error})"
            ) from error
        if len(pictures) != 1:
            raise DamagedError(
                f"the base layer of frame {self._index} gave {len(pictures)} pictures instead of 1"
            )
        picture = pictures[0]
        if (picture.width, picture.height) != (self._config.width, self._config.height):
            raise DamagedError(
                f"the base layer of frame {self._index} is {picture.width}x{picture.height}; "
                f"the header says {self._config.width}x{self._config.height}"
            )
        return enlarge(picture, self.header.base_scale)

    # ---- frames

    def _show_pending(self) -> list[Frame]:
        """The base layer alone of a packet without (usable) enhancement."""
        packet, self._pending = self._pending, None
        if packet is None:
            return []
        if self._fuser:
            self._enhancement_reader.lose()
        if self.header.mode is Mode.ANIMATION:
            self._held = self._decode(packet.units[0])
            return []
        return self._show(packet, [None] * packet.frames)

    def _enhance(self, packet: Packet) -> list[Frame]:
        try:
            enhancement = self._enhancement_reader.read(packet)
        except DamagedError:
            if self.header.mode is Mode.ANIMATION:
                raise
            return self._show_pending()
        base, self._pending = self._pending, None
        if self.header.mode is Mode.ANIMATION:
            if base is not None:
                if not enhancement.gop_start:
                    raise DamagedError(
                        "a reference picture without keypoints of its own: the stream is damaged"
                    )
                self._held = self._decode(base.units[0])
            if self._held is None or self._config is None:
                raise DamagedError(
                    "keypoints without a reference picture before them: the stream is damaged"
                )
            return [
                _finished(frame) for frame in [self._animate(frame) for frame in enhancement.frames]
            ]
        if (
            base is None
            or base.frames != len(enhancement.frames)
            or base.gop_start != enhancement.gop_start
        ):
            self._pending = base
            return self._show_pending()
        return self._show(base, list(enhancement.frames))

    def _animate(self, frame: EnhancedFrame) -> _Coming:
        assert self._held is not None
        assert self._config is not None
        assert self._fuser is not None
        if not self._referenced:
            return self._refer(self._held, frame, "base")
        return self._next(
            self._fuser.animate(self._held, frame.keypoints, self.header.keypoint_levels),
            "animation",
        )

    def _refer(self, picture: Picture, frame: EnhancedFrame, level: str) -> _Coming:
        """The first picture of a GOP: shown as it is, moved from now on."""
        assert self._config is not None
        assert self._fuser is not None
        self._fuser.set_reference(
            picture, self._config.qp(0), frame.keypoints, self.header.keypoint_levels
        )
        self._referenced = True
        return self._next(picture, level)

    def _show(
        self, packet: BasePacket, enhancement: list[EnhancedFrame] | list[None]
    ) -> list[Frame]:
        units, out, coming = iter(packet.units), list[Frame](), deque[_Coming]()
        most = self._fuser.workers + 2 if self._fuser else 0  # what waits to be fused takes memory
        for frame in enhancement:
            unit = next(units) if self._gop_index % self.header.frame_step == 0 else None
            coming.append(self._show_one(unit, frame))
            if len(coming) > most:
                out.append(_finished(coming.popleft()))
        return out + [_finished(frame) for frame in coming]

    def _show_one(self, unit: bytes | None, frame: EnhancedFrame | None) -> _Coming:
        fuser, levels = self._fuser, self.header.keypoint_levels
        assert self._config is not None
        if unit is not None and (not self._moves or self._gop_index == 0 or frame is None):
            self._held = self._decode(unit)
        held = self._held
        if held is None:
            raise DamagedError("a frame without a base picture before it: the stream is damaged")
        if fuser is None or frame is None:
            return self._next(held, "base")
        if not self._referenced:
            # a GOP whose first enhancement was lost has no reference
            return (
                self._refer(held, frame, "base")
                if self._gop_index == 0
                else self._next(held, "base")
            )
        if self._moves:
            return self._next(fuser.animate(held, frame.keypoints, levels), "animation")
        qp = self._config.qp(self._gop_index // self.header.frame_step)
        if unit is None:
            fused = fuser.animate(held, frame.keypoints, levels) if frame.fused else held
            return self._next(fused, "fused" if frame.fused else "base")
        better = (
            fuser.fuse(held, qp, frame.keypoints, levels)
            if frame.fused or fuser.recurrent
            else None
        )
        shown = better if better is not None and frame.fused else held
        if self.header.frame_step > 1:
            shown = shown if isinstance(shown, Picture) else shown.result()
            fuser.set_anchor(shown, qp, frame.keypoints, levels)
        return self._next(shown, "fused" if frame.fused else "base")

    def _next(self, picture: Picture | Future[Picture], level: str) -> _Coming:
        frame = _Coming(self._index, picture, level)
        self._index += 1
        self._gop_index += 1
        return frame
