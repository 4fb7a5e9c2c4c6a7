"""The network of compact features: what it makes untrained, what it finds, its graphs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.nets.cfte import CfteConfig, CfteNet
from hdac.nets.cost import gmac_of
from hdac.nets.zoo import build, export_model
from hdac.runtime.backends import open_backend
from hdac.runtime.models import model_from_path
from hdac.runtime.protocol import Reference
from hdac.runtime.pytorch import TorchAnimation
from hdac.training.graphs import export_animation
from tests.nets.quantised import check_quantised


def small(number: int = 2) -> CfteNet:
    """Weights that depend on everything, also in the layers that start at zero."""
    torch.manual_seed(0)
    settings = {"system": "cfte", "number": number, "widths": [8, 8, 8], "blocks": [1, 1, 1]}
    net = build(settings).eval()
    assert isinstance(net, CfteNet)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.06)
    return net


def feature(seed: int, number: int = 2) -> torch.Tensor:
    return torch.rand(1, number, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@torch.inference_mode()
def test_cost_and_size() -> None:
    """At 256x256 between 2 and 12 GMAC a picture, and at most 3 MB in int8."""
    net, planes = CfteNet(), torch.zeros(1, 6, 128, 128)
    features = net.encode(planes)
    assert 2 < gmac_of(lambda: net(planes, features, feature(1, 1), feature(2, 1))) < 12
    assert sum(p.numel() for p in net.parameters()) < 2.8e6


@torch.inference_mode()
def test_untrained_it_shows_the_reference() -> None:
    torch.manual_seed(0)
    net, planes = CfteNet(CfteConfig(widths=(8, 8, 8), blocks=(1, 1, 1))), torch.rand(1, 6, 40, 48)
    made = net(planes, net.encode(planes), feature(1, 1), feature(2, 1))
    torch.testing.assert_close(made.planes, planes, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_every_number_moves_every_place() -> None:
    net = small()
    there, here = feature(1), feature(2)
    flow, maps = net.evolution(here, there)
    assert (flow.shape, maps.shape) == ((1, 2, 64, 64), (1, 8, 64, 64))
    for place in range(32):
        other = here.clone()
        other.view(-1)[place] += 0.5
        assert (net.evolution(other, there)[0] - flow).abs().flatten(2).amax(2).min() > 0


@torch.inference_mode()
def test_what_it_finds_is_in_range_and_depends_on_the_picture() -> None:
    net = small()
    found = net.find(torch.rand(3, 6, 40, 48, generator=torch.Generator().manual_seed(0)))
    assert found.shape == (3, 2, 4, 4)
    assert found.abs().max() <= 1
    assert not torch.allclose(found[0], found[1], atol=1e-4)


def test_graphs_compute_what_the_network_does(tmp_path: Path) -> None:
    model = model_from_path(export_model(small(), "cfte", tmp_path, "not trained"))
    export_animation(model, tmp_path)
    assert (model.parameters, model.most, model.landmark_counts) == ("feature", 2, ())
    planes = torch.rand(1, 6, 40, 72, generator=torch.Generator().manual_seed(3)).numpy()
    found, seen = [], []
    for backend in (open_backend(model, "cpu", 1), TorchAnimation(model, "cpu")):
        seen.append(backend.detect(planes))
        reference = Reference(planes, backend.encode(planes, 30), feature(1).numpy())
        found.append(backend.animate(reference, feature(2).numpy()))
    assert seen[0].shape == (1, 2, 4, 4)
    assert np.abs(seen[0] - seen[1]).max() < 1e-4
    assert np.abs(found[0] - found[1]).mean() < 1e-4
    assert np.abs(found[0] - planes).mean() > 0.01


def test_quantised_graphs_find_what_the_others_find(tmp_path: Path) -> None:
    model = model_from_path(export_model(small(), "cfte", tmp_path, "not trained"))
    check_quantised(model, tmp_path)


def test_bad_configurations() -> None:
    with pytest.raises(UsageError, match="number is 1 to 8 channels"):
        CfteConfig(number=9)
    with pytest.raises(UsageError, match="system cfte, numbers from 1 to 1024"):
        CfteConfig(widths=(8, 0, 8))
