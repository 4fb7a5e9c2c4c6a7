"""`report.html`: a page, opened from disk, that shows curves, tables and players.

A page is small. What is large lies beside it: with players, plotly.js (one copy for all pages of a
folder), and in `<page>-files/` videos, pictures and values frame by frame. Without players the
curves are those of `figures/`. Clips of a private set never get into `report.html` or its files;
for them the page with players is `report-players.html`, which is not to be published
(`results/.gitignore` keeps it out).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hdac.atomic import write_atomically
from hdac.bench.about import about, version_head, version_rows
from hdac.bench.analysis import Comparison, Run, higher_is_better, label, rate_point
from hdac.bench.bd import MIN_OVERLAP
from hdac.bench.compressai import Extra
from hdac.bench.experiment import Experiment
from hdac.bench.figures import averaged_points, extra_points
from hdac.bench.looks import looks_of
from hdac.bench.names import file_stem, number_text
from hdac.bench.players import players
from hdac.bench.published import HEAD, TITLE, published_rows
from hdac.bench.shares import Table, share_tables
from hdac.bench.stale import here
from hdac.bench.tables import (
    bd_cell,
    bd_heads,
    bd_rows,
    dropped_lines,
    mark,
    marked,
    rd_head,
    rd_rows,
)
from hdac.bench.times import time_table
from hdac.bench.worst import worst_head, worst_rows
from hdac.errors import HdacError

TEMPLATE = Path(__file__).with_name("report.html.j2")
PLOTLY = "plotly.min.js"
PRIVATE = (
    "No players here: the clips of this set may not be published. On a machine that has them, "
    "hdac experiment report also writes report-players.html."
)


def write_report(
    run: Run,
    found: list[Comparison],
    extra: Sequence[Extra],
    experiment: Experiment | None = None,
    data: str | None = None,
    with_players: bool = True,
) -> list[Path]:
    """Writes the page, and for private clips the one with players beside it; returns their paths.
    `experiment`: whose codecs decode the files and whose set has the clips, where the user named
    one (`players.codecs_here`)."""
    shown, absent = list[dict[str, Any]](), list[str]()
    reason = "No players here: made with --no-players."
    if with_players:
        try:
            (shown, absent), reason = players(run, experiment, data), ""
        except HdacError as error:
            reason = f"No players here: {error}"
    note = f"Left out, no recipe of them is here: {', '.join(absent)}." if absent else ""
    media = [s.media for s in run.about.sequences.values()] + [p["media"] for p in shown]
    private = any(m != "public" for m in media)
    paths = [run.folder / "report.html"]
    if private and not with_players:
        reason = PRIVATE
    if private and shown:
        paths.append(run.folder / "report-players.html")
        _write_page(paths[1], run, found, extra, shown, note)
        shown, reason = [], PRIVATE
    _write_page(paths[0], run, found, extra, shown, reason or note)
    return paths


def _write_page(
    path: Path,
    run: Run,
    found: list[Comparison],
    extra: Sequence[Extra],
    shown: list[dict[str, Any]],
    note: str,
) -> None:
    """The page and its files, in place of those of before."""
    files = path.with_name(f"{path.stem}-files")
    if files.is_dir() and not files.is_symlink():
        shutil.rmtree(files)
    if shown:
        from plotly.offline import get_plotlyjs

        write_atomically(path.with_name(PLOTLY), get_plotlyjs().encode())
        shown = [_beside(files, player) for player in shown]
        said = [{k: v for k, v in player.items() if k != "worst"} for player in shown]
        data = json.dumps({**curves(run, extra), "players": said}, allow_nan=False)
        write_atomically(files / "data.js", f"const DATA = {data};\n".encode())
    write_atomically(path, _page(run, found, shown, note, quote(files.name)).encode())


def _beside(files: Path, player: dict[str, Any]) -> dict[str, Any]:
    """A player whose video and pictures are files, `src` their addresses."""

    def written(entry: dict[str, Any], suffix: str, *names: str) -> dict[str, Any]:
        path = (
            files / f"{file_stem(player['sequence'], number_text(player['near']), *names)}{suffix}"
        )
        write_atomically(path, entry["data"])
        source = quote(f"{files.name}/{path.name}")
        return {**{k: v for k, v in entry.items() if k != "data"}, "src": source}

    worst = [written(w, ".jpg", w["codec"], str(w["frame"])) for w in player["worst"]]
    return written({**player, "worst": worst}, ".mp4")


def _page(
    run: Run, found: list[Comparison], shown: list[dict[str, Any]], note: str, files: str
) -> str:
    """`note`: why there are no players, or which codecs they leave out; `files`: the folder of what
    lies beside the page."""
    import jinja2

    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    worst = {
        **_table(worst_head(run), worst_rows(run)),
        "metric": label(run.metrics[0]) if run.metrics else "No metric",
        "pictures": [
            {**picture, "clip": p["sequence"], "near": p["near"]}
            for p in shown
            for picture in p["worst"]
        ],
    }
    try:
        where = (run.folder / "environment.json").read_text(encoding="utf-8", errors="replace")
    except OSError:
        where = "unknown: environment.json is missing"
    return template.render(
        title=run.about.title,
        about=about(run).replace("`", "").splitlines(),
        bd=[
            {
                "anchor": mark(run, a),
                "dropped": dropped_lines(found, a, run.compared),
                **_table(
                    ["codec", *bd_heads(found, a, run.compared)],
                    marked(run, bd_rows(found, a, run.compared)),
                ),
            }
            for a in run.anchors
        ],
        min_overlap=f"{100 * MIN_OVERLAP:.0f}",
        shares=[{**t._asdict(), **_table(t.head, marked(run, t.rows))} for t in _shares(run)],
        published={**_table(HEAD, published_rows(run.about.set)), "title": TITLE},
        players=bool(shown),
        note=note,
        points=_table(rd_head(run), rd_rows(run)),
        worst=worst,
        versions=_table(version_head(), version_rows(run)),
        here=here(),
        stale=run.stale_rows.line(),
        environment=where,
        figures=[{"file": quote(f"{stem}.svg"), "title": title} for stem, title in _figures(run)],
        plotly=PLOTLY,
        files=files,
    )


def _shares(run: Run) -> list[Table]:
    """The network's share, payload, and time, which two runs do not have in common."""
    time = time_table(run)
    return [*share_tables(run, bd_cell), *([time] if time.rows else [])]


