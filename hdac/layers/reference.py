"""Refresh policy: when a GOP ends and a new reference picture is worth its bits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from skvideo.measure import mse

from hdac.errors import UsageError
from hdac.layers.base import GOP_MAX
from hdac.video.picture import Picture

Refresh = Literal["auto", "never"] | int


@dataclass(frozen=True)
class RefreshConfig:
    """`refresh`: "auto" (scene cut and rate-distortion rule), "never", or a period in frames.

    `minimum` frames lie between two refreshes; `cut` is the luma MSE between successive source
    pictures from which on they belong to different scenes (provided that it is also `jump` times
    the recent mean).
    """

    refresh: Refresh = "auto"
    minimum: int = 24
    cut: float = 400.0
    jump: float = 6.0
    #: dB of PSNR-Y below the GOP's mean before the rate-distortion rule is asked at all. With 1 dB
    #: two of seven val clips were refreshed and paid 10 and 33 % of rate for 0.13 and 0.16 dB: what
    #: had changed was the content, not the reference's worth.
    drop: float = 3.0
    slope: float = 3.2  # dB of PSNR-Y for a doubling of the rate (val clips, 10 to 27 kbps)
    # how many times its price a refresh must promise: on val it kept about a third of its promise
    margin: float = 3.0

    def __post_init__(self) -> None:
        if isinstance(self.refresh, int) and not 1 <= self.refresh <= GOP_MAX:
            raise UsageError(
                f"--refresh {self.refresh}; allowed are auto, never or a period of 1 to {GOP_MAX} frames"
            )


def luma_mse(a: Picture, b: Picture) -> float:
    """Mean squared error of luma code values (scikit-video's `measure.mse`)."""
    return float(mse(a.y[None, ..., None], b.y[None, ..., None])[0])


def psnr_of(error: float) -> float:
    """PSNR in decibels of a mean squared error of 8-bit values, at most 68."""
    return 10 * math.log10(255**2 / max(error, 0.01))


@dataclass
class RefreshPolicy:
    """Asked before each frame (`wants`), told after each frame (`report`)."""

    config: RefreshConfig
    _last: Picture | None = None
    _changes: list[float] = field(default_factory=list)
    _since: int = 0  # frames since the last refresh
    _quality: list[float] = field(
        default_factory=list
    )  # PSNR-Y of what the decoder shows, this GOP
    _bits: list[int] = field(default_factory=list)  # of this GOP's frames

    def wants(self, source: Picture) -> bool:
        """Whether `source` starts a new GOP."""
        wanted = self._decide(source)
        self._since = 1 if wanted else self._since + 1
        return wanted

    def _decide(self, source: Picture) -> bool:
        last, self._last = self._last, source
        if last is None or self._since >= GOP_MAX:
            return True
        change = luma_mse(last, source)
        recent = float(np.mean(self._changes[-25:])) if self._changes else 0.0
        self._changes.append(change)
        if isinstance(self.config.refresh, int):
            return self._since >= self.config.refresh
        if self.config.refresh == "never" or self._since < self.config.minimum:
            return False
        if change > self.config.cut and change > self.config.jump * max(recent, 1.0):
            return True
        return self._pays()

    def _pays(self) -> bool:
        """Rate-distortion rule: a GOP like the present one, started now, would on average be better
        than what is shown now by more than what its intra picture costs, spread over as many frames
        (the expected remaining distance)."""
        inter = sum(self._bits[1:])
        if (
            len(self._quality) < 17 or not inter
        ):  # nothing to weigh against: mode `animation`, or VVC, which codes a GOP at its end
            return False
        lost = float(np.mean(self._quality) - np.mean(self._quality[-8:]))
        return lost >= self.config.drop and lost > self.config.margin * self.config.slope * float(
            np.log2(1 + self._bits[0] / inter)
        )

    def report(self, psnr_y: float, bits: int, refreshed: bool) -> None:
        """Quality and size of the frame that was just coded."""
        if refreshed:
            self._quality, self._bits = [], []
        self._quality.append(psnr_y)
        self._bits.append(bits)
