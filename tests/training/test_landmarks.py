"""What the network of landmarks learns from: samples whose points are still where the face is."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest
import torch

from hdac.motion.facemesh import LEFT_EYE, RIGHT_EYE
from hdac.nets.landmarks import crop_around
from tests.test_results_page import ROOT

TIP = 1  # of the nose


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("cv2")
    spec = importlib.util.spec_from_file_location("learn", ROOT / "experiments" / "landmarks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def faces(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric ones, here and there, and which point is which in a mirror: 2 i and 2 i + 1 of the
    others than the eyes, the nose's tip and the chin."""
    rng = np.random.default_rng(5)
    face, other = rng.uniform(-0.4, 0.4, (478, 2)), np.arange(478)
    face[RIGHT_EYE] = rng.uniform(-0.35, -0.2, (16, 2))
    face[LEFT_EYE] = face[RIGHT_EYE] * [-1, 1]
    other[RIGHT_EYE], other[LEFT_EYE] = LEFT_EYE, RIGHT_EYE
    rest = np.setdiff1d(np.arange(478), [*RIGHT_EYE, *LEFT_EYE, TIP, 10, 152, 0])
    face[rest[1::2]] = face[rest[::2]] * [-1, 1]
    other[rest[::2]], other[rest[1::2]] = rest[1::2], rest[::2]
    face[[TIP, 10, 152, 0]] = [[0, 0.05], [0, -0.5], [0, 0.55], [0, 0.3]]
    shifts = rng.uniform(-0.2, 0.2, (count, 1, 2))
    return (face + shifts).astype(np.float32), other


def test_mirror(script: ModuleType) -> None:
    points, other = faces(40)
    assert np.array_equal(script.mirrored(points), other)


def test_points_stay_on_the_picture(script: ModuleType) -> None:
    """A bright spot at the nose's tip goes where that point goes; some are hidden on purpose."""
    points, _ = faces(20)
    pictures = np.zeros((20, script.SIDE, script.SIDE, 3), np.uint8)
    places = np.rint((points[:, TIP] + 1) / 2 * script.SIDE - 0.5).astype(int)
    for picture, (x, y) in zip(pictures, places, strict=True):
        picture[y - 5 : y + 6, x - 5 : x + 6] = 255
    data = script.Data(pictures, points, np.full(20, 0.05))
    x, moved = script.Sampler(data, 1).batch(200)
    assert (x.shape, moved.shape) == ((200, 3, 128, 128), (200, 478, 2))
    inside = moved[:, TIP].abs().amax(1) < 0.9
    at = ((moved[inside, TIP] + 1) * 64 - 0.5).round().long()
    spots = x[inside, 0][torch.arange(len(at)), at[:, 1], at[:, 0]]
    seen = spots > x[inside, 0].mean((1, 2)) + 0.25
    assert len(at) > 150
    assert seen.float().mean() > 0.9


def test_crops_are_upright() -> None:
    """Whatever the turn: places in the crop are the same."""
    points = torch.from_numpy(faces(1)[0])
    turn = torch.tensor([[0.0, -0.5], [0.5, 0.0]])
    for one in (points, points @ turn.T + 0.1):
        crop = crop_around(one)
        inside = (one - crop[:, None, :, 2]) @ torch.linalg.inv(crop[:, :, :2]).transpose(1, 2)
        low, high = inside.amin(1)[0], inside.amax(1)[0]
        assert torch.allclose(low + high, torch.zeros(2), atol=1e-5), "in the middle"
        assert float((high - low).max()) == pytest.approx(2 / 1.25)
        assert float(inside[0, 152, 1]) > 0.5, "the chin is below"
