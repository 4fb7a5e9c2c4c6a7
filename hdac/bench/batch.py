"""`hdac batch`: many files encoded or decoded on the engine of the experiments; what is there
already is kept."""

from __future__ import annotations

import csv
import glob
import os
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hdac.atomic import scratch_folder, write_atomically
from hdac.bench.cells import csv_text, unquoted
from hdac.bench.codecs import HDAC
from hdac.bench.commands import run_command
from hdac.bench.datasets import VIDEO_SUFFIXES
from hdac.bench.engine import Progress, cluster, run_tasks, sendable
from hdac.errors import HdacError, UsageError

#: Seconds that one file may take, plus this much a megabyte of input.
TIMEOUT, TIMEOUT_MB = 600.0, 600.0


@dataclass(frozen=True)
class BatchTask:
    """One file to make. `setting`: what its name and the CSV say of its rate point; `data`: the
    input, for nodes without this disk."""

    source: Path
    output: Path
    arguments: tuple[str, ...]
    setting: str = ""
    data: bytes | None = None


class BatchOutcome(NamedTuple):
    task: BatchTask
    data: bytes
    seconds: float
    error: str


class BatchSummary(NamedTuple):
    made: list[BatchOutcome]
    kept: list[BatchTask]
    failed: list[BatchOutcome]


