"""One version of everything: what made a point, and whether this installation would make it so.

A point is stale if hdac's code, the version of its format or the network's weights were others
than those here, or if other code measured it. Code is compared by what it does
(`environment.code_version`), not by its commit: most commits change no point.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple

from hdac.bench.codecs import CODE, HdacRecipe
from hdac.bench.environment import code_version, commit
from hdac.bench.experiment import metric_code, missing_metrics
from hdac.bench.manifest import Manifest
from hdac.bench.point import PointTask
from hdac.bench.results import Store
from hdac.bitstream.container import VERSION
from hdac.codec.synthesiser import network_for
from hdac.errors import HdacError
from hdac.metrics.registry import METRICS
from hdac.runtime.models import resolve_model, serving, shipped

#: What differs, as a user knows it, for the keys of `BenchCodec.decides`.
_WORDS = {
    "recipe": "settings", "encode": "commands", "decode": "commands", "written": "commands",
    "files": "files", "tool": "tool", "x265": "x265", "libraries": "libraries",
    "landmarks": "landmarks", "cascade": "cascade",
}  # fmt: skip


class Version(NamedTuple):
    """What made a point of hdac; empty or None for what its record does not tell."""

    code: str
    commit: str
    format: int | None
    weights: str

    def text(self) -> str:
        """Code and format, in words."""
        format_ = "" if self.format is None else f"format {self.format}"
        return ", ".join(filter(None, (_code(self.code, ""), format_)))


def _code(code: str, commit: str) -> str:
    return f"code {code[:8]}{f' of commit {commit}' if commit else ''}"


def version_of(record: dict[str, Any]) -> Version | None:
    """None for anchors, which are none of hdac's code."""
    decides, made = record["decides"], record.get("made", {})
    if not decides.get("code"):
        return None
    format_ = made.get("format")
    return Version(
        str(decides["code"]), str(made.get("commit", "")),
        format_ if isinstance(format_, int) else None, str(decides.get("weights") or ""),
    )  # fmt: skip


@cache
def code_here() -> str:
    return code_version(*CODE)


def here() -> str:
    """This installation, in words."""
    return f"{_code(code_here(), commit())}, format {VERSION}"


@cache
def _metric_here(metric: str, every: int) -> str:
    return metric_code(metric, every)


@cache
def _weights_here(model: str, mode: str, tune: str, precision: str, base_scale: int) -> str:
    """What serves these settings of hdac here; empty where there is nothing that does. Records
    are data: a model that is a path is not looked for."""
    try:
        known = serving(model, mode, tune, base_scale) in {m.name for m in shipped()}
        found = network_for(model, mode, tune, precision, base_scale=base_scale) if known else None
        return found.digest if found else ""
    except HdacError:
        return ""


def _other_weights(settings: Any, weights: str) -> list[str]:
    """`settings`: those of hdac that a record has."""
    if not weights or not isinstance(settings, dict):
        return []
    defaults = {"model": HdacRecipe.model, "mode": HdacRecipe.mode, "tune": HdacRecipe.tune}
    names = {**defaults, "precision": HdacRecipe.precision}
    scale = settings.get("base_scale", HdacRecipe.base_scale)
    if not isinstance(scale, int):
        return []
    given = (str(settings.get(name, other)) for name, other in names.items())
    found = _weights_here(*given, base_scale=scale)
    return [f"weights {weights}, here {found}"] if found not in ("", weights) else []


@cache
def _landmarks_here() -> str:
    """The network that finds landmarks for encoders; empty where there is none."""
    try:
        return resolve_model("landmarks", "fp32").digest
    except HdacError:
        return ""


def _other_landmarks(found: Any) -> list[str]:
    """`found`: the digest that a record has, if any."""
    here = _landmarks_here() if found else ""
    return [f"landmarks {found}, here {here}"] if here not in ("", found) else []


class StaleRows(NamedTuple):
    """How tables say which codecs are stale. `whole`: kinds of codecs of which all are, in words: a
    mark on each row would tell nothing; `marked`: the other stale codecs."""

    whole: tuple[str, ...]
    marked: frozenset[str]

    def line(self) -> str:
        """What stands once above a table; empty without whole kinds."""
        return f"Stale: {' and '.join(self.whole)}.\n" if self.whole else ""


def stale_rows(about: Manifest, codecs: Collection[str]) -> StaleRows:
    """`codecs`: those that are stale."""
    archived = any(entry.archived for entry in about.codecs.values())
    kinds = {"hdac": "all rows of hdac", "anchor": f"all anchors{' made here' * archived}"}
    whole, marked = list[str](), set(codecs)
    for kind, words in kinds.items():
        run = {n for n, e in about.codecs.items() if e.kind == kind and not e.skipped}
        own = {n for n in run if not about.codecs[n].archived}
        if own and own <= marked:
            whole.append(words)
            marked -= own
    return StaleRows(tuple(whole), frozenset(marked))


def stale(record: dict[str, Any], every: int) -> list[str]:
    """How a point is of another version than this installation; empty if it is of this one.
    `every`: of its experiment."""
    codes = record.get("metric_code", {}).items()
    other = [m for m, code in codes if m in METRICS and code != _metric_here(m, every)]
    return _made_otherwise(record) + _measured(other)


def _made_otherwise(record: dict[str, Any]) -> list[str]:
    found, version = list[str](), version_of(record)
    if version:
        if version.code != code_here():
            found.append(f"{_code(version.code, version.commit)}, here {code_here()[:8]}")
        if version.format not in (None, VERSION):
            found.append(f"format {version.format}, here {VERSION}")
        found += _other_weights(record["decides"].get("recipe"), version.weights)
        found += _other_landmarks(record["decides"].get("landmarks"))
    return found


def _measured(metrics: list[str]) -> list[str]:
    return [f"measured by other code: {', '.join(sorted(metrics))}"] if metrics else []


def reasons(waiting: Iterable[PointTask], store: Store) -> Counter[str]:
    """Why points are to be made or measured that `experiment.to_do` names; of how many."""
    tasks = list(waiting)
    codecs = {task.codec.name: task.codec for task in tasks}
    now = {name: json.loads(json.dumps(codec.decides())) for name, codec in codecs.items()}
    return Counter(_why(t, store, now[t.codec.name]) or "again (--force)" for t in tasks)


def _why(task: PointTask, store: Store, now: dict[str, Any]) -> str:
    """`now`: what decides a result of its codec."""
    if store.load(task.name) is None:
        return "failed at the last try" if store.error(task.name, task.key) else "not made yet"
    record = store.load(task.name, task.key)
    if record is None:
        return _otherwise(task, store.load(task.name) or {}, now)
    if store.error(task.name, task.key):
        return "failed at the last try"
    lacking = missing_metrics(task, record)
    new = [m for m in lacking if m not in record["results"]]
    other = [m for m in lacking if m in record["results"]]
    return "; ".join([*_measured(other), *([f"to measure: {', '.join(new)}"] if new else [])])


def _otherwise(task: PointTask, record: dict[str, Any], now: dict[str, Any]) -> str:
    """How a record differs from what its task would give."""
    old = record["decides"]
    found = _made_otherwise(record)
    if record.get("source_sha256") != task.source.sha256:
        found.append("another clip")
    # another network that finds landmarks is named already
    keys = [k for k in _WORDS if old.get(k) != now.get(k) and (k != "landmarks" or k not in old)]
    found += [f"other {word}" for word in dict.fromkeys(_WORDS[key] for key in keys)]
    return f"stale: {'; '.join(found) or 'other frames, or read by other code'}"
