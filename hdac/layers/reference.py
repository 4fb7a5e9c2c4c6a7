"""Refresh policy: when a GOP ends and a new reference picture is worth its bits."""

from __future__ import annotations

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

    `minimum` frames lie between two refreshes; `cut` is the luma MSE between successive source pictures from which on
    they belong to different scenes (provided that it is also `jump` times the recent mean).
    """

    refresh: Refresh = "auto"
    minimum: int = 24
    cut: float = 400.0
    jump: float = 6.0
    horizon: int = 128  # frames over which a refresh by the rate-distortion rule must pay off
    drop: float = 1.5  # dB of PSNR-Y below the GOP's first frames before the rule is asked at all

    def __post_init__(self) -> None:
        if isinstance(self.refresh, int) and not 1 <= self.refresh <= GOP_MAX:
            raise UsageError(f"--refresh {self.refresh}; allowed are auto, never or a period of 1 to {GOP_MAX} frames")


def luma_mse(a: Picture, b: Picture) -> float:
    """Mean squared error of luma code values (scikit-video's `measure.mse`)."""
    return float(mse(a.y[None, ..., None], b.y[None, ..., None])[0])


@dataclass
class RefreshPolicy:
    """Asked before each frame (`wants`), told after each frame (`report`)."""

    config: RefreshConfig
    _last: Picture | None = None
    _changes: list[float] = field(default_factory=list)
    _since: int = 0  # frames since the last refresh
    _quality: list[float] = field(default_factory=list)  # PSNR-Y of what the decoder shows, this GOP
    _bits: list[int] = field(default_factory=list)  # of this GOP's frames

    def wants(self, source: Picture) -> bool:
        """Whether `source` should start a new GOP."""
        first = self._last is None
        change = 0.0 if self._last is None else luma_mse(self._last, source)
        recent = float(np.mean(self._changes[-25:])) if self._changes else 0.0
        self._last = source
        if first or self._since >= GOP_MAX:
            return True
        self._changes.append(change)
        if isinstance(self.config.refresh, int):
            return self._since >= self.config.refresh
        if self.config.refresh == "never" or self._since < self.config.minimum:
            return False
        if change > self.config.cut and change > self.config.jump * max(recent, 1.0):
            return True
        return self._pays()

    def _pays(self) -> bool:
        """Rate-distortion rule: the running quality has fallen so far that what a refresh gives back over the horizon is
        worth more than its bits, at the exchange rate of 6 dB for a doubling of the rate (low-rate slope of our RD curves).
        """
        lost = float(np.mean(self._quality[1:9]) - np.mean(self._quality[-8:]))
        if len(self._quality) < 17 or lost < self.config.drop:
            return False
        inter = float(np.mean(self._bits[1:]))
        extra = self._bits[0] / (inter * self.config.horizon)
        return lost > 6 * float(np.log2(1 + extra))

    def report(self, psnr_y: float, bits: int, refreshed: bool) -> None:
        """Quality and size of the frame that was just coded."""
        if refreshed:
            self._since, self._quality, self._bits = 0, [], []
        self._since += 1
        self._quality.append(psnr_y)
        self._bits.append(bits)
