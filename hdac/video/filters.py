"""What a container asks of a player before a picture is shown: cropping, deinterlacing, turning."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any

import av
import av.filter
from av.sidedata.sidedata import Type as SideDataType


def _unknown_type(cls: Any, value: object) -> Any:
    """Stands for side data that PyAV has no name for: without it none of a frame can be read."""
    member = object.__new__(cls)
    member._name_, member._value_ = f"UNKNOWN_{value}", value
    return member


SideDataType._missing_ = classmethod(_unknown_type)  # type: ignore[assignment]


class Filters:
    """Filters frames through libavfilter, as the first frame and the container ask for.

    crop: samples to cut off, left, right, top, bottom; deinterlace: the pictures that are marked as
    interlaced (a picture for two fields).
    """

    def __init__(
        self, first: av.VideoFrame, crop: tuple[int, int, int, int], deinterlace: bool
    ) -> None:
        self.notes = list[str]()
        self.deinterlace, self.crop = deinterlace, crop
        turn, angle = _orientation(first)
        self.turned = any(name == "transpose" for name, _ in turn)
        self._chain = list[tuple[str, str]]()
        if deinterlace:
            self._chain.append(("bwdif", "mode=send_frame:deint=interlaced"))
            self.notes.append("interlaced source deinterlaced (bwdif, a picture for two fields)")
        left, right, top, bottom = crop
        if any(crop):
            across, down = left + right, top + bottom
            self._chain.append(("crop", f"iw-{across}:ih-{down}:{left}:{top}:exact=1"))
            self.notes.append(f"cropped by {left}, {right}, {top}, {bottom} (l, r, t, b) as tagged")
        self._chain += turn
        if angle:
            self.notes.append(angle)

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of what becomes of a frame."""
        left, right, top, bottom = self.crop
        width, height = frame.width - left - right, frame.height - top - bottom
        return (height, width) if self.turned else (width, height)

    def apply(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """A frame for each frame."""
        if not self._chain:
            yield from frames
            return
        for _, alike in groupby(frames, lambda f: (f.width, f.height, f.format.name)):
            first = next(alike)
            graph = self._graph(first)
            for frame in chain([first], alike, [None]):
                graph.vpush(frame)
                yield from _drain(graph)

    def _graph(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        nodes = [graph.add(name, arguments) for name, arguments in self._chain]
        graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
        return graph


def _drain(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _orientation(frame: av.VideoFrame) -> tuple[list[tuple[str, str]], str]:
    """Filters that turn and mirror a frame as its display matrix says, and what they do.

    (The matrix: ISO/IEC 14496-12, 6.2.2; the filters: as FFmpeg's own tools choose them.)
    """
    sides: Any = frame.side_data
    data = next((bytes(d) for d in sides if d.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return [], ""
    a, b, _, c, d = struct.unpack("=9i", data)[:5]
    if not b and not c:
        # copy: vflip gives lines from the last to the first in memory
        mirrors = [("hflip", "")] * (a < 0) + [("vflip", ""), ("copy", "")] * (d < 0)
        half_turn = a < 0 and d < 0
        text = "turned by 180 degrees as tagged" if half_turn else "mirrored as tagged"
        return mirrors, text if mirrors else ""
    if a or d:
        return [], "a rotation that is no multiple of 90 degrees is not applied"
    way, angle = ("clock", 90) if b > 0 else ("cclock", 270)
    if b * c < 0:
        return [("transpose", way)], f"turned by {angle} degrees clockwise as tagged"
    way = "cclock_flip" if b > 0 else "clock_flip"
    return [("transpose", way)], f"turned by {angle} degrees clockwise and mirrored as tagged"
