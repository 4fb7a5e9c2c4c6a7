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
from hdac.bench.results import Point

Cell = Callable[[Comparison], str]

#: Bytes a picture that hdac's lossless recoding takes off start codes, headers of NAL units and
#: slices (docs/measured/codec.md): what an anchor would gain by it at most.
THINNING = 12


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
    """As far as the run has what they compare."""
    if not run.compared:
        return []
    tables = [network_table(run, cell), payload_table(run, cell), payload_table(run, cell, True)]
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


def payload_run(run: Run, thinned: bool = False) -> Run:
    """The run with rates of payload alone; codecs with a point that does not keep it are without
    points. thinned: of codecs that are not hdac's, of `THINNING` bytes a picture less than the
    whole file, where that is less."""
    points = dict(run.points)
    for codec in run.codecs:
        own = {name: p for name, p in points.items() if p.codec == codec}
        rates = {n: None if p.error else payload_kbps(p.record) for n, p in own.items()}
        if thinned and run.about.codecs[codec].kind != "hdac":
            rates = {n: rate and min(rate, _thinned(own[n])) for n, rate in rates.items()}
        if any(rates[n] is None and not p.error for n, p in own.items()):
            points = {name: p for name, p in points.items() if name not in own}
            continue
        for name, rate in rates.items():
            if rate is not None:
                record = own[name].record
                results = {**record["results"], "bitrate": [rate]}
                points[name] = replace(own[name], record={**record, "results": results})
    return Run(run.folder, run.about, points)


def _thinned(point: Point) -> float:
    """kbps of a point's file without `THINNING` bytes a picture."""
    whole, frames = float(point.record["bytes"]), int(point.record["frames"])
    return point.kbps * max(1.0, whole - THINNING * frames) / whole


def payload_table(run: Run, cell: Cell, thinned: bool = False) -> Table:
    """Codecs x anchors: BD-rate of payload alone in the first metric; no rows where no codec has
    one. `thinned`: as for `payload_run`."""
    bare, metric = payload_run(run, thinned), run.compared[0]
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
    title = "Payload alone"
    if thinned:
        title += ", anchors thinned"
        note += (
            f" Anchors without {THINNING} bytes a picture, if that is more: as if they had hdac's "
            "lossless recoding of headers, too."
        )
    named = {f"against {a}": columns.get(a, []) for a in run.anchors}
    heads = (column_head(name, column) for name, column in named.items())
    head, note = ["BD-rate of payload", *heads], note + _dropped(named)
    return Table(title, note, head, rows if kept & {*run.anchors} else [])
