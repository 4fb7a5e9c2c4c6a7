"""Temporal metrics: flicker, and temporal activity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hdac.metrics.contract import LUMA, Clip, Contract, Metric, NotOnThisClipError, Scores


def _luma(clip: Clip) -> list[npt.NDArray[np.int16]]:
    return [p.y.astype(np.int16) for p in clip.pictures]


def _changes(planes: Sequence[npt.NDArray[np.int16]], key: str) -> list[float]:
    """Mean absolute difference of each plane from the one before. Raises `NotOnThisClipError` for a
    single one."""
    if len(planes) < 2:
        raise NotOnThisClipError(f"1 frame; {key} needs 2")
    return [float(np.abs(b - a).mean()) for a, b in pairwise(planes)]


class Flicker(Metric):
    """How much the reconstruction's change from frame to frame differs from the source's: mean over
    pixels of |(x_t - x_(t-1)) - (x_hat_t - x_hat_(t-1))|, Y' in 8-bit levels."""

    contract = Contract(
        "flicker", "Flicker", "levels", False, LUMA, "mean over frames from the second on",
        "evaluation protocol",
    )  # fmt: skip

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        error = [a - b for a, b in zip(_luma(x), _luma(x_hat), strict=True)]
        return Scores.mean([math.nan, *_changes(error, "flicker")])


class Activity(Metric):
    """How much the reconstruction changes from frame to frame: mean over frames of mean
    |x_hat_t - x_hat_(t-1)|, divided by that of the source. Above 1 it flickers more than the source
    does, below 1 it is smoother. Lower counts as better; a value for each frame would divide by
    nothing in still scenes, so there is none."""

    contract = Contract(
        "activity", "Activity", "", False, LUMA,
        "ratio of the means over frames, 1: as the source", "hdac",
    )  # fmt: skip

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        source, shown = (math.fsum(_changes(_luma(c), "activity")) for c in (x, x_hat))
        if not source:
            raise NotOnThisClipError("the source stands still; activity is relative to its changes")
        return Scores(shown / source)
