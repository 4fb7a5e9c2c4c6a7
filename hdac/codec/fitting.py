"""Settings that suit the pictures: QPs that meet a bit rate, the base codec that takes less."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import chain, repeat
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from hdac.bitstream.container import Packet
from hdac.codec.config import DEFAULT_QP_BASE, EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.operating import ENHANCEMENT_KBPS, HALF_FROM, HALF_SIDE, point_for
from hdac.codec.plan import BaseChoice, choose_base, make_plan
from hdac.codec.spool import Spool
from hdac.codec.syntax import BaseWriter, EnhancementWriter
from hdac.layers.base import GOP_MAX, QP_MAX
from hdac.layers.codecs import open_base
from hdac.layers.reference import quality
from hdac.layers.resample import pad_to, to_size
from hdac.motion.between import is_sent
from hdac.motion.keypoints import HYSTERESIS
from hdac.video.picture import Picture

if TYPE_CHECKING:
    from hdac.runtime.models import ModelFile

#: The search starts in stretches of a source that is longer than twice this.
SAMPLE_FRAMES, STRETCHES = 300, 5
#: Logarithm of what a QP step does to the rate; a rate within half a step is near enough.
_QP_STEP = math.log(1.12)
#: Steps by which the first picture's QP may leave its usual place to come nearer to a rate.
_FINE_STEPS = 4
#: Decibels of PSNR-Y that e times the rate is worth: the slope of rate-distortion curves.
WORTH = 4.2
#: Share of the rate that motion may take where the number of landmarks follows the rate.
MOTION_SHARE = 0.4
#: References of mode "animation" that QPs are tried on.
_REFERENCES = 8
#: Frames that base layers are tried on; libvvenc codes 2 to 10 a second.
TRIED_FRAMES = 64
#: Up to this QP no other base codec than VVC is tried.
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
class Source:
    """Pictures that can be coded more than once. width, height: of the frame; fps: frames per
    second."""

    pictures: Sequence[Picture]
    width: int
    height: int
    fps: Fraction

    def sample(self) -> Source:
        """Stretches from the whole source; a short one whole."""
        total, length = len(self.pictures), SAMPLE_FRAMES // STRETCHES
        if total <= 2 * SAMPLE_FRAMES:
            return self
        starts = [k * (total - length) // (STRETCHES - 1) for k in range(STRETCHES)]
        chosen = chain.from_iterable(self.pictures[start : start + length] for start in starts)
        return replace(self, pictures=list(chosen))

    def kbps(self, config: EncoderConfig, choice: BaseChoice) -> float:
        """Rate of the base layer, coded as it will be in the file: refreshes, framing."""
        chosen: dict[str, Any] = {
            "preset": choice.preset, "qp_base": choice.qp_base, "qp_intra": choice.qp_intra,
        }  # fmt: skip
        alone = replace(base_alone(config, choice), **chosen)
        size = self.width, self.height, self.fps
        with Encoder(*size, alone, frames=len(self.pictures)) as encoder:
            return self.rate(len(encoder.stream(self.pictures, repeat(None))))

    def code_base(self, config: EncoderConfig, choice: BaseChoice) -> BaseSize:
        """Codes the base layer, one GOP of all pictures, compressed as in a file."""
        header = make_plan(base_alone(config, choice), self.width, self.height, self.fps).header
        sources = [pad_to(p, 2 * header.base_scale) for p in self.pictures]
        settings = choice.config(header)
        base = open_base(choice.codec, settings, config.ffmpeg, len(sources))
        writer = BaseWriter(header)
        writer.start(choice.qp_intra, choice.qp_base)
        smaller = (to_size(p, *settings.size(index)) for index, p in enumerate(sources))
        coded = [c for p in smaller for c in base.push(p)] + base.flush()
        sizes = []
        for part in (coded[:1], coded[1:]):
            for picture in part:
                writer.add(picture.data)
            sizes.append(sum(len(p.framed()) for p in writer.take()))
        shown = (to_size(c.picture, *header.padded_size) for c in coded)
        psnr = fmean(map(quality, shown, sources))
        return BaseSize(sizes[0], sizes[1], psnr)

    def rate(self, count: int) -> float:
        """kbps of so many bytes for all pictures."""
        return float(count * 8 * self.fps / len(self.pictures) / 1000)


def base_alone(config: EncoderConfig, choice: BaseChoice) -> EncoderConfig:
    """The base layer of `config` without a network, by the encoders that code it there."""
    chosen: dict[str, Any] = {"base_codec": choice.codec, "base_encoder": choice.encoder}
    return replace(config, mode="base", kbps=None, every=1, **chosen)


def fit(
    config: EncoderConfig, pictures: Iterable[Picture], width: int, height: int, fps: Fraction
) -> tuple[EncoderConfig, Iterable[Picture]]:
    """Settings whose QPs meet the target rate on these pictures, and the pictures. With preset
    "slower" and tune "psnr" base codec "auto" becomes the one that takes less.

    All pictures are read first, none where there is nothing to find.
    """
    target = config.target_kbps
    tries = config.base_codec == "auto" and config.preset == "slower" and config.tune == "psnr"
    tries = tries and config.mode != "animation" and config.base_scale in (None, 1)
    if target is None and not (tries and choose_base(config).qp_base > SURELY_VVC):
        return config, pictures
    source = Source(Spool(pictures), width, height, fps)
    if not source.pictures:
        return config, []
    if target is not None and config.mode == "animation":
        return _fit_still(config, source, target), source.pictures
    fitted = config if target is None else _fit_rate(config, source, target)
    if tries:
        before = choose_base(fitted).codec
        fitted = _with_best_codec(fitted, source)
        if target is not None and fitted.base_codec != before:
            fitted = _fit_rate(replace(config, base_codec=fitted.base_codec), source, target)
    if target is not None and _may_be_half(fitted, source):
        smaller = _fit_rate(replace(config, base_scale=2), source, target)
        fitted = _better([fitted, smaller], source)
    return fitted, source.pictures


# ---- bit rate


def _fit_rate(config: EncoderConfig, source: Source, target: float) -> EncoderConfig:
    """The table of operating points starts the search, which codes the base layer of each
    candidate; what motion and switch flags cost is added as a constant."""
    enhancement = 0.0 if config.mode == "base" else ENHANCEMENT_KBPS * float(source.fps) / 25

    def search(part: Source, start: int) -> tuple[int, Callable[[BaseChoice], float]]:
        rate = cache(lambda choice: part.kbps(config, choice) + enhancement)
        return _search(lambda qp: rate(choose_base(config, qp)), target, start), rate

    sample = source.sample()
    start = point_for(target, source.width * source.height * float(source.fps)).qp_base
    if sample is not source:
        start, _ = search(sample, start)
    qp_base, rate = search(source, start)
    best = choose_base(config, qp_base)
    intra, miss = best.qp_intra, math.log(rate(best) / target)
    if config.qp_intra is None and abs(miss) > _QP_STEP / 2:
        # between two values of qp_base, and below the last one, the first picture gives way
        high = QP_MAX if qp_base == QP_MAX else min(QP_MAX, intra + _FINE_STEPS)
        low, high = (intra, high) if miss > 0 else (max(0, intra - _FINE_STEPS), intra)
        intra = _search(lambda qp: rate(best._replace(qp_intra=qp)), target, intra, low, high)
    return replace(config, kbps=None, qp_base=best.qp_base, qp_intra=intra)


def _fit_still(config: EncoderConfig, source: Source, target: float) -> EncoderConfig:
    """Mode "animation": the references take what the motion leaves."""
    # a second reference would double the rate that was asked for
    config = replace(config, refresh="never") if config.refresh == "auto" else config
    choice = choose_base(config, DEFAULT_QP_BASE)
    frames, gop = len(source.pictures), _gop_frames(config, source)
    references = -(-frames // gop)
    stills = replace(source, pictures=source.pictures[:: gop * -(-references // _REFERENCES)])
    config, moving = fit_motion(config, source, target)

    def rate(qp: int) -> float:
        at = choice._replace(qp_intra=qp, qp_base=qp)
        one = stills.kbps(replace(config, refresh=1), at)
        return one * references / frames + moving

    return replace(config, kbps=None, qp_intra=_search(rate, target, 34))


def _gop_frames(config: EncoderConfig, source: Source) -> int:
    """Frames from one reference of mode "animation" to the next, where a rate is asked for."""
    period = config.refresh if isinstance(config.refresh, int) else GOP_MAX
    return min(period, GOP_MAX, len(source.pictures))


def _search(
    rate: Callable[[int], float], target: float, start: int, low: int = 0, high: int = QP_MAX
) -> int:
    """The QP in `low` .. `high` whose rate is nearest to `target` (in ratio), or within half a
    step of it; the rate falls with the QP."""
    known: dict[int, float] = {}
    qp = min(high, max(low, start))
    while qp not in known:
        known[qp] = rate(qp)
        miss = math.log(known[qp] / target)
        if abs(miss) <= _QP_STEP / 2:
            return qp
        above = [q for q in known if known[q] > target]
        below = [q for q in known if known[q] <= target]
        low, high = max([low, *(q + 1 for q in above)]), min([high, *(q - 1 for q in below)])
        if low > high:
            break
        step = round(miss / _QP_STEP) or (1 if miss > 0 else -1)
        qp = min(high, max(low, qp + step))
    return min(known, key=lambda q: abs(math.log(known[q] / target)))


def fit_motion(config: EncoderConfig, source: Source, target: float) -> tuple[EncoderConfig, float]:
    """The most landmarks whose rate is at most `MOTION_SHARE` of the target, else the fewest, where
    the network takes several numbers of them and none was asked for (later references begin with
    as many as fit then); and the rate of what is sent in place of pixels."""
    from hdac.codec.synthesiser import network_for

    network = network_for(config.network, config.mode, config.tune, config.precision, config.device)
    counts = network.landmark_counts
    if config.keypoints is not None or len(counts) < 2:
        (kbps,) = motion_kbps(config, network, source)
        return config, kbps
    most = MOTION_SHARE * target
    follows = replace(config, motion_kbps=most)
    rates = dict(zip(counts, motion_kbps(follows, network, source, counts), strict=True))
    number = max((n for n in counts if rates[n] <= most), default=counts[0])
    several = _gop_frames(config, source) < len(source.pictures)
    return replace(follows if several else config, keypoints=number), rates[number]


def motion_kbps(
    config: EncoderConfig, network: ModelFile, source: Source, numbers: Sequence[int] = ()
) -> list[float]:
    """Rate of what is sent in place of pixels: of keypoints 0.1 to 2 kbps, as many as they are and
    as much as the head moves, more where there are many references. Of each of these `numbers` of
    landmarks, where their number may change."""
    from hdac.codec.synthesiser import Synthesiser

    header = make_plan(config, source.width, source.height, source.fps, network=network).header
    assert header.motion is not None
    gop, count = _gop_frames(config, source), len(source.pictures)
    with Synthesiser(network, header.motion, config.device, fps=float(header.fps)) as synthesiser:
        padded = (pad_to(picture, 2 * header.base_scale) for picture in source.pictures)
        found = [synthesiser.analyse(picture).result().found for picture in padded]

        def rate() -> float:
            writer, last, packets = EnhancementWriter(header), None, list[Packet]()
            for index, one in enumerate(found):
                if index and index % gop == 0:
                    packets += writer.take()
                    writer.start()
                    last = None
                frames = min(gop, count - index + index % gop)
                if is_sent(index % gop, frames, True, config.every):
                    last = synthesiser.quantise(one, last, HYSTERESIS)
                    writer.add(last, True)
            return source.rate(sum(len(p.framed()) for p in packets + writer.take()))

        if not numbers:
            return [rate()]
        rates = []
        for number in numbers:
            synthesiser.send(number)
            rates.append(rate())
        return rates


# ---- rate against quality


def _with_best_codec(config: EncoderConfig, source: Source) -> EncoderConfig:
    """Base codec "auto", by trial."""
    if choose_base(config).qp_base <= SURELY_VVC:
        return replace(config, base_codec="vvc")
    return _better([replace(config, base_codec=codec) for codec in ("mixed", "vvc")], source)  # type: ignore[arg-type]


def _may_be_half(config: EncoderConfig, source: Source) -> bool:
    """Whether a base layer of half the size may be better than this one of full size."""
    if config.base_scale is not None or min(source.width, source.height) < HALF_SIDE:
        return False
    at_half = choose_base(replace(config, base_scale=2))
    return at_half.codec == "mixed" and choose_base(config).qp_base >= HALF_FROM


def _better(candidates: list[EncoderConfig], source: Source) -> EncoderConfig:
    """The one that would take less at the same quality, by trial; the pictures after the first
    stand for all that follow."""
    few = replace(source, pictures=source.pictures[:TRIED_FRAMES])
    share = len(source.pictures) / len(few.pictures)

    def log_rate(candidate: EncoderConfig) -> float:
        return few.code_base(candidate, choose_base(candidate)).log_rate(share)

    return min(candidates, key=log_rate)
