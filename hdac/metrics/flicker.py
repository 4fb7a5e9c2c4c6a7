"""Flicker: how much the reconstruction's change from frame to frame differs from the source's."""

from __future__ import annotations

import itertools
import math

import numpy as np

from hdac.metrics.contract import Clip, Contract, Scores, UnavailableError, check_pair, mean_scores


class Flicker:
    """Mean over pixels of |(x_t - x_(t-1)) - (x_hat_t - x_hat_(t-1))|, Y' in 8-bit levels."""

    contract = Contract(
        "flicker",
        "Flicker",
        "levels",
        False,
        "Y', 8 bit",
        "mean over frames from the second on",
        "evaluation protocol",
    )

    def unavailable(self) -> str | None:
        return None

    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        """Raises `UnavailableError` for a single frame."""
        check_pair(x, x_hat)
        if len(x.pictures) < 2:
            raise UnavailableError("1 frame; flicker needs 2")
        error = [
            a.y.astype(np.int16) - b.y for a, b in zip(x.pictures, x_hat.pictures, strict=True)
        ]
        return mean_scores(
            [math.nan, *(float(np.abs(b - a).mean()) for a, b in itertools.pairwise(error))]
        )
