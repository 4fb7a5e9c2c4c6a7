"""Run an experiment, report it, compare two runs, draw a figure of one, or list what there is: sets
x codecs x rate points x metrics.

`run` makes the points that are not there yet (a run that was killed goes on), then tables, figures
and report.html. `report` takes a results folder as data: what decodes its files are the recipes of
this installation, or those of the experiment that --recipe names. `diff` says which points and
BD-rates two results folders do not have in common.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hdac.atomic import write_atomically
from hdac.cli import figure
from hdac.cli.common import add_json, result, say, say_notes
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.bench.analysis import Run
    from hdac.bench.experiment import Experiment
    from hdac.bench.results import Store
    from hdac.bench.runner import Plan


def add_arguments(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    go = actions.add_parser("run", help="make what is missing, then report")
    go.add_argument("name", metavar="NAME|FILE", help="a recipe of experiments/, or a .toml file")
    go.add_argument("--out", metavar="DIR", type=Path, help="results (default results/NAME)")
    text = "make points of these codecs alone; the others' points stay as they are"
    go.add_argument("--codecs", metavar="A,B", default="", help=text)
    go.add_argument("-n", "--dry-run", action="store_true", help="only say what would run")
    add_work(go, "points", "make every point anew")
    report = actions.add_parser("report", help="tables, figures and report.html of what is there")
    report.set_defaults(codecs="")
    report.add_argument("folder", metavar="DIR", type=Path)
    text = "the experiment, where its codecs or set are not this installation's"
    report.add_argument("--recipe", metavar="NAME|FILE", help=text)
    text = "columns of bd.tex, for example psnr-y,lpips-squeeze (default: all)"
    report.add_argument("--metrics", metavar="A,B", default="", help=text)
    text = "what figures have rates in (default kbps); bpp: bits a pixel"
    report.add_argument("--axis", choices=("kbps", "bpp"), default="kbps", help=text)
    go.set_defaults(metrics="", axis="kbps")
    for action in (go, report):
        action.add_argument("--data", metavar="DIR", help="where clips lie (default: HDAC_DATA)")
        text = "CompressAI's format, of videos (bitrate) or images (bpp): plot it too"
        extra = action.add_argument("--extra", metavar="FILE.json", action="append", help=text)
        extra.type, extra.default = Path, []
        text = "points of codecs that this machine lacks, made elsewhere"
        archive = action.add_argument("--archive", metavar="FILE", action="append", help=text)
        archive.type, archive.default = Path, []
        text = "a page without videos: decoding them again takes minutes"
        action.add_argument("--no-players", action="store_true", help=text)
        add_json(action)
    compare = actions.add_parser("diff", help="what changed between two results folders")
    compare.add_argument("a", metavar="A", type=Path, help="the results of before")
    compare.add_argument("b", metavar="B", type=Path, help="the results of now")
    text = "also write one line a value that differs"
    compare.add_argument("--csv", metavar="OUT.csv", type=Path, help=text)
    compare.add_argument("-f", "--force", action="store_true", help="overwrite OUT.csv")
    add_json(compare)
    text = "one figure for a paper: crops at equal rate, or quality over time"
    figure.add_arguments(actions.add_parser("figure", help=text))
    add_json(actions.add_parser("list", help="the recipes that there are"))


def add_work(sub: argparse.ArgumentParser, what: str, force: str) -> None:
    """The options of verbs that run many tasks at once."""
    text, cores = f"{what} side by side (default: all cores)", os.cpu_count() or 1
    sub.add_argument("-j", "--jobs", type=int, default=cores, metavar="N", help=text)
    text = "a dask scheduler, for example tcp://10.0.0.1:8786 (default: this machine)"
    sub.add_argument("--scheduler", metavar="ADDRESS", help=text)
    sub.add_argument("-f", "--force", action="store_true", help=force)


def run(options: argparse.Namespace) -> int:
    from hdac.bench.experiment import load_experiment

    if options.action == "list":
        return _list(options)
    if options.action == "diff":
        return _diff(options)
    if options.action == "figure":
        return figure.run(options)
    if options.action == "report":
        recipe = load_experiment(options.recipe) if options.recipe else None
        return _report(options, options.folder, recipe, {})
    return _run(options, load_experiment(options.name))


def _list(options: argparse.Namespace) -> int:
    from hdac.bench.recipes import find_recipe, read_toml, recipe_names

    names = recipe_names("experiments")
    titles = {n: str(read_toml(find_recipe("experiments", n)).get("title", "")) for n in names}
    lines = "\n".join(f"{name:20} {title}" for name, title in titles.items())
    result(options, {"experiments": titles}, lines)
    return 0


def _diff(options: argparse.Namespace) -> int:
    from hdac.bench.analysis import load
    from hdac.bench.cells import csv_text
    from hdac.bench.diff import HEAD, csv_rows, diff, text

    table: Path | None = options.csv
    if table and table.exists() and not options.force:
        raise UsageError(f"{table} exists; choose another name or give -f to overwrite it")
    a, b = load(options.a), load(options.b)
    found = diff(a, b)
    rows = csv_rows(found)
    if table:
        write_atomically(table, csv_text(HEAD, rows).encode())
    data: dict[str, object] = {
        "a": str(options.a), "b": str(options.b), "same_points": sum(found.same.values()),
        "changed_points": len(found.points), "changed_bd_rates": len(found.rates),
        "differences": [dict(zip(HEAD, row, strict=True)) for row in rows],
    }  # fmt: skip
    result(options, data, text(a, b, found))
    return 0


def _run(options: argparse.Namespace, experiment: Experiment) -> int:
    from hdac.bench.engine import check_jobs, progress_lines
    from hdac.bench.results import Store
    from hdac.bench.runner import plan, run

    store = Store(options.out or Path("results") / experiment.name)
    jobs = check_jobs(options.jobs)
    data, force, codecs = options.data, options.force, figure.words(options.codecs)
    if options.dry_run:
        return _dry_run(options, plan(experiment, store, data, force, codecs), store)
    progress, scheduler = progress_lines(), options.scheduler
    summary = run(experiment, store, data, jobs, scheduler, force, progress, codecs)
    for name, reason in summary.skipped.items():
        say(f"hdac: {name} was not run: {reason}")
    for name, reason in summary.failed.items():
        say(f"hdac: {name} failed: {reason}")
    if summary.left:
        say(f"hdac: {_left(summary.left)}")
    if summary.orphans:
        say(f"hdac: {_orphans(summary.orphans, store, 'were put aside')}")
    if summary.recalled:
        say(f"hdac: {summary.recalled} points came back from {store.orphans}")
    return _report(options, store.folder, experiment, summary._asdict())


def _dry_run(options: argparse.Namespace, would: Plan, store: Store) -> int:
    from hdac.bench.stale import reasons

    tasks, waiting, skipped = would.tasks, would.waiting, would.skipped
    measuring = {t.name: f"measure {', '.join(t.metrics)}" for t in waiting if t.stream}
    lines = [f"{t.name}: {measuring.get(t.name, 'code, decode, measure')}" for t in waiting]
    lines += [f"{name}: not run here ({reason})" for name, reason in skipped.items()]
    lines.append(f"{len(waiting)} of {len(tasks)} points would run")
    found = reasons(waiting, store)
    lines += [f"  {count} {reason}" for reason, count in found.most_common()]
    if would.left:
        lines.append(_left(would.left))
    if would.recalled:
        lines.append(f"{len(would.recalled)} points would come back from {store.orphans}")
    if would.orphans:
        lines.append(_orphans(len(would.orphans), store, "would be put aside"))
    data = {
        "points": len(tasks), "to_do": [t.name for t in waiting], "left": would.left,
        "skipped": skipped,
        "reasons": dict(found), "orphans": would.orphans, "recalled": would.recalled,
    }  # fmt: skip
    result(options, data, "\n".join(lines))
    return 0


def _left(count: int) -> str:
    return f"{count} points of codecs that --codecs leaves out are still to do"


def _orphans(count: int, store: Store, done: str) -> str:
    return (
        f"{count} points that the experiment no longer has {done}: in {store.orphans}, their files "
        "stay in points/; they come back when it has them again"
    )


def _report(
    options: argparse.Namespace,
    folder: Path,
    experiment: Experiment | None,
    summary: dict[str, object],
) -> int:
    from hdac.bench.about import stale_lines
    from hdac.bench.analysis import load
    from hdac.bench.archive import adopt
    from hdac.bench.compressai import beside, pixel_rate, read_extra, write_aggregates
    from hdac.bench.figures import write_figures
    from hdac.bench.report import write_report
    from hdac.bench.results import Store
    from hdac.bench.tables import write_tables

    if options.archive:
        say_notes("--archive", adopt(Store(folder), experiment, options.archive))
    run = load(folder)
    extra, notes = beside(run, [read_extra(path, pixel_rate(run)) for path in options.extra])
    say_notes("--extra", notes)
    for line in stale_lines(run):
        say(f"hdac: {line}")
    found = write_tables(run, _metrics(options.metrics, run))
    write_aggregates(run)
    write_figures(run, found, extra, options.axis)
    pages = write_report(run, found, extra, experiment, options.data, not options.no_players)
    chosen = figure.words(options.codecs)
    points = [p for p in run.points.values() if not chosen or p.codec in chosen]
    failed, count = sum(bool(p.error) for p in points), len(points)
    data = {
        **summary, "folder": str(folder), "points": count, "failed_points": failed,
        "stale_points": len(run.stale) + len(run.outdated),
        "reports": [str(p) for p in pages],
    }  # fmt: skip
    made = f"{summary['made']} points made, {summary['kept']} kept, " if summary else ""
    files = ", ".join(["bd.md", "rd.csv", "figures/", *(p.name for p in pages)])
    result(options, data, f"{folder}: {made}{failed} of {count} points failed; see {files}")
    return 1 if failed or not run.metrics else 0


def _metrics(text: str, run: Run) -> list[str]:
    """Of `--metrics`. Raises `UsageError`."""
    chosen = figure.words(text)
    if unknown := [key for key in chosen if key not in run.compared]:
        raise UsageError(
            f"--metrics {', '.join(unknown)}: choose from {', '.join(run.compared) or 'none'}"
        )
    return chosen
