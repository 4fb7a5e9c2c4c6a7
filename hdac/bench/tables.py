"""Tables of a run: markdown, LaTeX, CSV, xlsx. The same points give the same bytes from the same
hdac: another one marks what it would make otherwise as stale."""

from __future__ import annotations

import lzma
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from hdac.atomic import write_atomically
from hdac.bench.about import about
from hdac.bench.analysis import (
    LAYERS,
    NOT_MADE,
    Comparison,
    Run,
    column_clips,
    column_head,
    comparisons,
    dropped,
    label,
)
from hdac.bench.cells import csv_text, markdown
from hdac.bench.latex import PACKAGES, bd_table, cell
from hdac.bench.means import mean_head, mean_rows, means_note
from hdac.bench.names import number_text
from hdac.bench.payload import payload_kbps
from hdac.bench.published import HEAD, TITLE, published_rows
from hdac.bench.results import FRAMES, frames_csv
from hdac.bench.shares import own_comparisons, share_tables
from hdac.bench.times import TIME_HEAD, TIME_NOTE, time_rows
from hdac.bench.workbook import Sheet, tables_workbook
from hdac.bench.worst import worst_head, worst_rows

_Number = float | None
#: How the line of `bd.tex` begins that says what is of another version; papers do not show it.
STALE_TEX = "% Stale:"


def summary_cell(c: Comparison) -> str:
    """Mean and interval (none of one clip); no mean of a few clips: fewer than half with a number
    is n/a."""
    s = c.summary
    notes = Counter(b.note for b in c.rate.values() if b.note and (b.value is not None) == c.shown)
    if c.shown:
        interval = "" if s.low is None else f" [{s.low:+.1f}, {s.high:+.1f}]"
        some = "" if s.numbers == s.total else f" of {s.numbers}/{s.total} clips"
        flags = "".join(f"; {note}: {_clips(n)}" for note, n in sorted(notes.items()))
        return f"{s.mean:+.1f} %{interval}{some}{flags}"
    if len(notes) == 1 and not s.numbers:
        return next(iter(notes))
    parts = [] if s.overlap is None else [f"overlap {100 * s.overlap:.0f} %"]
    parts += [f"{s.numbers} of {s.total} clips"] if s.numbers else []
    parts += [f"{note}: {n}" for note, n in sorted(notes.items()) if not note.startswith("n/a")]
    return f"n/a ({', '.join(parts)})"


def bd_cell(c: Comparison) -> str:
    """`summary_cell` over the clips of the column (`column_head` says how many); beside it the mean
    of a row of more."""
    same, own = c.same.summary, c.summary
    more = f"; {_clips(own.numbers)}: {own.mean:+.1f} %" if own.numbers > same.numbers else ""
    return column_cell(c) + more


def column_cell(c: Comparison) -> str:
    """`bd_cell` without the mean of more clips."""
    if c.same is c:
        return summary_cell(c)
    if not _enough(c):
        return f"n/a ({c.same.summary.numbers} of {c.summary.total} clips in common)"
    return summary_cell(c.same)


def _enough(c: Comparison) -> bool:
    """Whether the clips that all rows have are half of the set."""
    return 2 * c.same.summary.numbers >= c.summary.total > 0


def _clips(count: int) -> str:
    return f"{count} clip{'s' if count > 1 else ''}"


def _second_cell(c: Comparison) -> str:
    s, mean = c.same.summary, c.same.mean_akima if c.shown and _enough(c) else None
    akima = "n/a" if mean is None else f"{mean:+.1f} %"
    ties = f" ({s.ties} equal)" if s.ties else ""
    overlap = "n/a" if s.overlap is None else f"{100 * s.overlap:.0f} %"
    return f"{s.below_zero}/{s.numbers}{ties}, {overlap}, {akima}, {c.same.mean_curve.text()}"


def bd_rows(
    found: list[Comparison],
    anchor: str,
    metrics: Sequence[str],
    cell: Callable[[Comparison], str] = bd_cell,
) -> list[list[str]]:
    """Codecs x metrics: mean BD-rate with its interval, in a column over the same clips."""
    by = {(c.codec, c.metric): c for c in found if c.anchor == anchor}
    codecs = dict.fromkeys(codec for codec, _ in by)
    return [[codec, *(cell(by[codec, m]) for m in metrics)] for codec in codecs]


def bd_heads(found: list[Comparison], anchor: str, metrics: Sequence[str]) -> list[str]:
    """Heads of `bd_rows`, but for the first."""
    return [column_head(label(m), column_of(found, anchor, m)) for m in metrics]


