"""Settings that suit the pictures: QPs that meet a bit rate, the base codec that takes less."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean
from typing import NamedTuple

from hdac.codec.config import DEFAULT_QP_BASE, EncoderConfig
from hdac.codec.operating import ENHANCEMENT_KBPS, point_for
from hdac.codec.plan import BaseChoice, choose_base, make_plan
from hdac.codec.syntax import BaseWriter, EnhancementWriter
from hdac.layers.base import QP_MAX
from hdac.layers.codecs import open_base
from hdac.layers.motion import quantise
from hdac.layers.reference import luma_mse, psnr_of
from hdac.layers.resample import downsample, pad_to
from hdac.video.picture import Picture

#: Frames that the searches look at.
SEARCH_FRAMES = 300
#: Decibels of PSNR-Y that e times the rate is worth: the slope of rate-distortion curves.
WORTH = 4.2
#: Frames that both base codecs of "auto" are tried on; libvvenc codes 2 to 10 a second. Up to this
#: QP nothing is tried.
CODEC_FRAMES = 64
SURELY_VVC = 31
#: Bytes of the container around one GOP.
_FRAMING = 45


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

    def code_base(self, config: EncoderConfig, choice: BaseChoice) -> BaseSize:
        """Codes the base layer, one GOP of all pictures, compressed as in a file."""
        alone = replace(config, mode="base", base_codec=choice.codec, kbps=None)  # type: ignore[arg-type]
        header = make_plan(alone, self.width, self.height, self.fps).header
        sources = [
            downsample(pad_to(p, 2 * header.base_scale), header.base_scale) for p in self.pictures
        ]
        base = open_base(choice.codec, choice.config(header), config.ffmpeg, len(sources))
        writer = BaseWriter(header)
        writer.start(choice.qp_intra, choice.qp_base)
        coded = [c for p in sources for c in base.push(p)] + base.flush()
        sizes = []
        for part in (coded[:1], coded[1:]):
            for picture in part:
                writer.add(picture.data)
            sizes.append(sum(len(p.framed()) for p in writer.take()))
        errors = (luma_mse(c.picture, s) for c, s in zip(coded, sources, strict=True))
        return BaseSize(sizes[0], sizes[1], fmean(map(psnr_of, errors)))

    def kbps(self, size: BaseSize) -> float:
        """Rate of a GOP of all pictures, with the container's bytes."""
        return self.rate(size.first + size.rest + _FRAMING)

    def rate(self, count: int) -> float:
        """kbps of so many bytes for all pictures."""
        return float(count * 8 * self.fps / len(self.pictures) / 1000)


def fit(
    config: EncoderConfig,
    pictures: Iterable[Picture],
    width: int,
    height: int,
    fps: Fraction,
    frames: int | None,
) -> tuple[EncoderConfig, Iterable[Picture]]:
    """Settings whose QPs meet the target rate on these pictures, and the pictures. With preset
    "slower" and tune "psnr" base codec "auto" becomes the one that takes less.

    Only the first `SEARCH_FRAMES` pictures are looked at (`CODEC_FRAMES` without a bit rate), and
    none where there is nothing to find. frames: how many there are, if known.
    """
    target = config.target_kbps
    tries = config.base_codec == "auto" and config.preset == "slower" and config.tune == "psnr"
    tries = tries and config.mode != "animation"
    if target is None and not (tries and choose_base(config).qp_base > SURELY_VVC):
        return config, pictures
    source, wanted = iter(pictures), CODEC_FRAMES if target is None else SEARCH_FRAMES
    first = list(itertools.islice(source, wanted))
    everything = itertools.chain(first, source)
    if not first:
        return config, everything
    total = frames or (SEARCH_FRAMES if len(first) == wanted else len(first))
    ahead = Ahead(first, total, width, height, fps)
    if target is not None and config.mode == "animation":
        return _fit_still(config, ahead, target), everything
    fitted = config if target is None else _fit_rate(config, ahead, target)
    if tries:
        before = choose_base(fitted).codec
        fitted = _with_best_codec(fitted, ahead)
        if target is not None and fitted.base_codec != before:
            fitted = _fit_rate(replace(config, base_codec=fitted.base_codec), ahead, target)
    return fitted, everything


# ---- bit rate


def _fit_rate(config: EncoderConfig, ahead: Ahead, target: float) -> EncoderConfig:
    """The table of operating points starts the search; the base layer of each candidate is
    measured, what motion and framing cost is added as a constant."""
    enhancement = 0.0 if config.mode == "base" else ENHANCEMENT_KBPS * float(ahead.fps) / 25

    def rate(choice: BaseChoice) -> float:
        return ahead.kbps(ahead.code_base(config, choice)) + enhancement

    start = point_for(target, ahead.width * ahead.height * float(ahead.fps)).qp_base
    best = choose_base(config, _search(lambda qp: rate(choose_base(config, qp)), target, start))
    intra = best.qp_intra
    if best.qp_base == QP_MAX and config.qp_intra is None:
        # very low rates: the first picture must give way too
        found = _search(lambda qp: rate(best._replace(qp_intra=qp)), target, intra)
        intra = max(intra, found)
    return replace(config, kbps=None, qp_base=best.qp_base, qp_intra=intra)


def _fit_still(config: EncoderConfig, ahead: Ahead, target: float) -> EncoderConfig:
    """Mode "animation": the reference takes what the keypoints leave."""
    choice = choose_base(config, DEFAULT_QP_BASE)
    alone = replace(ahead, pictures=ahead.pictures[:1], frames=1)
    seconds = float(ahead.frames / ahead.fps)
    moving = _motion_kbps(config, ahead)

    def rate(qp: int) -> float:
        still = alone.kbps(alone.code_base(config, choice._replace(qp_intra=qp)))
        return still / float(ahead.fps) / seconds + moving

    # a second reference would double the rate that was asked for
    refresh = "never" if config.refresh == "auto" else config.refresh
    return replace(config, kbps=None, qp_intra=_search(rate, target, 34), refresh=refresh)


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
    return min(known, key=lambda q: abs(math.log(known[q] / target)))


def _motion_kbps(config: EncoderConfig, ahead: Ahead) -> float:
    """Rate of the keypoints: 0.1 to 2 kbps, as many as they are and as much as the head moves."""
    from hdac.codec.synthesiser import Network, Synthesiser

    network = Network.serving(config.model, config.mode, config.tune)
    header = make_plan(config, ahead.width, ahead.height, ahead.fps, network=network).header
    assert header.motion is not None
    writer, last = EnhancementWriter(header.motion, switched=False), None
    with Synthesiser(network, header.motion, header.number_format, config.device) as synthesiser:
        multiple = 2 * header.base_scale
        for found in [synthesiser.analyse(pad_to(p, multiple)) for p in ahead.pictures]:
            last = quantise(found.result(), last)
            writer.add(last, True)
    return ahead.rate(sum(len(p.framed()) for p in writer.take()))


# ---- rate against quality


def _with_best_codec(config: EncoderConfig, ahead: Ahead) -> EncoderConfig:
    """Base codec "auto", by trial; the pictures after the first stand for all that follow."""
    if choose_base(config).qp_base <= SURELY_VVC:
        return replace(config, base_codec="vvc")
    few = replace(ahead, pictures=ahead.pictures[:CODEC_FRAMES])
    share = few.frames / len(few.pictures)

    def log_rate(candidate: EncoderConfig) -> float:
        return few.code_base(candidate, choose_base(candidate)).log_rate(share)

    candidates = [replace(config, base_codec=codec) for codec in ("mixed", "vvc")]  # type: ignore[arg-type]
    return min(candidates, key=log_rate)
