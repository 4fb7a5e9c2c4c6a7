"""Losses: what they are of maps and pictures that are known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdac.nets.keypoints import axis
from hdac.training.losses import equivariance_loss, grid_loss, smoothness_loss

#: Of the four phases of luma: the diagonal detail of a block.
LATTICE = torch.tensor([1.0, -1.0, -1.0, 1.0, 0.0, 0.0]).view(1, 6, 1, 1)


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


def test_a_lattice_of_two_pixels_costs() -> None:
    """One that has its blocks where the phases are, and one that is a checkerboard everywhere."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 6, 64, 64, generator=generator) * 0.1 + 0.4
    output = target + 0.02 * torch.randn(3, 6, 64, 64, generator=generator)
    output[1] += 0.05 * LATTICE[0] * torch.randn(64, 64, generator=generator)
    output[2] += 0.02 * LATTICE[0]
    even, uneven, checkered = grid_loss(output, target).tolist()
    by_chance = 10 * math.log10(2)
    assert even == pytest.approx(by_chance, abs=0.3)
    assert uneven > even + 0.5
    assert checkered > even + 3


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_lattice_is_unlearnt(everywhere: bool) -> None:
    """How much of it there is, learnt: nothing."""
    noise = torch.randn(2, 1, 6, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.05
    lattice = LATTICE * (torch.full((), 0.05) if everywhere else noise[1, :, :1])
    much = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.Adam([much], lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        grid_loss(0.5 + noise[0] + much * lattice, torch.full_like(noise[0], 0.5)).sum().backward()
        optimizer.step()
    assert abs(float(much.detach())) < 0.1
