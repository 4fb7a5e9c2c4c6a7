"""The encoder: pictures in, packets out; it also knows every picture that the decoder will show."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from hdac.bitstream.container import (
    BaseCodec,
    Colour,
    Header,
    Mode,
    Packet,
    PacketType,
    Tune,
    check_header,
)
from hdac.codec.config import MAX_LOSS, EncoderConfig
from hdac.codec.fuser import Fuser
from hdac.codec.operating import corrected_qp, point_for
from hdac.codec.syntax import BaseWriter, EnhancementWriter, base_size, frames_limit
from hdac.errors import UsageError
from hdac.layers.base import CASCADE, GOP_MAX, QP_MAX, BaseConfig, BaseEncoder, CodedPicture
from hdac.layers.codecs import open_base, header_cascade
from hdac.layers.quantiser import (
    ANIMATION_HYSTERESIS,
    HYBRID_HYSTERESIS,
    HYSTERESIS,
    LEVELS,
    quantise,
)
from hdac.layers.reference import RefreshConfig, RefreshPolicy, luma_mse, psnr_of
from hdac.layers.resample import enlarge, pad_to, shrink
from hdac.nets.arithmetic import fast_dtype, pick_device
from hdac.nets.zoo import find_model, load_model
from hdac.video.picture import Picture

#: With `--preset fast` one picture in so many is fused by the encoder too, and the switch of the
#: others is set as its was: real time. 3 has no factor in common with the period of the cascade.
LOOK_EVERY = 3


class Shown(NamedTuple):
    """What the decoder will show of one frame; `level` is "fused", "base" or "animation".

    `picture` is None where the encoder did not make it: fused pictures between those that `--preset
    fast` looks at.
    """

    picture: Picture | None
    level: str


class _Waiting(NamedTuple):
    """A frame whose base picture is not there yet."""

    source: Picture
    keypoints: Tensor | None
    first: bool  # of its GOP
    has_base: bool


class _Running(NamedTuple):
    """A frame that is being fused or animated (`better`; None: it shows its base picture, or is
    `unseen`)."""

    frame: _Waiting
    base: Picture
    better: Future[Picture] | None
    data: bytes | None  # its access unit
    unseen: bool = False  # goes the way of the last frame that was fused here


class _Verdict(NamedTuple):
    """Of the last frame that was fused here: what it shows, and its squared error relative to its
    base picture's."""

    level: str
    ratio: float


def padding_multiple(base_scale: int) -> int:
    """Sides of the pictures inside the codec are multiples of this."""
    return 2 * base_scale


def _start_qps(config: EncoderConfig, width: int, height: int, fps: Fraction) -> tuple[int, int]:
    """(qp_intra, qp_base) of the first GOP."""
    if config.kbps is None or config.qp_base is not None:
        return config.qps()
    finer = round(
        fmean(CASCADE) - fmean(config.offsets)
    )  # than the table's points, whose cascade is the usual one
    qp_base = min(
        QP_MAX, max(0, point_for(config.kbps, width * height * float(fps)).qp_base + finer)
    )
    return config.ref_for(qp_base), qp_base


