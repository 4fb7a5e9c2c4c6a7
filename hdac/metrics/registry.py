"""All metrics by key."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from hdac.errors import UsageError
from hdac.metrics.contract import (
    Clip,
    Metric,
    NotOnThisClipError,
    Scores,
    UnavailableError,
    check_pair,
)
from hdac.metrics.dists import Dists
from hdac.metrics.filters import Vmaf, Xpsnr
from hdac.metrics.flicker import Activity, Flicker
from hdac.metrics.grid import Grid
from hdac.metrics.identity import Identity
from hdac.metrics.landmarks import Landmarks
from hdac.metrics.lpips import Lpips
from hdac.metrics.ms_ssim import MsSsim
from hdac.metrics.msvgg import MsVgg
from hdac.metrics.psnr import Psnr

_ALL: tuple[Metric, ...] = (
    *map(Psnr, ("psnr-y", "apsnr-y", "psnr-rgb", "psnr-yuv")),
    *map(MsSsim, ("ms-ssim-y", "ms-ssim-rgb")),
    *map(MsVgg, ("msvgg", "msvgg-lite")),
    *map(Lpips, ("alex", "vgg", "squeeze")),
    Dists(),
    Vmaf(),
    Xpsnr(),
    Identity(),
    *map(Landmarks, ("landmarks", "landmarks-mouth", "landmarks-eyes")),
    Flicker(),
    Activity(),
    Grid(),
)
METRICS: Mapping[str, Metric] = {metric.contract.key: metric for metric in _ALL}
#: What `hdac measure` and an experiment measure when nothing else is asked for.
DEFAULT = ("psnr-y", "ms-ssim-y", "msvgg-lite", "lpips-squeeze", "vmaf", "identity", "flicker")


def find_metrics(keys: Iterable[str]) -> list[Metric]:
    """The metrics of these keys. Raises `UsageError` for one that does not exist or is listed
    twice, and for none."""
    keys = list(keys)
    if not keys:
        raise UsageError(f"no metric is named; choose from {', '.join(METRICS)}")
    for key in keys:
        if key not in METRICS:
            raise UsageError(f"metric {key!r} is unknown; choose from {', '.join(METRICS)}")
        if keys.count(key) > 1:
            raise UsageError(f"metric {key!r} is listed {keys.count(key)} times; once is enough")
    return [METRICS[key] for key in keys]


def measure(
    x: Clip, x_hat: Clip, keys: Iterable[str] = DEFAULT, every: int = 1
) -> dict[str, Scores | UnavailableError]:
    """Scores by key; a metric that cannot be had is there with its reason. `every` N: slow metrics
    on frames 0, N, 2 N, ... only.

    Raises `UsageError` for clips that do not match.
    """
    metrics = find_metrics(keys)
    check_pair(x, x_hat)
    sparse = [Clip(c.pictures[::every], c.fps, c.matrix) if every > 1 else c for c in (x, x_hat)]
    out: dict[str, Scores | UnavailableError] = {}
    for metric in metrics:
        key = metric.contract.key
        if reason := metric.unavailable():
            out[key] = UnavailableError(reason)
            continue
        try:
            slow = metric.contract.sampled and every > 1
            scores = metric.measure(*sparse) if slow else metric.measure(x, x_hat)
            if not math.isfinite(scores.value):
                raise NotOnThisClipError(f"its value is {scores.value}")
            out[key] = _spread(scores, every, len(x.pictures)) if slow else scores
        except UnavailableError as error:
            out[key] = error
        except Exception as error:  # whatever a tool or a network does, the other metrics stand
            last = (str(error).strip().splitlines() or ["no message"])[-1][-200:]
            text = f"{type(error).__name__}: {re.sub(r'[^ ]*/', '', last)}"  # no folders of here
            size = "{}x{}".format(*x.size)
            out[key] = UnavailableError(f"it failed on pictures of {size} ({text})")
    return out


def _spread(scores: Scores, every: int, count: int) -> Scores:
    """Per-frame values back in their places; the frames between have none."""
    if scores.frames is None:
        return scores
    frames = [math.nan] * count
    frames[::every] = scores.frames
    return Scores(scores.value, tuple(frames))
