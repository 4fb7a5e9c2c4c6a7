"""Small pieces that the networks share: residual block, backward warp, local correlation."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.jit import is_tracing  # type: ignore[attr-defined]

#: Pixels of a row that `correlation` takes together.
TILE = 8


def are_counts(numbers: Iterable[object], largest: int) -> bool:
    """Whether all are whole numbers from 1 to `largest`, as a network's sizes must be."""
    return all(isinstance(n, int) and 1 <= n <= largest for n in numbers)


def compute_dtype(weight: Tensor) -> torch.dtype:
    """Type of a network's features: autocast's, or that of its weights. Pictures stay float32: bf16
    has 8 bits of mantissa."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def start_at_zero(layer: nn.Conv2d) -> nn.Conv2d:
    """The same layer, that gives zeros until it is trained."""
    assert layer.bias is not None
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ResBlock(nn.Module):
    """Two 3x3 convolutions with a skip; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = start_at_zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.relu(self.a(x), inplace=True))


def conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.ReLU(inplace=True)
    )


class LowPass(nn.Module):
    """Takes off the luma of six planes `(N, 6, h, w)` what alternates from sample to sample:
    networks that write four phases leave a lattice there, checkerboards and stripes.

    `[-1 4 10 4 -1] / 16` both ways at full size, a half-band filter; zeros beyond the border.
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([-1.0, 4.0, 10.0, 4.0, -1.0]) / 16
        kernel = torch.outer(taps, taps)
        # phase (i, j) is in the middle of its part of the 6x6 samples of 3x3 places
        parts = [F.pad(kernel, (j, 1 - j, i, 1 - i)) for i in (0, 1) for j in (0, 1)]
        self.register_buffer(
            "weight", F.pixel_unshuffle(torch.stack(parts)[:, None], 2), persistent=False
        )

    def forward(self, planes: Tensor) -> Tensor:
        return torch.cat([F.conv2d(planes[:, :4], self.weight, padding=1), planes[:, 4:]], 1)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Backward bilinear warp: `out(p) = x(p + flow(p))`, coordinates clamped to the border.

    x: `(N, C, H, W)`; flow: `(N, 2, H, W)` as (dx, dy) in pixels of `x`, computed in float32.

    In inference on the CPU many channels are gathered by one `embedding_bag` over channels-last
    rows, many times faster than `grid_sample`, through which training, exported graphs and pictures
    go.
    """
    n, c, h, w = x.shape
    flow = flow.float()
    gx = flow[:, 0] + torch.arange(w, device=x.device, dtype=torch.float32)
    gy = flow[:, 1] + torch.arange(h, device=x.device, dtype=torch.float32)[:, None]
    if is_tracing() or torch.is_grad_enabled() or x.device.type != "cpu" or c < 8:
        grid = torch.stack([(2 * gx + 1) / w - 1, (2 * gy + 1) / h - 1], -1)
        out = F.grid_sample(
            x.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return out.to(x.dtype)
    gx, gy = gx.clamp(0, w - 1), gy.clamp(0, h - 1)
    x0, y0 = gx.floor(), gy.floor()
    fx, fy = gx - x0, gy - y0
    left, top = x0.long(), y0.long()
    right, low = (left + 1).clamp_(max=w - 1), (top + 1).clamp_(max=h - 1)
    start = torch.arange(n)[:, None, None] * (h * w)
    top, low = top * w + start, low * w + start
    index = torch.stack([top + left, top + right, low + left, low + right], -1).view(-1, 4)
    weight = torch.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], -1)
    weight = weight.view(-1, 4).to(x.dtype)
    rows = x.permute(0, 2, 3, 1).reshape(n * h * w, c)
    out = F.embedding_bag(index, rows, per_sample_weights=weight, mode="sum")
    return out.view(n, h, w, c).permute(0, 3, 1, 2)


def correlation(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """Local cost volume: inner products of `a` with `b` displaced by up to `radius` pixels, zero
    outside.

    a, b: `(N, C, H, W)`. Returns `(N, (2 radius + 1)^2, H, W)`, channel `(dy + radius) * (2 radius
    + 1) + dx + radius`. (Cost volume of PWC-Net, Sun et al., CVPR 2018, equation 1, without its
    1/C.)

    Every `TILE` pixels of a row of `a` are multiplied with the part of `b` that they can reach (one
    batched matrix product); the wanted displacements are the diagonals of that product, taken as a
    strided view. Tiles leave less to throw away than whole rows. Exported graphs have no strides:
    there all displacements of a row are gathered.
    """
    n, c, h, w = a.shape
    if is_tracing():
        side = torch.arange(2 * radius + 1)
        columns = (side[:, None] + torch.arange(w)).flatten()
        reach = F.pad(b, (radius,) * 4).index_select(3, columns).view(n, c, -1, len(side), w)
        moved = (reach[:, :, y : y + h] for y in range(len(side)))
        sums = [(a[:, :, :, None] * there).sum(1) for there in moved]  # (n, h, 2 radius + 1, w)
        return torch.cat(sums, 2).permute(0, 2, 1, 3)
    k, wide, tiles = 2 * radius + 1, TILE + 2 * radius, -(-w // TILE)
    spare = tiles * TILE - w
    padded = F.pad(b, (radius, radius + spare, radius, radius)).permute(0, 2, 3, 1).contiguous()
    step = padded.stride()
    reach = padded.as_strided(
        (n, h, tiles, k, wide, c), (step[0], step[1], TILE * c, step[1], c, 1)
    )
    rows = F.pad(a, (0, spare)).permute(0, 2, 3, 1).reshape(n * h * tiles, TILE, c)
    product = torch.bmm(
        rows, reach.reshape(n * h * tiles, k * wide, c).transpose(1, 2)
    ).contiguous()  # (n h tiles, TILE, k wide)
    line = k * wide
    steps = (h * tiles * TILE * line, tiles * TILE * line, TILE * line, line + 1, wide, 1)
    out = product.as_strided((n, h, tiles, TILE, k, k), steps).reshape(n, h, tiles * TILE, k * k)
    return out[:, :, :w].permute(0, 3, 1, 2)
