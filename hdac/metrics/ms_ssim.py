"""MS-SSIM (Wang, Simoncelli, Bovik, 2003; package pytorch-msssim)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

from hdac.errors import UsageError
from hdac.metrics.contract import LUMA, MEAN, MS_SSIM_SIDE, RGB1, Clip, Contract, Metric, Scores
from hdac.video.picture import Picture

CAP_DB = 60.0


def decibels(value: float) -> float:
    """MS-SSIM (linear) -> -10 log10(1 - x), at most `CAP_DB`: the scale of plots and BD-rates."""
    return min(CAP_DB, -10 * math.log10(max(1 - value, 1e-6)))


def _luma(pictures: Sequence[Picture]) -> Iterable[Tensor]:
    return (torch.from_numpy(p.y[None, None].astype(np.float32)) for p in pictures)


@torch.inference_mode()
def _scores(xs: Iterable[Tensor], x_hats: Iterable[Tensor], data_range: float) -> Scores:
    pairs = zip(xs, x_hats, strict=True)
    return Scores.mean([float(ms_ssim(x, x_hat, data_range=data_range)) for x, x_hat in pairs])


def ms_ssim_y(xs: Sequence[Picture], x_hats: Sequence[Picture]) -> float:
    """Mean over frames of MS-SSIM of Y' (linear, key `ms-ssim-y`). Raises `UsageError` below 161
    pixels a side."""
    width, height = xs[0].width, xs[0].height
    if min(width, height) < MS_SSIM_SIDE:
        raise UsageError(
            f"MS-SSIM of {width}x{height} pictures; both sides must be at least {MS_SSIM_SIDE}"
        )
    return _scores(_luma(xs), _luma(x_hats), 255).value


class MsSsim(Metric):
    """`ms-ssim-y` and `ms-ssim-rgb`, linear."""

    least = MS_SSIM_SIDE, "five scales need"

    def __init__(self, key: str) -> None:
        title, space = (
            ("MS-SSIM-Y", LUMA)
            if key == "ms-ssim-y"
            else ("MS-SSIM-RGB", f"{RGB1}, mean of the channels")
        )
        source = "Wang et al. (2003); pytorch-msssim"
        self.contract = Contract(key, title, "", True, space, MEAN, source)

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        if self.contract.key == "ms-ssim-y":
            return _scores(_luma(x.pictures), _luma(x_hat.pictures), 255)
        return _scores(x.rgb_frames(), x_hat.rgb_frames(), 1)
