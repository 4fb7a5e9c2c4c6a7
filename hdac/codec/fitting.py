"""Settings that suit the pictures: QPs that meet a bit rate, the base codec that takes less."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean
from typing import NamedTuple

from hdac.codec.config import DEFAULT_QP_BASE, Codec, EncoderConfig
from hdac.codec.encoder import padding_multiple
from hdac.codec.fuser import Fuser
from hdac.codec.operating import ENHANCEMENT_KBPS, STEPPED_KBPS, point_for
from hdac.codec.syntax import BaseWriter, EnhancementWriter, scaled_size
from hdac.layers.base import QP_MAX, BaseConfig
from hdac.layers.codecs import open_base, header_cascade
from hdac.layers.quantiser import LEVELS, quantise
from hdac.layers.reference import luma_mse, psnr_of
from hdac.layers.resample import pad_to, shrink
from hdac.nets.arithmetic import pick_device
from hdac.nets.zoo import find_model, load_model
from hdac.video.picture import Picture

#: Frames that the searches look at.
SEARCH_FRAMES = 300
#: Decibels of PSNR-Y that e times the rate is worth: the slope of rate-distortion curves (3.5 to
#: 4.7 on four val clips, qp_base 33 to 51).
WORTH = 4.2
#: Frames that both base codecs of "auto" are tried on; libvvenc codes 2 to 10 a second. Up to this
#: QP nothing is tried.
CODEC_FRAMES = 64
SURELY_VVC = 31


class BaseSize(NamedTuple):
    """What one GOP of a base layer takes, and its mean PSNR-Y."""

    first: int  # bytes of the first picture
    rest: int  # bytes of the others
    psnr: float  # of all

    def log_rate(self, share: float = 1.0) -> float:
        """The logarithm of the size, had it the same PSNR-Y; `share`: how many pictures each of
        `rest` stands for."""
        return math.log(self.first + share * self.rest) - self.psnr / WORTH


@dataclass(frozen=True)
class Ahead:
    """The first pictures of a source, and how many it has in all. width, height: of the frame; fps:
    frames per second."""

    pictures: list[Picture]
    frames: int
    width: int
    height: int
    fps: Fraction

    def code_base(self, config: EncoderConfig, qp_intra: int, qp_base: int) -> BaseSize:
        """Codes the base layer, one GOP of all pictures, thinned."""
        scale, codec = config.base_scale, config.codec_for(qp_base)
        sources = [
            shrink(pad_to(p, padding_multiple(scale)), scale)
            for p in self.pictures[:: config.frame_step]
        ]
        size = scaled_size(self.width, self.height, scale)
        settings = BaseConfig(*size, self.fps, qp_intra, qp_base, config.offsets, config.effort)
        base = open_base(codec, settings, config.ffmpeg, len(sources))
        writer = BaseWriter(codec, len(header_cascade(codec, config.offsets)), size)
        writer.start(qp_intra, qp_base)
        coded = [c for p in sources for c in base.push(p)] + base.flush()
        first = 0
        for index, picture in enumerate(coded):
            writer.add(picture.data)
            if index == 0:
                first = sum(len(p.tobytes()) for p in writer.take())
        rest = sum(len(p.tobytes()) for p in writer.take())
        quality = fmean(
            psnr_of(luma_mse(c.picture, s)) for c, s in zip(coded, sources, strict=True)
        )
        return BaseSize(first, rest, quality)


def fit(
    config: EncoderConfig,
    pictures: Iterable[Picture],
    width: int,
    height: int,
    fps: Fraction,
    frames: int | None,
) -> tuple[EncoderConfig, Iterable[Picture]]:
    """Settings whose QPs meet `config.kbps` on these pictures, and the pictures. With preset
    "slower" and tune "psnr" base codec "auto" becomes the one that takes less.

    Only the first `SEARCH_FRAMES` pictures are looked at (`CODEC_FRAMES` without a bit rate), and
    none where there is nothing to find.
    frames: how many there are, if known.
    """
    target = config.animation_kbps if config.mode == "animation" else config.kbps
    tried = (
        config.base_codec == "auto"
        and config.preset == "slower"
        and config.tune == "psnr"
        and config.mode != "animation"
    )
    if target is None and not (tried and config.qps()[1] > SURELY_VVC):
        return config, pictures
    source, wanted = iter(pictures), CODEC_FRAMES if target is None else SEARCH_FRAMES
    first = list(itertools.islice(source, wanted))
    everything = itertools.chain(first, source)
    if not first:
        return config, everything
    ahead = Ahead(
        first, frames or (SEARCH_FRAMES if len(first) == wanted else len(first)), width, height, fps
    )
    if target is not None and config.mode == "animation":
        return _fit_still(config, ahead, target), everything
    fitted = _fit_rate(config, ahead, target) if target is not None else config
    if tried:
        codec = _best_codec(fitted, ahead)
        if target is not None and codec != fitted.codec:
            fitted = _fit_rate(replace(config, base_codec=codec), ahead, target)
        fitted = replace(fitted, base_codec=codec)
    return fitted, everything


# ---- bit rate


def _fit_rate(config: EncoderConfig, ahead: Ahead, target: float) -> EncoderConfig:
    """The table of operating points starts the search; the thinned base layer of each candidate is
    measured, what motion and framing cost is added as a constant."""
    usual = ENHANCEMENT_KBPS if config.frame_step == 1 else STEPPED_KBPS
    enhancement = 0.0 if config.mode == "base" else usual * float(ahead.fps) / 25

    def rate(qp_intra: int, qp_base: int) -> float:
        return _kbps(ahead.code_base(config, qp_intra, qp_base), ahead) + enhancement

    start = point_for(target, ahead.width * ahead.height * float(ahead.fps)).qp_base
    best = _search(lambda qp: rate(config.ref_for(qp), qp), target, start)
    ref = config.ref_for(best)
    if (
        best == QP_MAX and config.qp_intra is None
    ):  # very low rates: the first picture must give way too
        ref = max(ref, _search(lambda qp: rate(qp, QP_MAX), target, ref))
    return replace(config, kbps=None, qp_base=best, qp_intra=ref)


def _fit_still(config: EncoderConfig, ahead: Ahead, target: float) -> EncoderConfig:
    """Mode "animation": the reference takes what the keypoints leave."""
    single = replace(config, frame_step=1, mode="base", base_codec=config.codec)
    alone = replace(ahead, pictures=ahead.pictures[:1], frames=1)
    seconds = float(ahead.frames / ahead.fps)
    moving = _motion_kbps(config, ahead)
    qp = _search(
        lambda qp: (
            _kbps(alone.code_base(single, qp, DEFAULT_QP_BASE), alone) / float(ahead.fps) / seconds
            + moving
        ),
        target,
        34,
    )
    # a second reference would double the rate that was asked for
    refresh = "never" if config.refresh == "auto" else config.refresh
    return replace(config, kbps=None, qp_intra=qp, refresh=refresh)


def _kbps(size: BaseSize, ahead: Ahead) -> float:
    """Rate of a GOP of all pictures, with the container's bytes."""
    return float((size.first + size.rest + 45) * 8 * ahead.fps / len(ahead.pictures) / 1000)


