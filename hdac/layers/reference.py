"""Refresh policy: when a GOP ends and a new reference picture is worth its bits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hdac.errors import UsageError
from hdac.layers.base import GOP_MAX
from hdac.video.fidelity import luma_mse, plane_mse, psnr
from hdac.video.picture import Picture

Refresh = Literal["auto", "never", "drift"] | int
_WORDS = ("auto", "never", "drift")

#: Frames between two refreshes, at least.
_MINIMUM = 24
#: Change between successive pictures from which on they belong to different scenes, provided that
#: it is also `_JUMP` times the recent mean.
CUT, _JUMP = 400.0, 6.0
#: What a change of chroma counts beside one of luma: on `val` it is 10 at most between pictures.
_CHROMA = 4.0
#: Pictures that a flash lasts at most: what is gone after so many is no new scene.
FLASH = 3
#: A picture is another one under other light if a linear function of that one's luma leaves no more
#: than this share of its variance, or this variance (scene cuts on `val`: 0.63 and up).
_RELIT, _FLAT = 0.35, 100.0
#: dB of PSNR-Y below the GOP's mean before the rate-distortion rule is asked at all: smaller drops
#: are the content's, not the reference's.
_DROP = 3.0
#: dB of PSNR-Y times frames that animated pictures lose to those of a GOP's first `_MINIMUM` frames
#: before a new reference is sent (chosen on `val`: docs/measured/nets.md).
_LOST = 100.0
_NO_ERROR = 0.01  # a mean squared error that is as good as none
_SLOPE = 3.2  # dB of PSNR-Y for a doubling of the rate
_MARGIN = 3.0  # how many times its price a refresh must promise


def check_refresh(refresh: Refresh) -> None:
    """Raises `UsageError`."""
    known = 1 <= refresh <= GOP_MAX if isinstance(refresh, int) else refresh in _WORDS
    if not known or isinstance(refresh, bool):
        raise UsageError(
            f"--refresh {refresh}; allowed are auto, never, drift or a period of 1 to {GOP_MAX} "
            "frames"
        )


def change(a: Picture, b: Picture) -> float:
    """How much changes between two pictures: mean squared error of luma, or of chroma if that is
    the larger one (a lamp that changes colour)."""
    chroma = (plane_mse(a.u, b.u) + plane_mse(a.v, b.v)) / 2
    return max(luma_mse(a, b), _CHROMA * chroma)


def relit(a: Picture, b: Picture) -> bool:
    """Whether `b` may be `a` under other light, or is flat: a flash, rather than a scene cut."""
    variance, other = np.var(a.y), float(np.var(b.y))
    shared = float(np.mean((a.y - np.mean(a.y)) * (b.y - np.mean(b.y))))
    left = other - shared**2 / max(float(variance), 1.0)
    return left < max(_RELIT * other, _FLAT)


def quality(base: Picture, source: Picture) -> float:
    """PSNR-Y in dB for decisions: beyond 68 dB nothing is gained."""
    return psnr(max(luma_mse(base, source), _NO_ERROR))


class Drift:
    """Whether the animated pictures of a GOP have become too far from their sources (Agarwal et
    al., BMVC 2022, choose their pivot frames by it): what they lost to those of its first frames,
    summed up, is worth a new reference. A loss that passes costs little, one that lasts ends the
    GOP. every: frames from one that is judged to the next."""

    def __init__(self, every: int = 1) -> None:
        self._fresh: list[float] = []
        self._every, self._lost = every, 0.0

    def asks(self, psnr_y: float) -> bool:
        """Told of one picture after the other."""
        if self._every * len(self._fresh) < _MINIMUM:
            self._fresh.append(psnr_y)
            return False
        self._lost += self._every * max(0.0, float(np.mean(self._fresh)) - psnr_y)
        return self._lost > _LOST


@dataclass
class RefreshPolicy:
    """Asked before each frame (`wants`), told of each base picture (`report`), which is known
    before the next frame comes, or a fixed number of frames later: fused pictures may be late, by
    as much as there are cores.

    refresh: "auto" (scene cut, rate-distortion rule, and what `wants` is told), "drift" (the same),
    "never", or a period in frames; gop_max: frames of a GOP at most; gop_min: frames of a GOP that
    ends by request, at least.
    """

    refresh: Refresh = "auto"
    gop_max: int = GOP_MAX
    gop_min: int = 1
    _requested: bool = False
    _recent: deque[Picture] = field(default_factory=lambda: deque(maxlen=FLASH + 1))
    _before: Picture | None = None  # the picture before a change that may be a flash
    _waited: int = 0  # frames since that change
    _changes: list[float] = field(default_factory=list)  # of the last 25 frames
    _since: int = 0  # frames since the last refresh
    _quality: list[float] = field(default_factory=list)  # PSNR-Y of this GOP's base pictures
    _bits: list[int] = field(default_factory=list)  # of this GOP's base pictures

    def wants(
        self,
        source: Picture,
        following: Sequence[Picture] = (),
        outdated: Callable[[], bool] | None = None,
    ) -> bool:
        """Whether `source` starts a new GOP. `following`: the next pictures, if they are known,
        up to `FLASH`: they tell a flash from a scene cut at once. `outdated`: whether the
        reference is of no use for `source`."""
        wanted = self._decide(source, following)
        if self.refresh in ("auto", "drift") and outdated is not None and not wanted:
            wanted = outdated() and self._since >= _MINIMUM
        self._requested = self._requested and not wanted
        self._recent.append(source)
        self._since = 1 if wanted else self._since + 1
        return wanted

    def request(self) -> None:
        """Somebody who lost packets needs a GOP: the next picture starts one, `gop_min` pictures
        after the last start at the earliest."""
        self._requested = True

    def start(self) -> None:
        """A GOP starts: all base pictures of the one before were reported."""
        self._quality, self._bits = [], []

    def _decide(self, source: Picture, following: Sequence[Picture]) -> bool:
        if not self._recent or self._since >= self.gop_max:
            return True
        if self._requested and self._since >= self.gop_min:
            return True
        if isinstance(self.refresh, int):
            return self._since >= self.refresh
        if self.refresh == "never":
            return False
        changed = change(self._recent[-1], source)
        usual = float(np.mean(self._changes)) if self._changes else 0.0
        self._changes = [*self._changes[-24:], changed]
        if self._before is not None:
            return self._after_flash(source, self._before)
        if self._since < _MINIMUM:
            return False
        jumped = changed > CUT and changed > _JUMP * max(usual, 1.0)
        return (jumped and self._is_cut(source, following, changed)) or self._pays()

    def _is_cut(self, source: Picture, following: Sequence[Picture], changed: float) -> bool:
        """Whether a picture that differs from the last one shows another scene."""
        *earlier, last = self._recent
        alike = max(CUT, changed / 4)
        if any(change(picture, source) <= alike for picture in earlier):
            return False  # a flash has ended
        if following:
            return all(change(last, picture) > alike for picture in following)
        self._before, self._waited = last, 0
        return not relit(last, source)

    def _after_flash(self, source: Picture, before: Picture) -> bool:
        """Whether a GOP starts after a change of which nothing was known: where it was a flash and
        started a GOP, that one is no use; where it had the look of a flash and stays, it was none.
        """
        self._waited += 1
        started = self._since < _MINIMUM
        ended = change(before, source) <= max(CUT, change(before, self._recent[-1]) / 4)
        if ended or self._waited == FLASH:
            self._before = None
        return ended if started else self._waited == FLASH and not ended

    def _pays(self) -> bool:
        """Rate-distortion rule: a GOP like the present one, started now, would on average be better
        than what is shown now by more than what its intra picture costs, spread over as many frames
        (the expected remaining distance)."""
        inter = sum(self._bits[1:])
        if len(self._quality) < 17:  # or mode `animation`, or VVC, which codes a GOP at its end
            return False
        lost = float(np.mean(self._quality) - np.mean(self._quality[-8:]))
        price = float(np.log2(1 + self._bits[0] / inter))
        return lost >= _DROP and lost > _MARGIN * _SLOPE * price

    def report(self, psnr_y: float, bits: int) -> None:
        """Quality and size of the GOP's next base picture."""
        self._quality.append(psnr_y)
        self._bits.append(bits)
