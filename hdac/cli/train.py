"""Train a fusion network: `pack` codes the clips' base layers, `run` trains by minutes, `export`
makes model files: weights, their graphs and, with a pack to calibrate it, the int8 network.

The clips are those of HDAC_DATA (or --data): a folder with train/*.mp4 and val/*.mp4, 8-bit 4:2:0.
Where they are not, the pack's own copies serve. A run stops after --minutes and goes on with
--resume; the same command runs on CPU and GPU, and under torchrun on several.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from hdac.cli.common import say
from hdac.errors import UsageError
from hdac.layers.base import PRESETS
from hdac.nets.device import pick_device
from hdac.nets.zoo import CodecNet, build, export_model, load_model, single
from hdac.runtime.models import FOLDER, model_from_path, resolve_model

if TYPE_CHECKING:
    from hdac.training.clips import Clip


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="pack|run|eval|export")
    effort = "a quarter of an hour to an hour on two cores"
    pack = actions.add_parser("pack", help=f"code the base layers of all clips ({effort})")
    train = actions.add_parser("run", help="train")
    measure = actions.add_parser("eval", help="measure a model, or the network of a run, on val")
    export = actions.add_parser("export", help="write model files of a run, or a model's graphs")

    recipes = "a recipe of experiments/train (default hdac-s)"
    train.add_argument("recipe", nargs="?", default="hdac-s", metavar="NAME|FILE", help=recipes)
    models = "a model's name, a .safetensors file, or the folder of a run"
    for action in (measure, export):
        action.add_argument("model", metavar="MODEL|DIR", help=models)
    data = "folder with train/ and val/ (default: talking_heads under HDAC_DATA)"
    for action in (pack, train, measure, export):
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
    pack.add_argument("--jobs", type=int, default=2, help="versions coded side by side (default 2)")

    train.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log.csv")
    minutes = "stop after so many minutes, or at the end of the schedule"
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
    {"pack": _pack, "run": _run, "eval": _eval, "export": _export}[options.action](options)


def _pack(options: argparse.Namespace) -> None:
    from hdac.training.pack import build, build_validation

    for name, low in (("versions", 1), ("vvc", 0), ("jobs", 1)):
        if getattr(options, name) < low:
            raise UsageError(f"--{name} {getattr(options, name)}; at least {low} is needed")
    data, out = data_folder(options.data), options.pack
    clips = {split: sorted((data / split).glob("*.mp4")) for split in ("train", "val")}
    settings = options.versions, options.vvc, options.preset
    build(clips["train"], out / "train", *settings, workers=options.jobs)
    build_validation(clips["val"], out / "val", workers=options.jobs)
    for split, names in clips.items():
        folder = options.pack / split
        size = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
        say(f"{folder}: {len(names)} clips, {size:.1f} MB")


def _run(options: argparse.Namespace) -> None:
    from hdac.training.clips import Sampler
    from hdac.training.loop import Trainer
    from hdac.training.parallel import Workers
    from hdac.training.recipe import load_recipe
    from hdac.training.validate import validate

    recipe, out = load_recipe(options.recipe), options.out
    config = recipe.training
    if options.schedule:
        config = replace(config, minutes=options.schedule)
    start = load_model(resolve_model(recipe.start)).state_dict() if recipe.start else None
    workers = Workers()
    device = workers.start(pick_device(options.device))
    val, train = (_clips(options, split) for split in ("val", "train"))
    sampler = Sampler(train, config.seed + 7919 * workers.rank, config.animate)
    trainer = Trainer(
        out, config, recipe.network, sampler, str(device), options.resume, start, workers
    )
    if workers.rank == 0:
        about = {"name": recipe.name, "title": recipe.title, "network": recipe.network}
        (out / "run.json").write_text(json.dumps(about))
        many = f"{workers.count} processes, " if workers.count > 1 else ""
        say(
            f"{recipe.title}: {len(train)} clips in memory; {device}, {many}"
            f"{torch.get_num_threads()} threads; from step {trainer.step}"
        )
    trainer.run(options.minutes, lambda net: validate(net, val), say)
    workers.stop()


def _clips(options: argparse.Namespace, split: str) -> list[Clip]:
    """A split of the pack; its originals are the clips themselves where they are at hand."""
    from hdac.training.clips import load

    root = _data(options.data)
    here = root is not None and (root / split).is_dir()
    return load(options.pack / split, root / split if root and here else None)


def _of_run(folder: Path) -> tuple[str, CodecNet]:
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


def _eval(options: argparse.Namespace) -> None:
    from hdac.training.validate import validate

    run = Path(options.model)
    net = _of_run(run)[1] if run.is_dir() else load_model(resolve_model(options.model))
    print(validate(net, _clips(options, "val")).text())


def _export(options: argparse.Namespace) -> None:
    from hdac.training.graphs import calibration, export_graphs

    run, made = Path(options.model), []
    if run.is_dir():
        if options.note is None:
            raise UsageError(f"{run}: give --note, how it was trained")
        name, net = _of_run(run)
        made.append(export_model(net, name, options.folder, options.note))
        model = model_from_path(made[0])
    else:
        model = resolve_model(options.model)
    made.append(export_graphs(model, options.folder))
    if options.pack:
        samples = calibration(_clips(options, "train"), model.name)
        made.append(export_graphs(model, options.folder, samples))
    print("\n".join(map(str, made)))