def _search(rate: Callable[[int], float], target: float, start: int) -> int:
    """The QP in 0 .. 51 whose rate is nearest to `target` (in ratio); the rate falls with the QP by
    about 12 % a step."""
    known: dict[int, float] = {}
    qp = min(QP_MAX, max(0, start))
    while qp not in known:
        known[qp] = rate(qp)
        step = round(math.log(known[qp] / target) / math.log(1.12))
        above = [q for q in known if known[q] > target]
        below = [q for q in known if known[q] <= target]
        low, high = max(above, default=-1) + 1, min(below, default=QP_MAX + 1) - 1
        if low > high:
            break
        qp = min(high, max(low, qp + (step or (1 if known[qp] > target else -1))))
        qp = min(QP_MAX, max(0, qp))
    return min(known, key=lambda q: abs(math.log(known[q] / target)))


def _motion_kbps(config: EncoderConfig, ahead: Ahead) -> float:
    """Rate of the keypoints: 0.1 to 2 kbps, as many as they are and as much as the head moves."""
    fuser = Fuser(
        load_model(find_model(config.weights)),
        pick_device(config.device),
        bf16=False,
        keypoints=config.keypoints,
    )
    found = [
        fuser.keypoints(pad_to(p, padding_multiple(config.base_scale))) for p in ahead.pictures
    ]
    writer, last = EnhancementWriter(fuser.count, LEVELS, switched=False), None
    for future in found:
        last = quantise(future.result(), last)
        writer.add(last, True)
    size = sum(len(p.tobytes()) for p in writer.take())
    return float(size * 8 * ahead.fps / len(ahead.pictures) / 1000)


# ---- rate against quality


def _log_rate(config: EncoderConfig, ahead: Ahead, qp_intra: int, qp_base: int) -> float:
    """`BaseSize.log_rate` of the base layer; the pictures after the first stand for all that
    follow."""
    return ahead.code_base(config, qp_intra, qp_base).log_rate(ahead.frames / len(ahead.pictures))


def _best_codec(config: EncoderConfig, ahead: Ahead) -> Codec:
    """Base codec "auto", by trial. What VVC needs against "mixed" on four val clips (preset
    "slower", 64 pictures), at `qp_base` 34: -8, -23, -1 and -16 %; at 40: 0, -16, +8 and -9 %; at
    46: +13, -12, +1 and -2 %; at 51: +15, -12, 0 and +10 %."""
    qp_intra, qp_base = config.qps()
    if qp_base <= SURELY_VVC:
        return "vvc"
    few = replace(ahead, pictures=ahead.pictures[:CODEC_FRAMES])
    codecs: tuple[Codec, Codec] = ("mixed", "vvc")
    return min(
        codecs,
        key=lambda codec: _log_rate(replace(config, base_codec=codec), few, qp_intra, qp_base),
    )
