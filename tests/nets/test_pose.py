"""Face-vid2vid's network: rotations, keypoints in space, volumes that are warped."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.motion.facemesh import POINTS
from hdac.motion.pose import POSE
from hdac.nets.cost import gmac_of
from hdac.nets.pose import (
    RIGID,
    SLICES,
    Head,
    PoseConfig,
    PoseNet,
    places,
    rotation,
    warp_volume,
)
from hdac.nets.zoo import build, export_model
from hdac.runtime.backends import open_backend
from hdac.runtime.graphs import read_graphs
from hdac.runtime.library import openvino
from hdac.runtime.models import ModelFile, model_from_path
from hdac.runtime.protocol import Reference
from hdac.runtime.pytorch import TorchAnimation
from hdac.training.graphs import export_animation
from hdac.training.head_pose import learn_head
from tests.nets.quantised import check_quantised

RNG = np.random.default_rng(5)


def turns(count: int, most: float = 0.6) -> torch.Tensor:
    return torch.from_numpy(RNG.uniform(-most, most, (count, 3))).float()


def test_rotations_are_rotations() -> None:
    matrix = rotation(turns(20))
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), torch.eye(3).expand(20, 3, 3))
    assert bool((torch.linalg.det(matrix) > 0.999).all())
    front = torch.tensor([0.0, 0.0, 1.0])
    yaw, pitch, _ = (rotation(torch.eye(3)[i : i + 1] * 0.3)[0] @ front for i in range(3))
    assert (yaw[0], pitch[1]) == (pytest.approx(np.sin(0.3)), pytest.approx(-np.sin(0.3)))


def test_keypoints_turn_with_the_head() -> None:
    person = torch.tensor([[0.0, 0.0, 1.0], [0.5, 0.0, 0.0]])
    vector = torch.zeros(1, POSE + 12)
    vector[0, POSE + 6 :] = person.flatten()
    vector[0, 0], vector[0, 3], vector[0, 5] = np.pi / 2, 0.25, 0.5
    points, _ = places(vector)
    expected = torch.tensor([[[0.75, 0.0, 0.0], [0.25, 0.0, -0.25]]])
    torch.testing.assert_close(points, expected, atol=1e-6, rtol=0)


def test_volumes_move_in_depth_and_in_the_plane() -> None:
    volume = torch.zeros(1, 2 * SLICES, 8, 8)
    volume[0, 2 * 3, 4, 4] = 1.0  # slice 3, channel 0
    flow = torch.zeros(1, SLICES, 3, 8, 8)
    torch.testing.assert_close(warp_volume(volume, flow), volume)
    flow[:, :, 2] = -2 / SLICES  # looks one slice farther back
    flow[:, :, 0] = 2 / 8  # and one sample to the right
    moved = warp_volume(volume, flow)
    assert moved[0, 2 * 4, 4, 3] == pytest.approx(1.0)
    assert moved.sum() == pytest.approx(1.0)
    flow[:, :, 2] = -1 / SLICES
    moved = warp_volume(volume, flow)
    halves = [float(moved[0, 2 * s, 4, 3]) for s in (3, 4)]
    assert halves == pytest.approx([0.5, 0.5])


def test_untrained_it_shows_the_reference() -> None:
    net, planes = PoseNet(PoseConfig(number=5, widths=(8, 8, 8))).eval(), torch.rand(2, 6, 32, 32)
    net.head.learn(torch.randn(len(RIGID), 3, generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        found = torch.cat([net.fit(faces(2)), net.find(planes)], 1)
        assert found.shape == (2, POSE + 30)
        made = net(planes, net.encode(planes), found, found)
    torch.testing.assert_close(made.planes, planes, atol=1e-5, rtol=0)
    assert len(net.step) == POSE + 30


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="channels at 1/8 are those of 8 slices"):
        PoseConfig(widths=(8, 8, 12))
    with pytest.raises(UsageError, match="numbers from 1 to 1024"):
        PoseConfig(number=0)
    with pytest.raises(UsageError, match="streams have 1 to 64 keypoints"):
        PoseConfig(number=65)


def test_heads_are_found_in_pictures_of_them() -> None:
    """A rigid head, seen from many sides: its shape and how it is turned come back."""
    shape = torch.from_numpy(RNG.normal(0, 1, (478, 3))).float() * torch.tensor([0.8, 1.0, 0.5])
    shape[4] = torch.tensor([0.0, 0.1, 1.5])  # the tip of the nose
    angles = turns(300, 0.5)
    seen = shape @ rotation(angles).transpose(1, 2) * 0.3
    points = (seen[..., :2] + torch.tensor([0.1, -0.2])).contiguous()
    found, head = learn_head([points.numpy()], every=1), Head()
    wanted = shape[RIGID] - shape[RIGID].mean(0)
    wanted = wanted / wanted.square().sum(1).mean().sqrt()
    mean = angles.mean(0)
    assert (found - wanted).norm(dim=1).mean() < 0.1, f"up to the mean turn, {mean}"
    head.learn(found)
    poses = head.fit(points)
    away = (poses[:, :3] - angles - (poses[:, :3] - angles).mean(0)).abs()
    assert away.mean() < 0.02
    assert (poses[:, 5] / poses[:, 5].mean() - 1).abs().max() < 0.02


def faces(count: int) -> torch.Tensor:
    """Landmarks of nobody."""
    return torch.rand(count, POINTS, 2, generator=torch.Generator().manual_seed(1)) - 0.5


def test_faces_of_no_size_have_a_pose() -> None:
    head = Head()
    head.learn(torch.randn(len(RIGID), 3, generator=torch.Generator().manual_seed(0)))
    assert bool(head.fit(torch.zeros(2, POINTS, 2)).isfinite().all())


def painting(number: int = 5) -> PoseNet:
    """Weights that depend on everything, also in the layers that start at zero."""
    torch.manual_seed(0)
    small = {"number": number, "widths": [8, 8, 8], "blocks": [1, 1, 1]}
    net = build({"system": "fv2v", **small}).eval()
    assert isinstance(net, PoseNet)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.06)
    net.head.learn(torch.randn(len(RIGID), 3) / 2)
    return net


def exported(net: PoseNet, folder: Path) -> ModelFile:
    model = model_from_path(export_model(net, "fv2v", folder, "not trained"))
    export_animation(model, folder)
    return model


def heads(model: ModelFile, planes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """By OpenVINO and by PyTorch: what is found, and the head turned and moved nearer."""
    out = []
    for backend in (open_backend(model, "cpu", 1), TorchAnimation(model, "cpu")):
        there = np.concatenate([backend.fit(faces(1).numpy()), backend.detect(planes)], 1)
        here = there.copy()
        here[:, :3] += 0.3
        here[:, 5] *= 1.1
        reference = Reference(planes, backend.encode(planes, 30), there)
        out.append((there, backend.animate(reference, here)))
    return out


@torch.inference_mode()
def test_cost_and_size() -> None:
    """At 256x256 between 2 and 6 GMAC a picture, and at most 3 MB in int8."""
    net, planes = PoseNet(), torch.zeros(1, 6, 128, 128)
    features, found = net.encode(planes), torch.cat([net.fit(faces(1)), net.find(planes)], 1)
    assert 2 < gmac_of(lambda: net(planes, features, found, found)) < 6
    assert sum(p.numel() for p in net.parameters()) < 2.8e6


def test_graphs_compute_what_the_network_does(tmp_path: Path) -> None:
    model = exported(painting(), tmp_path)
    assert (model.parameters, model.most, model.landmark_counts) == ("pose", 5, ())
    planes = torch.rand(1, 6, 40, 72, generator=torch.Generator().manual_seed(3)).numpy()
    (seen, made), (seen_torch, made_torch) = heads(model, planes)
    assert seen.shape == (1, POSE + 30)
    assert np.abs(seen - seen_torch).max() < 1e-4
    assert np.abs(made - made_torch).mean() < 1e-4
    assert np.abs(made - planes).mean() > 0.01


@pytest.mark.parametrize("there", [0, 1, 64, -1023])
@pytest.mark.parametrize("here", [0, 1, 64, -1023])
def test_heads_of_any_scale_make_pictures(there: int, here: int) -> None:
    """A damaged stream may say that a head has no size."""
    with torch.inference_mode():
        net, planes = painting(), torch.rand(1, 6, 32, 32)
        vectors = torch.cat([net.fit(faces(1)), net.find(planes)], 1).repeat(2, 1)
        vectors[:, 5] = torch.tensor([there, here]) / 128
        made = net(planes, net.encode(planes), vectors[:1], vectors[1:])
    assert bool(made.planes.isfinite().all())


def test_convolutions_alone_are_quantised_and_not_the_one_that_says_how_things_move(
    tmp_path: Path,
) -> None:
    """A scale or a distance of 8 bits moves all of the picture."""
    model = exported(painting(), tmp_path)
    int8 = check_quantised(model, tmp_path)

    graphs = read_graphs(int8.graphs, int8.graph_names)
    graph = openvino.Core().read_model(graphs.xml["animate"], graphs.constants)
    readers: dict[str, int] = defaultdict(int)
    flows = 0
    for node in graph.get_ops():
        if node.get_type_name() == "FakeQuantize":
            for reader in node.output(0).get_target_inputs():
                readers[reader.get_node().get_type_name()] += 1
        if node.get_type_name() == "Convolution" and node.get_output_partial_shape(0)[1] == 59:
            assert node.input_value(0).get_node().get_type_name() != "FakeQuantize"
            flows += 1
    assert set(readers) == {"Convolution"}
    assert (readers["Convolution"] > 20, flows) == (True, 1)
