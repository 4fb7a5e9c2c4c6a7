"""Run an experiment, report it, or list what there is: sets x codecs x rate points x metrics.

`run` makes the points that are not there yet (a run that was killed goes on), then tables, figures
and report.html.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from hdac.bench.engine import check_jobs
from hdac.bench.experiment import load_experiment
from hdac.bench.recipes import find_recipe, read_toml, recipe_names
from hdac.bench.results import Store
from hdac.bench.runner import plan, progress_lines
from hdac.bench.runner import run as run_experiment
from hdac.cli.common import add_json, result, say


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    go = actions.add_parser("run", help="make what is missing, then report")
    go.add_argument("name", metavar="NAME|FILE", help="a recipe of experiments/, or a .toml file")
    go.add_argument("--data", metavar="DIR", help="where clips lie (default: HDAC_DATA)")
    go.add_argument("--out", metavar="DIR", type=Path, help="results (default results/NAME)")
    go.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="points side by side (default: all cores)",
    )
    go.add_argument("-n", "--dry-run", action="store_true", help="only say what would run")
    go.add_argument("-f", "--force", action="store_true", help="make every point anew")
    go.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a dask scheduler, for example tcp://10.0.0.1:8786 (default: this machine)",
    )
    go.add_argument(
        "--extra",
        metavar="FILE.json",
        action="append",
        default=[],
        type=Path,
        help="CompressAI's format: plot it too",
    )
    add_json(go)
    report = actions.add_parser("report", help="tables, figures and report.html of what is there")
    report.add_argument("folder", metavar="DIR", type=Path)
    report.add_argument(
        "--data", metavar="DIR", help="where clips lie, for the players (default: HDAC_DATA)"
    )
    report.add_argument(
        "--extra",
        metavar="FILE.json",
        action="append",
        default=[],
        type=Path,
        help="CompressAI's format: plot it too",
    )
    for action in (go, report):
        action.add_argument(
            "--no-players",
            action="store_true",
            help="a page without videos: decoding them again takes minutes",
        )
    add_json(report)
    add_json(actions.add_parser("list", help="the recipes that there are"))


def run(options: argparse.Namespace) -> int:
    if options.action == "list":
        rows = [
            (name, str(read_toml(find_recipe("experiments", name)).get("title", "")))
            for name in recipe_names("experiments")
        ]
        result(
            options,
            {"experiments": dict(rows)},
            "\n".join(f"{name:20} {title}" for name, title in rows),
        )
        return 0
    if options.action == "report":
        return _report(options, options.folder, {})
    experiment = load_experiment(options.name)
    store = Store(options.out or Path("results") / experiment.name)
    jobs = check_jobs(options.jobs)
    if options.dry_run:
        tasks, waiting, skipped = plan(experiment, store, options.data, options.force)
        lines = [
            f"{t.name}: {'measure ' + ', '.join(t.metrics) if t.stream else 'code, decode, measure'}"
            for t in waiting
        ]
        lines += [f"{name}: not run here ({reason})" for name, reason in skipped.items()]
        lines.append(f"{len(waiting)} of {len(tasks)} points would run")
        result(
            options,
            {"points": len(tasks), "to_do": [t.name for t in waiting], "skipped": skipped},
            "\n".join(lines),
        )
        return 0
    told = progress_lines(time.monotonic())
    summary = run_experiment(
        experiment, store, options.data, jobs, options.scheduler, options.force, told
    )
    for name, reason in summary.skipped.items():
        say(f"hdac: {name} was not run: {reason}")
    for name, reason in summary.failed.items():
        say(f"hdac: {name} failed: {reason}")
    return _report(
        options,
        store.folder,
        {
            "made": summary.made,
            "kept": summary.kept,
            "failed": summary.failed,
            "skipped": summary.skipped,
        },
    )


def _report(options: argparse.Namespace, folder: Path, summary: dict[str, object]) -> int:
    from hdac.bench.analysis import load
    from hdac.bench.compressai import read_extra, write_aggregates
    from hdac.bench.figures import write_figures
    from hdac.bench.report import write_report
    from hdac.bench.tables import write_tables

    extra = [read_extra(path) for path in options.extra]
    run = load(folder)
    found = write_tables(run)
    write_aggregates(run)
    write_figures(run, extra)
    reports = write_report(run, found, extra, options.data, not options.no_players)
    failed = sum(bool(p.error) for p in run.points.values())
    data = {
        **summary,
        "folder": str(folder),
        "points": len(run.points),
        "failed_points": failed,
        "reports": [str(p) for p in reports],
    }
    made = f"{summary['made']} points made, {summary['kept']} kept, " if summary else ""
    pages = ", ".join(p.name for p in reports)
    result(
        options,
        data,
        f"{folder}: {made}{failed} of {len(run.points)} points failed; see bd.md, rd.csv, figures/, {pages}",
    )
    return 1 if failed else 0
