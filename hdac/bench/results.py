"""`results/<experiment>/`: what is on disk, written atomically, so that a run that was killed goes
on where it was."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdac.atomic import write_atomically
from hdac.bench.cells import csv_text, unquoted
from hdac.bench.names import number_text
from hdac.bench.point import SCHEMA, PointOutcome, finite


@dataclass(frozen=True)
class Point:
    """One rate point as the tables see it. `error`: it failed, and why."""

    sequence: str
    codec: str
    value: float
    record: dict[str, Any]
    error: str = ""

    @property
    def kbps(self) -> float:
        return float(self.record["results"]["bitrate"][0])

    def score(self, metric: str) -> float | None:
        found = self.record.get("results", {}).get(metric)
        return float(found[0]) if found else None


def as_json(data: object) -> bytes:
    return (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> Any:
    """Raises `OSError`, and `ValueError` for what is not JSON or holds infinite numbers."""

    def number(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:20]} is no finite number")
        return value

    def whole(text: str) -> int:
        number(text)
        return int(text)

    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text, parse_float=number, parse_int=whole, parse_constant=number)
    except RecursionError:
        raise ValueError("too deeply nested") from None


def sound(record: Any) -> bool:
    """Whether a record has what tables and figures read, of the types that they expect."""
    try:
        results, bits = record["results"], record["bits"] or {}
        sizes = [record["frames"], record["bytes"], record["width"], record["height"]]
        numbers = [*(v[0] for v in results.values()), *bits.values(), *sizes]
        seconds = [s for s in record["seconds"].values() if s is not None]
        return bool(
            record["schema"] == SCHEMA
            and {"bitrate", "bpp"} <= results.keys()
            and all(isinstance(v, int | float) for v in (*numbers, *seconds))
            and all(isinstance(v, int) and v > 0 for v in sizes)
            and isinstance(record["decides"], dict)
            and all(isinstance(n, int) for n in record.get("capped", {}).values())
            and all(isinstance(why, str) for why in record.get("unavailable", {}).values())
            and all(isinstance(note, str) for note in record.get("notes", []))
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        return False


class Store:
    """The points of one experiment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points = folder / "points"

    def path(self, name: str, suffix: str = ".json") -> Path:
        return self.points / f"{name}{suffix}"

    def load(self, name: str, key: str = "") -> dict[str, Any] | None:
        """A point's record; None if there is none, it is not readable, or of another `key`."""
        try:
            record = read_json(self.path(name))
        except (OSError, ValueError):
            return None
        return record if sound(record) and key in ("", record.get("key")) else None

    def stream(self, name: str, suffix: str) -> bytes | None:
        try:
            return self.path(name, suffix).read_bytes()
        except OSError:
            return None

    def frames(self, name: str) -> dict[str, list[float | None]]:
        """Per-frame values by metric; empty where they are not here."""
        try:
            found = read_json(self.path(name, ".frames.json"))
            values = [v for column in found.values() for v in column if v is not None]
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
        return found if all(isinstance(v, int | float) for v in values) else {}

    def save(self, outcome: PointOutcome) -> None:
        """The record last: a point counts when its record is there."""
        task = outcome.task
        old = self.load(task.name, task.key)
        record, frames = dict(outcome.record), {k: finite(v) for k, v in outcome.frames.items()}
        if old:  # only metrics were missing
            for part in ("results", "unavailable", "metric_code", "capped"):
                kept = {k: v for k, v in old.get(part, {}).items() if k not in task.metrics}
                record[part] = {**kept, **record.get(part, {})}
            record["seconds"] = {
                k: v if v is not None else old["seconds"].get(k)
                for k, v in record["seconds"].items()
            }
            frames = {**self.frames(task.name), **frames}
        write_atomically(self.path(task.name, task.codec.recipe.suffix), outcome.stream)
        write_atomically(self.path(task.name, ".frames.json"), json.dumps(frames).encode())
        write_atomically(self.path(task.name, ".log"), outcome.log.encode())
        write_atomically(self.path(task.name), as_json(record))
        self.path(task.name, ".error").unlink(missing_ok=True)

    def adopt(self, name: str, record: dict[str, Any]) -> None:
        """A record that was made elsewhere."""
        write_atomically(self.path(name), as_json(record))
        self.path(name, ".error").unlink(missing_ok=True)

    def save_error(self, outcome: PointOutcome) -> None:
        """What was made before stays, for the options that it was made with."""
        failure = {"key": outcome.task.key, "error": outcome.error}
        write_atomically(self.path(outcome.task.name, ".error"), as_json(failure))

    def error(self, name: str, key: str = "") -> str:
        """Why the last try to make a point with that `key` failed; empty if it did not."""
        try:
            found = read_json(self.path(name, ".error"))
            return str(found["error"]) if key in ("", found["key"]) else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def kept_rows(path: Path, head: Sequence[str]) -> dict[tuple[str, ...], list[list[Any]]]:
    """Rows of a table that was written before, by their first three cells; none where there is no
    such table or it has other columns.

    Clones have the tables but not what each frame of a point was: its rows are kept until it is
    made again.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            first, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error):
        return {}
    if first != list(head):
        return {}
    out: dict[tuple[str, ...], list[list[Any]]] = {}
    for row in rows:
        out.setdefault(tuple(map(unquoted, row[:3])), []).append(row)
    return out


def frames_csv(store: Store, points: Iterable[tuple[str, Point]], metrics: tuple[str, ...]) -> str:
    """Tidy: one line a frame; empty where a metric has no per-frame value."""
    head, rows = ["sequence", "codec", "value", "frame", *metrics], list[Sequence[object]]()
    kept = kept_rows(store.folder / "frames.csv", head)
    for name, point in points:
        frames = {} if point.error else store.frames(name)
        key = (point.sequence, point.codec, number_text(point.value))
        if not frames and not point.error:
            rows += kept.get(key, [])
        columns = [frames.get(m, []) for m in metrics]
        for i in range(max(map(len, columns), default=0)):
            cells = ["" if i >= len(c) or (v := c[i]) is None else f"{v:.5g}" for c in columns]
            rows.append([*key, i, *cells])
    return csv_text(head, rows)
