"""The network without warping: what it makes untrained, how many landmarks it takes, its graphs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.motion.facemesh import POINTS, SETS
from hdac.nets.cost import gmac_of
from hdac.nets.landmark_gan import Attention, LandmarkGanConfig, LandmarkGanNet
from hdac.nets.zoo import build, export_model
from hdac.runtime.backends import open_backend
from hdac.runtime.models import model_from_path
from hdac.runtime.protocol import FAR, Reference
from hdac.runtime.pytorch import TorchAnimation
from hdac.training.animating import parameters_of
from hdac.training.faces import FaceBatch
from hdac.training.graphs import export_animation

SMALL = {"system": "landmark-gan", "widths": [8, 8, 8], "blocks": 1}


def small(**settings: object) -> LandmarkGanNet:
    """Weights that depend on everything, also in the layers that start at zero."""
    torch.manual_seed(0)
    net = build({**SMALL, **settings}).eval()
    assert isinstance(net, LandmarkGanNet)
    for name, parameter in net.named_parameters():
        torch.nn.init.normal_(parameter, 0, 0.02 if name.startswith(("chroma", "luma")) else 0.2)
    return net


def points(seed: int, number: int = 162) -> torch.Tensor:
    return torch.rand(1, number, 2, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8


@torch.inference_mode()
def test_cost_and_size() -> None:
    """At 256x256 between 2 and 12 GMAC a picture, and at most 3 MB in int8."""
    net, planes = LandmarkGanNet(), torch.zeros(1, 6, 128, 128)
    features = net.encode(planes)
    assert 2 < gmac_of(lambda: net(planes, features, points(1), points(2))) < 12
    assert sum(p.numel() for p in net.parameters()) < 2.8e6


@torch.inference_mode()
def test_untrained_it_is_the_reference() -> None:
    torch.manual_seed(0)
    net, planes = LandmarkGanNet(LandmarkGanConfig(widths=(8, 8, 8))), torch.rand(1, 6, 40, 48)
    made = net(planes, net.encode(planes), points(1), points(2))
    assert made.flow is None
    assert torch.equal(made.planes, planes)


@torch.inference_mode()
def test_both_pictures_landmarks_count() -> None:
    net, planes = small(), torch.rand(1, 6, 40, 48)
    features = net.encode(planes)
    one = net(planes, features, points(1), points(2)).planes
    for there, here in ((3, 2), (1, 3)):
        other = net(planes, features, points(there), points(here)).planes
        assert (one - other).abs().mean() > 1e-4


@torch.inference_mode()
def test_attention_sees_all_places_and_costs_the_same_a_place() -> None:
    torch.manual_seed(0)
    attention, x = Attention(8), torch.rand(1, 8, 64, 64)
    assert torch.equal(attention(x), x), "before training"
    torch.nn.init.normal_(attention.last.weight, 0, 0.5)
    changed = x.clone()
    changed[..., 60:, 60:] += 1
    assert (attention(x) - attention(changed))[..., :4, :4].abs().min() > 0
    keys = attention.key.weight.numel() * 2 * 32 * 32 / 1e9
    costs = [
        gmac_of(lambda side=side: attention(torch.rand(1, 8, side, side))) - keys
        for side in (64, 128)
    ]
    assert costs[1] == pytest.approx(4 * costs[0], rel=0.01)


def test_training_draws_how_many_landmarks_are_sent() -> None:
    batch = FaceBatch(*torch.rand(3, 2, 6, 8, 8), *(torch.rand(2, 2, POINTS, 2) - 0.5))
    counts, generator = set(), torch.Generator().manual_seed(1)
    for _ in range(20):
        there, here = parameters_of(small(), batch, generator)
        sent = here[0, :, 0] != FAR
        assert torch.equal(sent, there[1, :, 1] != FAR)
        count = int(sent.sum())
        counts.add(count)
        assert set(SETS[162][sent.numpy()]) == set(SETS[count])
        wanted = batch.here[:, SETS[162]][:, sent]
        assert (here[:, sent] - wanted).abs().max() <= 0.5 / 128
    assert counts == {20, 68, 162}
    assert int((parameters_of(small(nested=False), batch, generator)[0] == FAR).sum()) == 0


@pytest.mark.parametrize("number", [20, 162])
def test_graphs_compute_what_the_network_does(number: int, tmp_path: Path) -> None:
    model = model_from_path(export_model(small(), "gan", tmp_path, "not trained"))
    export_animation(model, tmp_path)
    assert (model.landmark_counts, model.usual, model.takes(40)) == ((20, 68, 162), 68, False)
    planes = torch.rand(1, 6, 40, 72, generator=torch.Generator().manual_seed(3)).numpy()
    there, here = points(1).numpy(), points(2).numpy()
    for given in (there, here):
        given[:, ~np.isin(SETS[162], SETS[number])] = FAR
    found = []
    for backend in (open_backend(model, "cpu", 1), TorchAnimation(model, "cpu")):
        reference = Reference(planes, backend.encode(planes, 30), there)
        found.append(backend.animate(reference, here))
    assert np.abs(found[0] - found[1]).mean() < 1e-4
    assert np.abs(found[0] - planes).mean() > 0.01


def test_bad_configurations() -> None:
    with pytest.raises(UsageError, match="landmarks 20, 68, 162, 478 are there"):
        LandmarkGanConfig(number=21)
    with pytest.raises(UsageError, match="system landmark-gan, numbers from 1 to 1024"):
        LandmarkGanConfig(blocks=0)
