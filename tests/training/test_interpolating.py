"""What frame interpolation is trained on, and how."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.nets.interpolate import InterpolateConfig, InterpolateNet
from hdac.training.faces import load
from hdac.training.interpolating import FARTHEST, InterpolateTask, TripleSampler, validate
from hdac.training.loop import TrainConfig, Trainer
from tests.conftest import Run
from tests.training.flow import check_resumed, train_and_export

CONFIG = TrainConfig(minutes=100, batch=2, crop=192, warmup_steps=2)
NETWORK = {"interpolated": (8, 8, 8), "repaired": 4}
STEP = 10


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose pictures are grey, `STEP` more each time."""
    folder = tmp_path_factory.mktemp("faces")
    grey = np.arange(0, 12 * STEP, STEP, np.uint8)
    stacks = {
        "y": np.broadcast_to(grey[:, None, None], (12, 256, 256)),
        "uv": np.broadcast_to(grey[:, None, None, None], (12, 2, 128, 128)),
    }
    (folder / "train").mkdir()
    for kind, stack in stacks.items():
        np.save(folder / "train" / f"a.{kind}.npy", stack)
        np.save(folder / "train" / f"a.reference-{kind}.npy", stack[:1])
    np.save(folder / "train" / "a.qps.npy", np.array([[0, 30]]))
    np.save(folder / "train" / "a.points.npy", np.zeros((12, 478, 2), np.float32))
    (folder / "val").symlink_to(folder / "train")
    return folder


def test_triples_are_in_time_and_come_again(faces: Path) -> None:
    sampler = TripleSampler(load(faces / "train"), 1)
    batch = sampler.batch(40, 192)
    assert batch.before.shape == batch.between.shape == (40, 6, 96, 96)
    first, last, middle = (
        part.mean((1, 2, 3)) * 255 for part in (batch.before, batch.after, batch.between)
    )
    torch.testing.assert_close(middle, first + batch.share * (last - first))
    away = ((last - first) / STEP).round().int().tolist()
    assert set(away) == {*range(2, FARTHEST + 1), *range(-FARTHEST, -1)}
    again = TripleSampler(load(faces / "train"), 1).batch(40, 192)
    assert all(torch.equal(one, other) for one, other in zip(batch, again, strict=True))
    assert not torch.equal(sampler.batch(40, 192).before, batch.before)


def test_runs_go_on_as_if_they_had_not_stopped(faces: Path, tmp_path: Path) -> None:
    def trainer(name: str, resume: bool) -> Trainer:
        task = InterpolateTask(TripleSampler(load(faces / "train"), 1), CONFIG, "cpu")
        return Trainer(tmp_path / name, CONFIG, NETWORK, task, "cpu", resume)

    check_resumed(trainer)


def test_validation_stands_beside_a_blend(faces: Path) -> None:
    """Which an untrained network makes, exact where pictures change evenly."""
    found = validate(InterpolateNet(InterpolateConfig(**NETWORK)), load(faces / "val"), 2)  # type: ignore[arg-type]
    assert found.pictures == 4
    assert found.two == pytest.approx(found.two_blend)
    assert found.two > 60
    assert "blend" in found.text()


def test_the_command(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hdac: Run
) -> None:
    """Trained, measured, exported, in int8 too."""
    network = 'kind = "interpolate"\ninterpolated = [8, 8, 8]\nrepaired = 4'
    before, after = train_and_export(network, faces, tmp_path, monkeypatch, hdac)
    assert "two frames apart" in before
    assert "blend" in after
