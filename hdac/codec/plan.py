"""The plan: every choice of an encoder, made once. What a decoder must know of it is its header."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from hdac.bitstream.container import (
    MAX_LIVE_GOP,
    BaseCodec,
    Colour,
    Header,
    Mode,
    Tune,
    check_header,
)
from hdac.codec.config import DEFAULT_QP_BASE, EncoderConfig, kvazaar_lacks
from hdac.codec.operating import VVC_TO, default_qp_intra, point_for
from hdac.errors import UsageError
from hdac.layers.base import (
    CALM_CASCADE,
    CASCADE,
    GOP_MAX,
    QP_MAX,
    BaseConfig,
    check_base_size,
    kvazaar_cascade,
)
from hdac.layers.codecs import header_cascade
from hdac.layers.reference import Refresh
from hdac.motion.keypoints import (
    ANIMATION_HYSTERESIS,
    HYBRID_HYSTERESIS,
    HYSTERESIS,
)
from hdac.motion.kinds import motion_for
from hdac.video.ffmpeg import has_encoder

if TYPE_CHECKING:
    from hdac.runtime.models import ModelFile

#: With preset "fast" one picture in so many is fused by the encoder too. 3 has no factor in common
#: with the period of the cascade.
FUSE_EVERY = 3
_LOSS = {"psnr": 0.0, "perceptual": 1.5}


class BaseChoice(NamedTuple):
    """What is chosen of a base layer. `encoder`: of HEVC pictures; `given_intra`: the user's QP of
    first pictures; `first_scale`: how many times the others' size they have."""

    codec: str
    encoder: str
    qp_intra: int
    qp_base: int
    cascade: tuple[int, ...]
    preset: str | None
    tune: str
    given_intra: int | None
    first_scale: int

    def at(self, qp_base: int) -> BaseChoice:
        """The same around another QP; the intra QP goes with it unless it was given."""
        intra = self.given_intra
        if intra is None:
            intra = default_qp_intra(
                qp_base, self.cascade, self.tune, self.codec, self.encoder, self.first_scale > 1
            )
        return self._replace(qp_base=qp_base, qp_intra=intra)

    def config(self, header: Header) -> BaseConfig:
        cascade = header_cascade(self.codec, self.cascade)
        return BaseConfig(
            *header.base_size, header.fps, self.qp_intra, self.qp_base, cascade, self.preset,
            encoder=self.encoder,
            first_scale=self.first_scale,
        )  # fmt: skip


def choose_base(config: EncoderConfig, qp_base: int | None = None) -> BaseChoice:
    """The base layer at `qp_base`; None: the QP that was asked for, 44 where none was."""
    asked = DEFAULT_QP_BASE if config.qp_base is None else config.qp_base
    qp_base = asked if qp_base is None else qp_base
    scale = config.base_scale or 1

    def codec_at(qp: int) -> str:
        codec: str = config.base_codec or _usual_codec(config)
        if codec == "auto":
            finest = config.tune == "psnr" and qp <= VVC_TO and scale == 1
            codec = "vvc" if finest else "mixed"
        # where only first pictures are coded, "mixed" is VVC
        return "vvc" if codec == "mixed" and config.mode == "animation" else codec

    encoder, codec = hevc_encoder(config), codec_at(qp_base)
    calm = config.tune == "perceptual" and codec_at(asked) != "vvc"
    cascade = config.cascade or (CALM_CASCADE if calm else CASCADE)
    if encoder == "kvazaar" and codec != "vvc":
        cascade = kvazaar_cascade(qp_base)
    preset = "slow" if config.preset is None and config.base_codec == "auto" else config.preset
    choice = BaseChoice(
        codec, encoder, 0, qp_base, cascade, preset, config.tune, config.qp_intra,
        scale if codec == "mixed" else 1,
    )  # fmt: skip
    return choice.at(qp_base)


