"""List, verify or prepare data sets (`datasets/*.toml`): named clips, known by their SHA-256."""

from __future__ import annotations

import argparse
from pathlib import Path

from hdac.bench.datasets import find_sources, load_dataset, verify
from hdac.bench.prepare import prepare
from hdac.bench.recipes import recipe_names
from hdac.cli.common import add_json, result, say
from hdac.video.reader import parse_size


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the sets, or the clips of one")
    listing.add_argument("name", nargs="?", metavar="NAME", help="a set")
    checking = actions.add_parser("verify", help="is every clip there, and is it the right one?")
    checking.add_argument("names", nargs="*", metavar="NAME[:SPLIT]", help="sets (default: all)")
    checking.add_argument("--data", metavar="DIR", help="where clips lie (default: HDAC_DATA)")
    making = actions.add_parser(
        "prepare",
        help="write a set's canonical pictures as lossless files, with a recipe of their hashes",
    )
    making.add_argument("name", metavar="NAME[:SPLIT]|folder:PATH")
    making.add_argument("--out", required=True, type=Path, metavar="DIR")
    making.add_argument("--size", metavar="WxH", help="scale to this size")
    making.add_argument(
        "--frames", type=int, metavar="N", help="only the first N frames of each clip"
    )
    making.add_argument("--data", metavar="DIR", help="where clips lie (default: HDAC_DATA)")
    making.add_argument("-f", "--force", action="store_true", help="overwrite files in DIR")
    for action in (listing, checking, making):
        add_json(action)


def run(options: argparse.Namespace) -> int:
    if options.action == "list":
        return _list(options)
    if options.action == "prepare":
        sources = find_sources(options.name, options.data)
        size = parse_size(options.size) if options.size else None
        recipe = prepare(
            sources,
            options.out,
            size,
            options.frames,
            options.force,
            lambda name: say(f"hdac: {name}"),
        )
        result(
            options,
            {"recipe": str(recipe), "sequences": len(sources)},
            f"{recipe}: {len(sources)} sequences",
        )
        return 0
    from hdac.errors import HdacError

    wrong, data = 0, {}
    lines = []
    for name in options.names or recipe_names("datasets"):
        try:
            rows = verify(name, options.data)
        except HdacError as error:
            if options.names:
                raise
            rows = [(name, str(error))]
        bad = [(n, text) for n, text in rows if text != "ok" and not text.startswith("present")]
        wrong += len(bad) if options.names else 0
        data[name] = dict(rows)
        lines += [
            f"{name}: {len(rows) - len(bad)} of {len(rows)} clips are there",
            *(f"  {n}: {text}" for n, text in rows if text != "ok"),
        ]
    result(options, {"sets": data}, "\n".join(lines))
    return 1 if wrong else 0


def _list(options: argparse.Namespace) -> int:
    if options.name:
        dataset, sequences = load_dataset(options.name)
        listed = [
            f"{s.name:28} {s.split:6} {s.frames:4} frames {s.fps:>10} fps {s.width}x{s.height}  {s.path}"
            for s in sequences
        ]
        result(options, {"title": dataset.title, "licence": dataset.licence, "sequences": [vars(s) for s in sequences]},
               "\n".join([f"{dataset.title}: {dataset.licence}", dataset.how_to_get, *listed]))  # fmt: skip
        return 0
    sets = {name: load_dataset(name) for name in recipe_names("datasets")}
    lines = []
    for name, (dataset, rows) in sets.items():
        lines.append(
            f"{name:16} {len(rows) or 'any number of'} clips; splits: {', '.join(dataset.splits) or 'none'}; {dataset.licence}"
        )
    lines.append(f"{'folder:PATH':16} every video in a folder")
    data = {
        name: {"sequences": len(rows), "splits": dataset.splits}
        for name, (dataset, rows) in sets.items()
    }
    result(options, {"sets": data}, "\n".join(lines))
    return 0
