"""CompressAI's results schema (`{"name", "description", "results": {"bitrate": [...], metric:
[...]}}`), written and read."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np

from hdac.atomic import write_atomically
from hdac.bench.analysis import Run
from hdac.bench.names import file_stem
from hdac.bench.point import SCHEMA
from hdac.bench.results import as_json, read_json
from hdac.errors import UsageError


class Extra(NamedTuple):
    """A curve of somebody else: `scores` by metric key, each as long as `kbps`; `note`: what was
    made of it."""

    name: str
    kbps: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]
    note: str = ""


def aggregate(run: Run, codec: str) -> dict[str, object] | None:
    """Means over its sequences at each rate point, ascending in rate; None if a point is
    missing."""
    points = [run.at(codec, v) for v in run.about.codecs[codec].points]
    if not points or any(not g or any(p.error for p in g) for g in points):
        return None
    clips = {p.sequence for g in points for p in g}
    if any(len(g) < len(clips) for g in points):
        return None
    table = run.table[run.table.codec == codec]
    columns = {
        "bitrate": ("kbps", 6), "bpp": ("bpp", 8), **{m: (m, 6) for m in run.metrics},
        "encoding_time": ("encoding", 3), "decoding_time": ("decoding", 3),
    }  # fmt: skip
    groups = table.groupby("value")[[column for column, _ in columns.values()]]
    # pandas' own mean rounds otherwise in the last digit
    means = groups.agg(lambda scores: scores.to_numpy().mean()).sort_values("kbps")
    results = {
        key: [round(mean, digits) for mean in means[column]]
        for key, (column, digits) in columns.items()
        if table[column].notna().all()
    }
    first = points[0][0].record
    return {
        "schema": SCHEMA, "source": run.about.set, "name": codec,
        "description": first["description"], "sequences": [s for s in run.sequences if s in clips],
        "parameter": first["parameter"], "points": means.index.tolist(), "results": results,
    }  # fmt: skip


def write_aggregates(run: Run) -> None:
    """`<codec>.json` for every complete codec; those of earlier runs go."""
    found = {f"{file_stem(codec)}.json": aggregate(run, codec) for codec in run.codecs}
    for path in run.folder.glob("*.json"):
        if not found.get(path.name) and _is_aggregate(path):
            path.unlink()
    for name, data in found.items():
        if data is not None:
            write_atomically(run.folder / name, as_json(data))


def _is_aggregate(path: Path) -> bool:
    """Whether `write_aggregates` wrote a file."""
    try:
        data = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("schema") == SCHEMA and "sequences" in data


#: Keys of CompressAI's image results that say less than ours.
_OURS = {"psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb"}


def pixel_rate(run: Run) -> float | None:
    """Pixels per second, mean over the clips: what makes kbps of bits per pixel. None before a
    point was made."""
    rates = {
        p.sequence: r["width"] * r["height"] * float(Fraction(r["fps"]))
        for p in run.points.values()
        if not p.error and (r := p.record)
    }
    return fmean(rates.values()) if rates else None


def read_extra(path: Path, pixels: float | None = None) -> Extra:
    """A file of CompressAI's schema, ours or anybody's, in the order of rates: `bitrate` in kbps,
    else, as of images, `bpp`; `pixels` a second make the one of the other. Raises `UsageError`."""
    try:
        data = read_json(path)
        results, note = data["results"], ""
        unit = "bitrate" if "bitrate" in results else "bpp"
        columns = {
            key: [_number(v, key) for v in values]
            for key, values in results.items()
            if isinstance(values, list) and len(values) == len(results[unit])
        }
        rates = columns.pop(unit)
        if not rates or min(rates) <= 0:
            raise ValueError(f"{unit} {rates}; one point or more is needed, all above 0")
        if unit == "bpp":
            if pixels is None:
                raise ValueError("bpp, and no point of the run says how many pixels a second has")
            rates = [rate * pixels / 1000 for rate in rates]
            columns = {_OURS.get(key, key): values for key, values in columns.items()}
            note = f"its bits per pixel are kbps at {pixels:.0f} pixels a second, the run's mean"
        elif pixels is not None and "bpp" not in columns:
            columns["bpp"] = [1000 * rate / pixels for rate in rates]
        order = np.argsort(rates, kind="stable")
        scores = {key: tuple(values[i] for i in order) for key, values in columns.items()}
        name = str(data.get("name", path.stem))
        return Extra(name, tuple(rates[i] for i in order), scores, note)
    except OSError as error:
        raise UsageError(
            f"--extra {path}: {error.strerror}; give a JSON file in CompressAI's format"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"--extra {path}: not CompressAI's format ({error!r}); expected results.bitrate (kbps) "
            "or results.bpp (bits per pixel) and lists as long, of finite numbers"
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
        notes += [f"{name}: {other.note}"] * bool(other.note)
        if not set(other.scores) & set(run.metrics):
            have, ours = (", ".join(keys) or "none" for keys in (other.scores, run.metrics))
            notes.append(f"{name} is in no figure: its metrics are {have}, those of the run {ours}")
        taken.add(name)
        out.append(other._replace(name=name))
    return out, notes
