"""Face-vid2vid's network: rotations, keypoints in space, volumes that are warped."""

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.motion.pose import POSE
from hdac.nets.pose import SLICES, PoseConfig, PoseNet, places, rotation, warp_volume
from hdac.training.head_pose import RIGID, head_pose, learn_head

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
    with torch.inference_mode():
        found = net.find(planes)
        assert found.shape == (2, POSE + 30)
        made = net(planes, net.encode(planes), found, found)
    torch.testing.assert_close(made.planes, planes, atol=1e-5, rtol=0)
    assert len(net.step) == POSE + 30


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="channels at 1/8 are those of 8 slices"):
        PoseConfig(widths=(8, 8, 12))
    with pytest.raises(UsageError, match="numbers from 1 to 1024"):
        PoseConfig(number=0)


def test_heads_are_found_in_pictures_of_them() -> None:
    """A rigid head, seen from many sides: its shape and how it is turned come back."""
    shape = torch.from_numpy(RNG.normal(0, 1, (478, 3))).float() * torch.tensor([0.8, 1.0, 0.5])
    shape[4] = torch.tensor([0.0, 0.1, 1.5])  # the tip of the nose
    angles = turns(300, 0.5)
    seen = shape @ rotation(angles).transpose(1, 2) * 0.3
    points = (seen[..., :2] + torch.tensor([0.1, -0.2])).contiguous()
    head = learn_head([points.numpy()], every=1)
    wanted = shape[RIGID] - shape[RIGID].mean(0)
    wanted = wanted / wanted.square().sum(1).mean().sqrt()
    mean = angles.mean(0)
    assert (head - wanted).norm(dim=1).mean() < 0.1, f"up to the mean turn, {mean}"
    poses = head_pose(points, head)
    away = (poses[:, :3] - angles - (poses[:, :3] - angles).mean(0)).abs()
    assert away.mean() < 0.02
    assert (poses[:, 5] / poses[:, 5].mean() - 1).abs().max() < 0.02
