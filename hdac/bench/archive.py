"""Archived points: measurements of codecs that this machine lacks, made where they are.

An archive is a file of JSON lines: a head (`schema`, `made`: where and how), then a point a line:
its `record` (as in `points.jsonl`), `codec`, `software` (name and version), `recipe` (hash of the
commands and of the configuration that they name) and `check` (hash of all that).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hdac.atomic import write_atomically
from hdac.bench.codecs import Anchor, BenchCodec
from hdac.bench.experiment import Experiment, point_name
from hdac.bench.manifest import NAME, Manifest, PointEntry, load_manifest
from hdac.bench.names import number_text
from hdac.bench.players import codecs_here
from hdac.bench.results import Store, sound
from hdac.errors import UsageError

SCHEMA = "hdac-archive/1"


class Archive(NamedTuple):
    name: str
    made: str
    points: list[dict[str, Any]]


def _check(point: dict[str, Any]) -> str:
    said = {key: value for key, value in point.items() if key != "check"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def recipe_hash(codec: Anchor) -> str:
    """Of a recipe's commands and of what its configuration files set, without comments."""
    words, texts = (*codec.recipe.encode, *codec.recipe.decode), []
    for word in words:
        if word.startswith("{recipe}/"):
            lines = (codec.folder / word.removeprefix("{recipe}/")).read_text("utf-8").splitlines()
            settings = (" ".join(line.split("#")[0].split()) for line in lines)
            texts.append("\n".join(sorted(filter(None, settings))))
    return hashlib.sha256(json.dumps([*words, *texts]).encode()).hexdigest()[:32]


def write_archive(path: Path, made: str, codec: Anchor, records: Iterable[dict[str, Any]]) -> None:
    """Adds one codec's records to an archive, which is begun where there is none."""
    head = {"schema": SCHEMA, "made": made}
    lines = path.read_text("utf-8").splitlines() if path.exists() else [json.dumps(head)]
    for record in records:
        point = {
            "codec": codec.name, "software": codec.recipe.software, "recipe": recipe_hash(codec),
            "record": record,
        }  # fmt: skip
        lines.append(json.dumps({**point, "check": _check(point)}, allow_nan=False))
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def read_archive(path: Path) -> Archive:
    """Raises `UsageError` for what is no archive, and for points that were altered."""
    try:
        head, *points = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if head["schema"] != SCHEMA:
            raise ValueError(f"schema {head['schema']}; expected {SCHEMA}")
        made = str(head["made"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: no archive of points ({error})") from error
    for line, point in enumerate(points, 2):
        if not isinstance(point, dict) or point.get("check") != _check(point):
            raise UsageError(f"{path}, line {line}: the point was altered, its check differs")
        if not sound(point.get("record")):
            raise UsageError(f"{path}, line {line}: no record of a point")
    return Archive(path.name, made, points)


def adopt(store: Store, experiment: Experiment | None, paths: Iterable[Path]) -> list[str]:
    """Adds archived points of codecs that did not run here to a results folder; notes on what was
    not taken.

    A point is taken if its clip (by hash), its recipe (of `experiment`, or this installation's) and
    its software's version agree. Raises `UsageError` where an archive has none that does.
    """
    manifest, notes = load_manifest(store.folder), list[str]()
    lengths = _lengths(store, manifest)
    codecs = codecs_here(manifest.codecs, experiment)
    for path in paths:
        archive, taken, refused = read_archive(path), list[PointEntry](), Counter[str]()
        for point in archive.points:
            entry = _entry(manifest, codecs, lengths, point)
            if isinstance(entry, str):
                refused[entry] += 1
                continue
            store.adopt(entry.name, {**point["record"], "key": entry.key})
            taken.append(entry)
        reasons = [f"{path.name}: {n} points not taken: {why}" for why, n in refused.items()]
        if not taken:
            raise UsageError(f"{path} has no point for this experiment\n" + "\n".join(reasons))
        notes += reasons
        manifest = _with_points(manifest, archive, taken)
    write_atomically(store.folder / NAME, manifest.to_json())
    return notes


def _with_points(manifest: Manifest, archive: Archive, taken: list[PointEntry]) -> Manifest:
    counts, codecs = Counter(entry.codec for entry in taken), dict(manifest.codecs)
    for name, count in counts.items():
        made = f"{count} points of {archive.name}: {archive.made}"
        codecs[name] = replace(codecs[name], skipped="", archived=made)
    known = {entry.name for entry in taken}
    points = [p for p in manifest.points if p.name not in known]
    return replace(manifest, codecs=codecs, points=(*points, *taken))


def _lengths(store: Store, manifest: Manifest) -> dict[str, int]:
    """Frames of each clip, by the points that were made here."""
    own = [p for p in manifest.points if not manifest.codecs[p.codec].archived]
    records = [(p.sequence, store.load(p.name, p.key)) for p in own]
    return {sequence: int(record["frames"]) for sequence, record in records if record}


def _entry(
    manifest: Manifest,
    codecs: dict[str, BenchCodec],
    lengths: dict[str, int],
    point: dict[str, Any],
) -> PointEntry | str:
    """Where a point belongs, or why it does not. lengths: of clips, in frames."""
    name, record = str(point["codec"]), point["record"]
    sequence, value = str(record.get("sequence")), record.get("value")
    if name not in manifest.codecs:
        return f"the experiment has no {name}"
    about = manifest.codecs[name]
    if not about.skipped and not about.archived:
        return f"{name} runs here"
    codec = codecs.get(name)
    if not isinstance(codec, Anchor):
        return f"there is no recipe of {name} here"
    if point["software"] != codec.recipe.software:
        return f"{name} of {point['software']}; the recipe is for {codec.recipe.software or 'any'}"
    if point["recipe"] != recipe_hash(codec):
        return f"{name} was run by another recipe"
    if sequence not in manifest.sequences:
        return f"the experiment has no clip {sequence}"
    if record.get("source_sha256") != manifest.sequences[sequence].sha256:
        return f"{sequence} is another clip here"
    if value not in about.points:
        return f"{name} has no rate point {number_text(value)} in the experiment"
    if sequence in lengths and record["frames"] != lengths[sequence]:
        return f"{record['frames']} frames; points here have {lengths[sequence]}"
    if manifest.frames and record["frames"] > manifest.frames:
        return f"{record['frames']} frames; the experiment has {manifest.frames}"
    return PointEntry(
        point_name(sequence, codec, value), sequence, name, value, f"archive-{point['check']}"
    )
