"""List the networks that are here."""

from __future__ import annotations

import argparse

from hdac.cli.common import add_json, result


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_json(sub)


def run(options: argparse.Namespace) -> None:
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
