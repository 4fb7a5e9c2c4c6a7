"""`results/<experiment>/`: what is on disk, written atomically, so that a run that was killed goes
on where it was."""

from __future__ import annotations

import json
import lzma
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hdac.atomic import write_atomically
from hdac.bench.cells import csv_text, unquoted
from hdac.bench.names import number_text
from hdac.bench.point import SCHEMA, PointOutcome, finite

#: One line a frame of every point; `pandas.read_csv` reads it as it is.
FRAMES = "frames.csv.xz"


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

    @property
    def bpp(self) -> float:
        return float(self.record["results"]["bpp"][0])

    def score(self, metric: str) -> float | None:
        found = self.record.get("results", {}).get(metric)
        return float(found[0]) if found else None


def as_json(data: object) -> bytes:
    return (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()


def as_line(data: object) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":")) + "\n"


def parse_json(text: str) -> Any:
    """Raises `ValueError` for what is not JSON or holds infinite numbers."""

    def number(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:20]} is no finite number")
        return value

    def whole(text: str) -> int:
        number(text)
        return int(text)

    try:
        return json.loads(text, parse_float=number, parse_int=whole, parse_constant=number)
    except RecursionError:
        raise ValueError("too deeply nested") from None


def read_json(path: Path) -> Any:
    """Raises `OSError`, and `ValueError` as `parse_json`."""
    return parse_json(path.read_text(encoding="utf-8"))


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
            and isinstance(record.get("made", {}), dict)
            and isinstance(record.get("metric_code", {}), dict)
            and all(isinstance(n, int) for n in record.get("capped", {}).values())
            and all(isinstance(why, str) for why in record.get("unavailable", {}).values())
            and all(isinstance(note, str) for note in record.get("notes", []))
            and all(isinstance(frame, int) for frame in record.get("refreshes", []))
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        return False


class Store:
    """The points of one experiment: `points.jsonl`, a line a point with its record and why its last
    try failed; in `points/` what is not published: coded files, values frame by frame, logs;
    `orphans.jsonl` has the lines of points that the experiment no longer has.

    One process at a time writes to a folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points = folder / "points"
        self.table = folder / "points.jsonl"
        self.orphans = folder / "orphans.jsonl"
        self._known: tuple[int, dict[str, dict[str, Any]]] | None = None

    def path(self, name: str, suffix: str) -> Path:
        return self.points / f"{name}{suffix}"

    def _lines(self) -> dict[str, dict[str, Any]]:
        """Lines by the name of their point, read anew where the file is another; those that are not
        readable are left out: their points were not made."""
        written = _written(self.table)
        if self._known is None or self._known[0] != written:
            self._known = written, _read_lines(self.table)
        return self._known[1]

    def put(self, name: str, **changes: object) -> None:
        """Changes a point's line, or begins one."""
        lines = self._lines()
        self._write({**lines, name: {"name": name, **lines.get(name, {}), **changes}})

    def _write(self, lines: dict[str, dict[str, Any]]) -> None:
        _write_lines(self.table, lines)
        self._known = _written(self.table), lines

    def recall(self, names: Iterable[str]) -> list[str]:
        """Looks at what `put_aside` put aside of these points as if it were in the table, where the
        next write has it; which of them came back."""
        aside, lines = _read_lines(self.orphans), self._lines()
        back = {name: aside[name] for name in names if name in aside and name not in lines}
        if back:
            self._known = _written(self.table), {**lines, **back}
        return list(back)

    def put_aside(self, names: Iterable[str]) -> None:
        """Moves the lines of these points to `orphans.jsonl`, and writes what was recalled; their
        files stay in `points/`. A line is in one of both at any time."""
        lines, aside = self._lines(), _read_lines(self.orphans)
        moved = {name: lines[name] for name in names}
        kept = {name: line for name, line in lines.items() if name not in moved}
        if moved:
            _write_lines(self.orphans, {**aside, **moved})
        self._write(kept)
        left = {name: line for name, line in {**aside, **moved}.items() if name not in kept}
        if left:
            _write_lines(self.orphans, left)
        else:
            self.orphans.unlink(missing_ok=True)

    def names(self) -> list[str]:
        return list(self._lines())

    def load(self, name: str, key: str = "") -> dict[str, Any] | None:
        """A point's record; None if there is none, it is not readable, or of another `key`."""
        record: Any = self._lines().get(name, {}).get("record")
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
            if task.stream is not None:  # coded then, measured now
                record["made"] = old.get("made", {})
        write_atomically(self.path(task.name, task.codec.recipe.suffix), outcome.stream)
        write_atomically(self.path(task.name, ".frames.json"), json.dumps(frames).encode())
        write_atomically(self.path(task.name, ".log"), outcome.log.encode())
        self.adopt(task.name, record)

    def adopt(self, name: str, record: dict[str, Any]) -> None:
        """A record that is whole, made here or elsewhere."""
        self.put(name, record=record, failed=None)

    def save_error(self, outcome: PointOutcome) -> None:
        """What was made before stays, for the options that it was made with."""
        self.put(outcome.task.name, failed={"key": outcome.task.key, "error": outcome.error})

    def error(self, name: str, key: str = "") -> str:
        """Why the last try to make a point with that `key` failed; empty if it did not."""
        try:
            found = self._lines()[name]["failed"]
            return str(found["error"]) if key in ("", found["key"]) else ""
        except (KeyError, TypeError):
            return ""


def _written(path: Path) -> int:
    """When a file was; 0 without one."""
    return path.stat().st_mtime_ns if path.exists() else 0


def _read_lines(path: Path) -> dict[str, dict[str, Any]]:
    """By the name of their point; without a file, none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    return {str(line["name"]): line for t in text.splitlines() if (line := _line(t))}


def _write_lines(path: Path, lines: dict[str, dict[str, Any]]) -> None:
    rows = (as_line(lines[key]) for key in sorted(lines))
    write_atomically(path, "".join(rows).encode())


def _line(text: str) -> dict[str, Any] | None:
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("name"), str) else None


def kept_rows(path: Path, head: Sequence[str]) -> dict[tuple[str, ...], list[list[Any]]]:
    """Rows of a table that was written before, by their first three cells; none where there is no
    such table or it has other columns.

    Clones have the tables but not what each frame of a point was: its rows are kept until it is
    made again.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError, EOFError, lzma.LZMAError):
        return {}
    if list(table.columns) != list(head):
        return {}
    keys = list(head[:3])
    table[keys] = table[keys].map(unquoted)
    groups = table.groupby(keys, sort=False)
    return {key: rows.to_numpy().tolist() for key, rows in groups}


def frames_head(metrics: Iterable[str]) -> list[str]:
    return ["sequence", "codec", "value", "frame", *metrics]


def frames_csv(store: Store, points: Iterable[tuple[str, Point]], metrics: tuple[str, ...]) -> str:
    """Tidy: one line a frame; empty where a metric has no per-frame value."""
    head, rows = frames_head(metrics), list[Sequence[object]]()
    kept = kept_rows(store.folder / FRAMES, head)
    for name, point in points:
        if point.error:
            continue
        frames, key = store.frames(name), (point.sequence, point.codec, number_text(point.value))
        lines = zip_longest(*(frames.get(m, []) for m in metrics))
        new = [
            [*key, i, *("" if v is None else f"{v:.5g}" for v in line)]
            for i, line in enumerate(lines)
        ]
        rows += new or kept.get(key, [])
    return csv_text(head, rows)
