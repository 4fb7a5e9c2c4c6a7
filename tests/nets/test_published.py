"""The published architectures have the published sizes."""

from pathlib import Path

import pytest
import torch

from hdac.nets.cost import gmac_of
from hdac.nets.fusion import Reference
from hdac.nets.published import (
    NAMES,
    PublishedConfig,
    PublishedNet,
    planes_from_rgb,
    rgb_from_planes,
)
from hdac.nets.zoo import load_model
from hdac.runtime.models import model_from_path

MODELS = Path(__file__).parents[2] / "models"
#: Mean and standard deviation of what committed weights make of one picture and its mirror image,
#: before there were editions; dac-w4's since 00ae500c, which made what it had made, is gone.
MADE = {
    "dac-w4-8e0e7063": (0.541479, 0.050518),
    "hdac-2022-w4-e0dbb603": (0.505482, 0.064505),
    "hdac-2024-w4-8247c301": (0.525509, 0.069842),
    "hdac-hf-w4-e965ced3": (0.504592, 0.069371),
}

#: parameters in millions, GMAC of a 256x256 frame: reference encoder, detector, motion, generator.
#: None is published for hdac-hf: it is hdac-2024 and two 3x3 convolutions, of 128 channels at half
#: size and of 64 at full size.
SIZES = {"dac": (59.7, 54.7), "hdac-2022": (66.8, 83.9), "hdac-2024": (82.5, 156.8)}
SIZES["hdac-hf"] = (
    82.5 + 9 * (128**2 + 64**2) / 1e6,
    156.8 + 9 * (128**2 * 128**2 + 64**2 * 256**2) / 1e9,
)


def millions(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@torch.no_grad()
def run(net: PublishedNet, side: int, mask: float = 1.0) -> torch.Tensor:
    planes, qp = torch.full((1, 6, side // 2, side // 2), 0.5), torch.zeros(1)
    points = net.detector(net.thumbnail(planes))
    return net(
        planes,
        qp,
        Reference(planes, net.encode(planes, qp), points),
        points,
        torch.full((1,), mask),
    ).planes


@pytest.mark.parametrize("name", SIZES)
def test_published_sizes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted without computing anything, on a device that autocast does not know."""
    monkeypatch.setattr("hdac.nets.published.compute_dtype", lambda weight: weight.dtype)
    with torch.device("meta"):
        net = PublishedNet(PublishedConfig(name)).eval()
        gmac = gmac_of(lambda: run(net, 256))
    assert millions(net) == pytest.approx(SIZES[name][0], abs=0.05)
    assert gmac == pytest.approx(SIZES[name][1], abs=0.1)
    assert (millions(net.detector), millions(net.motion)) == (
        pytest.approx(14.2, abs=0.06),
        pytest.approx(37.7, abs=0.05),
    )


@pytest.mark.parametrize("name", NAMES)
def test_narrow_ones_run_and_learn(name: str) -> None:
    net = PublishedNet(PublishedConfig(name, width=1 / 8))
    net.eval()
    out = run(net, 64)
    assert out.shape == (1, 6, 32, 32)
    assert 0 < float(out.min()) < float(out.max()) < 1
    ignored = torch.equal(run(net, 64, 0.0), out)
    assert ignored == (name == "dac")
    net.train()
    planes, qp = torch.rand(2, 6, 64, 64), torch.zeros(2)
    points = net.detector(net.thumbnail(planes))
    net(
        planes, qp, Reference(planes, net.encode(planes, qp), points.flip(1)), points, torch.ones(2)
    ).planes.mean().backward()
    idle = [k for k, p in net.named_parameters() if p.grad is None]
    assert idle == []


def test_colour_there_and_back() -> None:
    rgb = torch.rand(1, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    planes = planes_from_rgb(rgb)
    assert planes.shape == (1, 6, 8, 8)
    inner = (
        ...,
        slice(5, 7),
        slice(5, 7),
    )  # away from the borders of a patch, where chroma is interpolated
    assert torch.allclose(rgb_from_planes(planes)[inner], rgb[inner], atol=1e-5)
    white = planes_from_rgb(torch.ones(1, 3, 2, 2)) * 255
    assert torch.allclose(white.flatten(), torch.tensor([235.0] * 4 + [128.0] * 2), atol=1e-3)


@pytest.mark.parametrize("name", MADE)
@torch.no_grad()
def test_committed_weights_compute_what_they_did(name: str) -> None:
    net = load_model(model_from_path(MODELS / f"{name}.safetensors"))
    wave = torch.arange(6 * 32 * 32, dtype=torch.float32).mul(0.37).sin() * 0.2 + 0.5
    first, qp = wave.view(1, 6, 32, 32), torch.zeros(1)
    second = first.flip(3)
    there, here = (net.detector(net.thumbnail(planes)) for planes in (first, second))
    reference = Reference(first, net.encode(first, qp), there)
    made = net(second, qp, reference, here, torch.ones(1)).planes
    assert (float(made.mean()), float(made.std())) == pytest.approx(MADE[name], abs=2e-5)
