"""What parts are worth: the network of each hybrid codec beside its own base layer alone, and
payload without headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from hdac.bench.analysis import (
    Comparison,
    Run,
    column_head,
    compare,
    dropped,
    label,
    with_common,
)
from hdac.bench.codecs import Hdac
from hdac.bench.payload import payload_kbps
from hdac.bench.players import codecs_here

Cell = Callable[[Comparison], str]


class Table(NamedTuple):
    title: str
    note: str
    head: list[str]
    rows: list[list[str]]


def own_bases(run: Run) -> dict[str, str]:
    """Hybrid codec -> the codec that is its base layer alone; of folders of before recipes said so,
    as this installation's recipe of that name says."""
    entries = {name: run.about.codecs[name] for name in run.codecs}
    here = codecs_here([n for n, e in entries.items() if "base" not in e.recipe], None)
    found = {
        name: entry.recipe["base"] if "base" in entry.recipe else _base_of(here.get(name))
        for name, entry in entries.items()
    }
    return {name: base for name, base in found.items() if isinstance(base, str) and base}


def _base_of(codec: object) -> str:
    return codec.recipe.base if isinstance(codec, Hdac) else ""


def own_comparisons(run: Run) -> Iterator[Comparison]:
    """Every hybrid codec against its own base, where the run has that, in every metric."""
    for metric in run.compared:
        pairs = [(c, base) for c, base in own_bases(run).items() if base in run.codecs]
        yield from with_common(run, [compare(run, metric, base, codec) for codec, base in pairs])


def share_tables(run: Run, cell: Cell) -> list[Table]:
    """Both tables, as far as the run has what they compare."""
    tables = [network_table(run, cell), payload_table(run, cell)] if run.compared else []
    return [table for table in tables if table.rows]


def network_table(run: Run, cell: Cell) -> Table:
    """Hybrid codecs x metrics: BD-rate against the base layer alone."""
    found = list(own_comparisons(run))
    by = {(c.codec, c.metric): c for c in found}
    rows = []
    for codec, base in own_bases(run).items():
        cells = [cell(by[codec, m]) if (codec, m) in by else "n/a" for m in run.compared]
        absent = "" if base in run.codecs else " (not in this experiment)"
        rows.append([codec, f"{base}{absent}", *cells])
    note = (
        "BD-rate of each hybrid codec against its own base layer alone, of the same settings: what "
        "the network gives."
    )
    columns = {label(m): [c for c in found if c.metric == m] for m in run.compared}
    heads = (column_head(name, column) for name, column in columns.items())
    head = ["hybrid", "its base alone", *heads]
    return Table("Hybrid against its own base", note + _dropped(columns), head, rows)


def _dropped(columns: dict[str, list[Comparison]]) -> str:
    """Which clips columns are not of."""
    return "".join(f" {name}: {text}." for name, c in columns.items() for text in dropped(c))


def payload_run(run: Run) -> Run:
    """The run with rates of payload alone; codecs with a point that does not keep it are without
    points."""
    points = dict(run.points)
    for codec in run.codecs:
        own = {name: p for name, p in points.items() if p.codec == codec}
        rates = {n: None if p.error else payload_kbps(p.record) for n, p in own.items()}
        if any(rates[n] is None and not p.error for n, p in own.items()):
            points = {name: p for name, p in points.items() if name not in own}
            continue
        for name, rate in rates.items():
            if rate is not None:
                record = own[name].record
                results = {**record["results"], "bitrate": [rate]}
                points[name] = replace(own[name], record={**record, "results": results})
    return Run(run.folder, run.about, points)


def payload_table(run: Run, cell: Cell) -> Table:
    """Codecs x anchors: BD-rate of payload alone in the first metric; no rows where no codec has
    one."""
    bare, metric = payload_run(run), run.compared[0]
    kept = {p.codec for p in bare.points.values()}

    columns = {
        anchor: with_common(
            bare,
            [compare(bare, metric, anchor, c) for c in run.codecs if c != anchor and c in kept],
        )
        for anchor in run.anchors
        if anchor in kept
    }
    by = {(c.anchor, c.codec): c for column in columns.values() for c in column}

    def text(anchor: str, codec: str) -> str:
        if anchor == codec:
            return ""
        return cell(by[anchor, codec]) if (anchor, codec) in by else "n/a"

    rows = [[codec, *(text(a, codec) for a in run.anchors)] for codec in run.codecs]
    note = (
        f"{label(metric)}; rates without start codes, headers of NAL units and OBUs, and what is "
        "header in .hdac files. n/a: the points do not keep it (made before it was noted)."
    )
    named = {f"against {a}": columns.get(a, []) for a in run.anchors}
    heads = (column_head(name, column) for name, column in named.items())
    head, note = ["BD-rate of payload", *heads], note + _dropped(named)
    return Table("Payload alone", note, head, rows if kept & {*run.anchors} else [])
