"""The training program on two synthetic clips: it learns, stops, and resumes to the step."""

import csv
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hdac.bench.recipes import recipe_names
from hdac.cli.main import main
from hdac.errors import UsageError
from hdac.nets.fusion import FusionNet, Reference
from hdac.nets.keypoints import thumbnail
from hdac.nets.published import PublishedNet
from hdac.nets.zoo import build, load_model
from hdac.runtime.models import model_from_path, resolve_model
from hdac.training import fusing
from hdac.training.adversary import Adversary
from hdac.training.clips import Clip, Sampler, load
from hdac.training.fusing import FusionTask, losses, run_net
from hdac.training.loop import TrainConfig, Trainer, learning_rate, with_more_keypoints
from hdac.training.pack import Version, build_validation, load_index
from hdac.training.pack import build as build_pack
from hdac.training.parallel import Workers
from hdac.training.perceptual import PerceptualLoss
from hdac.training.reading import Frames, read_frames, with_opencv
from hdac.training.recipe import load_recipe
from hdac.training.validate import Validation, picture_planes, psnr_y, validate
from tests.conftest import synthetic, write_video
from tests.training.flow import check_resumed

SMALL = {"keypoints": 4, "widths": (8, 16, 16, 16), "match": 8, "blocks": (1, 1, 1)}
CONFIG = TrainConfig(minutes=100, batch=1, crop=176, warmup_steps=2, seed=3)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    clips = tmp_path_factory.mktemp("clips")
    for name in ("a", "b"):
        write_video(clips / f"{name}.mp4", synthetic(8, 192, 192))
    out = clips / "pack"
    build_pack(sorted(clips.glob("*.mp4")), out, versions=2, seed=1, workers=1)
    return clips, out


def trainer(pack: tuple[Path, Path], out: Path, resume: bool) -> Trainer:
    clips, packed = pack
    sampler = Sampler(load(packed, clips), CONFIG.seed, animate=0.5)
    return Trainer(out, CONFIG, SMALL, FusionTask(sampler, CONFIG, "cpu"), "cpu", resume)


def test_pack(pack: tuple[Path, Path]) -> None:
    index = load_index(pack[1])
    assert [v.clip for v in index.versions] == ["a", "a", "b", "b"]
    assert index.versions[0].start == 0
    assert all(v.kbps == 0 for v in index.versions)  # measured in validation splits alone
    clips = load(pack[1], pack[0])
    assert clips[0].original.y.shape == (8, 192, 192)
    version, coded = clips[0].versions[1]
    assert len(coded.y) == 8 - version.start
    copies = load(pack[1], pack[1].parent / "others")  # which has none of them
    assert copies[0].original.y.shape == (8, 192, 192)
    assert 0 < float(np.abs(copies[0].original.y.astype(int) - clips[0].original.y).mean()) < 3
    batch = Sampler(clips, 1, animate=0.5).batch(4, 176)
    assert batch.target.shape == batch.base.shape == (4, 6, 88, 88)
    assert batch.qp.shape == batch.mask.shape == (4,)
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


def test_a_student_learns_from_a_teachers_pictures(pack: tuple[Path, Path]) -> None:
    """The teacher itself has nothing to learn from it; where nothing is fused there is no term."""
    teacher = load_model(resolve_model("hdac-s"))
    config = replace(CONFIG, teacher="hdac-s", weight_teacher=2.0)
    terms, plain = {}, {}
    for animate in (0.0, 1.0):
        for student in (teacher, build(SMALL)):
            for one, found in ((config, terms), (CONFIG, plain)):
                task = FusionTask(Sampler(load(pack[1], pack[0]), 1, animate=animate), one, "cpu")
                generator = torch.Generator().manual_seed(1)
                found[animate, student is teacher] = task.terms(student, generator, 0.0)
    terms = {key: {k: v.detach() for k, v in found.items()} for key, found in terms.items()}
    assert float(terms[0.0, True]["teacher"]) < float(terms[0.0, False]["teacher"]) - 5
    assert float(terms[1.0, False]["teacher"]) == 0
    for key, with_it in terms.items():
        more = float(with_it["total"] - plain[key]["total"].detach())
        assert more == pytest.approx(2.0 * float(with_it["teacher"]), abs=1e-3)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_teacher_that_is_not_there(pack: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="no-such"):
        FusionTask(Sampler(load(pack[1], pack[0]), 1), replace(CONFIG, teacher="no-such"), "cpu")


