"""Losses: what they are of maps and pictures that are known."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.keypoints import axis
from hdac.training.losses import equivariance_loss, smoothness_loss


class Brightest(nn.Module):
    """The place of a bright blob: it moves with the picture."""

    def forward(self, image: Tensor) -> Tensor:
        heat = F.softmax(image[:, 0].flatten(1) * 50, -1).view(image.shape[0], *image.shape[2:])
        x = axis(image.shape[3], image.device)
        return torch.stack([heat.sum(1) @ x, heat.sum(2) @ x], -1)[:, None]


class Fixed(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return torch.full((image.shape[0], 1, 2), 0.3)


def blobs(count: int) -> Tensor:
    """Pictures `(count, 3, 64, 64)` with a blob at (0.3, 0.3)."""
    x = axis(64, torch.device("cpu"))
    one = torch.exp(-(((x - 0.3) ** 2)[:, None] + (x - 0.3) ** 2) / 0.02)
    return one.expand(count, 3, 64, 64)


def test_a_detector_that_moves_with_the_picture_has_no_loss() -> None:
    image = blobs(64)
    moving, fixed = (
        equivariance_loss(d, image, d(image), torch.Generator().manual_seed(3))
        for d in (Brightest(), Fixed())
    )
    assert float(moving) < 0.01
    assert float(fixed) > 0.2


def test_the_maps_of_equivariance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of up to 0.3, zooms of 0.8 to 1.2, shifts of up to 0.2, all of them as likely, and the
    same ones from the same generator."""
    maps: list[Tensor] = []
    real = F.affine_grid

    def record(theta: Tensor, *args: object, **options: object) -> Tensor:
        maps.append(theta)
        return real(theta, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("torch.nn.functional.affine_grid", record)
    image = torch.zeros(4000, 3, 4, 4)
    for _ in range(2):
        equivariance_loss(Fixed(), image, Fixed()(image), torch.Generator().manual_seed(3))
    theta, again = maps
    assert torch.equal(theta, again)
    turn, zoom = torch.atan2(theta[:, 1, 0], theta[:, 0, 0]), theta[:, :, 0].norm(dim=1)
    parts = ((turn, 0, 0.3), (zoom, 1, 0.2), (theta[:, 0, 2], 0, 0.2), (theta[:, 1, 2], 0, 0.2))
    for values, middle, reach in parts:
        quantiles = torch.quantile((values - middle) / reach, torch.tensor([0, 0.25, 0.5, 0.75, 1]))
        assert quantiles.tolist() == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=0.05)
    assert torch.allclose(theta[:, 0, 0], theta[:, 1, 1])
    assert torch.allclose(theta[:, 0, 1], -theta[:, 1, 0])


def test_smoothness_is_the_mean_first_difference() -> None:
    flow = (
        torch.arange(5.0).view(1, 1, 1, 5).expand(2, 2, 4, 5)
        * torch.tensor([1.0, 3.0])[:, None, None]
    )
    flow = flow + torch.arange(4.0)[:, None] / 2
    assert smoothness_loss(flow).tolist() == pytest.approx([2.5, 2.5])