class Encoder:
    """`push` pictures, `flush` at the end; both return the packets that are ready. With
    `packet_frames` 1 a frame's packets come at once where there is one core, and with the next
    frame where there are more: two frames are in the making then. The first frame of a GOP takes 1
    to 3 s with base codec "mixed"; with "vvc" nothing comes before the GOP is complete ("auto" is
    one of them).

    width, height: the source's size in pixels (odd sizes: pictures come padded to even); fps:
    frames per second. Pictures are 8-bit limited-range 4:2:0. `shown` collects what the decoder
    will show, frame by frame: take from its left.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: Fraction,
        config: EncoderConfig | None = None,
        colour: Colour | None = None,
    ) -> None:
        config = config or EncoderConfig()
        self._qp_intra, self._qp_base = _start_qps(config, width, height, fps)
        self._effort = config.effort
        self.config = config = replace(config, base_codec=config.codec_for(self._qp_base))
        self._fuser: Fuser | None = None
        header = Header(
            Mode[config.mode.upper()], BaseCodec[config.codec.upper()], width, height, fps,
            base_scale=config.base_scale, frame_step=config.frame_step if config.mode != "animation" else 1,
            cascade=header_cascade(config.codec, config.offsets), colour=colour or Colour(),
            tune=Tune[config.tune.upper()],
        )  # fmt: skip
        if config.mode != "base":
            model = find_model(config.weights)
            net = load_model(model)
            device = pick_device(config.device)
            auto = config.precision == "auto"
            bf16 = fast_dtype(device.type) is torch.bfloat16 if auto else config.precision == "bf16"
            self._fuser = Fuser(net, device, bf16, keypoints=config.keypoints)
            k = self._fuser.count
            header = replace(
                header,
                model=model.name,
                model_hash=model.digest,
                keypoints=k,
                keypoint_levels=LEVELS,
                bf16=bf16,
            )
        self.header = check_header(header)
        self.shown: deque[Shown] = deque()
        self.packet_frames = min(config.packet_frames or 1, frames_limit(width, height))
        self._running: deque[_Running] = deque()
        self._verdict = _Verdict("base", 1.0)
        free = (
            self._fuser is not None and not self._fuser.recurrent and config.frame_step == 1
        )  # no picture needs the one before
        self._look_every = LOOK_EVERY if config.preset == "fast" and free else 1
        self._in_flight = self._frames_in_flight()
        always = config.loss == MAX_LOSS
        self._allowed, self._enough = (
            math.inf if always else 10 ** (loss / 10) for loss in (config.loss, config.loss / 2)
        )
        self._hysteresis = self._keypoint_hysteresis()
        self._policy = RefreshPolicy(RefreshConfig(config.refresh))
        kind = PacketType.REFERENCE if config.mode == "animation" else PacketType.BASE
        self._base_writer = BaseWriter(config.codec, len(header.cascade), base_size(header), kind)
        self._enhancement = EnhancementWriter(
            header.keypoints, LEVELS, switched=config.mode == "hybrid"
        )
        self._base: BaseEncoder | None = None
        self._base_config: BaseConfig | None = None
        self._waiting: deque[_Waiting] = deque()
        self._index = 0  # frame within the GOP
        self._base_index = 0
        self._held: Picture | None = None  # last base picture, full size
        self._tracked: Tensor | None = None  # integers of the frame before
        self._gop_bits, self._gop_frames = 0, 0
        self.refreshes = 0
        #: frames of a GOP at most; a caller who knows how many frames come spares x265 a long list
        #: of QPs
        self.frames_ahead = GOP_MAX

    def _keypoint_hysteresis(self) -> float:
        """How far a keypoint must move before it is coded anew, in steps."""
        if self.config.mode != "hybrid" or self.config.scalable or self._fuser is None:
            return HYSTERESIS
        return (
            ANIMATION_HYSTERESIS
            if self._fuser.derives_keypoints and self.config.frame_step == 1
            else HYBRID_HYSTERESIS
        )

    def _frames_in_flight(self) -> int:
        """Frames that may still be in the making when the next one comes: they are what several
        cores work on."""
        if self._fuser is None or self.config.frame_step > 1:  # there a frame needs the one before
            return 0
        live = (self.config.packet_frames or 1) == 1
        return min(1, self._fuser.workers - 1) if live else self._fuser.workers * self._look_every

    def push(self, picture: Picture) -> list[Packet]:
        """Codes one picture. Raises `UsageError` if it is not of the announced size."""
        width, height = self.header.width, self.header.height
        if (picture.width, picture.height) != (width + width % 2, height + height % 2):
            raise UsageError(
                f"picture of {picture.width}x{picture.height}; the encoder was opened for {width}x{height} (odd sides padded)"
            )
        packets: list[Packet] = []
        if self._policy.wants(picture):
            packets += self._end_gop()
            self._start_gop()
        source = pad_to(picture, padding_multiple(self.config.base_scale))
        found = self._fuser.keypoints(source) if self._fuser else None
        first = self._index == 0
        has_base = self._index % self.header.frame_step == 0 and (
            first or self.config.mode != "animation"
        )
        self._index += 1
        coded: list[CodedPicture] = []
        if has_base:
            assert self._base is not None
            coded = self._base.push(shrink(source, self.config.base_scale))
        if found is not None:
            self._tracked = quantise(found.result(), self._tracked, hysteresis=self._hysteresis)
        self._waiting.append(_Waiting(source, self._tracked, first, has_base))
        for picture_and_data in coded:
            packets += self._code(picture_and_data)
        packets += self._code_without_base()
        return packets

    def flush(self) -> list[Packet]:
        """Codes what is still waiting; the stream is complete then."""
        return self._end_gop()

    # ---- GOPs

    def _start_gop(self) -> None:
        config, header = self.config, self.header
        if config.kbps is not None and config.mode != "animation" and self._gop_frames >= 12:
            actual = self._gop_bits * float(header.fps) / self._gop_frames / 1000
            before = config.ref_for(self._qp_base)
            self._qp_base = corrected_qp(self._qp_base, actual, config.kbps)
            if config.qp_intra is None:
                self._qp_intra = min(
                    51, max(0, self._qp_intra + config.ref_for(self._qp_base) - before)
                )
        self._base_config = BaseConfig(
            *base_size(header),
            header.fps,
            self._qp_intra,
            self._qp_base,
            header.cascade,
            self._effort,
        )
        pictures = 1 if config.mode == "animation" else min(GOP_MAX, self.frames_ahead)
        self._base = open_base(config.codec, self._base_config, config.ffmpeg, pictures)
        self._base_writer.start(self._qp_intra, self._qp_base)
        self._enhancement.start()
        self._index = self._base_index = 0
        self._tracked = None
        self._gop_bits = self._gop_frames = 0
        self.refreshes += 1

    def _end_gop(self) -> list[Packet]:
        packets: list[Packet] = []
        if self._base is not None:
            for coded in self._base.flush():
                packets += self._code(coded)
                packets += self._code_without_base()
            self._base = None
        assert not self._waiting
        return packets + self._settle(0) + self._take()

    # ---- frames

    def _code(self, coded: CodedPicture) -> list[Packet]:
        """The oldest waiting frame, with its base picture."""
        assert self._base_config is not None
        frame = self._waiting.popleft()
        assert frame.has_base
        qp = self._base_config.qp(self._base_index)
        self._base_index += 1
        base = enlarge(coded.picture, self.config.base_scale)
        self._held, better, unseen = base, None, False
        if frame.keypoints is not None:
            assert self._fuser is not None
            if frame.first:
                self._fuser.set_reference(base, qp, frame.keypoints, LEVELS)
            elif (
                self._base_index % self._look_every == 2 % self._look_every
            ):  # the second picture, and so on
                better = self._fuser.fuse(base, qp, frame.keypoints, LEVELS)
            else:
                unseen = True
        self._running.append(_Running(frame, base, better, coded.data, unseen))
        packets = self._settle(self._in_flight)
        if (
            self.header.frame_step > 1
            and frame.keypoints is not None
            and self._fuser is not None
            and not frame.first
        ):
            anchor = self.shown[-1].picture
            assert anchor is not None, "with frame steps every picture is fused"
            self._fuser.set_anchor(anchor, qp, frame.keypoints, LEVELS)
        return packets

    def _code_without_base(self) -> list[Packet]:
        """Waiting frames that have no base picture of their own."""
        packets = []
        while self._waiting and not self._waiting[0].has_base:
            frame = self._waiting.popleft()
            assert self._held is not None
            moved = None
            if frame.keypoints is not None:
                assert self._fuser is not None
                moved = self._fuser.animate(self._held, frame.keypoints, LEVELS)
            self._running.append(_Running(frame, self._held, moved, None))
            packets += self._settle(self._in_flight)
        return packets

    def _settle(self, allowed: int) -> list[Packet]:
        """Finishes the oldest frames until at most `allowed` are still being fused."""
        packets = []
        while len(self._running) > allowed:
            packets += self._finish(self._running.popleft())
        return packets

    def _finish(self, running: _Running) -> list[Packet]:
        """The never-worse switch, and everything that is written of a frame."""
        frame, shown = running.frame, Shown(running.base, "base")
        error = luma_mse(running.base, frame.source)
        if running.better is not None:
            better = running.better.result()
            its_error = luma_mse(better, frame.source)
            animated = self.config.mode == "animation"
            allowed = self._allowed if self._verdict.level == "fused" else self._enough
            if animated or its_error <= allowed * max(error, 1e-9):
                shown = Shown(better, "animation" if animated else "fused")
                self._verdict = _Verdict(shown.level, its_error / max(error, 0.01))
                error = its_error
            else:
                self._verdict = _Verdict("base", 1.0)
        elif running.unseen:
            error *= self._verdict.ratio
            shown = Shown(
                None if self._verdict.level == "fused" else running.base, self._verdict.level
            )
        if running.data is not None or self.config.mode != "animation":
            self._base_writer.add(running.data)
        bits = 0 if running.data is None else 8 * len(running.data)
        self._policy.report(psnr_of(error), bits, frame.first)
        if frame.keypoints is not None:
            self._enhancement.add(frame.keypoints, shown.level != "base")
        self.shown.append(shown)
        self._gop_frames += 1
        frames = self._enhancement.frames or self._base_writer.frames
        return self._take() if frames >= self.packet_frames else []

    def _take(self) -> list[Packet]:
        packets = self._base_writer.take() + self._enhancement.take()
        self._gop_bits += sum(8 * len(p.tobytes()) for p in packets)
        return packets