def test_runs_with_a_critic_go_on_as_if_they_had_not_stopped(
    pack: tuple[Path, Path], tmp_path: Path
) -> None:
    config = replace(CONFIG, weight_adversarial=0.3, adversarial_from=0.0)

    def run(name: str, resume: bool) -> Trainer:
        task = FusionTask(Sampler(load(pack[1], pack[0]), 1), config, "cpu")
        return Trainer(tmp_path / name, config, SMALL, task, "cpu", resume)

    assert check_resumed(run)[0]["adversarial"] != 0


def test_run_ends_by_minutes_and_leaves_a_usable_network(
    pack: tuple[Path, Path], tmp_path: Path
) -> None:
    run, said = trainer(pack, tmp_path, False), []
    run.run(0.02, lambda net: Validation({44: 0.25}, 22.0, 21.0, 1, 9, None), said.append)
    assert (tmp_path / "ema.safetensors").exists()
    assert said[-1].startswith("validation: +0.250 dB at qp_base 44")
    assert run.step >= 1
    assert not list(tmp_path.glob("*.part"))
    run.log([{"total": 1.0}, {"total": 2.0}], said.append)
    assert said[-1].endswith("total 1.5")
    with (tmp_path / "log.csv").open() as file:
        assert next(iter(csv.DictReader(file)))["step"] == str(run.step)
    with (tmp_path / "validation.csv").open() as file:
        row = next(iter(csv.DictReader(file)))
    assert (row["gain_44"], row["worse"], row["bd_rate"]) == ("0.25", "1", "")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_opencv_reads_the_same_luma(pack: tuple[Path, Path]) -> None:
    for path in (pack[0] / "a.mp4", pack[1] / "a_1.hevc"):
        frames, others = read_frames(path), with_opencv(path)
        assert np.array_equal(frames.y, others.y)
        assert frames.uv.shape == others.uv.shape
        assert float(np.abs(frames.uv.astype(int) - others.uv).mean()) < 2


def test_reading_what_is_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    with pytest.raises(OSError, match=r"no pictures could be read .Invalid data"):
        read_frames(empty)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OSError, match=r"empty\.mp4: no pictures could be read"):
        read_frames(empty)


