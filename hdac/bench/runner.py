"""`hdac experiment run`: makes the points that are not there yet."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hdac.atomic import write_atomically
from hdac.bench.datasets import find_sources
from hdac.bench.engine import Progress, cluster, run_tasks, sendable
from hdac.bench.environment import code_version, environment, library_versions, x265_version
from hdac.bench.experiment import Experiment, metric_code, to_do
from hdac.bench.manifest import NAME, check_links, describe
from hdac.bench.point import PointOutcome, PointTask, execute
from hdac.bench.results import Store, as_json
from hdac.bench.verify import check_rate
from hdac.errors import UsageError


class RunSummary(NamedTuple):
    """made: points that ran; kept: points that were there; left: points of codecs that were not
    chosen, still to do; failed: name -> reason; skipped: codec -> reason; orphans: points that were
    put aside; recalled: points that came back from there."""

    made: int
    kept: int
    left: int
    failed: dict[str, str]
    skipped: dict[str, str]
    orphans: int
    recalled: int


class Plan(NamedTuple):
    """tasks: of all points of codecs that run here; waiting: those that are still to do; left: so
    many more of codecs that were not chosen; skipped: codec -> why it does not run; orphans: names
    of points in the folder that the experiment has no more; recalled: of points that were orphans
    and are not any more."""

    tasks: list[PointTask]
    waiting: list[PointTask]
    left: int
    skipped: dict[str, str]
    orphans: list[str]
    recalled: list[str]


def plan(
    experiment: Experiment,
    store: Store,
    data: str | None,
    force: bool = False,
    codecs: Sequence[str] = (),
) -> Plan:
    """What a run would do; writes nothing. codecs: those to make points of (none: all). Raises
    `UsageError` for those that the experiment has not."""
    known = [c.name for c in experiment.codecs]
    if unknown := [name for name in codecs if name not in known]:
        raise UsageError(f"--codecs {', '.join(unknown)}: choose from {', '.join(known)}")
    skipped = {c.name: why for c in experiment.codecs if (why := c.unavailable())}
    sources = find_sources(experiment.recipe.set, data, experiment.recipe.sequences)
    for source in sources:
        check_rate(source.path)
    all_tasks = experiment.tasks(sources)
    names = {t.name for t in all_tasks}
    recalled = store.recall(sorted(names))
    orphans = [name for name in store.names() if name not in names]
    tasks = [t for t in all_tasks if t.codec.name not in skipped]
    open_ = to_do(tasks, store, force)
    waiting = [t for t in open_ if not codecs or t.codec.name in codecs]
    return Plan(tasks, waiting, len(open_) - len(waiting), skipped, orphans, recalled)


def run(
    experiment: Experiment,
    store: Store,
    data: str | None,
    jobs: int,
    scheduler: str | None,
    force: bool,
    progress: Progress,
    codecs: Sequence[str] = (),
) -> RunSummary:
    """Runs what is to do, of these codecs (none: of all). Raises `UsageError`, or `HdacError` for a
    full disk."""
    found = plan(experiment, store, data, force, codecs)
    tasks, waiting, left, skipped, orphans, recalled = found
    check_links(store.folder)
    if orphans or recalled:
        store.put_aside(orphans)
    manifest = describe(experiment, tasks, skipped)
    write_atomically(store.folder / NAME, manifest.to_json())
    write_atomically(store.folder / "environment.json", as_json(environment()))
    failed: dict[str, str] = {}
    count, codes = 0, {(m, t.every): metric_code(m, t.every) for t in waiting for m in t.metrics}

    def done(outcome: PointOutcome) -> None:
        nonlocal count
        count += 1
        task, error = outcome.task, outcome.error
        if error:
            failed[task.name] = error
            store.save_error(outcome)
        else:
            # those that were not had for a reason of this machine are tried again
            had = [key for key in task.metrics if key not in outcome.again]
            measured = {key: codes[key, task.every] for key in had}
            store.save(replace(outcome, record={**outcome.record, "metric_code": measured}))
        progress(count, len(waiting), f"{task.name}{': ' + error if error else ''}")

    if waiting:
        progress(0, len(waiting), "starting")
        if scheduler:
            waiting = [replace(task, data=sendable(task.source.path)) for task in waiting]
        # the slow ones first: the last minutes are then shared by all workers
        waiting.sort(key=lambda t: -t.codec.recipe.timeout)
        with cluster(jobs, scheduler) as client:
            if scheduler:
                _check_nodes(client)
            run_tasks(client, execute, waiting, PointOutcome, done)
    made, kept = count - len(failed), len(tasks) - len(waiting) - left
    return RunSummary(made, kept, left, failed, skipped, len(orphans), len(recalled))


#: Our own code that makes and measures a point.
_CODE = (
    "bench/point",
    "bitstream",
    "codec",
    "layers",
    "metrics",
    "motion",
    "nets",
    "runtime",
    "video",
)


def node_version() -> dict[str, str]:
    """What makes points on a node: results of another version would be filed under this one."""
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "hdac": code_version(*_CODE),
        "x265": x265_version(),
        **library_versions("av", "libavcodec", "numpy", "torch"),
    }


def _check_nodes(client: Any) -> None:
    here = node_version()
    for address, there in client.run(node_version).items():
        if there != here:
            raise UsageError(
                f"worker {address} has {there}, here it is {here}: install the same on every node"
            )
