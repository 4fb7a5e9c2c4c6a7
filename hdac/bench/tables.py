"""Tables of a run: markdown, LaTeX (booktabs), CSV, xlsx. The same points give the same bytes."""

from __future__ import annotations

import lzma
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from hdac.atomic import write_atomically
from hdac.bench.analysis import (
    LAYERS,
    NOT_MADE,
    Comparison,
    Run,
    cap,
    comparisons,
    label,
    missing,
    rate_point,
)
from hdac.bench.bd import summarise
from hdac.bench.cells import csv_text, latex, markdown
from hdac.bench.names import number_text
from hdac.bench.payload import payload_kbps
from hdac.bench.published import HEAD, TITLE, published_rows
from hdac.bench.results import FRAMES, Point, frames_csv
from hdac.bench.shares import own_comparisons, share_tables
from hdac.bench.times import TIME_HEAD, TIME_NOTE, time_rows
from hdac.bench.workbook import Sheet, tables_workbook
from hdac.bench.worst import worst_head, worst_rows
from hdac.metrics.registry import METRICS

_Number = float | None


def about(run: Run) -> str:
    """What the tables measured."""
    a = run.about
    frames = f"the first {a.frames} frames" if a.frames else "all frames"
    have = {p.sequence: p.record["frames"] for p in run.points.values() if not p.error}
    if short := [f"{name} {n}" for name, n in have.items() if n < a.frames]:
        frames += f" (fewer have {', '.join(short)})"
    settings = "; ".join(
        f"{name}: {c.title} ({c.parameter} {', '.join(number_text(v) for v in c.points)})"
        for name, c in a.codecs.items()
        if not c.skipped
    )
    lines = [
        f"{a.title}. {len(run.sequences)} clips of `{a.set}`, {frames}. "
        "Rate: whole files, kbps = 1000 bit/s.",
        f"Codecs: {settings}.",
    ]
    slow = [c.title for m in run.metrics if (c := METRICS[m].contract).sampled]
    if a.every > 1 and slow:
        lines.append(f"{', '.join(slow)}: mean over every {a.every}th frame.")
    made = (p.record["decides"].get("weights") for p in run.points.values() if not p.error)
    if models := sorted({str(m) for m in made if m}):
        lines.append(f"Weights: {', '.join(models)}.")
    lines += [f"Made elsewhere: {n} ({c.archived})." for n, c in a.codecs.items() if c.archived]
    lines += [f"Not run: {name} ({c.skipped})." for name, c in a.codecs.items() if c.skipped]
    lines += [f"Metric not available: {k} ({why})." for k, why in a.unavailable_metrics.items()]
    lines += [*_gaps(run), *_caps(run)]
    failed = [(name, _first_line(p.error)) for name, p in run.points.items() if p.error]
    lines += [f"Failed: {name} ({reason})." for name, reason in failed]
    return "\n".join([*lines, *([a.notes] if a.notes else [])]) + "\n"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]


def _gaps(run: Run) -> list[str]:
    """Metrics that some clips cannot have, and what was said of clips as they were read."""
    clips: dict[str, dict[str, None]] = {}
    for p in run.points.values():
        whole = run.about.unavailable_metrics
        texts = [
            f"Metric not available: {metric} ({_first_line(why)})"
            for metric, why in p.record.get("unavailable", {}).items()
            if metric in run.about.metrics and metric not in whole
        ]
        texts += [f"Note on clips: {note}" for note in p.record.get("notes", [])]
        for text in texts:
            clips.setdefault(text, {})[p.sequence] = None
    return [f"{text}: {', '.join(names)}." for text, names in clips.items()]


def _caps(run: Run) -> list[str]:
    """Points that are in no curve, and frames that are in means without being measured."""
    lines = []
    for metric in run.compared:
        out = [p for codec in run.codecs for p in run.left_out(codec, metric)]
        named = "; ".join(f"{p.codec} {number_text(p.value)} on {p.sequence}" for p in out)
        if out:
            limit = f"at {cap(metric):g} or with half of the frames there, {label(metric)}"
            lines.append(f"Left out of curves and BD-rates, {limit}: {named}.")
    for metric in run.metrics:
        some = [p for p in run.points.values() if p.record.get("capped", {}).get(metric)]
        frames = sum(p.record["capped"][metric] for p in some if rate_point(p, metric) is not None)
        if frames:
            lines.append(f"{label(metric)}: {frames} frames are in means as {cap(metric):g}.")
    return lines


