"""`hdac-face`: its shape model, what moves it, and its graphs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.motion.face import POSE, STEPS
from hdac.motion.facemesh import POINTS, SETS
from hdac.nets.cost import gmac_of
from hdac.nets.face import FaceConfig, FaceNet, ShapeModel
from hdac.nets.zoo import export_model
from hdac.runtime.backends import open_backend
from hdac.runtime.models import model_from_path
from hdac.runtime.protocol import Reference
from hdac.runtime.pytorch import TorchAnimation
from hdac.training.animating import learn_shapes
from hdac.training.graphs import export_animation

DENSE = 162


def faces(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Faces `(N, 478, 2)` with two ways to move, anywhere and turned, and the same upright."""
    rng = np.random.default_rng(seed)
    fixed = np.random.default_rng(99)
    mean, ways = fixed.normal(0, 0.2, (POINTS, 2)), fixed.normal(0, 0.02, (2, POINTS, 2))
    upright = mean + np.einsum("nc,cpk->npk", rng.normal(0, 1, (count, 2)), ways)
    angle, scale = rng.normal(0, 0.3, count), rng.uniform(0.7, 1.2, count)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], 1)
    moved = upright @ turn + rng.normal(0, 0.2, (count, 1, 2))
    return moved.astype(np.float32), upright


def learned(coefficients: int = 6) -> ShapeModel:
    model = ShapeModel(coefficients)
    learn_shapes(model, [faces(200)[0]], 1)
    return model


def test_faces_come_back_from_pose_and_coefficients() -> None:
    model, seen = learned(), torch.from_numpy(faces(20, 1)[0])
    chosen = seen[:, SETS[DENSE]]
    shape = model.fit(chosen)
    assert shape.shape == (20, POSE + 6)
    assert (model(shape) - chosen).abs().max() < 0.01, "two ways, and what a similarity leaves"
    assert (model(shape * torch.tensor([1.0] * POSE + [0.0] * 6)) - chosen).abs().max() > 0.03
    again = model.fit(model(shape))
    torch.testing.assert_close(again, shape, atol=2e-3, rtol=0)


def test_directions_are_orthonormal_where_points_are_weighted() -> None:
    model = learned()
    rows = (model.basis * model.weights[:, None]).flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(6), atol=1e-4, rtol=0)
    assert sorted(set(model.weights.tolist())) == pytest.approx([1.0, 2**0.5])


def small(coefficients: int = 6) -> FaceNet:
    torch.manual_seed(0)
    config = FaceConfig(number=5, coefficients=coefficients, widths=(8, 8, 8), blocks=(1, 1, 1))
    net = FaceNet(config).eval()
    learn_shapes(net.shape, [faces(200)[0]], 1)
    return net


def vector(net: FaceNet, seed: int) -> torch.Tensor:
    points = torch.from_numpy(faces(1, seed)[0])
    free = torch.rand(1, 10, generator=torch.Generator().manual_seed(seed)) - 0.5
    return torch.cat([net.fit(points), free], 1)


@torch.inference_mode()
def test_untrained_it_moves_the_reference_with_the_face() -> None:
    net, planes = small(), torch.rand(1, 6, 40, 48)
    there = vector(net, 3)
    features = net.encode(planes)
    still = net(planes, features, there, there)
    torch.testing.assert_close(still.planes, planes, atol=1e-5, rtol=0)
    here = there.clone()
    here[:, 2] += 0.25  # x: an eighth of the frame to the right
    assert net(planes, features, there, here).flow is not None
    flow = net(planes, features, there, here).flow
    assert flow is not None
    x, y = there[0, 2:4]
    column, row = int((x + 1.25) / 2 * 24), int((y + 1) / 2 * 20)
    assert float(flow[0, 0, row, column]) < -3, "backwards, a share of -12 pixels"


def test_steps_of_all_parameters() -> None:
    net = small()
    step = net.step
    assert step.shape == (POSE + 6 + 10,)
    assert step[[0, 2, 4, 10]].tolist() == list(STEPS)


@torch.inference_mode()
def test_cost_and_size() -> None:
    net, planes = FaceNet(), torch.zeros(1, 6, 128, 128)
    given = torch.zeros(1, POSE + 16 + 10)
    features = net.encode(planes)
    assert 2 < gmac_of(lambda: net(planes, features, given, given)) < 12
    assert sum(p.numel() for p in net.parameters()) < 3e6


def test_graphs_compute_what_the_network_does(tmp_path: Path) -> None:
    net = small()
    for layer in (net.generator.luma, net.generator.chroma, net.head.out):
        torch.nn.init.normal_(layer.weight, 0, 0.05)
    model = model_from_path(export_model(net, "hdac-face", tmp_path, "not trained"))
    export_animation(model, tmp_path)
    assert (model.parameters, model.most, model.counts, model.usual) == ("face", 5, "5", 5)
    planes, points = np.random.default_rng(0).random((1, 6, 40, 48), np.float32), faces(1, 5)[0]
    free, found = np.full((1, 10), 0.1, np.float32), []
    for backend in (open_backend(model, "cpu", 1), TorchAnimation(model, "cpu")):
        assert backend.detect(planes).shape == (1, 5, 2)
        shape = backend.fit(points)
        there = np.concatenate([shape, free], 1)
        here = there + np.float32(0.02)
        reference = Reference(planes, backend.encode(planes, 30), there)
        found.append((shape, backend.animate(reference, here)))
    assert np.abs(found[0][0] - found[1][0]).max() < 1e-4
    assert np.abs(found[0][1] - found[1][1]).mean() < 1e-4
    assert np.abs(found[0][1] - planes).mean() > 0.01


def test_bad_configurations() -> None:
    with pytest.raises(UsageError, match="numbers from 1 to 1024"):
        FaceConfig(coefficients=0)
    FaceConfig(number=64, coefficients=64)
    for wrong in ({"number": 65}, {"coefficients": 65}):  # no stream's header has so many
        with pytest.raises(UsageError, match=r"1 to 64 keypoints .* and 1 to 64 coefficients"):
            FaceConfig(**wrong)
