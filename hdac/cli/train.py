"""Train a fusion network: `pack` codes the clips' base layers, `run` trains by minutes, `export` makes a model file.

The clips are those of HDAC_DATA (or --data): a folder with train/*.mp4 and val/*.mp4, 8-bit 4:2:0. A run stops after
--minutes and goes on with --resume; the same command runs on CPU and GPU.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from safetensors.torch import load_file

from hdac.cli.common import say
from hdac.codec.fuser import pick_device
from hdac.errors import UsageError
from hdac.nets.fusion import FusionConfig, FusionNet
from hdac.nets.zoo import FOLDER, export_model


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="pack|run|export")
    pack = actions.add_parser("pack", help="code the base layers of all clips (about five minutes)")
    run_ = actions.add_parser("run", help="train")
    for action in (pack, run_):
        action.add_argument("--data", type=Path, help="folder with train/ and val/ (default: talking_heads under HDAC_DATA)")
        action.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    pack.add_argument("--versions", type=int, default=2, help="coded versions of each training clip (default 2)")
    run_.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log.csv")
    run_.add_argument("--minutes", type=float, required=True, help="stop after so many minutes")
    run_.add_argument("--schedule", type=float, help="minutes of the whole schedule, over all resumed runs (default --minutes)")
    run_.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    run_.add_argument("--device", default="auto", help="auto, cpu or cuda")
    run_.add_argument("--batch", type=int, default=6)
    run_.add_argument("--crop", type=int, default=192, help="side of the training crops in pixels (default 192)")
    export = actions.add_parser("export", help="write a checkpoint's EMA weights as a model file")
    export.add_argument("--out", type=Path, required=True, help="folder of the run")
    export.add_argument("--name", default="hdac-s")
    export.add_argument("--note", required=True, help="how it was trained: kept in the file")
    export.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: the package's models)")


def data_folder(option: Path | None) -> Path:
    """The folder with train/ and val/. Raises `UsageError` if it is not there."""
    root = option or (Path(os.environ["HDAC_DATA"]) / "talking_heads" if "HDAC_DATA" in os.environ else None)
    if root is None or not (root / "train").is_dir():
        raise UsageError(f"training clips: {root} has no folder train; give --data or set HDAC_DATA")
    return root


def run(options: argparse.Namespace) -> None:
    {"pack": _pack, "run": _run, "export": _export}[options.action](options)


def _pack(options: argparse.Namespace) -> None:
    from hdac.training.pack import build

    data = data_folder(options.data)
    for split, versions, seed in (("train", options.versions, 0), ("val", 3, 1)):
        clips = sorted((data / split).glob("*.mp4"))
        say(f"{build(clips, options.pack / split, versions, seed)}: {len(clips)} clips")


def _run(options: argparse.Namespace) -> None:
    from hdac.training.clips import Sampler, load
    from hdac.training.loop import TrainConfig, Trainer
    from hdac.training.validate import validate

    data = data_folder(options.data)
    config = TrainConfig(minutes=options.schedule or options.minutes, batch=options.batch, crop=options.crop)
    val, train = (load(data / split, options.pack / split) for split in ("val", "train"))
    sampler = Sampler(train, config.seed, config.animate)
    device = pick_device(options.device).type
    trainer = Trainer(options.out, config, FusionConfig(), sampler, device, options.resume)
    say(f"{len(train)} clips in memory; {device}, {torch.get_num_threads()} threads; from step {trainer.step}")
    trainer.run(options.minutes, lambda net: validate(net, val), say)


def _export(options: argparse.Namespace) -> None:
    file = options.out / "ema.safetensors"
    if not file.is_file():
        raise UsageError(f"{file}: no such file; `hdac train run --out {options.out}` writes it")
    net = FusionNet()
    net.load_state_dict({key: value.float() for key, value in load_file(file).items()})
    print(export_model(net, options.name, options.folder, options.note))