def summary_cell(c: Comparison) -> str:
    """Mean and interval; no mean of a few clips: fewer than half with a number is n/a."""
    s = c.summary
    notes = Counter(b.note for b in c.rate.values() if b.note and (b.value is not None) == c.shown)
    if c.shown:
        some = "" if s.numbers == s.total else f" of {s.numbers}/{s.total} clips"
        flags = "".join(f"; {note}: {_clips(n)}" for note, n in sorted(notes.items()))
        return f"{s.mean:+.1f} % [{s.low:+.1f}, {s.high:+.1f}]{some}{flags}"
    if len(notes) == 1 and not s.numbers:
        return next(iter(notes))
    parts = [] if s.overlap is None else [f"overlap {100 * s.overlap:.0f} %"]
    parts += [f"{s.numbers} of {s.total} clips"] if s.numbers else []
    parts += [f"{note}: {n}" for note, n in sorted(notes.items()) if not note.startswith("n/a")]
    return f"n/a ({', '.join(parts)})"


def _clips(count: int) -> str:
    return f"{count} clip{'s' if count > 1 else ''}"


def _second_cell(c: Comparison) -> str:
    s, akima = c.summary, "n/a" if c.mean_akima is None or not c.shown else f"{c.mean_akima:+.1f} %"
    ties = f" ({s.ties} equal)" if s.ties else ""
    overlap = "n/a" if s.overlap is None else f"{100 * s.overlap:.0f} %"
    return f"{s.below_zero}/{s.numbers}{ties}, {overlap}, {akima}, {c.mean_curve.text()}"


def bd_rows(
    found: list[Comparison],
    anchor: str,
    metrics: Sequence[str],
    cell: Callable[[Comparison], str] = summary_cell,
) -> list[list[str]]:
    """Codecs x metrics: mean BD-rate with its interval."""
    by = {(c.codec, c.metric): c for c in found if c.anchor == anchor}
    codecs = dict.fromkeys(codec for codec, _ in by)
    return [[codec, *(cell(by[codec, m]) for m in metrics)] for codec in codecs]


def common_rows(found: list[Comparison], anchor: str, metrics: Sequence[str]) -> list[list[str]]:
    """`bd_rows` over those clips alone for which every codec that has a mean has a number; none
    where they are all the clips that the means are of."""
    by = {(c.codec, c.metric): c for c in found if c.anchor == anchor and c.shown}
    clips: dict[str, list[str]] = {}
    for metric in metrics:
        rates = [c.rate for (_, m), c in by.items() if m == metric]
        clips[metric] = [
            s for s in (rates or [{}])[0] if all(r[s].value is not None for r in rates)
        ]
    if all(len(clips[c.metric]) == c.summary.numbers for c in by.values()):
        return []

    def cell(c: Comparison) -> str:
        chosen = clips[c.metric] if c.shown else []
        mean = summarise([c.rate[s] for s in chosen]).mean
        return "n/a" if mean is None else f"{mean:+.1f} % ({_clips(len(chosen))})"

    return bd_rows(found, anchor, metrics, cell)


DETAIL_HEAD = (
    "metric", "anchor", "codec", "sequence", "bd_rate_pchip_percent", "bd_rate_akima_percent",
    "overlap", "bd_quality_pchip", "low_95", "high_95", "note",
)  # fmt: skip


def _detail(c: Comparison, name: str, numbers: Sequence[_Number], note: str) -> list[object]:
    cells = map(_round, numbers, (3, 3, 3, 5, 3, 3))
    return [c.metric, c.anchor, c.codec, name, *cells, note]


def detail_rows(found: list[Comparison]) -> list[list[object]]:
    """`bd.csv`: one line a sequence, and the mean, of every comparison."""
    rows = []
    for c in found:
        for name, rate in c.rate.items():
            akima, quality = c.akima[name], c.quality[name]
            numbers = (rate.value, akima.value, rate.overlap, quality.value, None, None)
            rows.append(_detail(c, name, numbers, rate.note or quality.note))
        s, m = c.summary, c.mean_curve
        losses, without = s.numbers - s.below_zero - s.ties, s.total - s.numbers
        note = f"{s.below_zero} wins, {s.ties} equal, {losses} losses, {without} without a number"
        means = (s.mean, c.mean_akima, s.overlap, c.mean_quality, s.low, s.high)
        if not c.shown:
            means, note = (None, None, s.overlap, None, None, None), f"{summary_cell(c)}; {note}"
        rows.append(_detail(c, "mean", means, note))
        averaged = (m.value, None, m.overlap, None, None, None)
        rows.append(_detail(c, "averaged curve", averaged, m.note))
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
    for p in run.points.values():
        head: list[object] = [p.sequence, p.codec, number_text(p.value)]
        if p.error:
            status = "failed" if p.error != NOT_MADE else NOT_MADE
            rows.append([*head, *[""] * (len(rd_head(run)) - 4), status])
            continue
        bits, record = p.record["bits"] or {}, p.record
        payload = payload_kbps(record)
        rate = [round(p.kbps, 4), record["results"]["bpp"][0], _round(payload, 4) or "n/a"]
        scores = [_round(p.score(m), 6) for m in run.metrics]
        layers = [bits.get(layer, "") for layer in LAYERS]
        rows.append([*head, *rate, *scores, *layers, record["frames"], record["fps"], "ok"])
    return rows


