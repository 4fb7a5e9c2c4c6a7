"""HEVC by x265, in process through PyAV, zero delay."""

from __future__ import annotations

import ctypes
import os
import weakref

import av

from hdac.errors import UsageError
from hdac.layers.base import GOP_MAX, QP_MAX, BaseConfig
from hdac.video.picture import Picture

#: Chosen on `val` (docs/measured/layers.md).
FIXED = (
    "bframes=0:rc-lookahead=0:frame-threads=1:pools=none:scenecut=0:keyint=-1:wpp=0:info=0:aq-mode=0:psy-rd=0:psy-rdoq=0"
    ":ref=4:weightp=0:rdoq-level=2:repeat-headers=1:log-level=none"
)
#: Effort -> x265's preset and parameters (docs/measured/layers.md).
EFFORT = {
    "slower": ("slow", "rd=6:amp=1:limit-modes=0:limit-refs=0:subme=5:rskip=0"),
    "slow": ("slow", "rd=6"),
    "medium": ("slow", "rd=3"),
    "fast": ("fast", "rd=4"),
}

#: A constant QP that regions of interest (here: whole pictures) may move; of two equal options x265
#: takes the last one. It reads past its memory if some pictures have such a region and others not.
_ADAPTIVE = "aq-mode=1:aq-strength=0.001:qcomp=1:cutree=0:qg-size=64"


def _effort(config: BaseConfig) -> tuple[str, str]:
    return EFFORT[config.preset or "slow"]


def x265_params(config: BaseConfig, pictures: int = GOP_MAX) -> str:
    """The `x265-params` of one GOP of at most `pictures` pictures.

    In CQP mode x265 takes the QP of P pictures from `qp`, of I pictures from `ipratio` (`qp_I =
    qp_P - 6 log2(ipratio)`), and single pictures from `zones`, whose first picture has number 1.
    A GOP whose QPs may change while it is coded is in CRF mode, which gives the same QPs.
    """
    usual = min(QP_MAX, max(1, config.qp_base))  # with 0 x265 codes without loss, and has no ratio
    ratio = 2 ** ((usual - config.qp_intra) / 6)
    how = f"qp={usual}:ipratio={ratio:.9f}"
    if config.adaptive:
        how = f"crf={usual}:{_ADAPTIVE}"
    first = 0 if config.adaptive else 1
    zones = [(i + 1, config.qp(i)) for i in range(first, pictures) if config.qp(i) != usual]
    listed = "".join(f"/{i},{i},q={qp}" for i, qp in zones)
    params = f"{FIXED}:{_effort(config)[1]}:{how}"
    return f"{params}:zones={listed[1:]}" if listed else params


class X265:
    """One GOP; `code` returns exactly one access unit for each picture."""

    def __init__(self, config: BaseConfig, pictures: int = GOP_MAX) -> None:
        self.config = config
        context = av.CodecContext.create("libx265", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = config.width, config.height, "yuv420p"
        context.framerate, context.time_base = config.fps, 1 / config.fps
        context.thread_count = 1
        context.options = {
            "preset": _effort(config)[0],
            "tune": "psnr",
            "x265-params": x265_params(config, pictures),
        }
        self._context = context
        _OPEN.add(self)
        self._count = 0
        self._offsets: dict[int, av.filter.Graph] = {}

    def code(self, picture: Picture, offset: int = 0) -> list[bytes]:
        frame = picture.to_av()
        if self.config.adaptive:
            frame = self._with_offset(frame, offset)
        frame.pts = self._count
        self._count += 1
        try:
            return [b"".join(bytes(packet) for packet in self._context.encode(frame))]
        except av.error.FFmpegError as error:
            raise UsageError(
                f"a base layer of {self.config.width}x{self.config.height}: x265 refuses it "
                f"({error.strerror}); use a smaller --base-scale, or a larger --size"
            ) from error

    def _with_offset(self, frame: av.VideoFrame, offset: int) -> av.VideoFrame:
        """The frame with a region of interest: all of it."""
        graph = self._offsets.get(offset)
        if graph is None:
            self._offsets[offset] = graph = av.filter.Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format,
                time_base=1 / self.config.fps,
            )  # fmt: skip
            region = graph.add("addroi", f"0:0:iw:ih:{offset}/{QP_MAX}")
            graph.link_nodes(source, region, graph.add("buffersink")).configure()
        frame.time_base = 1 / self.config.fps
        graph.vpush(frame)
        return graph.vpull()

    def finish(self) -> list[bytes]:
        return []  # zero delay leaves nothing behind

    def close(self) -> None:
        pass


_OPEN = weakref.WeakSet[X265]()


def _leave_open() -> None:
    """In a forked child, which has none of x265's threads: closing would wait for them for ever."""
    for encoder in _OPEN:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(encoder._context))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_open)
