"""Frames of which nothing is sent: which they are, and their parameters, on the straight line
between those of the frames before and after them.

Agarwal et al. (BMVC 2022, arXiv 2210.03692) send keypoints of fewer frames. Differs: the receiver
need not make the pictures between out of its pictures; it moves the reference there.
"""

from __future__ import annotations

import numpy as np

from hdac.motion.protocol import Moving, Parameters


def is_sent(index: int, frames: int, start: bool, every: int) -> bool:
    """Whether frame `index` of a packet of so many `frames` is sent: one in `every`, the first
    frame of a GOP (`start`: it is in this packet), and the last one of a packet, so that each
    packet holds what its frames need."""
    since = index if start else index + 1
    return since % every == 0 or index == frames - 1


def between(before: Parameters, after: Parameters, share: float) -> Moving:
    """Parameters float64, `share` of the way from one frame that is sent to the next."""
    return before + share * (after - before)


def shares(count: int) -> list[float]:
    """Of the way, of each of so many frames between two."""
    return [float(share) for share in np.arange(1, count + 1) / (count + 1)]
