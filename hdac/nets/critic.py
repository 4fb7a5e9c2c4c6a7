"""The discriminator of adversarial training, which is in no decoder: residual down-blocks without
normalisation, as Collabora's (Edel, 2022)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.b = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(F.leaky_relu(self.a(F.leaky_relu(x, 0.2)), 0.2))
        return F.avg_pool2d(self.skip(x) + y, 2)


class Critic(nn.Module):
    """R'G'B' `(N, 3, H, W)` in [0, 1] -> logits `(N, 1, H/16, W/16)` (above 0: real) and the
    features before them."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1)
        pairs = zip((widths[0], *widths[:-1]), widths, strict=True)
        self.blocks = nn.ModuleList([_Down(a, b) for a, b in pairs])
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, rgb: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, features = self.stem(2 * rgb - 1), []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return self.out(F.leaky_relu(x, 0.2)), features
