"""Train a fusion network: `pack` codes the clips' base layers, `run` trains by minutes, `export`
makes a model file.

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

import torch
from safetensors.torch import load_file

from hdac.cli.common import say
from hdac.errors import UsageError
from hdac.layers.base import PRESETS
from hdac.nets.arithmetic import pick_device
from hdac.nets.zoo import FOLDER, CodecNet, build, export_model, find_model, load_model


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="pack|run|eval|export")
    pack = actions.add_parser(
        "pack",
        help="code the base layers of all clips (a quarter of an hour to an hour on two cores)",
    )
    run_ = actions.add_parser("run", help="train")
    run_.add_argument(
        "recipe",
        nargs="?",
        default="hdac-s",
        metavar="NAME|FILE",
        help="a recipe of experiments/train (default hdac-s)",
    )
    eval_ = actions.add_parser("eval", help="measure a model, or the network of a run, on val")
    eval_.add_argument(
        "model",
        metavar="MODEL|DIR",
        help="a model's name, a .safetensors file, or the folder of a run",
    )
    for action in (pack, run_, eval_):
        action.add_argument(
            "--data",
            type=Path,
            help="folder with train/ and val/ (default: talking_heads under HDAC_DATA)",
        )
        action.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    pack.add_argument(
        "--versions", type=int, default=2, help="coded versions of each training clip (default 2)"
    )
    pack.add_argument(
        "--vvc",
        type=int,
        default=0,
        help="versions of each training clip on a VVC base layer, 64 pictures (default 0)",
    )
    pack.add_argument(
        "--preset",
        choices=PRESETS,
        help="effort of the training clips' base encoders (default: slow, vvc medium)",
    )
    pack.add_argument("--jobs", type=int, default=2, help="versions coded side by side (default 2)")
    run_.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log.csv")
    run_.add_argument(
        "--minutes",
        type=float,
        required=True,
        help="stop after so many minutes, or at the end of the schedule",
    )
    run_.add_argument(
        "--schedule",
        type=float,
        help="minutes of the whole schedule, over all resumed runs (default: the recipe's)",
    )
    run_.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out"
    )
    run_.add_argument("--device", default="auto", help="auto, cpu or cuda")
    export = actions.add_parser("export", help="write a checkpoint's EMA weights as a model file")
    export.add_argument("--out", type=Path, required=True, help="folder of the run")
    export.add_argument("--note", required=True, help="how it was trained: kept in the file")
    export.add_argument(
        "--folder", type=Path, default=FOLDER, help="where to write (default: the package's models)"
    )


def _data(option: Path | None) -> Path | None:
    return option or (
        Path(os.environ["HDAC_DATA"]) / "talking_heads" if "HDAC_DATA" in os.environ else None
    )


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
    data = data_folder(options.data)
    clips = {split: sorted((data / split).glob("*.mp4")) for split in ("train", "val")}
    build(
        clips["train"],
        options.pack / "train",
        options.versions,
        options.vvc,
        options.preset,
        workers=options.jobs,
    )
    build_validation(clips["val"], options.pack / "val", workers=options.jobs)
    for split, names in clips.items():
        folder = options.pack / split
        size = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
        say(f"{folder}: {len(names)} clips, {size:.1f} MB")


def _run(options: argparse.Namespace) -> None:
    from hdac.training.clips import Sampler, load
    from hdac.training.loop import Trainer
    from hdac.training.parallel import Workers
    from hdac.training.recipe import load_recipe
    from hdac.training.validate import validate

    recipe = load_recipe(options.recipe)
    config = (
        replace(recipe.training, minutes=options.schedule) if options.schedule else recipe.training
    )
    start = load_model(find_model(recipe.start)).state_dict() if recipe.start else None
    workers = Workers()
    device = workers.start(pick_device(options.device))
    val, train = (
        load(options.pack / split, _originals(options.data, split)) for split in ("val", "train")
    )
    sampler = Sampler(train, config.seed + 7919 * workers.rank, config.animate)
    trainer = Trainer(
        options.out, config, recipe.network, sampler, str(device), options.resume, start, workers
    )
    if workers.rank == 0:
        (options.out / "run.json").write_text(
            json.dumps({"name": recipe.name, "title": recipe.title, "network": recipe.network})
        )
        many = f"{workers.count} processes, " if workers.count > 1 else ""
        say(
            f"{recipe.title}: {len(train)} clips in memory; {device}, {many}{torch.get_num_threads()} threads; from step {trainer.step}"
        )
    trainer.run(options.minutes, lambda net: validate(net, val), say)
    workers.stop()


def _originals(option: Path | None, split: str) -> Path | None:
    """The clips themselves where they are at hand."""
    root = _data(option)
    return root / split if root is not None and (root / split).is_dir() else None


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
    net.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    )
    return str(about["name"]), net


def _eval(options: argparse.Namespace) -> None:
    from hdac.training.clips import load
    from hdac.training.validate import validate

    net = (
        _of_run(Path(options.model))[1]
        if Path(options.model).is_dir()
        else load_model(find_model(options.model))
    )
    print(validate(net, load(options.pack / "val", _originals(options.data, "val"))).text())


def _export(options: argparse.Namespace) -> None:
    name, net = _of_run(options.out)
    print(export_model(net, name, options.folder, options.note))
