"""How the published networks resample pictures, features and flows: as ours were trained
(`Sampling`), or as the authors' code does it (`AuthorsSampling`), for which their weights were
trained.

Theirs, as first-order motion (Siarohin et al., NeurIPS 2019): -1 and 1 are the centres of the
outermost pixels, what lies outside is black, and thumbnails are filtered by a Gaussian. Differs: a
picture of another size than 256x256 is seen at 64x64 too, which the networks know, and filtered in
proportion.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.blocks import warp

#: Height and width.
Size = tuple[int, int]


class Sampling:
    """Pixels are areas, -1 and 1 the borders of the frame; outside, the border goes on. Flows are
    (dx, dy) in pixels of their own size."""

    def upsampling(self) -> nn.Module:
        """The layer that doubles height and width."""
        return nn.Upsample(scale_factor=2.0)

    def reduce(self, picture: Tensor, size: Size) -> Tensor:
        """A picture at a smaller size."""
        return F.interpolate(picture, size=size, mode="area")

    def resize(self, x: Tensor, size: Size) -> Tensor:
        """Bilinear; the same where it has that size."""
        if x.shape[-2:] == size:
            return x
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)

    def resize_flow(self, flow: Tensor, size: Size) -> Tensor:
        """A flow for pictures of another size."""
        h, w = flow.shape[-2:]
        if (h, w) == size:
            return flow
        return self.resize(flow, size) * flow.new_tensor([size[1] / w, size[0] / h])[:, None, None]

    def propose(self, picture: Tensor, flow: Tensor) -> Tensor:
        """Pictures `(N, C, H, W)` moved by what keypoints propose, before the motion is known."""
        return warp(picture, flow)

    def move(self, x: Tensor, flow: Tensor) -> Tensor:
        """Features or pictures `(N, C, H, W)` moved by a flow of their size."""
        return warp(x, flow)


class AuthorsSampling(Sampling):
    """As the authors' code. shrinks: the first one gives `grid_sample` coordinates for the centres
    of pixels where it takes them for their borders, when features are moved."""

    def __init__(self, shrinks: bool) -> None:
        self.shrinks = shrinks

    def upsampling(self) -> nn.Module:
        return nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True)

    def reduce(self, picture: Tensor, size: Size) -> Tensor:
        for axis, (before, after) in enumerate(zip(picture.shape[-2:], size, strict=True)):
            picture = _blurred(picture, axis, after / before)
        return self.resize(picture, size)

    def resize(self, x: Tensor, size: Size) -> Tensor:
        if x.shape[-2:] == size:
            return x
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)

    def resize_flow(self, flow: Tensor, size: Size) -> Tensor:
        (h, w), (high, wide) = flow.shape[-2:], size
        if (h, w) == size:
            return flow
        scale = flow.new_tensor([(wide - 1) / (w - 1), (high - 1) / (h - 1)])
        return self.resize(flow, size) * scale[:, None, None]

    def propose(self, picture: Tensor, flow: Tensor) -> Tensor:
        return _sampled(picture, flow, True)

    def move(self, x: Tensor, flow: Tensor) -> Tensor:
        return _sampled(x, flow, not self.shrinks)


def gaussian(scale: float) -> Tensor:
    """Their filter before reducing to `scale`, below 1: standard deviation (1 / scale - 1) / 2, out
    to four of them; sums to 1."""
    deviation = (1 / scale - 1) / 2
    reach = round(deviation * 4)
    side = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(side.square() / (-2 * deviation**2))
    return weights / weights.sum()


def laplacian(x: Tensor) -> Tensor:
    """`(N, C, H, W)`: the sum of a pixel's four neighbours less four times itself; outside is 0."""
    kernel = x.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(x, kernel, padding=1, groups=x.shape[1])


def _blurred(picture: Tensor, axis: int, scale: float) -> Tensor:
    """Along axis 0 (of height) or 1; outside is black."""
    if scale >= 1:
        return picture
    weights = gaussian(scale).to(picture)
    shape, reach = [1, 1], len(weights) // 2
    shape[axis] = len(weights)
    kernel = weights.view(1, 1, *shape).expand(picture.shape[1], 1, *shape)
    return F.conv2d(
        picture, kernel, padding=[reach * (axis == 0), reach * (axis == 1)], groups=picture.shape[1]
    )


def _sampled(x: Tensor, flow: Tensor, corners: bool) -> Tensor:
    """`x` at its pixels' places, moved by a flow; corners: -1 and 1 are the outermost centres."""
    h, w = x.shape[-2:]
    flow = flow.float()
    gx = flow[:, 0] + torch.arange(w, device=x.device)
    gy = flow[:, 1] + torch.arange(h, device=x.device)[:, None]
    grid = torch.stack([2 * gx / (w - 1) - 1, 2 * gy / (h - 1) - 1], -1)
    return F.grid_sample(x.float(), grid, align_corners=corners).to(x.dtype)
