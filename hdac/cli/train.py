"""Train a fusion network: `pack` codes the clips' base layers, `run` trains by minutes, `export`
makes model files: weights, their graphs and, with a pack to calibrate it, the int8 network.

The clips are those of talking_heads below HDAC_DATA (or --data): a folder with train/*.mp4 and
val/*.mp4, 8-bit 4:2:0.
Where they are not, the pack's own copies serve. A run stops after --minutes and goes on with
--resume; the same command runs on CPU and GPU, and under torchrun on several.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from hdac.cli.common import say
from hdac.errors import UsageError
from hdac.layers.base import PRESETS
from hdac.nets.device import pick_device
from hdac.nets.enlarge import EnlargeNet
from hdac.nets.interpolate import InterpolateNet
from hdac.nets.zoo import AnyNet, CodecNet, build, export_model, load_network, single
from hdac.runtime.models import FOLDER, ModelFile, model_from_path, resolve_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdac.training.clips import Clip
    from hdac.training.faces import FaceBatch
    from hdac.training.interpolating import Triple
    from hdac.training.loop import Task, TrainConfig, Validation


#: Pictures that calibrate int8 networks of motion models, and parts that calibrate one that
#: enlarges, of so many pixels a side.
_SAMPLES, _CALIBRATING = 60, 256


def add_arguments(sub: argparse.ArgumentParser) -> None:
    verbs = "pack|faces|halves|run|eval|export"
    actions = sub.add_subparsers(dest="action", required=True, metavar=verbs)
    effort = "a quarter of an hour to an hour on two cores"
    pack = actions.add_parser("pack", help=f"code the base layers of all clips ({effort})")
    faces = actions.add_parser("faces", help="references and landmarks, for motion models")
    halves = actions.add_parser("halves", help="pictures and their halves, for super-resolution")
    train = actions.add_parser("run", help="train")
    measure = actions.add_parser("eval", help="measure a model, or the network of a run, on val")
    export = actions.add_parser("export", help="write model files of a run, or a model's graphs")

    recipes = "a recipe of experiments/train (default hdac-s)"
    train.add_argument("recipe", nargs="?", default="hdac-s", metavar="NAME|FILE", help=recipes)
    models = "a model's name, a .safetensors file, or the folder of a run"
    for action in (measure, export):
        action.add_argument("model", metavar="MODEL|DIR", help=models)
    data = "folder with train/ and val/ (default: talking_heads under HDAC_DATA)"
    for action in (pack, faces, halves, train, measure, export):
        needed = action is not export
        text = "folder of the pack" + ("" if needed else ": make the int8 network too")
        action.add_argument("--data", type=Path, help=data)
        action.add_argument("--pack", type=Path, required=needed, help=text)

    versions = "coded versions of each training clip (default 2)"
    pack.add_argument("--versions", type=int, default=2, help=versions)
    vvc = "versions of each training clip on a VVC base layer, 64 pictures (default 0)"
    pack.add_argument("--vvc", type=int, default=0, help=vvc)
    preset = "effort of the training clips' base encoders (default: slow, vvc medium)"
    pack.add_argument("--preset", choices=PRESETS, help=preset)
    scale = "the base layers' pictures are 1, 1/2 or 1/4 of the frame (default 1)"
    pack.add_argument("--scale", type=int, choices=(1, 2, 4), default=1, help=scale)
    pack.add_argument("--jobs", type=int, default=2, help="versions coded side by side (default 2)")

    references = "coded reference pictures of each clip (default 8)"
    faces.add_argument("--references", type=int, default=8, help=references)
    more = "folder with train/, of more clips to train on"
    faces.add_argument("--more", type=Path, nargs="+", default=(), metavar="DIR", help=more)
    coded = "coded versions of each clip's halves (default 3)"
    halves.add_argument("--versions", type=int, default=3, help=coded)
    for action in (faces, halves):
        action.add_argument("--jobs", type=int, default=2, help="clips side by side (default 2)")

    train.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log.csv")
    minutes = "stop after so many minutes (on a CPU of its own work), or at the schedule's end"
    train.add_argument("--minutes", type=float, required=True, help=minutes)
    schedule = "minutes of the whole schedule, over all resumed runs (default: the recipe's)"
    train.add_argument("--schedule", type=float, help=schedule)
    train.add_argument("--resume", action="store_true", help="go on from --out's last checkpoint")
    train.add_argument("--device", default="auto", help="auto, cpu or cuda")

    note = "how a run was trained: kept in the file"
    export.add_argument("--note", help=note)
    where = "where to write (default: the package's models)"
    export.add_argument("--folder", type=Path, default=FOLDER, help=where)


def _data(option: Path | None) -> Path | None:
    named = os.environ.get("HDAC_DATA")
    return option or (Path(named) / "talking_heads" if named else None)


def data_folder(option: Path | None) -> Path:
    """The folder with train/ and val/. Raises `UsageError` if it is not there."""
    root = _data(option)
    if root is None or not (root / "train").is_dir():
        raise UsageError(
            f"training clips: {root} has no folder train; give --data or set HDAC_DATA"
        )
    return root


def run(options: argparse.Namespace) -> None:
    actions = {
        "pack": _pack, "faces": _faces, "halves": _halves, "run": _run, "eval": _eval,
        "export": _export,
    }  # fmt: skip
    actions[options.action](options)


def _pack(options: argparse.Namespace) -> None:
    from hdac.training.pack import build, build_validation

    for name, low in (("versions", 1), ("vvc", 0), ("jobs", 1)):
        if getattr(options, name) < low:
            raise UsageError(f"--{name} {getattr(options, name)}; at least {low} is needed")
    data, out = data_folder(options.data), options.pack
    clips = {split: sorted((data / split).glob("*.mp4")) for split in ("train", "val")}
    settings = options.versions, options.vvc, options.preset
    more = {"workers": options.jobs, "scale": options.scale}
    build(clips["train"], out / "train", *settings, **more)
    build_validation(clips["val"], out / "val", **more)
    for split, names in clips.items():
        folder = options.pack / split
        size = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
        say(f"{folder}: {len(names)} clips, {size:.1f} MB")


def _faces(options: argparse.Namespace) -> None:
    from hdac.training.faces import build

    if options.references < 1:
        raise UsageError(f"--references {options.references}; at least 1 is needed")
    for split in ("train", "val"):
        folders = [data_folder(options.data), *(options.more if split == "train" else ())]
        clips = [clip for folder in folders for clip in sorted((folder / split).glob("*.mp4"))]
        build(clips, options.pack / split, options.references, options.jobs)
        say(f"{options.pack / split}: {len(clips)} clips")


def _halves(options: argparse.Namespace) -> None:
    from hdac.training.enlarging import build

    if options.versions < 1:
        raise UsageError(f"--versions {options.versions}; at least 1 is needed")
    for split in ("train", "val"):
        clips = sorted((data_folder(options.data) / split).glob("*.mp4"))
        build(clips, options.pack / split, options.versions, options.jobs)
        say(f"{options.pack / split}: {len(clips)} clips")


def _run(options: argparse.Namespace) -> None:
    from hdac.training.loop import Trainer
    from hdac.training.parallel import Workers
    from hdac.training.recipe import load_recipe

    recipe, out = load_recipe(options.recipe), options.out
    if (out / "last.pt").exists() and not options.resume:
        raise UsageError(f"{out}: holds a run; give --resume to go on with it, or another --out")
    config = recipe.training
    if options.schedule:
        config = replace(config, minutes=options.schedule)
    start = load_network(resolve_model(recipe.start)).state_dict() if recipe.start else None
    workers = Workers()
    device = workers.start(pick_device(options.device))
    tasks = {"system": _animation, "shuffled": _enlargement, "interpolated": _interpolation}
    open_task = next((tasks[key] for key in tasks if key in recipe.network), _fusion)
    task, validate, clips = open_task(options, config, config.seed + 7919 * workers.rank, device)
    trainer = Trainer(
        out, config, recipe.network, task, str(device), options.resume, start, workers
    )
    if workers.rank == 0:
        about = {"name": recipe.name, "title": recipe.title, "network": recipe.network}
        (out / "run.json").write_text(json.dumps(about))
        many = f"{workers.count} processes, " if workers.count > 1 else ""
        say(
            f"{recipe.title}: {clips} clips; {device}, {many}"
            f"{torch.get_num_threads()} threads; from step {trainer.step}"
        )
    trainer.run(options.minutes, validate, say)
    workers.stop()


def _fusion(
    options: argparse.Namespace, config: TrainConfig, seed: int, device: torch.device
) -> tuple[Task, Callable[[Any], Validation], int]:
    """What a fusion network is trained on, how it is measured, and the number of clips."""
    from hdac.training.clips import Sampler
    from hdac.training.fusing import FusionTask
    from hdac.training.validate import validate

    val, train = (_clips(options, split) for split in ("val", "train"))
    task = FusionTask(Sampler(train, seed, config.animate), config, str(device))
    return task, lambda net: validate(net, val), len(train)


def _animation(
    options: argparse.Namespace, config: TrainConfig, seed: int, device: torch.device
) -> tuple[Task, Callable[[Any], Validation], int]:
    """The same of the network of a motion model."""
    from hdac.training.animating import AnimationTask, validate
    from hdac.training.faces import FaceSampler, load
    from hdac.training.perceptual import PerceptualLoss

    val, train = (load(options.pack / split) for split in ("val", "train"))
    task, judge = AnimationTask(FaceSampler(train, seed), config, str(device)), PerceptualLoss()
    return task, lambda net: validate(net, val, judge), len(train)


def _enlargement(
    options: argparse.Namespace, config: TrainConfig, seed: int, device: torch.device
) -> tuple[Task, Callable[[Any], Validation], int]:
    """The same of a network that enlarges."""
    from hdac.training.enlarging import EnlargeTask, HalfSampler, load, validate

    val, train = (load(options.pack / split) for split in ("val", "train"))
    task = EnlargeTask(HalfSampler(train, seed), config, str(device))
    return task, lambda net: validate(net, val), len(train)


def _interpolation(
    options: argparse.Namespace, config: TrainConfig, seed: int, device: torch.device
) -> tuple[Task, Callable[[Any], Validation], int]:
    """The same of a network that interpolates."""
    from hdac.training.faces import load
    from hdac.training.interpolating import InterpolateTask, TripleSampler, validate

    val, train = (load(options.pack / split) for split in ("val", "train"))
    task = InterpolateTask(TripleSampler(train, seed), config, str(device))
    return task, lambda net: validate(net, val), len(train)


def _clips(options: argparse.Namespace, split: str) -> list[Clip]:
    """A split of the pack; its originals are the clips themselves where they are at hand."""
    from hdac.training.clips import load

    root = _data(options.data)
    here = root is not None and (root / split).is_dir()
    return load(options.pack / split, root / split if root and here else None)


def _of_run(folder: Path) -> tuple[str, AnyNet]:
    """Name and EMA network of a run. Raises `UsageError`."""
    try:
        about = json.loads((folder / "run.json").read_text())
        state = load_file(folder / "ema.safetensors")
    except OSError as error:
        raise UsageError(
            f"{folder}: no run ({error}); `hdac train run --out {folder}` makes one"
        ) from error
    net = build(about["network"])
    net.load_state_dict({key: single(value) for key, value in state.items()})
    return str(about["name"]), net


def _resolved(name: str) -> ModelFile:
    """A model by name or path. Raises `UsageError` for one that is not trained here."""
    model = resolve_model(name)
    if "points" in model.config:
        raise UsageError(
            f"{name}: finds landmarks; experiments/landmarks.py trains, judges and exports it"
        )
    return model


def _eval(options: argparse.Namespace) -> None:
    from hdac.training.validate import validate

    run = Path(options.model)
    net = _of_run(run)[1] if run.is_dir() else load_network(_resolved(options.model))
    if isinstance(net, EnlargeNet):
        from hdac.training import enlarging

        print(enlarging.validate(net, enlarging.load(options.pack / "val")).text())
        return
    if isinstance(net, InterpolateNet):
        from hdac.training import faces, interpolating

        print(interpolating.validate(net, faces.load(options.pack / "val")).text())
        return
    if not isinstance(net, CodecNet):
        from hdac.training import animating, faces, perceptual

        val = faces.load(options.pack / "val")
        print(animating.validate(net, val, perceptual.PerceptualLoss()).text())
        return
    print(validate(net, _clips(options, "val")).text())


def _calibration(pack: Path) -> FaceBatch:
    from hdac.training.faces import FaceSampler, load

    return FaceSampler(load(pack / "train"), 0).batch(_SAMPLES)


def _halves_of(pack: Path) -> list[torch.Tensor]:
    from hdac.training.enlarging import HalfSampler, load

    given, _ = HalfSampler(load(pack / "train"), 0).batch(_SAMPLES, _CALIBRATING)
    return list(given.split(1))


def _triples_of(pack: Path) -> Triple:
    from hdac.training.faces import load
    from hdac.training.interpolating import TripleSampler

    return TripleSampler(load(pack / "train"), 0).batch(_SAMPLES, _CALIBRATING)


def _export(options: argparse.Namespace) -> None:
    from hdac.training.graphs import (
        calibration,
        export_animation,
        export_enlarger,
        export_graphs,
        export_interpolator,
    )

    run, made = Path(options.model), []
    if run.is_dir():
        if options.note is None:
            raise UsageError(f"{run}: give --note, how it was trained")
        name, net = _of_run(run)
        made.append(export_model(net, name, options.folder, options.note))
        model = model_from_path(made[0])
    else:
        model = _resolved(options.model)
    if model.system:
        made.append(export_animation(model, options.folder))
        if options.pack:
            made.append(export_animation(model, options.folder, _calibration(options.pack)))
    elif model.enlarges:
        made.append(export_enlarger(model, options.folder))
        if options.pack:
            made.append(export_enlarger(model, options.folder, _halves_of(options.pack)))
    elif model.interpolates:
        made.append(export_interpolator(model, options.folder))
        if options.pack:
            made.append(export_interpolator(model, options.folder, _triples_of(options.pack)))
    else:
        made.append(export_graphs(model, options.folder))
        if options.pack:
            samples = calibration(_clips(options, "train"), model.name)
            made.append(export_graphs(model, options.folder, samples))
    print("\n".join(map(str, made)))
