"""What motion models are trained on, and how."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.errors import UsageError
from hdac.motion.facemesh import LEFT_EYE, POINTS, RIGHT_EYE
from hdac.nets.motion_spade import SYSTEMS
from hdac.training import animating
from hdac.training.animating import (
    AnimationTask,
    FaceValidation,
    face_loss,
    landmark_loss,
    parameters_of,
)
from hdac.training.faces import FaceSampler, _write, build, load
from hdac.training.loop import TrainConfig, Trainer
from hdac.video.picture import Picture
from tests.conftest import Run, write_video
from tests.training.flow import check_resumed, interrupt_saving

CONFIG = TrainConfig(
    minutes=100, batch=2, warmup_steps=2, weight_landmarks=0.5, weight_face=0.5,
    weight_person=0.3, weight_adversarial=0.3, adversarial_from=0.0, unrefined=0.5,
)  # fmt: skip
NETS = {
    system: {"system": system, "number": number, "widths": (8, 8, 8), "blocks": (1, 1, 1)}
    for system, number in zip(SYSTEMS, (20, 6, 1), strict=True)
}
NETS["landmark-gan"] = {"system": "landmark-gan", "widths": (8, 8, 8), "blocks": 1}
NETS["agarwal"] = {**NETS[SYSTEMS[1]], "system": "agarwal", "refined": False}
NETS["cfte"] = {"system": "cfte", "widths": (8, 8, 8), "blocks": (1, 1, 1)}
NETS["fv2v"] = {"system": "fv2v", "number": 5, "widths": (8, 8, 8), "blocks": (1, 1, 1)}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, head: list[Picture]) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    clip = write_video(folder / "a.mp4", head[:14])
    build([Path(clip)], folder / "train", 3, 1)
    return folder / "train"


def sampler(folder: Path, seed: int = 1) -> FaceSampler:
    return FaceSampler(load(folder), seed)


def test_clips_references_and_landmarks(faces: Path) -> None:
    (clip,) = load(faces)
    assert clip.pictures.y.shape == (14, 256, 256)
    assert clip.references.uv.shape == (3, 2, 128, 128)
    assert clip.points.shape == (14, POINTS, 2)
    eyes = [clip.points[:, eye].mean((0, 1)) for eye in (RIGHT_EYE, LEFT_EYE)]
    assert -0.5 < eyes[0][0] < eyes[1][0] < 0.8, "carphone's head, seen from the front"
    start, qp = clip.numbers[0]
    assert start == 0
    away = clip.references.y[0].astype(int) - clip.pictures.y[0]
    assert 0 < np.abs(away).mean() < 12, f"coded at {qp}"
    with pytest.raises(UsageError, match="hdac train faces"):
        load(faces.parent)


def test_a_clip_that_was_interrupted_is_made_again(
    tmp_path: Path, head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_video(tmp_path / "a.mp4", head[:2])
    with monkeypatch.context() as patch:
        interrupt_saving(patch, (2, POINTS, 2))
        with pytest.raises(KeyboardInterrupt):
            _write(clip, tmp_path, 1)
    _write(clip, tmp_path, 1)
    (made,) = load(tmp_path)
    assert made.points.shape == (2, POINTS, 2)


def test_samples_are_what_they_say_and_come_again(faces: Path) -> None:
    batch = sampler(faces).batch(8)
    assert batch.target.shape == batch.reference.shape == (8, 6, 128, 128)
    assert batch.here.shape == (8, POINTS, 2)
    assert torch.equal(batch.target, sampler(faces).batch(8).target)
    assert not torch.equal(batch.target, sampler(faces, 2).batch(8).target)
    right, left = (batch.here[:, eye, 0].mean(1) for eye in (RIGHT_EYE, LEFT_EYE))
    assert bool((right < left).all()), "mirrored faces have mirrored names"
    assert (batch.reference - batch.reference_original).abs().mean() < 0.05


@pytest.mark.parametrize("system", NETS)
def test_runs_go_on_as_if_they_had_not_stopped(system: str, faces: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, batch=1)

    def trainer(name: str, resume: bool) -> Trainer:
        task = AnimationTask(sampler(faces), config, "cpu")
        return Trainer(tmp_path / name, config, NETS[system], task, "cpu", resume)

    assert check_resumed(trainer)[0]["adversarial"] != 0


def test_what_a_decoder_has_of_parameters(faces: Path) -> None:
    batch, generator = sampler(faces).batch(2), torch.Generator().manual_seed(0)
    from hdac.nets.zoo import build as build_net

    shapes = {}
    for system, settings in NETS.items():
        there, here = parameters_of(build_net(settings), batch, generator)  # type: ignore[arg-type]
        assert there.shape == here.shape
        shapes[system] = tuple(here.shape)
    wanted = [(2, 20, 2), (2, 6, 2), (2, 64, 64), (2, 162, 2), (2, 6, 2), (2, 1, 4, 4), (2, 36)]
    assert shapes == dict(zip(NETS, wanted, strict=True))


def test_errors_at_eyes_and_mouth_count(faces: Path) -> None:
    batch = sampler(faces).batch(1)
    side = batch.target.shape[-1]
    mouth = batch.here[0, 13] * (side / 2) + side / 2
    x, y = (int(v) for v in mouth)
    near, far = batch.target.clone(), batch.target.clone()
    near[..., y - 2 : y + 2, x - 2 : x + 2] += 0.3
    far[..., :4, :4] += 0.3
    loss = {
        name: float(face_loss(planes, batch.target, batch.here))
        for name, planes in (("same", batch.target), ("near", near), ("far", far))
    }
    assert loss["same"] == pytest.approx(loss["far"], abs=0.01)
    assert loss["near"] > loss["same"] + 1


def test_flows_are_led_by_landmarks() -> None:
    """All points 0.125 to the right: 16 pixels of 256, 8 of 128."""
    here = torch.rand(1, POINTS, 2) * 1.2 - 0.6
    there = here + torch.tensor([0.125, 0.0])
    flow = torch.zeros(1, 2, 32, 64)
    still = float(landmark_loss(flow, there, here))
    flow[:, 0] = 16.0
    right = float(landmark_loss(flow, there, here))
    assert still == pytest.approx(10 * np.log10(0.0625 + 0.002), abs=0.01)
    assert right == pytest.approx(10 * np.log10(0.002), abs=0.01)
    flow[:, 0] = -16.0
    assert float(landmark_loss(flow, there, here)) > still + 2


def test_the_command(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hdac: Run
) -> None:
    """Trained, measured, exported, in int8 too."""

    class Nothing(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor, _: object) -> torch.Tensor:
            return (x - y).abs().mean((1, 2, 3))

    monkeypatch.setattr("hdac.training.perceptual.PerceptualLoss", Nothing)
    monkeypatch.setattr("hdac.training.loop.LOG_STEPS", 1)
    monkeypatch.setattr("hdac.cli.train._SAMPLES", 2)
    (faces.parent / "val").unlink(missing_ok=True)
    (faces.parent / "val").symlink_to(faces)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'schema = "hdac-train/1"\ntitle = "small"\nname = "small"\n[network]\n'
        'kind = "animation"\nsystem = "motion-spade-static"\nnumber = 20\nwidths = [8, 8, 8]\n'
        "blocks = [1, 1, 1]\n[training]\nbatch = 1\n"
    )
    run, pack = tmp_path / "run", faces.parent
    code, _, err = hdac("train", "run", recipe, "--pack", pack, "--out", run, "--minutes", 0.02)
    assert code == 0, err
    assert json.loads((run / "run.json").read_text())["network"]["number"] == 20
    code, out, _ = hdac("train", "eval", run, "--pack", pack)
    assert code == 0
    assert "eyes and mouth" in out
    code, out, err = hdac(
        "train", "export", run, "--note", "not trained", "--folder", tmp_path, "--pack", pack
    )
    assert code == 0, err
    assert [Path(line).suffix for line in out.split()] == [".safetensors", ".fp32", ".int8"]


def test_validation_says_what_it_measured() -> None:
    found = FaceValidation(3, 24.5, 8.0, -14.0, 21.5, 11.0, -10.5)
    assert "24.50 dB (held 21.50)" in found.text()
    assert found.row()["held_face"] == -10.5
    assert replace(found, psnr=1.0).row()["psnr"] == 1
    assert animating._PART % 16 == 0
