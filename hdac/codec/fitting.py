"""Settings that suit the pictures: QPs that meet a bit rate, and the QP of the first picture that pays most."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean
from typing import NamedTuple

from hdac.codec.config import DEFAULT_QP_BASE, EncoderConfig
from hdac.codec.encoder import padding_multiple
from hdac.codec.fuser import Fuser
from hdac.codec.operating import ENHANCEMENT_KBPS, point_for
from hdac.codec.syntax import BaseWriter, EnhancementWriter
from hdac.layers.base import QP_MAX, BaseConfig
from hdac.layers.codecs import open_base, told_cascade
from hdac.layers.quantiser import LEVELS, quantise
from hdac.layers.reference import luma_mse, psnr_of
from hdac.layers.resample import pad_to, shrink
from hdac.nets.arithmetic import pick_device
from hdac.nets.zoo import find_model, load_model
from hdac.video.picture import Picture

#: Frames that the searches look at.
SEARCH_FRAMES = 300
#: Decibels of PSNR-Y that e times the rate is worth: the slope of rate-distortion curves (3.5 to 4.7 on four val clips, qp_base 33 to 51).
WORTH = 4.2
#: QPs between two tries of the first picture, and how many there are at most to each side.
REFERENCE_STEP, REFERENCE_TRIES = 3, 4


class _BaseSize(NamedTuple):
    """What one GOP of a base layer takes, and its mean PSNR-Y."""

    first: int  # bytes of the first picture
    rest: int  # bytes of the others
    psnr: float  # of all


@dataclass(frozen=True)
class Ahead:
    """The first pictures of a source, and how many it has in all. width, height: of the frame; fps: frames per second."""

    pictures: list[Picture]
    frames: int
    width: int
    height: int
    fps: Fraction

    def base(self, config: EncoderConfig, qp_ref: int, qp_base: int) -> _BaseSize:
        """The base layer of one GOP of all pictures, thinned."""
        multiple, scale = padding_multiple(config.base_scale), config.base_scale
        width, height = ((side + -side % multiple) // scale for side in (self.width, self.height))
        codec = config.codec_for(qp_base)
        sources = [shrink(pad_to(p, multiple), scale) for p in self.pictures[:: config.frame_step]]
        base = open_base(
            codec, BaseConfig(width, height, self.fps, qp_ref, qp_base, config.offsets, config.preset), config.ffmpeg, len(sources)
        )
        writer = BaseWriter(codec, len(told_cascade(codec, config.offsets)))
        writer.start(qp_ref, qp_base)
        coded = [c for p in sources for c in base.push(p)] + base.flush()
        first = 0
        for index, picture in enumerate(coded):
            writer.add(picture.data)
            if index == 0:
                first = sum(len(p.tobytes()) for p in writer.take())
        rest = sum(len(p.tobytes()) for p in writer.take())
        quality = fmean(psnr_of(luma_mse(c.picture, s)) for c, s in zip(coded, sources, strict=True))
        return _BaseSize(first, rest, quality)


def fit(
    config: EncoderConfig, pictures: Iterable[Picture], width: int, height: int, fps: Fraction, frames: int | None
) -> tuple[EncoderConfig, Iterable[Picture]]:
    """Settings whose QPs meet `config.kbps` on these pictures and, with preset "slower", whose first picture has the QP that pays most;
    and the pictures. Only the first `SEARCH_FRAMES` of them are looked at, and none where there is nothing to find.

    frames: how many pictures there are, if known.
    """
    target = config.animation_kbps if config.mode == "animation" else config.kbps
    balanced = config.preset == "slower" and config.tune == "psnr" and config.mode != "animation" and config.qp_ref is None
    if target is None and not balanced:
        return config, pictures
    source = iter(pictures)
    first = list(itertools.islice(source, SEARCH_FRAMES))
    everything = itertools.chain(first, source)
    ahead = Ahead(first, frames or len(first), width, height, fps)
    if not first:
        return config, everything
    if target is not None:
        config = _fit_still(config, ahead, target) if config.mode == "animation" else _fit_rate(config, ahead, target)
    if balanced and (target is None or config.qps()[1] < QP_MAX):  # at very low rates the first picture has given way
        config = replace(config, qp_ref=_best_reference(config, ahead))
        config = _fit_rate(config, ahead, target) if target is not None else config
    return config, everything


# ---- bit rate


def _fit_rate(config: EncoderConfig, ahead: Ahead, target: float) -> EncoderConfig:
    """The table of operating points starts the search; the thinned base layer of each candidate is measured, what motion and framing
    cost is added as a constant."""
    enhancement = 0.0 if config.mode == "base" else ENHANCEMENT_KBPS * float(ahead.fps) / 25

    def rate(qp_ref: int, qp_base: int) -> float:
        return _kbps(ahead.base(config, qp_ref, qp_base), ahead) + enhancement

    start = point_for(target, ahead.width * ahead.height * float(ahead.fps)).qp_base
    best = _search(lambda qp: rate(config.ref_for(qp), qp), target, start)
    ref = config.ref_for(best)
    if best == QP_MAX and config.qp_ref is None:  # very low rates: the first picture must give way too
        ref = max(ref, _search(lambda qp: rate(qp, QP_MAX), target, ref))
    return replace(config, kbps=None, qp_base=best, qp_ref=ref)


def _fit_still(config: EncoderConfig, ahead: Ahead, target: float) -> EncoderConfig:
    """Mode "animation": the reference takes what the keypoints leave."""
    single = replace(config, frame_step=1, mode="base", base_codec=config.codec)
    alone = replace(ahead, pictures=ahead.pictures[:1], frames=1)
    seconds = float(ahead.frames / ahead.fps)
    moving = _motion_kbps(config, ahead)
    qp = _search(lambda qp: _kbps(alone.base(single, qp, DEFAULT_QP_BASE), alone) / float(ahead.fps) / seconds + moving, target, 34)
    # a second reference would double the rate that was asked for
    refresh = "never" if config.refresh == "auto" else config.refresh
    return replace(config, kbps=None, qp_ref=qp, refresh=refresh)


def _kbps(size: _BaseSize, ahead: Ahead) -> float:
    """Rate of a GOP of all pictures, with the container's bytes."""
    return float((size.first + size.rest + 45) * 8 * ahead.fps / len(ahead.pictures) / 1000)


