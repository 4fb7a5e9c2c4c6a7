"""List the networks that are here."""

from __future__ import annotations

import argparse
import json

from hdac.cli.common import add_json, result


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    from hdac.nets.cost import decoder_gmac
    from hdac.nets.zoo import DEFAULT, describe, load_model, shipped

    rows, lines = [], []
    for model in shipped():
        net, about = load_model(model), describe(model)
        row = {
            "name": model.name,
            "hash": model.digest,
            "default": model.name == DEFAULT,
            "parameters": sum(p.numel() for p in net.parameters()),
            "bytes": model.path.stat().st_size,
            "gmac_256": round(decoder_gmac(net, 256, 256), 3),
            "config": json.loads(about["config"]),
            "training": about.get("note", ""),
            "licence": about.get("licence", ""),
        }
        cost = f"{row['parameters']} parameters, {row['gmac_256']} GMAC per 256x256 frame"
        lines.append(f"{model.name} ({model.digest}): {cost}; {row['training']}")
        rows.append(row)
    result(options, {"models": rows}, "\n".join(lines) or "no models here")
