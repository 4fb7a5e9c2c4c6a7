"""List the networks that are here; `models import` makes one of a checkpoint of the authors of DAC
and H-DAC."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from hdac.cli.common import add_json, result
from hdac.errors import UsageError

_ARCHITECTURES = ("dac", "hdac-2022", "hdac-2024", "hdac-hf")


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_json(sub)
    actions = sub.add_subparsers(dest="action", metavar="ACTION")
    text = "a model file of a checkpoint of the authors of DAC and H-DAC"
    importing = actions.add_parser("import", help=text, description=f"Make {text}.")
    importing.add_argument("checkpoint", metavar="FILE.pth.tar", type=Path)
    importing.add_argument("--arch", required=True, choices=_ARCHITECTURES, help="whose it is")
    importing.add_argument(
        "-o", "--out", metavar="DIR", type=Path, default=Path(),
        help="where NAME-<hash>.safetensors goes: some 240 to 330 MB (default: here)",
    )  # fmt: skip
    importing.add_argument("--name", help="in streams and tables (default: ARCH-authors)")
    text = "print the result as one JSON object"
    importing.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text)


def run(options: argparse.Namespace) -> None:
    (_import if options.action == "import" else _list)(options)


def _import(options: argparse.Namespace) -> None:
    name = options.name or f"{options.arch}-authors"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UsageError(
            f"--name {name}: 1 to 64 letters, digits, dots, hyphens and underscores are needed, "
            "a letter or digit first"
        )
    from hdac.nets.importing import LICENCE, import_checkpoint
    from hdac.nets.zoo import export_model

    net, note = import_checkpoint(options.checkpoint, options.arch)
    path = export_model(net, name, options.out, note, LICENCE, exact=True)
    config = net.config
    text = (
        f"{path}: {config.name} as the authors' code of {config.edition}, {config.keypoints} "
        f"keypoints, width {config.width:g}; hdac encode --model {path}"
    )
    made = {"model": str(path), "name": name, "config": vars(config), "note": note}
    result(options, made, text)


def _list(options: argparse.Namespace) -> None:
    from hdac.runtime.graphs import read_about
    from hdac.runtime.models import DEFAULT, shipped

    rows, lines = [], []
    for model in shipped():
        about, number_format = model.about, model.number_format.name.lower()
        costs = read_about(model.graphs) if model.graphs.is_file() else {}
        row = {
            "name": model.name,
            "hash": model.digest,
            "number_format": number_format,
            "default": model.name == DEFAULT,
            "parameters": costs.get("parameters"),
            "bytes": model.path.stat().st_size,
            "gmac_256": costs.get("gmac_256"),
            "config": model.config,
            "training": about.get("note", ""),
            "licence": about.get("licence", ""),
        }
        cost = "needs PyTorch"
        if costs:
            cost = f"{row['parameters']} parameters, {row['gmac_256']} GMAC per 256x256 frame"
        lines.append(f"{model.name} ({model.digest}, {number_format}): {cost}; {row['training']}")
        rows.append(row)
    result(options, {"models": rows}, "\n".join(lines) or "no models here")
