"""CompressAI's results schema (`{"name", "description", "results": {"bitrate": [...], metric:
[...]}}`), written and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hdac.atomic import write_atomically
from hdac.bench.analysis import Run
from hdac.bench.names import file_stem
from hdac.bench.point import SCHEMA
from hdac.bench.results import as_json, read_json
from hdac.errors import UsageError


class Extra(NamedTuple):
    """A curve of somebody else: `scores` by metric key, each as long as `kbps`."""

    name: str
    kbps: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]


def _mean(values: Sequence[float], digits: int) -> float:
    return round(float(np.mean(values)), digits)


def aggregate(run: Run, codec: str) -> dict[str, object] | None:
    """Means over the sequences at each rate point, ascending in rate; None if a point is
    missing."""
    values = run.about.codecs[codec].points
    groups = [run.at(codec, v) for v in values]
    if not groups or any(not g or any(p.error for p in g) for g in groups):
        return None
    groups.sort(key=lambda g: np.mean([p.kbps for p in g]))
    results = {
        "bitrate": [_mean([p.kbps for p in g], 6) for g in groups],
        "bpp": [_mean([p.record["results"]["bpp"][0] for p in g], 8) for g in groups],
    }
    for metric in run.metrics:
        scores = [[s for p in g if (s := p.score(metric)) is not None] for g in groups]
        if all(len(s) == len(g) for s, g in zip(scores, groups, strict=True)):
            results[metric] = [_mean(s, 6) for s in scores]
    for side in ("encoding", "decoding"):
        times = [[p.record["seconds"].get(side) for p in g] for g in groups]
        if all(t is not None for group in times for t in group):
            results[f"{side}_time"] = [_mean(t, 3) for t in times]
    first = groups[0][0].record
    return {
        "schema": SCHEMA, "source": run.about.set, "name": codec,
        "description": first["description"], "sequences": run.sequences,
        "parameter": first["parameter"], "points": [g[0].value for g in groups],
        "results": results,
    }  # fmt: skip


def write_aggregates(run: Run) -> None:
    """`<codec>.json` for every complete codec; one of an earlier run goes."""
    for codec in run.codecs:
        path, found = run.folder / f"{file_stem(codec)}.json", aggregate(run, codec)
        if found is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, as_json(found))


def read_extra(path: Path) -> Extra:
    """A file of CompressAI's schema, ours or anybody's, in the order of rates. Raises
    `UsageError`."""
    try:
        data = read_json(path)
        results = data["results"]
        columns = {
            key: [_number(v, key) for v in values]
            for key, values in results.items()
            if isinstance(values, list) and len(values) == len(results["bitrate"])
        }
        rates = columns.pop("bitrate")
        if not rates or min(rates) <= 0:
            raise ValueError(f"bitrate {rates}; one point or more is needed, all above 0 kbps")
        order = np.argsort(rates, kind="stable")
        scores = {key: tuple(values[i] for i in order) for key, values in columns.items()}
        return Extra(str(data.get("name", path.stem)), tuple(rates[i] for i in order), scores)
    except OSError as error:
        raise UsageError(
            f"--extra {path}: {error.strerror}; give a JSON file in CompressAI's format"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"--extra {path}: not CompressAI's format ({error!r}); "
            "expected results.bitrate (kbps) and lists as long, of finite numbers"
        ) from error


def _number(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} has {value!r}")
    return float(value)


def beside(run: Run, extra: Sequence[Extra]) -> tuple[list[Extra], list[str]]:
    """Curves of others under names that no codec of the run and no other curve has, and what to say
    of them."""
    taken, out, notes = set(run.codecs), list[Extra](), list[str]()
    for other in extra:
        name = other.name
        while name in taken:
            name = f"{name} (extra)"
        if name != other.name:
            notes.append(f"{other.name} is a name of this run already: shown as {name}")
        if not set(other.scores) & set(run.metrics):
            have, ours = (", ".join(keys) or "none" for keys in (other.scores, run.metrics))
            notes.append(f"{name} is in no figure: its metrics are {have}, those of the run {ours}")
        taken.add(name)
        out.append(other._replace(name=name))
    return out, notes