def _search(rate: Callable[[int], float], target: float, start: int) -> int:
    """The QP in 0 .. 51 whose rate is nearest to `target` (in ratio); the rate falls with the QP by about 12 % a step."""
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
    """Rate of the keypoints: 0.2 to 1 kbps, as much as the head moves."""
    fuser = Fuser(load_model(find_model(config.weights)), pick_device(config.device), bf16=False, keypoints=config.keypoints)
    found = [fuser.keypoints(pad_to(p, padding_multiple(config.base_scale))) for p in ahead.pictures]
    writer, last = EnhancementWriter(fuser.count, LEVELS, switched=False), None
    for future in found:
        last = quantise(future.result(), last)
        writer.add(last, True)
    size = sum(len(p.tobytes()) for p in writer.take())
    return float(size * 8 * ahead.fps / len(ahead.pictures) / 1000)


# ---- the first picture


def _best_reference(config: EncoderConfig, ahead: Ahead) -> int:
    """The `qp_ref` at which the rate and the PSNR-Y of the base layer are balanced best.

    Where much stays as it was in the first picture, more bits for it are worth more. What is tried is always HEVC, as fast as it goes:
    a GOP of all pictures, at the usual QP and at coarser and finer ones while they are better. The pictures after the first stand for
    all that follow.
    """
    trial = replace(config, base_codec="hevc", preset="fast")
    qp_base = config.qps()[1]
    share = ahead.frames / len(ahead.pictures)
    known: dict[int, float] = {}

    def cost(qp_ref: int) -> float:
        if qp_ref not in known:
            size = ahead.base(trial, qp_ref, qp_base)
            known[qp_ref] = math.log(size.first + share * size.rest) - size.psnr / WORTH
        return known[qp_ref]

    best = config.ref_for(qp_base)
    for step in (-REFERENCE_STEP, REFERENCE_STEP):
        for _ in range(REFERENCE_TRIES):
            tried = min(QP_MAX, max(0, best + step))
            if cost(tried) >= cost(best):
                break
            best = tried
    return best
