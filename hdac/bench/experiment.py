"""Experiments (`experiments/*.toml`): set x codecs x rate points x metrics, and which points are
still to be made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdac.bench.codecs import BenchCodec, Hdac, codec_from_table, load_codec
from hdac.bench.datasets import Source
from hdac.bench.environment import code_version
from hdac.bench.names import check_name, file_stem, number_text
from hdac.bench.point import PointTask
from hdac.bench.recipes import check_schema, find_recipe, from_table, read_toml
from hdac.bench.results import Store
from hdac.errors import UsageError
from hdac.metrics.registry import DEFAULT, METRICS, find_metrics
from hdac.video.naming import parse_name

SCHEMA = "hdac-experiment/1"
#: What a coded clip and its measures depend on besides codec and metric. All of `video` decides
#: points of hdac (`codecs.CODE`); here it would make those of all anchors anew with each change.
_COMMON = ("bench/raw", "video")
#: What else a metric's module computes with.
_BESIDES = {"metrics/landmarks": ("metrics/identity", "motion/facemesh")}


@dataclass(frozen=True)
class ExperimentRecipe:
    """One TOML file. `frames` 0: all; `sequences` empty: the whole set; `anchors`: what BD-rates
    are printed against; `every` N: slow metrics (LPIPS, msVGG, DISTS, identity, landmarks)
    on every Nth frame; `players_kbps`: the rates that the report's players show."""

    title: str
    set: str
    codecs: tuple[str, ...]
    anchors: tuple[str, ...]
    metrics: tuple[str, ...] = DEFAULT
    sequences: tuple[str, ...] = ()
    frames: int = 0
    every: int = 1
    players_kbps: tuple[float, ...] = (5.0, 10.0)
    notes: str = ""


@dataclass(frozen=True)
class Experiment:
    """A recipe with its codecs and rate points looked up."""

    name: str
    recipe: ExperimentRecipe
    codecs: tuple[BenchCodec, ...]
    points: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def tasks(self, sources: list[Source]) -> list[PointTask]:
        """Every point, metrics complete, in the order of sequences, codecs, rate points."""
        keys = {c.name: json.dumps(c.decides(), sort_keys=True) for c in self.codecs}
        common = code_version(*_COMMON)
        frames, metrics, every = self.recipe.frames, self.recipe.metrics, self.recipe.every

        def task(source: Source, codec: BenchCodec, value: float) -> PointTask:
            rate = number_text(value)
            parts = [source.sha256, frames, keys[codec.name], rate, common, *_named(source.path)]
            key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
            return PointTask(
                point_name(source.name, codec, value), key, source, codec, value, frames or None,
                metrics, every, decides=keys[codec.name],
            )  # fmt: skip

        return [
            task(source, codec, value)
            for source in sources
            for codec in self.codecs
            for value in self.points[codec.name]
        ]


def _named(path: Path) -> list[str]:
    """What a clip's name decides: size, rate and depth of raw video, the rate of a folder."""
    if path.is_dir():
        return [str(parse_name(path.name))]
    return [str(parse_name(path.stem))] if path.suffix.lower() == ".yuv" else []


def point_name(sequence: str, codec: BenchCodec, value: float) -> str:
    """`<sequence>_<codec>_<parameter><value>`, as its files are called; no two points share it."""
    parameter = codec.recipe.parameter.replace("_", "-")
    return file_stem(sequence, codec.name, parameter + number_text(value))


def metric_code(key: str, every: int) -> str:
    """Changes when a metric is computed otherwise."""
    module = type(METRICS[key]).__module__.removeprefix("hdac.").replace(".", "/")
    code = code_version(module, *_BESIDES.get(module, ()))
    return f"{code}, every {every}" if every > 1 and METRICS[key].contract.sampled else code


