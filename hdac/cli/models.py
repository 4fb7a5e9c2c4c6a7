"""List the networks that are here."""

from __future__ import annotations

import argparse
import json

from hdac.cli.common import add_json, result
from hdac.nets.cost import decoder_gmac
from hdac.nets.zoo import DEFAULT, describe, load_model, shipped


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_json(sub)


def run(options: argparse.Namespace) -> None:
    rows: list[dict[str, object]] = []
    for model in shipped():
        net, about = load_model(model), describe(model)
        rows.append(
            {
                "name": model.name, "hash": model.digest, "default": model.name == DEFAULT,
                "parameters": sum(p.numel() for p in net.parameters()), "bytes": model.path.stat().st_size,
                "gmac_256": round(decoder_gmac(net, 256, 256), 3), "config": json.loads(about["config"]),
                "training": about.get("note", ""), "licence": about.get("licence", ""),
            }
        )  # fmt: skip
    lines = [
        f"{r['name']} ({r['hash']}): {r['parameters']} parameters, {r['gmac_256']} GMAC per 256x256 frame; {r['training']}"
        for r in rows
    ]
    result(options, {"models": rows}, "\n".join(lines) or "no models here")
