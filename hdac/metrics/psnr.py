"""PSNR, peak 255 of 8-bit samples; identical pictures give 100 dB."""

from __future__ import annotations

from collections.abc import Sequence

from hdac.metrics.contract import CAP, Clip, Contract, Metric, Scores
from hdac.video.fidelity import luma_mse, plane_mse, psnr
from hdac.video.picture import Picture

_POOLED, _MEAN = "PSNR of the MSE over all frames", "mean over frames of per-frame PSNR"
#: Key -> title, samples, averaging.
_KINDS = {
    "psnr-y": ("PSNR-Y", "Y'", _MEAN),
    "apsnr-y": ("PSNR-Y, pooled", "Y'", _POOLED),
    "psnr-yuv": ("PSNR-YUV 6:1:1", "Y'CbCr", _MEAN),
    "psnr-rgb": ("PSNR-RGB", "R'G'B'", _MEAN),
}


def psnr_y(x: Picture, x_hat: Picture) -> float:
    """PSNR of Y' in dB."""
    return psnr(luma_mse(x, x_hat))


def mean_psnr_y(xs: Sequence[Picture], x_hats: Sequence[Picture]) -> float:
    """Mean over frames of per-frame PSNR-Y (evaluation protocol, key `psnr-y`)."""
    return sum(map(psnr_y, xs, x_hats)) / len(xs)


def _yuv(x: Picture, x_hat: Picture) -> float:
    y, u, v = map(psnr, map(plane_mse, x, x_hat))
    return (6 * y + u + v) / 8


class Psnr(Metric):
    """`psnr-y`, `apsnr-y` (of the pooled error), `psnr-yuv` (6:1:1 of the planes' PSNR),
    `psnr-rgb`."""

    def __init__(self, key: str) -> None:
        title, samples, averaging = _KINDS[key]
        space, source = f"{samples}, 8 bit, peak 255", "ITU-T HSTP-VID-WPOM (2020)"
        self.contract = Contract(key, title, "dB", True, space, averaging, source, cap=CAP)

    def _measure(self, x: Clip, x_hat: Clip) -> Scores:
        key, pictures = self.contract.key, (x.pictures, x_hat.pictures)
        if key == "apsnr-y":
            errors = list(map(luma_mse, *pictures))
            return Scores(psnr(sum(errors) / len(errors)), tuple(map(psnr, errors)))
        if key == "psnr-rgb":
            return Scores.mean(list(map(psnr, map(plane_mse, x.rgb, x_hat.rgb))))
        return Scores.mean(list(map(_yuv if key == "psnr-yuv" else psnr_y, *pictures)))