def _usual_codec(config: EncoderConfig) -> str:
    """The base codec where none is asked for: "mixed" where Kvazaar codes the HEVC pictures and
    FFmpeg has libvvenc, else "hevc". A first picture in VVC is an eighth smaller than in HEVC, but
    takes a second to code: only for encodings that are slow already."""
    slow = hevc_encoder(config) == "kvazaar"
    return "mixed" if slow and has_encoder("libvvenc", config.ffmpeg) else "hevc"


def hevc_encoder(config: EncoderConfig) -> str:
    """The encoder of HEVC pictures: Kvazaar where it is there and can do what is asked for."""
    if config.base_encoder != "auto":
        return config.base_encoder
    able = not kvazaar_lacks(config) and has_encoder("libkvazaar", config.ffmpeg)
    return "kvazaar" if able else "x265"


@dataclass(frozen=True)
class Plan:
    """Every choice of an encoder, resolved.

    base: of the first GOP. kbps: the rate that the encoder holds while pictures come (None: none).
    packet_frames, gop_frames: at most. fuse_every: of so many pictures one is fused by the encoder.
    loss: decibels that a fused picture may lose. hysteresis: how far a keypoint must move before it
    is coded anew, in quantiser steps.
    """

    header: Header
    base: BaseChoice
    kbps: float | None
    refresh: Refresh
    packet_frames: int
    gop_frames: int
    fuse_every: int
    loss: float
    hysteresis: float
    ffmpeg: str | None


def _first_qp(config: EncoderConfig, pixels_per_second: float) -> int | None:
    """`qp_base` of the first GOP; None: what the configuration says."""
    if config.kbps is None or config.qp_base is not None:
        return None
    # the table's points have the usual cascade
    finer = round(fmean(CASCADE) - fmean(choose_base(config).cascade))
    return min(QP_MAX, max(0, point_for(config.kbps, pixels_per_second).qp_base + finer))


def make_plan(
    config: EncoderConfig,
    width: int,
    height: int,
    fps: Fraction,
    colour: Colour | None = None,
    network: ModelFile | None = None,
    frames: int | None = None,
    clock: int = 0,
) -> Plan:
    """Resolves all options. `network`: what serves them (none in mode `base`); `frames`: how many
    will come, if known. Raises `UsageError`."""
    if config.kbps is not None and config.mode != "animation":
        if config.base_encoder == "kvazaar":
            raise UsageError(
                f"--base-encoder kvazaar with {config.kbps:g} kbps while pictures come: use "
                "--base-encoder x265, or `encode`, which reads the whole source first"
            )
        config = replace(config, base_encoder="x265")
    base = choose_base(config, _first_qp(config, width * height * float(fps)))
    header = Header(
        Mode[config.mode.upper()],
        BaseCodec[base.codec.upper()],
        width,
        height,
        fps,
        base_scale=config.base_scale or 1,
        cascade=header_cascade(base.codec, base.cascade),
        colour=colour or Colour(),
        tune=Tune[config.tune.upper()],
        live=config.live,
        clock=clock,
        every=config.every,
    )
    hysteresis = HYSTERESIS
    if network is not None:
        if network.system and config.mode != "animation":
            raise UsageError(
                f"--model {network.name}: {network.system} takes no base pictures; use --mode "
                "animation"
            )
        header = replace(
            header,
            model=network.name,
            model_hash=network.digest,
            motion=motion_for(network, config.keypoints, config.motion_kbps is not None),
            number_format=network.number_format,
        )
        if config.mode == "hybrid" and not config.scalable:
            derives = network.derives_keypoints
            hysteresis = ANIMATION_HYSTERESIS if derives else HYBRID_HYSTERESIS
    header = check_header(header)
    check_base_size(*header.base_size, header.base_scale)
    gop = MAX_LIVE_GOP if config.live else GOP_MAX
    return Plan(
        header,
        base,
        config.kbps if config.mode != "animation" else None,
        config.refresh,
        packet_frames=header.packet_frames,
        gop_frames=min(gop, frames or gop),
        fuse_every=FUSE_EVERY if config.preset == "fast" else 1,
        loss=_LOSS[config.tune] if config.allow_loss is None else config.allow_loss,
        hysteresis=hysteresis,
        ffmpeg=config.ffmpeg,
    )
