"""What super-resolution is trained on, and how."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.training.enlarging import EnlargeTask, HalfSampler, _write, build, load
from hdac.training.loop import TrainConfig, Trainer
from hdac.video.picture import Picture
from tests.conftest import Run, synthetic, write_video
from tests.training.flow import check_resumed, interrupt_saving, train_and_export

CONFIG = TrainConfig(minutes=100, batch=2, crop=192, warmup_steps=2)
NETWORK = {"channels": 8, "blocks": 1, "shuffled": (4, 2)}


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory, head: list[Picture]) -> Path:
    """Of pictures of 352x288, made of carphone's: their halves are known."""
    from hdac.layers.resample import upsample

    folder = tmp_path_factory.mktemp("halves")
    clip = write_video(folder / "a.mp4", [upsample(picture, 2) for picture in head[:5]])
    build([clip], folder / "train", 1, 1)
    (folder / "val").symlink_to(folder / "train")
    return folder


def test_clips_and_their_halves(halves: Path, head: list[Picture]) -> None:
    (clip,) = load(halves / "train")
    assert (clip.name, clip.pictures.y.shape) == ("a", (5, 288, 352))
    plain, coded = clip.versions
    for half in (plain, coded):
        assert half.y.shape == (5, 144, 176)
        assert half.uv.shape == (5, 2, 72, 88)
    away = [np.abs(half.y.astype(int) - [p.y for p in head[:5]]).mean() for half in (plain, coded)]
    assert away[0] < away[1] < 15, "coded"
    with pytest.raises(UsageError, match="hdac train halves"):
        load(halves)


def test_a_clip_that_was_interrupted_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_video(tmp_path / "a.mp4", synthetic(2))
    with monkeypatch.context() as patch:
        interrupt_saving(patch, (2, 48, 64))
        with pytest.raises(KeyboardInterrupt):
            _write(clip, tmp_path, 0)
    _write(clip, tmp_path, 0)
    (made,) = load(tmp_path)
    assert made.pictures.y.shape == (2, 48, 64)


def test_samples_are_halves_of_each_other_and_come_again(halves: Path) -> None:
    clips = load(halves / "train")
    plain = [type(c)(c.name, c.pictures, c.versions[:1]) for c in clips]
    given, wanted = HalfSampler(plain, 1).batch(6, 64)
    assert (given.shape, wanted.shape) == ((6, 6, 16, 16), (6, 6, 32, 32))
    averaged = torch.nn.functional.avg_pool2d(wanted[:, 4:], 2)
    assert (averaged - given[:, 4:]).abs().max() < 1 / 255, "the same place, mirrored alike"
    again = HalfSampler(plain, 1).batch(6, 64)
    assert torch.equal(again[0], given)
    assert not torch.equal(HalfSampler(plain, 2).batch(6, 64)[0], given)


def test_runs_go_on_as_if_they_had_not_stopped(halves: Path, tmp_path: Path) -> None:
    def trainer(name: str, resume: bool) -> Trainer:
        task = EnlargeTask(HalfSampler(load(halves / "train"), 1), CONFIG, "cpu")
        return Trainer(tmp_path / name, CONFIG, NETWORK, task, "cpu", resume)

    check_resumed(trainer)


def test_the_command(
    halves: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hdac: Run
) -> None:
    """Trained, measured, exported, in int8 too."""
    network = 'kind = "enlarge"\nchannels = 8\nblocks = 1\nshuffled = [4, 2]'
    before, after = train_and_export(network, halves, tmp_path, monkeypatch, hdac)
    assert "of coded halves" in before
    assert "Lanczos" in after
    code, _, err = hdac("train", "halves", "--pack", tmp_path / "no", "--versions", 0)
    assert code == 2
    assert "--versions 0" in err
