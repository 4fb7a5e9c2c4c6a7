"""The network of landmarks: its crop, its size, its files, and its graphs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.nets.fusion import FusionConfig, FusionNet
from hdac.nets.landmarks import LandmarkConfig, LandmarkNet, crop_around
from hdac.nets.zoo import export_model, load_landmarks, load_model
from hdac.runtime.backends import open_landmarks
from hdac.runtime.models import ModelFile, model_from_path
from hdac.runtime.openvino import OpenVinoLandmarks
from hdac.runtime.pytorch import TorchLandmarks
from hdac.training.graphs import export_landmarks

SMALL = LandmarkConfig(points=6, widths=(4, 8, 8, 16), blocks=(1, 1, 1), bottleneck=8)


def made(config: LandmarkConfig) -> LandmarkNet:
    """Weights that depend on the picture, also in the layers that start at zero."""
    torch.manual_seed(0)
    net = LandmarkNet(config).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return net


@pytest.fixture
def net() -> LandmarkNet:
    return made(SMALL)


@pytest.fixture
def model(net: LandmarkNet, tmp_path: Path) -> ModelFile:
    return model_from_path(export_model(net, "points", tmp_path, "not trained"))


def test_it_fits_into_a_megabyte() -> None:
    net = LandmarkNet()
    assert sum(p.numel() for p in net.parameters()) < 1_000_000
    with torch.inference_mode():
        found = net(torch.rand(2, 3, 128, 128))
    assert found.points.shape == (2, 478, 2)
    assert found.crop[0].tolist() == [[0.75, 0, 0], [0, 0.75, 0]], "untrained: the middle"


def test_points_are_places_in_the_crop(net: LandmarkNet) -> None:
    """Turned, scaled and moved with it."""
    corners = torch.tensor([[-1.0, -1], [1, -1], [0, 0], [1, 1], [-1, 1], [0.5, 0]])
    torch.nn.init.zeros_(net.shape.weight)
    net.shape.bias.data.copy_(corners.flatten())
    crop = torch.tensor([[[0.0, -0.5, 0.1], [0.5, 0.0, 0.2]]])
    found = net.points_in(torch.rand(1, 3, 128, 128), crop)
    wanted = [[0.6, -0.3], [0.6, 0.7], [0.1, 0.2], [-0.4, 0.7], [-0.4, -0.3], [0.1, 0.45]]
    assert torch.allclose(found[0], torch.tensor(wanted), atol=1e-6)


def test_the_same_face_elsewhere_has_the_same_points_elsewhere(net: LandmarkNet) -> None:
    """Where the crop goes with it: nothing outside is looked at."""
    x = torch.rand(1, 3, 128, 128)
    there = torch.roll(x, (16, -8), (2, 3))
    crop = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
    moved = crop + torch.tensor([[0, 0, -8 / 64], [0, 0, 16 / 64]])
    away = net.points_in(there, moved) - net.points_in(x, crop)
    assert torch.allclose(away, torch.tensor([-8 / 64, 16 / 64]), atol=1e-5)


def test_files(net: LandmarkNet, model: ModelFile, tmp_path: Path) -> None:
    again = load_landmarks(model)
    assert again.config == SMALL
    assert torch.equal(again.shape.weight, net.shape.weight.half().float())
    with pytest.raises(UsageError, match="not the weights of an hdac network"):
        load_model(model)
    with pytest.raises(UsageError, match="finds landmarks and makes no pictures"):
        model.takes(10)
    small = FusionNet(FusionConfig(keypoints=5, widths=(8, 16, 24, 32), match=8))
    with pytest.raises(UsageError, match="not the weights of an hdac network"):
        load_landmarks(model_from_path(export_model(small, "small", tmp_path, "not trained")))


def test_a_second_pass_crops_around_the_points_of_the_first() -> None:
    once, twice = (made(replace(SMALL, points=160, passes=n)) for n in (1, 2))
    x = torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        first, second = once(x), twice(x)
        assert torch.equal(second.crop, crop_around(first.points))
        assert torch.equal(second.points, once.points_in(x, second.crop))
        assert not torch.equal(second.points, first.points)


def test_configurations_are_bounded() -> None:
    with pytest.raises(UsageError, match="numbers from 0 to 1024 are needed"):
        LandmarkConfig(points=1025)


def test_graphs(tmp_path: Path) -> None:
    """OpenVINO finds what PyTorch finds; in int8 nearly."""
    net = made(replace(SMALL, points=160, passes=2))
    model = model_from_path(export_model(net, "points", tmp_path, "not trained"))
    assert isinstance(open_landmarks(model), TorchLandmarks), "no graphs yet"
    export_landmarks(model, tmp_path)
    samples = list(np.random.default_rng(0).random((8, 1, 3, 128, 128), np.float32))
    int8 = model_from_path(export_landmarks(model, tmp_path, samples))
    fast, slow = open_landmarks(model), TorchLandmarks(model)
    assert isinstance(fast, OpenVinoLandmarks)
    found, exact = fast(samples[0]), slow(samples[0])
    assert found.shape == (1, 160, 2)
    assert np.abs(found - exact).max() < 1e-4
    quantised = open_landmarks(int8)(samples[0])
    assert 0 < np.abs(quantised - exact).max() < 0.1 * np.ptp(exact)