def column_of(found: list[Comparison], anchor: str, metric: str) -> list[Comparison]:
    return [c for c in found if (c.anchor, c.metric) == (anchor, metric)]


def dropped_lines(found: list[Comparison], anchor: str, metrics: Sequence[str]) -> list[str]:
    """Which clips are not in the table against an anchor, and who has no number there."""
    columns = ((m, column_of(found, anchor, m)) for m in metrics)
    return [f"{label(m)}: {text}." for m, column in columns for text in dropped(column)]


DETAIL_HEAD = (
    "metric", "anchor", "codec", "sequence", "bd_rate_pchip_percent", "bd_rate_akima_percent",
    "overlap", "bd_quality_pchip", "low_95", "high_95", "note", "stale",
)  # fmt: skip


def detail_rows(found: list[Comparison], stale: Collection[str] = ()) -> list[list[object]]:
    """`bd.csv`: one line a sequence, and the means, of every comparison; `common` is the mean over
    the clips of its column of a table, `apart` that of a codec that has too few to share them.
    `stale`: codecs that have stale points."""
    rows: list[list[object]] = []

    def add(c: Comparison, name: str, numbers: Sequence[_Number], note: str) -> None:
        cells = map(_round, numbers, (6, 6, 3, 6, 6, 6))  # pages round once more
        marks = [what for what in ("anchor", "codec") if getattr(c, what) in stale]
        rows.append([c.metric, c.anchor, c.codec, name, *cells, note, " and ".join(marks)])

    for c in found:
        for name, rate in c.rate.items():
            akima, quality = c.akima[name], c.quality[name]
            numbers = (rate.value, akima.value, rate.overlap, quality.value, None, None)
            add(c, name, numbers, rate.note or quality.note)
        s, m = c.summary, c.mean_curve
        losses, without = s.numbers - s.below_zero - s.ties, s.total - s.numbers
        note = f"{s.below_zero} wins, {s.ties} equal, {losses} losses, {without} without a number"
        means = (s.mean, c.mean_akima, s.overlap, c.mean_quality, s.low, s.high)
        if not c.shown:
            means, note = (None, None, s.overlap, None, None, None), f"{summary_cell(c)}; {note}"
        add(c, "mean", means, note)
        if c.shown:
            s, same = c.same.summary, c.same
            means = (s.mean, same.mean_akima, s.overlap, same.mean_quality, s.low, s.high)
            means = means if _enough(c) else (None, None, s.overlap, None, None, None)
            name = "apart" if c.apart else "common"
            add(c, name, means, f"{s.numbers} of {c.summary.total} clips")
        averaged = (m.value, None, m.overlap, None, None, None)
        add(c, "averaged curve", averaged, m.note)
    return rows


def _round(value: _Number, digits: int = 3) -> float | str:
    return "" if value is None else round(value, digits)


def rd_head(run: Run) -> list[str]:
    bits = (f"bits_{layer}" for layer in LAYERS)
    return [
        "sequence", "codec", "value", "kbps", "bpp", "kbps_payload", *run.metrics, *bits, "frames",
        "fps", "status",
    ]  # fmt: skip


def rd_rows(run: Run) -> list[list[object]]:
    """`rd.csv`: one line a point."""
    rows = []
    for name, p in run.points.items():
        head: list[object] = [p.sequence, p.codec, number_text(p.value)]
        if p.error:
            status = "failed" if p.error != NOT_MADE else NOT_MADE
            rows.append([*head, *[""] * (len(rd_head(run)) - 4), status])
            continue
        bits, record = p.record["bits"] or {}, p.record
        status = "stale" if name in run.stale else "ok"
        payload = payload_kbps(record)
        rate = [round(p.kbps, 4), record["results"]["bpp"][0], _round(payload, 4) or "n/a"]
        scores = [_round(p.score(m), 6) for m in run.metrics]
        layers = [bits.get(layer, "") for layer in LAYERS]
        rows.append([*head, *rate, *scores, *layers, record["frames"], record["fps"], status])
    return rows


# ---- writing


def mark(run: Run, codec: str) -> str:
    """Its name, and whether its points were made elsewhere or by another version."""
    marks = ["archived"] if run.about.codecs[codec].archived else []
    marks += ["stale"] if codec in run.stale_rows.marked else []
    return f"{codec} ({', '.join(marks)})" if marks else codec


def marked(run: Run, rows: list[list[str]]) -> list[list[str]]:
    """Rows of codecs, which say whose points were made elsewhere or by another version."""
    return [[mark(run, r[0]), *r[1:]] for r in rows]