def mean_rows(run: Run) -> list[list[str]]:
    """Means over the sequences at each rate point, all of them or none: what a row has in its cells
    is of the same clips."""
    rows, groups = [], dict(list(run.table.groupby(["codec", "value"])))
    for codec in run.codecs:
        for value in run.about.codecs[codec].points:
            points, head = run.at(codec, value), [codec, number_text(value)]
            few = f"{len(points)} of {len(run.sequences)} clips"
            if why := missing(points) or few * (len(points) < len(run.sequences)):
                rows.append([*head, why, "", *[""] * len(run.metrics), ""])
                continue
            group = groups[codec, value]
            shares = group[list(LAYERS)].sum()
            layers = (100 * shares / shares.sum())[shares > 0]
            bits = ", ".join(f"{name} {share:.1f}" for name, share in layers.items())
            cells = [_mean(group, m) for m in run.metrics]
            rows.append([*head, f"{group.kbps.mean():.2f}", _payload(points), *cells, bits])
    return rows


def _payload(points: list[Point]) -> str:
    rates = [payload_kbps(p.record) for p in points]
    known = [rate for rate in rates if rate is not None]
    return f"{fmean(known):.2f}" if len(known) == len(points) else "n/a"


def _mean(group: Any, metric: str) -> str:
    """The mean of a column of `Run.table`."""
    present = group[metric].count()
    if present < len(group):
        return f"n/a ({present} of {_clips(len(group))})" if present else "n/a"
    at_cap = group[f"curve {metric}"].isna().sum()
    digits = {"dB": 2, "%": 2, "levels": 3}.get(METRICS[metric].contract.unit, 4)
    if metric in ("vmaf", "msvgg", "msvgg-lite", "grid"):
        digits = 2
    mark = f" ({at_cap} at the cap)" if at_cap else ""
    return f"{group[metric].mean():.{digits}f}{mark}"


# ---- writing


def marked(run: Run, rows: list[list[str]]) -> list[list[str]]:
    """Rows of codecs, which say whose points were made elsewhere."""
    elsewhere = {name for name, codec in run.about.codecs.items() if codec.archived}
    return [[f"{r[0]} (archived)" if r[0] in elsewhere else r[0], *r[1:]] for r in rows]


def write_tables(run: Run) -> list[Comparison]:
    """All tables into the run's folder; returns the comparisons."""
    found = list(comparisons(run))
    folder = run.folder
    text, tex = [f"# {run.about.title}\n", about(run)], []
    labels = list(map(label, run.compared))
    for anchor in run.anchors if labels else ():
        headline, common = run.compared[0], common_rows(found, anchor, run.compared)
        same = "The same over clips for which all codecs that have a mean have a number:"
        head, rows = ["BD-rate", *labels], marked(run, bd_rows(found, anchor, run.compared))
        count = len(run.sequences)
        caption = f"BD-rate against {anchor}, {count} sequences, mean (95 % interval)"
        tex.append(latex(head, rows, caption))
        second = [f"{name}: wins/numbers, overlap, Akima, averaged curve" for name in labels]
        by = {c.codec: c for c in found if c.anchor == anchor and c.metric == headline}
        per = [[s, *(c.rate[s].text() for c in by.values())] for s in run.sequences]
        text += [
            f"## BD-rate against {anchor}\n",
            "Mean over sequences, PCHIP on log rate; in brackets the 95 % bootstrap interval.\n",
            markdown(head, rows),
            markdown(
                [f"against {anchor}", *second],
                marked(run, bd_rows(found, anchor, run.compared, _second_cell)),
            ),
            *([same + "\n", markdown(head, marked(run, common))] if common else ()),
            f"Per sequence, {label(headline)}:\n",
            markdown(["sequence", *by], per),
        ]
    published = published_rows(run.about.set)
    means = ["codec", "point", "kbps", "payload", *map(label, run.metrics), "bits by layer, %"]
    for table in share_tables(run, summary_cell):
        text += [f"## {table.title}\n", table.note + "\n"]
        text.append(markdown(table.head, marked(run, table.rows)))
    text += [
        *(() if labels else ("No point has a value of any metric: the reasons are above.\n",)),
        *((f"## {TITLE}\n", markdown(HEAD, published)) if published else ()),
        "## Means over the sequences\n",
        markdown(means, marked(run, mean_rows(run))),
    ]
    own = [c for c in own_comparisons(run) if c.anchor not in run.anchors]
    sheets: dict[str, Sheet] = {
        "BD": (DETAIL_HEAD, detail_rows([*found, *own])),
        "RD": (rd_head(run), rd_rows(run)),
    }
    files = {
        "bd.md": "\n".join(text).encode(),
        "bd.tex": "\n".join(tex).encode(),
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
