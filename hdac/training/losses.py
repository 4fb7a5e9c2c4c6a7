"""Losses. All picture losses are in dB, so that easy and hard clips weigh alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

from hdac.nets.blocks import warp
from hdac.nets.motion import Motion, upsample_flow
from hdac.nets.planes import luma


def decibel(error: Tensor, floor: float) -> Tensor:
    """10 log10(error + floor), element by element; the floor bounds the gradient where the error
    vanishes."""
    return 10 * torch.log10(error + floor)


def picture_loss(output: Tensor, target: Tensor, weight_chroma: float) -> Tensor:
    """Negative PSNR of luma, of chroma (weighted) and MS-SSIM in dB (weighted), per sample `(N,)`.

    output, target: six planes `(N, 6, h, w)` in [0, 1], the luma at least 161 pixels a side
    (MS-SSIM's five scales).
    """
    error = (output - target).square()
    y = decibel(error[:, :4].mean((1, 2, 3)), 2e-5)
    uv = decibel(error[:, 4:].mean((1, 2, 3)), 1e-5)
    structure = 1 - ms_ssim(luma(output), luma(target), data_range=1.0, size_average=False)
    return y + weight_chroma * uv + 0.7 * decibel(structure.clamp_min(0), 1e-4)


def misfit(source: Tensor, wanted: Tensor, flow: Tensor) -> Tensor:
    """dB of the mean absolute error (Charbonnier) of a picture `(N, C, h, w)` that a flow `(N, 2,
    h, w)`, in pixels of it, has moved; `(N,)`."""
    return decibel(((warp(source, flow) - wanted).square() + 1e-6).sqrt().mean((1, 2, 3)), 2e-3)


def photometric_loss(motion: Motion, reference: Tensor, target: Tensor) -> Tensor:
    """How well each flow moves the original reference onto the original target; `(N,)`, dB of the
    mean absolute error.

    The sparse and coarse flows are judged at 1/4 of the frame, the final one at full resolution
    (Charbonnier).
    """
    full_ref, full = luma(reference), luma(target)
    small_ref, small = F.avg_pool2d(full_ref, 4), F.avg_pool2d(full, 4)

    sparse, coarse = (
        misfit(small_ref, small, upsample_flow(f, 2) / 4) for f in (motion.sparse, motion.coarse)
    )
    return 0.5 * sparse + 0.5 * coarse + misfit(full_ref, full, upsample_flow(motion.flow, 4))


def smoothness_loss(flow: Tensor) -> Tensor:
    """Mean absolute first difference of a flow, in its units a cell, `(N,)`."""
    from kornia.losses import total_variation

    found: Tensor = total_variation(flow, reduction="mean").mean(1)
    return found


def equivariance_loss(
    detector: nn.Module, image: Tensor, points: Tensor, generator: torch.Generator
) -> Tensor:
    """Keypoints move with the picture: mean distance after a random affine map, in normalised
    units.

    First-order motion, section 3.1. Differs: affine maps instead of thin-plate splines.
    image: thumbnails `(N, 3, 64, 64)`; points: their keypoints `(N, K, 2)`.
    """
    from kornia.geometry import get_affine_matrix2d, transform_points

    def uniform(reach: float, *size: int) -> Tensor:
        return (torch.rand(image.shape[0], *size, generator=generator) - 0.5) * 2 * reach

    turn, zoom, shift = torch.rad2deg(uniform(0.3)), 1 + uniform(0.2, 1), uniform(0.2, 2)
    centre = torch.zeros_like(shift)
    theta = get_affine_matrix2d(shift, centre, zoom.expand(-1, 2), turn).to(image.device)
    # kornia's own warps have pixel centres elsewhere (corners aligned)
    grid = F.affine_grid(theta[:, :2], list(image.shape), align_corners=False)
    moved = F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)
    back = transform_points(theta, detector(moved).float())
    return (back - points.detach()).abs().mean() + (back.detach() - points).abs().mean()
