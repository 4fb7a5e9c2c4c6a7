"""MS-SSIM (Wang, Simoncelli, Bovik, 2003; package pytorch-msssim)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

from hdac.errors import UsageError
from hdac.metrics.contract import Clip, Contract, Scores, UnavailableError, check_pair, mean_scores
from hdac.video.picture import Picture

#: Five scales need 16 * (window - 1) + 1 pixels on the shorter side: 161 for the standard window of
#: 11.
MIN_SIDE = 49
BATCH = 1


def window(side: int) -> int:
    """11 taps; on pictures with less than 161 pixels on the shorter side the largest odd window
    that fits."""
    return min(11, ((side - 1) // 16) // 2 * 2 + 1)


def decibels(value: float) -> float:
    """MS-SSIM (linear) -> -10 log10(1 - x), at most 60 dB: the scale of plots and of BD-rates."""
    return min(60.0, -10 * math.log10(max(1 - value, 1e-6)))


def _luma(pictures: Sequence[Picture]) -> Tensor:
    return torch.from_numpy(np.stack([p.y for p in pictures])[:, None]).float()


@torch.inference_mode()
def _per_frame(x: Tensor, x_hat: Tensor, data_range: float) -> list[float]:
    side = min(x.shape[-2:])
    found: list[float] = ms_ssim(
        x, x_hat, data_range=data_range, size_average=False, win_size=window(side)
    ).tolist()
    return found


def ms_ssim_y(xs: Sequence[Picture], x_hats: Sequence[Picture]) -> float:
    """Mean over frames of MS-SSIM of Y' (linear, key `ms-ssim-y`); `window` taps. Raises
    `UsageError` below 49 pixels a side."""
    if min(xs[0].y.shape) < MIN_SIDE:
        raise UsageError(
            f"MS-SSIM of {xs[0].width}x{xs[0].height} pictures; both sides must be at least {MIN_SIDE}"
        )
    found = [
        v for at in range(0, len(xs), BATCH) for v in _per_frame(_luma(xs[at : at + BATCH]), _luma(x_hats[at : at + BATCH]), 255)
    ]  # fmt: skip
    return sum(found) / len(found)


class MsSsim:
    """`ms-ssim-y` and `ms-ssim-rgb`, linear."""

    def __init__(self, key: str) -> None:
        luma = key == "ms-ssim-y"
        space = "Y', 8 bit" if luma else "R'G'B' in [0, 1], mean of the channels"
        self.contract = Contract(
            key,
            "MS-SSIM-Y" if luma else "MS-SSIM-RGB",
            "",
            True,
            space,
            "mean over frames",
            "Wang et al. (2003); pytorch-msssim",
        )

    def unavailable(self) -> str | None:
        return None

    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        check_pair(x, x_hat)
        if min(x.size) < MIN_SIDE:
            raise UnavailableError(
                f"pictures of {x.size[0]}x{x.size[1]}; both sides must be at least {MIN_SIDE} for five scales"
            )
        if self.contract.key == "ms-ssim-y":
            spans = [slice(at, at + BATCH) for at in range(0, len(x.pictures), BATCH)]
            pairs = ((_luma(x.pictures[s]), _luma(x_hat.pictures[s])) for s in spans)
            return mean_scores([v for a, b in pairs for v in _per_frame(a, b, 255)])
        both = zip(x.rgb_batches(BATCH), x_hat.rgb_batches(BATCH), strict=True)
        return mean_scores([v for a, b in both for v in _per_frame(a, b, 1)])
