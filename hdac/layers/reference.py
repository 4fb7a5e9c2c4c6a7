"""Refresh policy: when a GOP ends and a new reference picture is worth its bits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hdac.errors import UsageError
from hdac.layers.base import GOP_MAX
from hdac.video.picture import Picture, Plane

Refresh = Literal["auto", "never"] | int

#: Frames between two refreshes, at least.
_MINIMUM = 24
#: Luma MSE between successive pictures from which on they belong to different scenes, provided that
#: it is also `_JUMP` times the recent mean.
_CUT, _JUMP = 400.0, 6.0
#: dB of PSNR-Y below the GOP's mean before the rate-distortion rule is asked at all: smaller drops
#: are the content's, not the reference's.
_DROP = 3.0
_SLOPE = 3.2  # dB of PSNR-Y for a doubling of the rate
_MARGIN = 3.0  # how many times its price a refresh must promise


def check_refresh(refresh: Refresh) -> None:
    """Raises `UsageError`."""
    if isinstance(refresh, int) and not 1 <= refresh <= GOP_MAX:
        raise UsageError(
            f"--refresh {refresh}; allowed are auto, never or a period of 1 to {GOP_MAX} frames"
        )


def luma_mse(a: Picture, b: Picture) -> float:
    """Mean squared error of luma code values."""
    return plane_mse(a.y, b.y)


def plane_mse(a: Plane, b: Plane) -> float:
    """Mean squared error of code values, summed as scikit-video does."""
    return float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))


def psnr_of(error: float) -> float:
    """PSNR in decibels of a mean squared error of 8-bit values, at most 68."""
    return 10 * math.log10(255**2 / max(error, 0.01))


@dataclass
class RefreshPolicy:
    """Asked before each frame (`wants`), told of each base picture (`report`), which is known
    before the next frame comes: fused pictures may be late, by as much as there are cores.

    refresh: "auto" (scene cut and rate-distortion rule), "never", or a period in frames; gop_max:
    frames of a GOP at most.
    """

    refresh: Refresh = "auto"
    gop_max: int = GOP_MAX
    _last: Picture | None = None
    _changes: list[float] = field(default_factory=list)  # of the last 25 frames
    _since: int = 0  # frames since the last refresh
    _quality: list[float] = field(default_factory=list)  # PSNR-Y of this GOP's base pictures
    _bits: list[int] = field(default_factory=list)  # of this GOP's base pictures

    def wants(self, source: Picture) -> bool:
        """Whether `source` starts a new GOP."""
        wanted = self._decide(source)
        self._since = 1 if wanted else self._since + 1
        if wanted:
            self._quality, self._bits = [], []
        return wanted

    def _decide(self, source: Picture) -> bool:
        last, self._last = self._last, source
        if last is None or self._since >= self.gop_max:
            return True
        change = luma_mse(last, source)
        recent = float(np.mean(self._changes)) if self._changes else 0.0
        self._changes = [*self._changes[-24:], change]
        if isinstance(self.refresh, int):
            return self._since >= self.refresh
        if self.refresh == "never" or self._since < _MINIMUM:
            return False
        return (change > _CUT and change > _JUMP * max(recent, 1.0)) or self._pays()

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
        """Quality and size of the base picture of the present frame."""
        self._quality.append(psnr_y)
        self._bits.append(bits)