def find_inputs(patterns: list[str], suffixes: tuple[str, ...]) -> list[Path]:
    """Files of patterns, folders (their files) and names. Raises `UsageError` for a pattern that
    finds nothing."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = (p for p in path.iterdir() if not p.name.startswith("._"))
            hits = sorted(p for p in inside if p.suffix.lower() in suffixes)
        elif path.exists():
            hits = [path]
        else:
            hits = sorted(map(Path, glob.glob(pattern, recursive=True)))
        if not hits:
            raise UsageError(
                f"{pattern}: no files; give files, folders or patterns of {', '.join(suffixes)}"
            )
        found.update(dict.fromkeys(hits))
    return list(found)


def encode_tasks(
    inputs: list[Path], out: Path, points: list[tuple[str, str]], options: tuple[str, ...]
) -> list[BatchTask]:
    """One task for each input and rate point (option, value); a single point without value leaves
    the name as it is."""
    tasks = []
    for source in inputs:
        for option, value in points:
            tail = f"_{option.strip('-').replace('qp-base', 'qp')}{value}" if value else ""
            arguments = ("encode", *options, *((option, value) if value else ()))
            setting = f"{option.strip('-')} {value}".strip()
            tasks.append(BatchTask(source, out / f"{source.stem}{tail}.hdac", arguments, setting))
    return _checked(tasks)


def decode_tasks(
    inputs: list[Path], out: Path, suffix: str, options: tuple[str, ...]
) -> list[BatchTask]:
    arguments = ("decode", *options)
    return _checked([BatchTask(p, out / f"{p.stem}{suffix}", arguments) for p in inputs])


def _checked(tasks: list[BatchTask]) -> list[BatchTask]:
    """Raises `UsageError` if two inputs would make the same file."""
    seen: dict[Path, Path] = {}
    for task in tasks:
        other = seen.setdefault(task.output, task.source)
        if other != task.source:
            raise UsageError(
                f"{other} and {task.source} would both become {task.output.name}; "
                "use two --out folders"
            )
    return tasks


def execute(task: BatchTask) -> BatchOutcome:
    """Runs `hdac` in a process of its own; never raises for what goes wrong with one file."""
    start = time.perf_counter()
    data, reason = b"", ""
    try:
        with scratch_folder() as folder:
            data = _made(task, folder)
    except (HdacError, OSError, subprocess.SubprocessError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
    return BatchOutcome(task, data, time.perf_counter() - start, reason)


def _made(task: BatchTask, folder: Path) -> bytes:
    source = task.source
    if not source.exists():
        if task.data is None:
            raise UsageError(f"{source}: not on this node, and not sent with the task")
        source = folder / source.name
        source.write_bytes(task.data)
    out = folder / f"out{task.output.suffix}"
    verb, *options = task.arguments
    files = source.rglob("*") if source.is_dir() else [source]
    limit = TIMEOUT + TIMEOUT_MB * sum(p.stat().st_size for p in files) / 1e6
    command = [*HDAC, verb, str(source.absolute()), "-o", str(out), *options]
    run_command(command, limit, source.name)
    return out.read_bytes()


def run_batch(
    tasks: list[BatchTask], jobs: int, scheduler: str | None, force: bool, progress: Progress
) -> BatchSummary:
    """Makes what is missing; a file appears under its name when it is whole. Raises `UsageError`,
    or `HdacError` for a full disk."""
    waiting = [t for t in tasks if force or not t.output.exists()]
    summary = BatchSummary([], [t for t in tasks if t not in waiting], [])

    def done(outcome: BatchOutcome) -> None:
        name, error = outcome.task.output.name, outcome.error
        if not error:
            write_atomically(outcome.task.output, outcome.data)
        (summary.failed if error else summary.made).append(outcome)
        count = len(summary.made) + len(summary.failed)
        progress(count, len(waiting), f"{name}{': ' + error if error else ''}")

    def failed(task: BatchTask, why: str) -> BatchOutcome:
        return BatchOutcome(task, b"", 0.0, why)

    if waiting:
        if scheduler:
            waiting = [replace(t, data=sendable(t.source)) for t in waiting]
        with cluster(min(jobs, len(waiting)), scheduler) as client:
            run_tasks(client, execute, waiting, failed, done)
    return summary


LIST = "batch.csv"
_HEAD = ("input", "output", "setting", "bytes", "status", "seconds", "error")


def _listed(out: Path) -> list[list[str]]:
    """Lines that an earlier batch has left in a folder, of files that are still there."""
    try:
        with (out / LIST).open(newline="", encoding="utf-8") as file:
            head, *rows = [list(map(unquoted, row)) for row in csv.reader(file)]
    except (OSError, ValueError):
        return []
    known = tuple(head) == _HEAD
    return [r for r in rows if len(r) == len(_HEAD) and (out / r[1]).exists()] if known else []


def check_kept(out: Path, tasks: list[BatchTask]) -> None:
    """Raises `UsageError` where what is there was made of another input: it would be kept."""
    made = {row[1]: row[0] for row in _listed(out)}
    for task in tasks:
        other = made.get(task.output.name, task.source.name)
        if other != task.source.name:
            raise UsageError(
                f"{task.output} is there, made of {other} ({LIST}), not of {task.source.name}; "
                "choose another --out or give -f to make it anew"
            )


def write_list(out: Path, tasks: list[BatchTask], summary: BatchSummary) -> Path:
    """The CSV of what there is now: one line a task, in the order of the tasks, behind those of
    earlier batches; returns its path."""
    outcomes = {o.task.output: o for o in (*summary.made, *summary.failed)}
    ours = {task.output.name for task in tasks}
    rows = [row for row in _listed(out) if row[1] not in ours]
    for task in tasks:
        outcome, size, seconds = outcomes.get(task.output), "", ""
        status = "kept" if outcome is None else "failed" if outcome.error else "made"
        if status != "failed" and task.output.exists():
            size = str(task.output.stat().st_size)
        if outcome and not outcome.error:
            seconds = f"{outcome.seconds:.2f}"
        error = outcome.error if outcome else ""
        names = [task.source.name, task.output.name, task.setting]
        rows.append([*names, size, status, seconds, error])
    write_atomically(out / LIST, csv_text(_HEAD, rows).encode())
    return out / LIST


def check_out(out: Path) -> Path:
    """Raises `UsageError` if `out` cannot be a folder."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; name a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {out}: {error.strerror}; name a folder that can be written"
        ) from error
    if not os.access(out, os.W_OK):
        raise UsageError(f"--out {out}: not writable; name another folder")
    return out


INPUT_SUFFIXES: dict[str, tuple[str, ...]] = {"encode": VIDEO_SUFFIXES, "decode": (".hdac",)}
