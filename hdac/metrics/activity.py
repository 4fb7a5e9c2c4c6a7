"""Temporal activity: how much the reconstruction changes from frame to frame, compared with the
source."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from hdac.metrics.contract import Clip, Contract, Scores, UnavailableError, check_pair
from hdac.video.picture import Picture


def _changes(pictures: Sequence[Picture]) -> list[float]:
    """Mean absolute difference of Y' of each picture from the one before."""
    return [
        float(np.abs(b.y.astype(np.int16) - a.y).mean()) for a, b in itertools.pairwise(pictures)
    ]


class Activity:
    """Mean over frames of mean |x_hat_t - x_hat_(t-1)|, divided by that of the source: above 1 it
    flickers more than the source does, below 1 it is smoother. Lower counts as better; a value for
    each frame would divide by nothing in still scenes, so there is none."""

    contract = Contract(
        "activity",
        "Activity",
        "",
        False,
        "Y', 8 bit",
        "ratio of the means over frames, 1: as the source",
        "hdac",
    )

    def unavailable(self) -> str | None:
        return None

    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        """Raises `UnavailableError` for a single frame and for a source that stands still."""
        check_pair(x, x_hat)
        if len(x.pictures) < 2:
            raise UnavailableError("1 frame; activity needs 2")
        source, shown = (math.fsum(_changes(c.pictures)) for c in (x, x_hat))
        if not source:
            raise UnavailableError("the source stands still; activity is relative to its changes")
        return Scores(shown / source)
