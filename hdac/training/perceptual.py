"""The perceptual loss: two of the metrics, as losses. Needs PyAV, as the metrics do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hdac.metrics.lpips import BACKBONE, HEADS, SqueezeLpips
from hdac.metrics.msvgg import LITE, LiteVgg19, shrunk
from hdac.metrics.weights import load_weights
from hdac.nets.published import rgb_from_planes
from hdac.training.losses import decibel

#: The losses see a part of the picture that lies up to so many pixels further right and further
#: down.
SHIFT = 8


def shifted(pictures: tuple[Tensor, Tensor], generator: torch.Generator) -> list[Tensor]:
    """The same part of both, `SHIFT` pixels smaller, at a random place.

    Both losses' networks halve the picture in fixed steps. Where these always fall on the same
    pixels, a network learns to please them with a grid of that period: invisible to the losses,
    visible on skin.
    """
    down, right = torch.randint(SHIFT, (2,), generator=generator).tolist()
    height, width = pictures[0].shape[-2:]
    return [p[..., down : height - SHIFT + down, right : width - SHIFT + right] for p in pictures]


class PerceptualLoss(nn.Module):
    """msVGG on the distilled VGG-19 and LPIPS (squeeze), the sum of both in dB, per sample `(N,)`.
    Both networks come from `HDAC_WEIGHTS`.

    Differs from the metric: without the scale 1/8, which crops of less than 256 pixels do not have.
    """

    def __init__(self) -> None:
        super().__init__()
        # not the metrics' own objects: those are made in inference mode, which has no gradients
        self.vgg = LiteVgg19(load_weights(LITE)).eval()
        self.lpips = SqueezeLpips(load_weights(BACKBONE), load_weights(HEADS)).eval()

    def forward(self, output: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        """output, target: six planes `(N, 6, h, w)` in [0, 1]."""
        x, y = (rgb_from_planes(planes).clamp(0, 1) for planes in (output, target))
        x, y = shifted((x, y), generator)
        distance = output.new_zeros(len(output))
        for factor in (1, 2, 4):
            pairs = zip(self.vgg(shrunk(x, factor)), self.vgg(shrunk(y, factor)), strict=True)
            for tap, (a, b) in enumerate(pairs):
                both = (self.vgg.project(t.permute(0, 2, 3, 1), tap) for t in (a, b))
                distance = distance + 10 * (next(both) - next(both)).abs().mean((1, 2, 3))
        return decibel(distance, 1.0) + decibel(self.lpips(2 * x - 1, 2 * y - 1), 0.01)