def _figures(run: Run) -> list[tuple[str, str]]:
    """Names and titles of the averaged curves (`figures.write_figures`)."""
    return [(f"rd_{metric}", label(metric)) for metric in run.compared]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, Any]:
    return {"head": list(map(_breakable, head)), "rows": [list(map(_cell, row)) for row in rows]}


def _cell(value: object) -> str:
    """A number short; in a text what belongs together keeps together: values and their units,
    intervals."""
    if isinstance(value, float):
        return f"{value:.5g}"
    text = re.sub(r"(?<=[\d)]) (?=%|clips?\b)", "\N{NO-BREAK SPACE}", str(value))
    return re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _breakable(head: str) -> str:
    """Heads may break after "_", as they do after "-"."""
    return head.replace("_", "_\N{ZERO WIDTH SPACE}")


def curves(run: Run, extra: Sequence[Extra]) -> dict[str, Any]:
    """Everything that the page's curves need, as JSON."""
    out: list[dict[str, Any]] = []

    def add(
        metric: str,
        sequence: str,
        codec: str,
        kbps: Sequence[float],
        values: Sequence[float],
        points: Sequence[str],
    ) -> None:
        out.append({
            "metric": metric, "sequence": sequence, "codec": codec, "kbps": kbps, "values": values,
            "points": points,
        })  # fmt: skip

    for metric in run.compared:
        for codec in run.codecs:
            rates, values = averaged_points(run, codec, metric)
            add(metric, "average", codec, rates, values, [""] * len(rates))
            parameter = run.about.codecs[codec].parameter
            for sequence in run.sequences:
                points = [
                    (p.kbps, s, f"{parameter} {number_text(p.value)}")
                    for p in run.of(codec, sequence)
                    if (s := rate_point(p, metric)) is not None
                ]
                columns = zip(*sorted(points), strict=True) if points else ((), (), ())
                add(metric, sequence, codec, *columns)
        for other in extra:
            rates, scores = extra_points(other, metric)
            if scores:
                add(metric, "average", other.name, rates, scores, ["extra"] * len(scores))
    looks = {
        name: look.trace()
        for name, look in looks_of(run.about, [other.name for other in extra]).items()
    }
    metrics = [{"key": m, "label": label(m), "up": higher_is_better(m)} for m in run.compared]
    labels = {m: label(m) for m in run.metrics}
    return {
        "metrics": metrics,
        "labels": labels,
        "sequences": run.sequences,
        "curves": out,
        "looks": looks,
    }