_MEANS = (
    "Mean over the sequences on which every codec has a number, PCHIP on log rate; in brackets the"
    "\n95 % bootstrap interval (one clip has none), after a semicolon the mean over all clips of a"
    "\ncodec that has more. One that has a number on few clips is apart: its mean is of its own.\n"
)


def _list(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def bd_tex(run: Run, found: list[Comparison], metrics: Sequence[str]) -> str:
    """`bd.tex`: a table an anchor, and one a base layer that `found` has hybrid codecs against."""
    tables = []
    for anchor in dict.fromkeys([*run.anchors, *(c.anchor for c in found)]):
        by = {(c.codec, c.metric): c for c in found if c.anchor == anchor}
        rows = [
            (codec, [cell(by[codec, m], column_cell(by[codec, m])) for m in metrics])
            for codec in dict.fromkeys(codec for codec, _ in by)
        ]
        clips = [column_clips(column_of(found, anchor, m)) for m in metrics]
        counts = [len(run.sequences if kept is None else kept) for kept in clips]
        tables += [bd_table(run, anchor, metrics, rows, counts)] if rows and metrics else []
    stale = [*run.stale_rows.whole, *sorted(run.stale_rows.marked)]
    said = [f"{STALE_TEX} {', '.join(stale)}"] if stale else []
    return "\n".join([f"% {PACKAGES}", *said, *tables])


def write_tables(run: Run, in_tex: Sequence[str] = ()) -> list[Comparison]:
    """All tables into the run's folder; returns the comparisons. `in_tex`: the metrics of `bd.tex`,
    if not all."""
    found = list(comparisons(run))
    folder = run.folder
    text = [f"# {run.about.title}\n", about(run)]
    labels, stale = list(map(label, run.compared)), run.stale_rows.line()
    for anchor in run.anchors if labels else ():
        headline, name = run.compared[0], mark(run, anchor)
        head = ["BD-rate", *bd_heads(found, anchor, run.compared)]
        rows = marked(run, bd_rows(found, anchor, run.compared))
        second = [f"{name}: wins/numbers, overlap, Akima, averaged curve" for name in labels]
        by = {c.codec: c for c in found if c.anchor == anchor and c.metric == headline}
        per = [[s, *(c.rate[s].text() for c in by.values())] for s in run.sequences]
        text += [
            f"## BD-rate against {name}\n",
            _MEANS + stale,
            markdown(head, rows),
            *([_list(lines)] if (lines := dropped_lines(found, anchor, run.compared)) else ()),
            markdown(
                [f"against {name}", *second],
                marked(run, bd_rows(found, anchor, run.compared, _second_cell)),
            ),
            f"Per sequence, {label(headline)}:\n",
            markdown(["sequence", *(mark(run, codec) for codec in by)], per),
        ]
    published = published_rows(run.about.set)
    for table in share_tables(run, bd_cell):
        text += [f"## {table.title}\n", f"{table.note}\n{stale}"]
        text.append(markdown(table.head, marked(run, table.rows)))
    text += [
        *(() if labels else ("No point has a value of any metric: the reasons are above.\n",)),
        *((f"## {TITLE}\n", markdown(HEAD, published)) if published else ()),
        "## Means over the sequences\n",
        means_note(run) + stale,
        markdown(mean_head(run), marked(run, mean_rows(run))),
    ]
    own = [c for c in own_comparisons(run) if c.anchor not in run.anchors]
    sheets: dict[str, Sheet] = {
        "BD": (DETAIL_HEAD, detail_rows([*found, *own], run.stale_codecs)),
        "RD": (rd_head(run), rd_rows(run)),
    }
    files = {
        "bd.md": "\n".join(text).encode(),
        "bd.tex": bd_tex(run, [*found, *own], in_tex or run.compared).encode(),
        "bd.csv": csv_text(*sheets["BD"]).encode(),
        "rd.csv": csv_text(*sheets["RD"]).encode(),
        "tables.xlsx": tables_workbook(run, sheets),
        "time.md": (TIME_NOTE + markdown(TIME_HEAD, marked(run, time_rows(run)))).encode(),
    }
    per_frame = frames_csv(run.store, run.points.items(), tuple(run.metrics))
    if per_frame.count("\n") > 1:  # a table of other metrics is better than an empty one
        files[FRAMES] = lzma.compress(per_frame.encode())
    if worst := worst_rows(run):
        files["worst.csv"] = csv_text(worst_head(run), worst).encode()
    for name, data in files.items():
        write_atomically(folder / name, data)
    return found