def test_pack_of_another_version(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no pack\.json; build the pack"):
        load_index(tmp_path)
    (tmp_path / "pack.json").write_text('{"schema": "hdac-pack/1"}')
    with pytest.raises(UsageError, match="'hdac-pack/1'; expected 'hdac-pack/2'"):
        load_index(tmp_path)
    version = {"clip": "a", "start": 0, "qp_ref": 30, "qp_base": 40, "stream": "s", "kbps": 1.0}
    pack = {"schema": "hdac-pack/2", "originals": {}, "versions": [version], "anchors": []}
    (tmp_path / "pack.json").write_text(json.dumps(pack))
    assert load_index(tmp_path).versions[0].qp_intra == 30


def test_validation_has_a_bd_rate(pack: tuple[Path, Path], tmp_path: Path) -> None:
    """An untrained network is its base layer: no gain, and the BD-rate of the base layer."""
    build_validation([pack[0] / "a.mp4"], tmp_path, workers=1)
    clips = load(tmp_path, pack[0])
    assert [a.qp for a in clips[0].anchors] == [31, 37, 43, 49]
    found = validate(build(SMALL), clips, pictures=2)
    assert found.pictures == 8
    assert found.gains == pytest.approx(dict.fromkeys((30, 37, 44, 51), 0), abs=1e-6)
    assert found.bd_rate is not None
    assert -90 < found.bd_rate < 200
    better = replace(clips[0], anchors=tuple(replace(a, kbps=a.kbps * 2) for a in clips[0].anchors))
    twice = validate(build(SMALL), [better], pictures=2).bd_rate
    assert twice is not None
    assert 1 + twice / 100 == pytest.approx((1 + found.bd_rate / 100) / 2, rel=0.01)


def test_validation_sees_whole_pictures() -> None:
    """Of any shape: what is to the right of a square counts too."""
    pictures = synthetic(3, 72, 48)
    frames = Frames(np.array([p.y for p in pictures]), np.array([[p.u, p.v] for p in pictures]))
    whole = picture_planes(frames, 1)
    assert whole.shape == (1, 6, 24, 36)
    assert np.array_equal(whole[0, 0] * 255, pictures[1].y[::2, ::2])
    assert np.array_equal(whole[0, 4] * 255, pictures[1].u)
    tall = Frames(frames.y.swapaxes(1, 2), frames.uv.swapaxes(2, 3))
    assert picture_planes(tall, 1).shape == (1, 6, 36, 24)
    assert torch.equal(picture_planes(frames, 1, 16), whole[..., :32])
    worse = Frames(frames.y.copy(), frames.uv)
    worse.y[1:, :, 48:64] = 16
    version = Version("a", 0, 30, 40, "", 9.0)
    found = [
        validate(build(SMALL), [Clip(original, ((version, frames),))], pictures=1)
        for original in (frames, worse)
    ]
    assert found[1].still < found[0].still - 1


BLOCKED = (
    *("av", "ffmpeg", "rich", "skvideo", "bjontegaard", "imageio_ffmpeg"),
    *("pandas", "plotly", "distributed"),
)


def train_command(pack: Path, out: Path, *more: str) -> list[str]:
    recipe = out.parent / "recipe.toml"
    recipe.write_text(
        "schema = 'hdac-train/1'\ntitle = 't'\nname = 'n'\n"
        "[network]\nkeypoints = 4\nwidths = [8, 16, 16, 16]\nmatch = 8\nblocks = [1, 1, 1]\n"
        "[training]\nbatch = 1\ncrop = 176\n"
    )
    options = f"train run {recipe} --pack {pack} --out {out} --minutes 0.01 --device cpu"
    return [*options.split(), *more]


@pytest.fixture(scope="module")
def whole_pack(pack: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    build_pack([pack[0] / "a.mp4"], out / "train", versions=1, workers=1)
    build_pack([pack[0] / "b.mp4"], out / "val", versions=1, workers=1)
    return out


def test_training_needs_no_pyav(whole_pack: Path, tmp_path: Path) -> None:
    """A machine with torch, kornia, safetensors and pytorch-msssim trains from the pack alone."""
    code = (
        "import sys, importlib.abc\n"
        "class Block(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {BLOCKED}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        f"blocked = {BLOCKED}\n"
        "importlib.util.find_spec = lambda name, *a: None if name in blocked else real(name, *a)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from hdac.cli.main import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "HDAC_DATA"}
    command = [sys.executable, "-c", code, *train_command(whole_pack, tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "validation:" in done.stderr
    assert (tmp_path / "run" / "ema.safetensors").exists()


def test_resume_export_eval(
    whole_pack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HDAC_DATA", raising=False)
    monkeypatch.setattr("hdac.training.graphs._SAMPLES", 2)
    out, models = tmp_path / "run", tmp_path / "models"
    for more in ([], ["--resume"]):
        assert main(train_command(whole_pack, out, *more)) == 0
    assert "from step 0" not in capsys.readouterr().err.splitlines()[-2]
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(train_command(whole_pack, out)) == 2
    assert "holds a run; give --resume to go on" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files
    export = ["train", "export", str(out), "--folder", str(models), "--note", "a test"]
    assert main([*export, "--pack", str(whole_pack)]) == 0
    model, fp32, int8 = map(Path, capsys.readouterr().out.split())
    assert fp32 == model.with_suffix(".fp32")
    assert model_from_path(int8).about["weights"] == model_from_path(model).digest
    again = ["train", "export", str(model), "--folder", str(models / "again")]
    assert main([*again, "--pack", str(whole_pack)]) == 0
    for made in map(Path, capsys.readouterr().out.split()):
        assert made.read_bytes() == (models / made.name).read_bytes()
    texts = set()
    for what in (out, model):
        assert main(["train", "eval", str(what), "--pack", str(whole_pack)]) == 0
        texts.add(capsys.readouterr().out)
    assert len(texts) == 1
    assert texts.pop().startswith("validation:")


@pytest.mark.parametrize("verb", ["eval", "export"])
def test_networks_that_find_landmarks_are_made_elsewhere(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", verb, "landmarks", "--pack", str(tmp_path)]) == 2
    assert "landmarks: finds landmarks; experiments/landmarks.py" in capsys.readouterr().err


def test_two_processes_hold_the_same_weights(whole_pack: Path, tmp_path: Path) -> None:
    many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hdac"]
    environment = {k: v for k, v in os.environ.items() if k != "HDAC_DATA"}
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, *many, *train_command(whole_pack, tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "cpu, 2 processes" in done.stderr
    assert (tmp_path / "run" / "ema.safetensors").exists()


def test_workers_average(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Workers()
    ours = with_gradients(1.0)
    alone.average(ours)
    assert torch.equal(ours[0].grad, torch.ones(2, 3))
    assert alone.same(1.5) == 1.5
    # as if the other had three times ours
    monkeypatch.setattr("torch.distributed.all_reduce", lambda t: t.mul_(4))
    alone.count = 2
    ours = with_gradients(1.0, 2.0)
    alone.average(ours)
    assert torch.equal(ours[0].grad, torch.full((2, 3), 2.0))
    assert torch.equal(ours[1].grad, torch.full((2, 3), 4.0))


def with_gradients(*values: float | None) -> list[torch.nn.Parameter]:
    """Parameters `(2, 3)` whose gradients are full of these values, or None."""
    made = [torch.nn.Parameter(torch.zeros(2, 3)) for _ in values]
    for parameter, value in zip(made, values, strict=True):
        parameter.grad = None if value is None else torch.full((2, 3), value)
    return made


def test_workers_average_what_some_have_no_gradients_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps without refinement leave the blocks that refine without gradients, in one process and
    not in another."""
    sent: list[torch.Tensor] = []
    workers = Workers()
    workers.count = 2
    monkeypatch.setattr("torch.distributed.all_reduce", lambda t: sent.append(t.clone()))
    workers.average(with_gradients(4.0, None, 8.0, None))
    monkeypatch.setattr("torch.distributed.all_reduce", lambda t: t.add_(sent[0]))
    ours = with_gradients(2.0, 6.0, None, None)
    workers.average(ours)
    assert [p.grad is None for p in ours] == [False, False, False, True]  # AdamW leaves it alone
    for parameter, mean in zip(ours, (3.0, 3.0, 4.0), strict=False):
        assert torch.equal(parameter.grad, torch.full((2, 3), mean))


def test_critics_have_the_mean_gradient_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    adversary, pictures = Adversary(1, torch.device("cpu")), torch.rand(2, 1, 6, 32, 32)
    before = [value.clone() for value in adversary.state()["critic"].values()]

    def moved() -> bool:
        adversary.doubt(*pictures)
        now = adversary.state()["critic"].values()
        return not all(torch.equal(a, b) for a, b in zip(before, now, strict=True))

    # as if the other's gradients were the opposite of ours
    monkeypatch.setattr("torch.distributed.all_reduce", lambda t: t.zero_())
    assert not moved()
    monkeypatch.setattr("torch.distributed.all_reduce", lambda t: t.mul_(2))
    assert moved()


def test_learning_rate() -> None:
    config = TrainConfig(minutes=10, lr=1e-3, lr_end=1e-5, warmup_steps=10)
    assert learning_rate(config, 0, 0) == pytest.approx(1e-4)
    assert learning_rate(config, 99, 0) == pytest.approx(1e-3)
    assert learning_rate(config, 99, 10) == pytest.approx(1e-5)
    assert learning_rate(config, 99, 99) == pytest.approx(1e-5)


def test_more_keypoints(pack: tuple[Path, Path], tmp_path: Path) -> None:
    """The first ones do what they did; training with several counts runs; other shapes are
    refused."""
    torch.manual_seed(0)
    few = {**SMALL, "keypoints": 5}
    old = build(few).eval()
    assert isinstance(old, FusionNet)
    torch.nn.init.normal_(old.out.weight, std=0.01)
    sampler = Sampler(load(pack[1], pack[0]), CONFIG.seed, animate=1.0)
    config = replace(CONFIG, keypoints=(5, 8))
    more = {**few, "keypoints": 8, "nested": True}
    task = FusionTask(sampler, config, "cpu")
    run = Trainer(tmp_path, config, more, task, "cpu", False, old.state_dict())
    new = run.net.eval()
    picture, still = torch.rand(2, 1, 6, 32, 32)
    qp, none = torch.tensor([40.0]), torch.zeros(1)
    with torch.inference_mode():
        points = old.detector(thumbnail(picture))
        torch.testing.assert_close(new.detector(thumbnail(picture))[:, :5], points)
        results = [
            n(picture, qp, Reference(still, n.encode(still, qp), points * 0.5), points, none).planes
            for n in (old, new)
        ]
    torch.testing.assert_close(results[0], results[1])
    for _ in range(2):
        assert math.isfinite(run.train_step()["total"])
    with pytest.raises(UsageError, match="give weights of the same widths"):
        with_more_keypoints(build({**few, "match": 16}).state_dict(), new)


@pytest.mark.parametrize("name", recipe_names("experiments/train"))
def test_every_recipe_is_read(name: str) -> None:
    recipe = load_recipe(name)
    with torch.device("meta"):
        net = build(recipe.network)
    assert recipe.training.minutes > 0
    if not isinstance(net, FusionNet | PublishedNet):
        return
    counts, most = {10, *recipe.training.keypoints}, net.config.keypoints
    assert max(counts) <= most
    assert counts == {most} or recipe.network["nested"]
    if recipe.start:
        start = load_model(resolve_model(recipe.start)).state_dict()
        net.to_empty(device="cpu")
        fitting = with_more_keypoints(start, net)
        assert not net.load_state_dict(fitting, strict=False).unexpected_keys


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[network]\nkind = 'gan'",
            "network.kind = 'gan'; choose fusion, published, enlarge, interpolate or animation",
        ),
        (
            "[network]\nkind = 'published'\nname = 'fomm'",
            "network: name = 'fomm'; allowed are 'dac', 'hdac-2022'",
        ),
        ("[network]\nwidth = 2", "network: unknown key 'width'"),
        ("[training]\nlearning_rate = 1.0", "training: unknown key 'learning_rate'"),
    ],
)
def test_bad_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"schema = 'hdac-train/1'\ntitle = 't'\nname = 'n'\n{text}\n")
    with pytest.raises(UsageError, match=message):
        load_recipe(str(path))


def test_perceptual_loss_has_gradients() -> None:
    if "HDAC_WEIGHTS" not in os.environ:
        pytest.skip("HDAC_WEIGHTS is not set: the losses' networks are not here")
    loss, target = PerceptualLoss(), torch.rand(1, 6, 88, 88)
    output = (target + 0.1 * torch.rand(1, 6, 88, 88)).requires_grad_(True)
    value = loss(output, target, torch.Generator().manual_seed(0))
    assert value.shape == (1,)
    value.sum().backward()
    assert output.grad is not None
    assert float(output.grad.abs().max()) > 0
    assert float(loss(target, target, torch.Generator().manual_seed(0))) < float(value.detach())


def test_fused_rows_see_no_keypoints_of_the_source(pack: tuple[Path, Path]) -> None:
    """As in the codec: only pictures without a base layer are told where the source's keypoints
    are."""
    net = build(SMALL).eval()
    batch = Sampler(load(pack[1], pack[0]), 1).batch(2, 176)._replace(mask=torch.tensor([1.0, 0.0]))
    turned = batch._replace(target=batch.target.flip(-1))
    fused, other = (
        run_net(net, b, torch.Generator().manual_seed(0))[0].planes for b in (batch, turned)
    )
    assert torch.equal(fused[0], other[0])
    assert not torch.equal(fused[1], other[1])


def test_published_networks_train_in_fp32(
    pack: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others round to bf16, too."""
    net = build({"name": "dac", "width": 0.125, "keypoints": 3})
    assert isinstance(net, PublishedNet)
    batch = Sampler(load(pack[1], pack[0]), 1).batch(2, 176)
    totals = []
    for bf16 in (False, True):
        monkeypatch.setattr(fusing, "trains_in_bf16", lambda device, bf16=bf16: bf16)
        terms, _ = losses(net.eval(), batch, CONFIG, torch.Generator().manual_seed(0))
        totals.append(float(terms["total"].detach()))
    assert totals[0] == totals[1]


def test_bf16_has_the_gradients_of_fp32(
    pack: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    net = build(SMALL)
    torch.nn.init.normal_(net.out.weight, std=0.02)  # at zero nothing behind it has gradients
    batch = Sampler(load(pack[1], pack[0]), 1).batch(2, 176)._replace(mask=torch.tensor([1.0, 0.0]))
    found = []
    for bf16 in (False, True):
        monkeypatch.setattr(fusing, "trains_in_bf16", lambda device, bf16=bf16: bf16)
        net.zero_grad()
        terms, _ = losses(net, batch, CONFIG, torch.Generator().manual_seed(0))
        total = terms["total"]
        total.backward()
        grads = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
        found.append((float(total.detach()), torch.cat(grads)))
    (wanted, exact), (value, rounded) = found
    assert value == pytest.approx(wanted, rel=0.01)
    assert exact.dtype == rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert float(torch.nn.functional.cosine_similarity(exact, rounded, 0)) > 0.8
