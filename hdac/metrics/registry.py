"""All metrics by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hdac.errors import UsageError
from hdac.metrics.contract import Clip, Metric, Scores, UnavailableError, check_pair
from hdac.metrics.filters import FfmpegFilter
from hdac.metrics.flicker import Flicker
from hdac.metrics.identity import Identity
from hdac.metrics.lpips import Lpips
from hdac.metrics.ms_ssim import MsSsim
from hdac.metrics.msvgg import MsVgg
from hdac.metrics.psnr import Psnr

_ALL: tuple[Metric, ...] = (
    *map(Psnr, ("psnr-y", "apsnr-y", "psnr-rgb", "psnr-yuv")),
    *map(MsSsim, ("ms-ssim-y", "ms-ssim-rgb")),
    *map(MsVgg, ("msvgg", "msvgg-lite")),
    *map(Lpips, ("alex", "vgg", "squeeze")),
    *map(FfmpegFilter, ("vmaf", "xpsnr")),
    Identity(),
    Flicker(),
)
METRICS: Mapping[str, Metric] = {metric.contract.key: metric for metric in _ALL}
#: What `hdac measure` and an experiment measure when nothing else is asked for.
DEFAULT = ("psnr-y", "ms-ssim-y", "msvgg-lite", "lpips-squeeze", "vmaf", "identity", "flicker")


def find_metrics(keys: Iterable[str]) -> list[Metric]:
    """The metrics of these keys. Raises `UsageError` for one that does not exist."""
    keys = list(keys)
    for key in keys:
        if key not in METRICS:
            raise UsageError(f"metric {key!r} is unknown; choose from {', '.join(METRICS)}")
    return [METRICS[key] for key in keys]


def measure(x: Clip, x_hat: Clip, keys: Iterable[str] = DEFAULT) -> dict[str, Scores | UnavailableError]:
    """Scores by key; a metric that cannot be had is there with its reason. Raises `UsageError` for clips that do not match."""
    metrics = find_metrics(keys)
    check_pair(x, x_hat)
    out: dict[str, Scores | UnavailableError] = {}
    for metric in metrics:
        reason = metric.unavailable()
        try:
            out[metric.contract.key] = UnavailableError(reason) if reason else metric.measure(x, x_hat)
        except UnavailableError as error:
            out[metric.contract.key] = error
    return out