def load_experiment(name: str) -> Experiment:
    """A recipe by name or path. Raises `UsageError` for unknown codecs, metrics, keys."""
    path = find_recipe("experiments", name)
    table = check_schema(read_toml(path), SCHEMA, str(path))
    points, inline = table.pop("points", {}), table.pop("codec", {})
    recipe = from_table(ExperimentRecipe, table, str(path))
    find_metrics(recipe.metrics)
    if not recipe.codecs:
        raise UsageError(f"{path}: codecs is empty; name at least one")
    if recipe.frames < 0:
        raise UsageError(f"{path}: frames = {recipe.frames}; 0 means all, else at least 1")
    if not 1 <= recipe.every <= 100:
        raise UsageError(f"{path}: every = {recipe.every}; allowed are 1 (each frame) to 100")
    codecs = [_codec(name, inline, path) for name in recipe.codecs]
    names = [c.name for c in codecs]
    for name in names:
        check_name(name, str(path))
    if len(set(names)) < len(names):
        raise UsageError(f"{path}: codecs = {', '.join(names)}; each name once")
    unknown = [n for n in (*recipe.anchors, *points, *inline) if n not in names]
    if unknown:
        raise UsageError(
            f"{path}: {', '.join(unknown)} in anchors, points or codec is not among "
            f"codecs = {', '.join(names)}"
        )
    for codec in codecs:
        _check_base(codec, {c.name: c for c in codecs}, path)
    chosen = {c.name: tuple(points.get(c.name, c.recipe.points)) for c in codecs}
    for name, values in chosen.items():
        numbers = all(isinstance(v, int | float) for v in values)
        if not values or not numbers or len(set(values)) < len(values):
            raise UsageError(f"{path}: points of {name} = {list(values)}; give different numbers")
    return Experiment(path.stem, recipe, tuple(codecs), chosen)


#: What makes a base layer; of a hybrid codec and its `base` it is the same.
_BASE = (
    "parameter", "tune", "base_codec", "base_encoder", "base_scale", "preset", "refresh", "qp_base",
    "qp_intra",
)  # fmt: skip


def _check_base(codec: BenchCodec, among: dict[str, BenchCodec], path: Path) -> None:
    """Raises `UsageError` where a codec's `base` in the same experiment is not its base layer."""
    if not isinstance(codec, Hdac) or codec.recipe.base not in among:
        return
    base = among[codec.recipe.base]
    where = f"{path}: {codec.name} has base = {base.name!r}"
    if not isinstance(base, Hdac) or base.recipe.mode != "base":
        raise UsageError(f"{where}, which is no base layer alone; name a codec of mode base")
    for key in _BASE:
        ours, theirs = getattr(codec.recipe, key), getattr(base.recipe, key)
        if ours != theirs:
            raise UsageError(
                f"{where}, whose {key} is {theirs!r}, not {ours!r}: another base layer; name one "
                "of the same settings"
            )


def _codec(name: str, inline: dict[str, Any], experiment: Path) -> BenchCodec:
    """A codec that the recipe defines itself, one of `baselines/`, or a file (relative paths: from
    here, or from the recipe's folder)."""
    if name in inline:
        where = f"{experiment}, codec {name}"
        return codec_from_table(name, inline[name], where, experiment.parent)
    beside = experiment.parent / name
    near = name.endswith(".toml") and beside.is_file() and not Path(name).is_file()
    return load_codec(str(beside) if near else name)


def missing_metrics(task: PointTask, record: dict[str, Any]) -> tuple[str, ...]:
    """What an existing record still lacks and this machine can give."""
    have, code = record["results"], record.get("metric_code", {})
    out = []
    for key in task.metrics:
        # a metric that this clip cannot have is not tried again
        known = key in have or key in record.get("unavailable", {})
        if known and code.get(key) == metric_code(key, task.every):
            continue
        if key in have or METRICS[key].unavailable() is None:
            out.append(key)
    return tuple(out)


def to_do(tasks: list[PointTask], store: Store, force: bool) -> list[PointTask]:
    """Tasks whose result is not there, or incomplete: then with the coded file, so that only
    metrics run."""
    out = []
    for task in tasks:
        record = None if force else store.load(task.name, task.key)
        if record is None or store.error(task.name, task.key):
            out.append(task)
            continue
        lacking = missing_metrics(task, record)
        stream = store.stream(task.name, task.codec.recipe.suffix)
        if stream is None or len(stream) != record["bytes"]:  # that of a run that was killed
            stream = None
        if lacking:
            metrics = lacking if stream else task.metrics
            out.append(PointTask(**{**vars(task), "metrics": metrics, "stream": stream}))
    return out
