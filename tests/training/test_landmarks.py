"""What the network of landmarks learns from: samples whose points are still where the face is."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from hdac.motion.facemesh import LEFT_EYE, MIRROR, RIGHT_EYE
from hdac.nets.landmarks import LandmarkConfig, LandmarkNet, crop_around
from hdac.nets.zoo import export_model
from hdac.runtime.models import model_from_path
from hdac.training.graphs import export_landmarks
from tests import scripts
from tests.graphs import quantised

TIP = 1  # of the nose


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("cv2")
    return scripts.script("landmarks")


def faces(count: int) -> np.ndarray:
    """Symmetric ones, here and there."""
    rng = np.random.default_rng(5)
    face = rng.uniform(-0.4, 0.4, (478, 2))
    face[RIGHT_EYE] = rng.uniform(-0.35, -0.2, (16, 2))
    face = (face + face[MIRROR] * [-1, 1]) / 2
    face[RIGHT_EYE, 0], face[LEFT_EYE, 0] = -0.25, 0.25
    face[[TIP, 10, 152, 0]] = [[0, 0.05], [0, -0.5], [0, 0.55], [0, 0.3]]
    shifts = rng.uniform(-0.2, 0.2, (count, 1, 2))
    return (face + shifts).astype(np.float32)


def test_points_stay_on_the_picture(script: ModuleType) -> None:
    """A bright spot at the nose's tip goes where that point goes; some are hidden on purpose."""
    points = faces(20)
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
    points = torch.from_numpy(faces(1))
    turn = torch.tensor([[0.0, -0.5], [0.5, 0.0]])
    for one in (points, points @ turn.T + 0.1):
        crop = crop_around(one)
        inside = (one - crop[:, None, :, 2]) @ torch.linalg.inv(crop[:, :, :2]).transpose(1, 2)
        low, high = inside.amin(1)[0], inside.amax(1)[0]
        assert torch.allclose(low + high, torch.zeros(2), atol=1e-5), "in the middle"
        assert float((high - low).max()) == pytest.approx(2 / 1.25)
        assert float(inside[0, 152, 1]) > 0.5, "the chin is below"


def test_coordinates_are_not_quantised(tmp_path: Path) -> None:
    """Products of features are in int8, those of places with a crop are not."""
    config = LandmarkConfig(widths=(8, 8, 8, 8), blocks=(0, 0, 0), bottleneck=8, passes=2)
    model = model_from_path(export_model(LandmarkNet(config), "landmarks", tmp_path, "not trained"))
    rng = np.random.default_rng(0)
    int8 = export_landmarks(model, tmp_path, rng.random((2, 1, 3, 128, 128), np.float32))
    found = quantised(int8)
    assert {taker for _, taker in found} == {"Convolution", "MatMul"}
    shapes = {node.get_output_partial_shape(0).to_string() for node, t in found if t == "MatMul"}
    assert not any(shape.endswith(",2]") for shape in shapes), shapes
