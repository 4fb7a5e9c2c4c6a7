from dataclasses import replace

import pytest
import torch

from hdac.nets.blocks import LowPass
from hdac.nets.cost import decoder_gmac
from hdac.nets.fusion import FusionConfig, FusionNet, Reference
from hdac.nets.keypoints import KeypointDetector, gaussians, thumbnail
from hdac.nets.zoo import build, load_model
from hdac.runtime.models import find_model
from hdac.training.recipe import load_recipe

SMALL = FusionConfig(keypoints=5, widths=(8, 16, 24, 32), match=8)


def inputs(
    net: FusionNet, size: int = 64
) -> tuple[torch.Tensor, torch.Tensor, Reference, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    planes, k = torch.rand(1, 6, size // 2, size // 2, generator=g), net.config.keypoints
    reference = torch.rand(1, 6, size // 2, size // 2, generator=g)
    points = torch.rand(1, k, 2, generator=g) * 2 - 1
    return (
        planes,
        torch.tensor([40.0]),
        Reference(reference, net.encode(reference, torch.tensor([30.0])), points),
        points,
    )


@torch.inference_mode()
def test_untrained_network_is_its_base_layer() -> None:
    torch.manual_seed(0)
    net = FusionNet(SMALL).eval()
    base, qp, reference, points = inputs(net)
    assert torch.equal(net(base, qp, reference, points, torch.ones(1)).planes, base)


@torch.inference_mode()
def test_what_is_added_to_luma_passes_the_low_pass() -> None:
    torch.manual_seed(0)
    plain, passed = (FusionNet(replace(SMALL, low_pass=on)).eval() for on in (False, True))
    torch.nn.init.normal_(plain.out.weight, 0, 0.1)
    passed.load_state_dict(plain.state_dict())
    base, qp, reference, points = inputs(plain)
    a, b = (n(base, qp, reference, points, torch.ones(1)).planes for n in (plain, passed))
    torch.testing.assert_close(b[:, :4], (base + LowPass()(a - base))[:, :4])
    assert torch.equal(b[:, 4:], a[:, 4:])
    assert (a - b).abs().max() > 1e-3


@torch.inference_mode()
def test_without_base_layer_its_picture_does_not_matter() -> None:
    torch.manual_seed(0)
    net = FusionNet(SMALL).eval()
    for p in net.parameters():
        p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())) * 0.01)
    base, qp, reference, points = inputs(net)
    one, other = (net(b, qp, reference, points, torch.zeros(1)).planes for b in (base, 1 - base))
    torch.testing.assert_close(one, other)
    moved = net(base, qp, reference, points * 0.5, torch.zeros(1)).planes
    assert float((moved - one).abs().max()) > 1e-4


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    net = FusionNet(SMALL)
    base, qp, reference, _ = inputs(net)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):  # zero-initialised layers open one after the other
        points = net.detector(thumbnail(base))
        reference = Reference(
            reference.planes,
            net.encode(reference.planes, qp),
            net.detector(thumbnail(reference.planes)),
        )
        opt.zero_grad()
        net(base, qp, reference, points, torch.ones(1)).planes.sub(
            reference.planes
        ).square().mean().backward()
        opt.step()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert without == []


def test_budget_of_hdac_l() -> None:
    """Design: at most 25 GMAC per 256x256 frame at the decoder, at most 40 MB in fp16."""
    net = build(load_recipe("hdac-l").network)
    assert decoder_gmac(net, 256, 256) == pytest.approx(11.239, abs=0.001)
    assert sum(p.numel() for p in net.parameters()) == 3_423_946
    assert find_model("hdac-l").path.stat().st_size <= 40_000_000


def test_budget_of_hdac_s() -> None:
    """Design: at most 4 GMAC per 256x256 frame at the decoder, at most 3 MB in fp16."""
    net = build(load_recipe("hdac-s").network)
    assert decoder_gmac(net, 256, 256) == pytest.approx(3.613, abs=0.001)
    assert sum(p.numel() for p in net.parameters()) == 1_448_458
    for name in ("hdac-s", "hdac-s-perceptual", "hdac-s-animation"):
        model = find_model(name)
        assert model.path.stat().st_size <= 3_000_000
        assert decoder_gmac(load_model(model), 256, 256) <= 4


def test_keypoints_see_the_thumbnail_only() -> None:
    torch.manual_seed(0)
    detector = KeypointDetector(7).eval()
    with torch.inference_mode():
        small, large = (
            torch.rand(1, 6, s, s, generator=torch.Generator().manual_seed(s)) for s in (64, 128)
        )
        assert thumbnail(small).shape == thumbnail(large).shape == (1, 3, 64, 64)
        points = detector(thumbnail(small))
    assert points.shape == (1, 7, 2)
    assert float(points.abs().max()) <= 1


def test_gaussians_peak_where_the_keypoint_is() -> None:
    heat = gaussians(torch.tensor([[[0.5, -0.5]]]), 32, 32)[0, 0]
    assert divmod(int(heat.argmax()), 32) in [(7, 23), (7, 24), (8, 23), (8, 24)]
