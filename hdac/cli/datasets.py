"""List, verify or prepare data sets (`datasets/*.toml`): named clips, known by their SHA-256."""

from __future__ import annotations

import argparse
from pathlib import Path

from hdac.cli.common import add_json, parse_fps, result, say
from hdac.errors import HdacError


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the sets, or the clips of one")
    listing.add_argument("name", nargs="?", metavar="NAME", help="a set")
    text = "is every clip there, is it the right one, can it be read to its end?"
    checking = actions.add_parser("verify", help=text)
    checking.add_argument("names", nargs="*", metavar="NAME[:SPLIT]", help="sets (default: all)")
    text = "write a set's canonical pictures as lossless files, with a recipe of their hashes"
    making = actions.add_parser("prepare", help=text)
    making.add_argument("name", metavar="NAME[:SPLIT]|folder:PATH")
    making.add_argument("--out", required=True, type=Path, metavar="DIR")
    text = "size of raw .yuv, where its name does not say it"
    making.add_argument("--size", metavar="WxH", help=text)
    making.add_argument("--scale", metavar="WxH", help="scale all pictures to this size")
    text = "frames per second, instead of the source's (raw .yuv and pictures may have none)"
    making.add_argument("--fps", metavar="RATE", help=text)
    text = "only the first N frames of each clip"
    making.add_argument("--frames", type=int, metavar="N", help=text)
    making.add_argument("-f", "--force", action="store_true", help="overwrite files in DIR")
    for action in (checking, making):
        action.add_argument("--data", metavar="DIR", help="where clips lie (default: HDAC_DATA)")
    for action in (listing, checking, making):
        add_json(action)


def run(options: argparse.Namespace) -> int:
    return {"list": _list, "verify": _verify, "prepare": _prepare}[options.action](options)


def _prepare(options: argparse.Namespace) -> int:
    from hdac.bench.datasets import find_sources
    from hdac.bench.prepare import Wanted, prepare
    from hdac.video.reader import parse_size

    sources = find_sources(options.name, options.data)
    size, scale = (parse_size(t) if t else None for t in (options.size, options.scale))
    fps = parse_fps(options.fps) if options.fps else None
    wanted = Wanted(size, scale, fps, options.frames)
    recipe = prepare(sources, options.out, wanted, options.force, lambda text: say(f"hdac: {text}"))
    data: dict[str, object] = {"recipe": str(recipe), "sequences": len(sources)}
    result(options, data, f"{recipe}: {len(sources)} sequences")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from hdac.bench.recipes import recipe_names
    from hdac.bench.verify import Verified, verify

    wrong, data, lines = 0, {}, []
    for name in options.names or recipe_names("datasets"):
        try:
            rows = verify(name, options.data)
        except HdacError as error:
            if options.names:
                raise
            rows = [Verified(name, False, str(error), there=False)]
        bad = sum(not row.fine for row in rows)
        # whoever names no set need not have all of them
        wrong += bad if options.names or any(row.there for row in rows) else 0
        data[name] = {row.name: row.text for row in rows}
        lines.append(f"{name}: {len(rows) - bad} of {len(rows)} clips are there")
        lines += [f"  {row.name}: {row.text}" for row in rows if row.text != "ok"]
    result(options, {"sets": data}, "\n".join(lines))
    return 1 if wrong else 0


def _list(options: argparse.Namespace) -> int:
    from hdac.bench.datasets import load_dataset
    from hdac.bench.recipes import recipe_names

    data: dict[str, object]
    if options.name:
        dataset, sequences = load_dataset(options.name)
        lines = [f"{dataset.title}: {dataset.licence}", dataset.how_to_get]
        for s in sequences:
            picture = f"{s.frames:4} frames {s.fps:>10} fps {s.width}x{s.height}"
            lines.append(f"{s.name:28} {s.split:6} {picture}  {s.path}")
        listed = [vars(s) for s in sequences]
        data = {"title": dataset.title, "licence": dataset.licence, "sequences": listed}
    else:
        sets, lines = {}, []
        for name in recipe_names("datasets"):
            dataset, rows = load_dataset(name)
            sets[name] = {"sequences": len(rows), "splits": dataset.splits}
            splits = ", ".join(dataset.splits) or "none"
            count = f"{len(rows) or 'any number of'} clips; splits: {splits}"
            lines.append(f"{name:16} {count}; {dataset.licence}")
        lines.append(f"{'folder:PATH':16} every video in a folder")
        data = {"sets": sets}
    result(options, data, "\n".join(lines))
    return 0
