"""`experiment.json`: what a report needs to know of the points in a results folder.

A results folder may come from anybody. It is data: it names no command (codecs come from recipes,
`players.codecs_here`), no file outside itself and no clip (sets come from recipes too).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from hdac.bench.codecs import Hdac
from hdac.bench.experiment import Experiment
from hdac.bench.names import check_name, check_suffix
from hdac.bench.point import PointTask
from hdac.bench.recipes import check_schema, from_table
from hdac.bench.results import as_json, read_json
from hdac.errors import UsageError
from hdac.metrics.registry import METRICS, find_metrics

NAME, SCHEMA = "experiment.json", "hdac-experiment-run/1"


@dataclass(frozen=True)
class CodecEntry:
    """`skipped`: why it did not run, or empty; `recipe`: for the reader, nothing is run by it;
    `archived`: where its points were made, if not here."""

    title: str
    parameter: str
    suffix: str
    decoded_format: str
    skipped: str
    points: tuple[float, ...]
    kind: Literal["hdac", "anchor"]
    recipe: dict[str, Any]
    archived: str = ""


@dataclass(frozen=True)
class SequenceEntry:
    sha256: str
    media: str


@dataclass(frozen=True)
class PointEntry:
    """`name`: that of its line in `points.jsonl`; `key`: what its record must have been made with,
    empty in folders of before it was noted."""

    name: str
    sequence: str
    codec: str
    value: float
    key: str = ""


@dataclass(frozen=True)
class Manifest:
    """One run of an experiment's recipe."""

    name: str
    title: str
    set: str
    frames: int
    every: int
    notes: str
    metrics: tuple[str, ...]
    anchors: tuple[str, ...]
    players_kbps: tuple[float, ...]
    codecs: dict[str, CodecEntry]
    sequences: dict[str, SequenceEntry]
    points: tuple[PointEntry, ...]
    unavailable_metrics: dict[str, str]

    def to_json(self) -> bytes:
        return as_json({"schema": SCHEMA, **asdict(self)})


def describe(experiment: Experiment, tasks: list[PointTask], skipped: dict[str, str]) -> Manifest:
    """The manifest of a run; `skipped`: codec -> why it does not run here."""
    recipe = experiment.recipe
    codecs = {
        c.name: CodecEntry(
            c.recipe.title, c.recipe.parameter, c.recipe.suffix, c.recipe.decoded_format,
            skipped.get(c.name, ""), experiment.points[c.name],
            "hdac" if isinstance(c, Hdac) else "anchor", vars(c.recipe),
        )
        for c in experiment.codecs
    }  # fmt: skip
    return Manifest(
        experiment.name, recipe.title, recipe.set, recipe.frames, recipe.every, recipe.notes,
        recipe.metrics, recipe.anchors, recipe.players_kbps, codecs,
        {t.source.name: SequenceEntry(t.source.sha256, t.source.media) for t in tasks},
        tuple(PointEntry(t.name, t.source.name, t.codec.name, t.value, t.key) for t in tasks),
        {key: reason for key in recipe.metrics if (reason := METRICS[key].unavailable())},
    )  # fmt: skip


def load_manifest(folder: Path) -> Manifest:
    """`experiment.json` of a results folder, checked. Raises `UsageError`: none there, wrong keys
    or types, names that would lead out of the folder, links."""
    check_links(folder)
    try:
        found = read_json(folder / NAME)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder}: no results of an experiment ({error}); `hdac experiment run` makes them"
        ) from error
    where = str(folder / NAME)
    if not isinstance(found, dict):
        raise UsageError(f"{where}: not a JSON object")
    table = check_schema(found, SCHEMA, where)
    for key, kind in (("codecs", CodecEntry), ("sequences", SequenceEntry)):
        entries = table.get(key)
        if isinstance(entries, dict):
            table[key] = {n: _entry(kind, e, f"{where}, {key} {n}") for n, e in entries.items()}
    points = table.get("points")
    if isinstance(points, list):
        table["points"] = [_entry(PointEntry, e, f"{where}, points") for e in points]
    manifest = from_table(Manifest, table, where)
    _check(manifest, where)
    return manifest


def _entry(kind: type[Any], value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: {value!r}; expected a table")
    return from_table(kind, value, where)


def _check(manifest: Manifest, where: str) -> None:
    find_metrics(manifest.metrics)
    for name in (*manifest.codecs, *(p.name for p in manifest.points)):
        check_name(name, where)
    for name, codec in manifest.codecs.items():
        check_suffix(codec.suffix, f"{where}, codec {name}")
    for point in manifest.points:
        if point.codec not in manifest.codecs or point.sequence not in manifest.sequences:
            raise UsageError(f"{where}: codec or sequence of point {point.name} is not listed")


def check_links(folder: Path) -> None:
    """Raises `UsageError` if anything in a results folder is a link that leads out of it."""
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise UsageError(f"{path} is a link out of {folder}; put the file itself there")
