"""Networks of Motion-SPADE: what they make untrained, what their conditionings propose, and their
graphs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.bitstream.container import NumberFormat
from hdac.errors import UsageError
from hdac.motion.facemesh import POINTS, SETS
from hdac.motion.regions import REGIONS
from hdac.nets.conditioning import draw, group_members, region_flows, spread_flows
from hdac.nets.cost import gmac_of
from hdac.nets.motion_spade import PLAIN, SYSTEMS, MotionSpadeConfig, MotionSpadeNet, one_hot
from hdac.nets.zoo import build, export_model, load_animation, load_model
from hdac.runtime.backends import open_backend
from hdac.runtime.models import model_from_path, resolve_model
from hdac.runtime.protocol import FAR, Reference
from hdac.runtime.pytorch import TorchAnimation
from hdac.training.faces import FaceBatch
from hdac.training.graphs import export_animation

NUMBERS = dict(zip(SYSTEMS, (20, 6, 1), strict=True))


def small(system: str) -> MotionSpadeNet:
    """Weights that depend on everything, also in the layers that start at zero."""
    torch.manual_seed(0)
    config = MotionSpadeConfig(system, NUMBERS[system], widths=(8, 8, 8), blocks=(1, 1, 1))
    net = MotionSpadeNet(config).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.06)
    return net


def parameters(system: str, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    if system == "motion-spade-map":
        return torch.randint(REGIONS, (1, 64, 64), generator=g).float()
    return torch.rand(1, NUMBERS[system], 2, generator=g) * 1.6 - 0.8


@pytest.mark.parametrize("system", SYSTEMS)
@torch.inference_mode()
def test_untrained_it_shows_the_reference_where_nothing_moves(system: str) -> None:
    torch.manual_seed(0)
    config = MotionSpadeConfig(system, NUMBERS[system], widths=(8, 8, 8), blocks=(1, 1, 1))
    net, planes = MotionSpadeNet(config).eval(), torch.rand(1, 6, 40, 48)
    still = parameters(system, 1)
    made = net(planes, net.encode(planes), still, still)
    torch.testing.assert_close(made.planes, planes, atol=1e-5, rtol=0)
    other = net(planes, net.encode(planes), still, parameters(system, 2))
    assert not torch.allclose(other.planes, planes, atol=1e-3)


@pytest.mark.parametrize("system", SYSTEMS)
@torch.inference_mode()
def test_refinement_can_be_left_out(system: str) -> None:
    net, planes = small(system), torch.rand(1, 6, 32, 32)
    there, here = parameters(system, 1), parameters(system, 2)
    with_it = net(planes, net.encode(planes), there, here)
    without = net(planes, net.encode(planes), there, here, refine=False)
    assert torch.equal(with_it.moved, without.moved)
    assert not torch.allclose(with_it.planes, without.planes, atol=1e-4)


@torch.inference_mode()
def test_cost_and_size() -> None:
    """At 256x256 between 2 and 12 GMAC a picture, and at most 3 MB in int8."""
    for system, number in zip(SYSTEMS, (68, 10, 1), strict=True):
        net, planes = MotionSpadeNet(MotionSpadeConfig(system, number)), torch.zeros(1, 6, 128, 128)
        two = torch.zeros(2, 1, 64, 64) if number == 1 else torch.zeros(2, 1, number, 2)
        features = net.encode(planes)
        cost = gmac_of(lambda net=net, f=features, t=two, p=planes: net(p, f, *t))
        assert 2 < cost < 12
        assert sum(p.numel() for p in net.parameters()) < 3e6


@torch.inference_mode()
def test_agarwal_is_motion_spade_on_keypoints_without_refinement() -> None:
    """At less than 3 GMAC, and with the same weights otherwise."""
    wide = build({"system": SYSTEMS[1], "number": 10, "refined": True})
    net = build({"system": PLAIN, "number": 10, "refined": False})
    assert isinstance(net, MotionSpadeNet)
    assert net.takes == "keypoints"
    left_out = wide.state_dict().keys() - net.state_dict().keys()
    assert {name.split(".")[1] for name in left_out} == {"refined4", "refined2"}
    assert not net.state_dict().keys() - wide.state_dict().keys()
    planes, points = torch.zeros(1, 6, 128, 128), torch.zeros(2, 1, 10, 2)
    assert 2 < gmac_of(lambda: net(planes, net.encode(planes), *points)) < 4
    with pytest.raises(UsageError, match="agarwal is not refined"):
        build({"system": PLAIN})


def test_points_propose_where_they_went() -> None:
    here = torch.rand(1, 20, 2) * 0.4 - 0.2
    flows = spread_flows(here, here + 0.125)
    assert flows.shape == (1, 4, 2, 64, 64)
    assert not flows[:, 0].any()
    assert torch.allclose(flows[0, 2:, :, 32, 32], torch.tensor(4.0), atol=0.1), "0.125 of 32"
    assert flows[0, 1, :, 0, 0].abs().max() < 0.01, "far from all points"
    gone = here.clone()
    gone[:, 10:] = FAR
    assert torch.equal(
        spread_flows(gone, gone + 0.125), spread_flows(here[:, :10], here[:, :10] + 0.125)
    )


def test_regions_propose_how_they_moved_and_grew() -> None:
    here, there = torch.zeros(2, 1, REGIONS, 64, 64)
    here[:, 2, 20:30, 20:30] = 1
    there[:, 2, 30:50, 10:20] = 1
    flows = region_flows(here, there)
    assert flows.shape == (1, 1 + REGIONS, 2, 64, 64)
    x, y = flows[0, 3, :, 20, 20].tolist()
    assert x == pytest.approx(-10, abs=0.8)
    assert y == pytest.approx(10.5, abs=1.5), "its first row is at 30"
    assert flows[0, 3, 1, 29, 20].item() == pytest.approx(19.5, abs=1.5), "its last at 49"
    assert not flows[0, [0, 1, 2, 4]].any()


def test_groups_are_drawn_apart() -> None:
    points = torch.full((1, 68, 2), FAR)
    chin = SETS[68].tolist().index(152)
    points[0, chin] = torch.tensor([0.5, -0.5])
    maps = draw(points, group_members(68), 64, 64, 1.5)
    assert maps[0, 0].argmax().item() in (64 * 15 + 47, 64 * 16 + 48, 64 * 15 + 48, 64 * 16 + 47)
    assert maps[0, 0].max() > 0.8
    assert not maps[0, 1:].any()


def test_each_region_has_a_map_of_its_own() -> None:
    labels = torch.randint(REGIONS, (2, 64, 64), generator=torch.Generator().manual_seed(1))
    maps = one_hot(labels.float())
    assert maps.shape == (2, REGIONS, 64, 64)
    assert torch.equal(maps.sum(1), torch.ones(2, 64, 64))
    assert torch.equal(maps.argmax(1), labels)


@pytest.mark.parametrize("system", SYSTEMS)
def test_graphs_compute_what_the_network_does(system: str, tmp_path: Path) -> None:
    net, g = small(system), torch.Generator().manual_seed(3)
    model = model_from_path(export_model(net, system, tmp_path, "not trained"))
    export_animation(model, tmp_path)
    g1 = g2 = parameters(system, 1)
    if system != "motion-spade-map":
        g2 = g1 + 0.05
    planes = torch.rand(1, 6, 40, 48, generator=g)
    found = []
    for backend in (open_backend(model, "cpu", 1), TorchAnimation(model, "cpu")):
        if model.detects:
            detected = backend.detect(planes.numpy())
            assert detected.shape == (1, NUMBERS[system], 2)
        features = backend.encode(planes.numpy(), 30)
        reference = Reference(planes.numpy(), features, g1.numpy())
        found.append(backend.animate(reference, g2.numpy()))
        with pytest.raises(NotImplementedError):
            backend.fuse(planes.numpy(), 30, reference, g2.numpy())
    assert np.abs(found[0] - found[1]).mean() < 1e-4
    assert np.abs(found[0] - planes.numpy()).mean() > 0.01
    assert type(backend) is TorchAnimation
    with pytest.raises(UsageError, match="bf16"):
        TorchAnimation(model.computing(NumberFormat.BF16), "cpu")


def test_quantised_graphs(tmp_path: Path) -> None:
    net = small(SYSTEMS[0])
    model = model_from_path(export_model(net, SYSTEMS[0], tmp_path, "not trained"))
    planes, points = torch.rand(3, 4, 6, 64, 64), torch.rand(2, 4, POINTS, 2) * 1.6 - 0.8
    int8 = model_from_path(export_animation(model, tmp_path, FaceBatch(*planes, *points)))
    assert (int8.name, int8.number_format) == (SYSTEMS[0], NumberFormat.INT8)
    assert (int8.parameters, int8.most, int8.counts, int8.usual) == ("landmarks", 20, "20", 20)
    backend = open_backend(int8, "cpu", 1)
    one = planes[1, :1].numpy()
    reference = Reference(one, backend.encode(one, 30), points[0, :1, SETS[20]].numpy())
    here = points[0, :1, SETS[20]].numpy() + np.float32(0.05)
    made = backend.animate(reference, here)
    exact = TorchAnimation(model, "cpu")
    reference = reference._replace(features=exact.encode(one, 30))
    assert np.abs(made - exact.animate(reference, here)).mean() < 0.05


def test_bad_configurations_and_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="landmarks 20, 68, 162, 478 are there"):
        MotionSpadeConfig(SYSTEMS[0], 21)
    with pytest.raises(UsageError, match="system one of"):
        MotionSpadeConfig("motion-spade-other")
    for system in (SYSTEMS[1], PLAIN):
        with pytest.raises(UsageError, match="streams have 1 to 64 keypoints"):
            MotionSpadeConfig(system, 65, refined=False)
    with pytest.raises(ValueError, match=r"known are .*motion-spade"):
        build({"system": "nobody's"})
    model = model_from_path(export_model(small(SYSTEMS[1]), "dynamic", tmp_path, "not trained"))
    with pytest.raises(UsageError, match="for mode animation alone"):
        load_model(model)
    with pytest.raises(UsageError, match="not the network of another system"):
        load_animation(resolve_model("hdac-s"))
