"""DISTS (Ding, Ma, Wang, Simoncelli, "Image Quality Assessment: Unifying Structure and Texture
Similarity", 2020), by the package `piq`, which takes VGG-16 from torchvision and the metric's own
weights from its release page.

Pictures whose shorter side is nearer to N times 256 than to 256 are averaged over NxN pixels
first, as the authors' code and that of JVET's group on generative face video have it. Differs: a
shorter side that is above 256 then is scaled to 256 by the package.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.metrics.contract import MEAN, RGB1, Clip, Contract, Metric, Scores, UnavailableError
from hdac.metrics.weights import out_of_reach

SIDE = 256
#: What the package downloads, to torch's cache: 528 MB and 12 kB.
URLS = (
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    "https://github.com/photosynthesis-team/piq/releases/download/v0.4.1/dists_weights.pt",
)
_PACKAGES = ("piq", "torchvision")


@cache
def network() -> nn.Module:
    """`forward(x, x_hat)`: `(1, 3, H, W)` RGB in [0, 1] -> a number. Raises `UnavailableError`."""
    try:
        import piq

        return piq.DISTS().eval()  # type: ignore[no-any-return]
    except (ImportError, OSError, RuntimeError) as error:
        raise UnavailableError(f"package piq could not load DISTS: {error}") from error


def averaged(x: Tensor) -> Tensor:
    """`(N, C, H, W)` with its shorter side near 256, if it was larger."""
    factor = max(1, round(min(x.shape[-2:]) / SIDE))
    return F.avg_pool2d(x, factor)


class Dists(Metric):
    """`dists`."""

    contract = Contract("dists", "DISTS", "", False, RGB1, MEAN, "Ding et al. (2020), piq", True)
    least = 32, "DISTS needs"

    def unavailable(self) -> str | None:
        absent = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if absent:
            return f"not installed: {', '.join(absent)} (pip install 'hdac[perceptual]')"
        return out_of_reach(*URLS)

    @torch.inference_mode()
    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        pairs = zip(x.rgb_frames(), x_hat.rgb_frames(), strict=True)
        return Scores.mean([float(network()(averaged(a), averaged(b))) for a, b in pairs])
