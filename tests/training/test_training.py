"""The training program on two synthetic clips: it learns, stops, and resumes to the step."""

import csv
from pathlib import Path

import pytest
import torch

from hdac.training.clips import Sampler, load
from hdac.training.loop import TrainConfig, Trainer, learning_rate
from hdac.training.pack import build, load_index
from hdac.training.validate import psnr_y
from tests.conftest import synthetic, write_video

SMALL = {"keypoints": 4, "widths": (8, 16, 16, 16), "match": 8}
CONFIG = TrainConfig(minutes=100, batch=1, crop=176, warmup_steps=2, seed=3)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    clips = tmp_path_factory.mktemp("clips")
    for name in ("a", "b"):
        write_video(clips / f"{name}.mp4", synthetic(8, 192, 192))
    out = clips / "pack"
    build(sorted(clips.glob("*.mp4")), out, versions=2, seed=1, workers=1)
    return clips, out


def trainer(pack: tuple[Path, Path], out: Path, resume: bool) -> Trainer:
    sampler = Sampler(load(*pack), CONFIG.seed, animate=0.5)
    return Trainer(out, CONFIG, SMALL, sampler, "cpu", resume)


def test_pack(pack: tuple[Path, Path]) -> None:
    versions = load_index(pack[1])
    assert [v.clip for v in versions] == ["a", "a", "b", "b"]
    assert versions[0].start == 0
    clips = load(*pack)
    assert clips[0].original.y.shape == (8, 192, 192)
    version, coded = clips[0].versions[1]
    assert len(coded.y) == 8 - version.start
    (pack[1] / "pack.json").read_text()
    batch = Sampler(clips, 1, animate=0.5).batch(4, 176)
    assert batch.target.shape == (1, 4, 6, 88, 88)
    assert set(batch.mask.tolist()) <= {0.0, 1.0}
    assert 0 <= float(batch.target.min()) <= float(batch.target.max()) <= 1
    assert psnr_y(batch.base, batch.target) > 20


def test_resume_is_the_same_run(pack: tuple[Path, Path], tmp_path: Path) -> None:
    """Four steps at once, and two, a checkpoint, two more: the same weights."""
    whole = trainer(pack, tmp_path / "whole", False)
    for _ in range(4):
        whole.train_step()
    first = trainer(pack, tmp_path / "parts", False)
    for _ in range(2):
        first.train_step()
    first.save()
    second = trainer(pack, tmp_path / "parts", True)
    assert second.step == 2
    for _ in range(2):
        second.train_step()
    for a, b in zip(whole.net.parameters(), second.net.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_run_ends_by_minutes_and_leaves_a_usable_network(pack: tuple[Path, Path], tmp_path: Path) -> None:
    run, said = trainer(pack, tmp_path, False), []
    run.run(0.02, lambda net: f"validated {sum(p.numel() for p in net.parameters())}", said.append)
    assert (tmp_path / "ema.safetensors").exists()
    assert said[-1].startswith("validated")
    assert run.step >= 1
    assert not list(tmp_path.glob("*.part"))
    run._log({"total": 1.0}, said.append)
    with (tmp_path / "log.csv").open() as file:
        assert next(iter(csv.DictReader(file)))["step"] == str(run.step)


def test_learning_rate() -> None:
    config = TrainConfig(minutes=10, lr=1e-3, lr_end=1e-5, warmup_steps=10)
    assert learning_rate(config, 0, 0) == pytest.approx(1e-4)
    assert learning_rate(config, 99, 0) == pytest.approx(1e-3)
    assert learning_rate(config, 99, 10) == pytest.approx(1e-5)
    assert learning_rate(config, 99, 99) == pytest.approx(1e-5)
