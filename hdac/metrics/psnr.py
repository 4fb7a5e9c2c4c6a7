"""PSNR, peak 255 of 8-bit samples; identical pictures give 100 dB."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hdac.layers.reference import luma_mse
from hdac.metrics.contract import Clip, Contract, Scores, check_pair, mean_scores
from hdac.video.picture import Picture


def _decibels(mse: float) -> float:
    return 100.0 if mse == 0 else min(100.0, 10 * math.log10(255**2 / mse))


def psnr_y(x: Picture, x_hat: Picture) -> float:
    """PSNR of Y' in dB."""
    return _decibels(luma_mse(x, x_hat))


def mean_psnr_y(xs: Sequence[Picture], x_hats: Sequence[Picture]) -> float:
    """Mean over frames of per-frame PSNR-Y (evaluation protocol, key `psnr-y`)."""
    return sum(map(psnr_y, xs, x_hats)) / len(xs)


def _plane_mse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2, dtype=np.float64))


def _yuv(x: Picture, x_hat: Picture) -> float:
    y, u, v = (_decibels(_plane_mse(a, b)) for a, b in zip(x, x_hat, strict=True))
    return (6 * y + u + v) / 8


class Psnr:
    """`psnr-y`, `apsnr-y` (of the pooled error), `psnr-yuv` (6:1:1 of the planes' PSNR),
    `psnr-rgb`."""

    def __init__(self, key: str) -> None:
        planes = {"psnr-y": "Y'", "apsnr-y": "Y'", "psnr-yuv": "Y'CbCr", "psnr-rgb": "R'G'B'"}[key]
        averaging = (
            "PSNR of the MSE over all frames"
            if key == "apsnr-y"
            else "mean over frames of per-frame PSNR"
        )
        title = {
            "psnr-y": "PSNR-Y",
            "apsnr-y": "PSNR-Y, pooled",
            "psnr-yuv": "PSNR-YUV 6:1:1",
            "psnr-rgb": "PSNR-RGB",
        }[key]
        self.contract = Contract(
            key,
            title,
            "dB",
            True,
            f"{planes}, 8 bit, peak 255",
            averaging,
            "ITU-T HSTP-VID-WPOM (2020)",
        )

    def unavailable(self) -> str | None:
        return None

    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        check_pair(x, x_hat)
        pairs = list(zip(x.pictures, x_hat.pictures, strict=True))
        if self.contract.key == "apsnr-y":
            errors = [luma_mse(a, b) for a, b in pairs]
            return Scores(_decibels(sum(errors) / len(errors)), tuple(_decibels(e) for e in errors))
        if self.contract.key == "psnr-yuv":
            return mean_scores([_yuv(a, b) for a, b in pairs])
        if self.contract.key == "psnr-rgb":
            return mean_scores(
                [_decibels(_plane_mse(a, b)) for a, b in zip(x.rgb, x_hat.rgb, strict=True)]
            )
        return mean_scores([psnr_y(a, b) for a, b in pairs])
