"""What changed between two results folders, A and B: points, and BD-rates over the same clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hdac.bench.about import made_by
from hdac.bench.analysis import Comparison, Run, comparisons, label
from hdac.bench.cells import markdown
from hdac.bench.names import number_text
from hdac.bench.results import Point

#: BD-rates in percent that differ by less are the same: no table shows it.
SAME_RATE = 5e-4
ABSENT, ANOTHER = "not there", "another clip"
_Key = tuple[str, str, float]


class PointChange(NamedTuple):
    """One rate point that is not the same. `states`: of A and B ("ok", why not, or "not there");
    `values`: measure -> A and B, where they differ; None for what one of both has not."""

    sequence: str
    codec: str
    value: float
    states: tuple[str, str]
    values: dict[str, tuple[float | None, float | None]]


class RateChange(NamedTuple):
    """A mean BD-rate (percent) that is not the same. `a`, `b`: over the clips that have a number in
    both, `clips` of `total`. Where one of both has no mean (None), or they have no clip in common
    (0 `clips`): over the clips of their own."""

    anchor: str
    codec: str
    metric: str
    a: float | None
    b: float | None
    clips: int
    total: int


class Diff(NamedTuple):
    """`same`: codec -> points that are the same in both."""

    same: dict[str, int]
    points: list[PointChange]
    rates: list[RateChange]


def diff(a: Run, b: Run) -> Diff:
    """Points are the same if state, rate and all scores are: bit by bit, as far as records go."""
    ours, theirs = ({_key(p): p for p in run.points.values()} for run in (a, b))
    keys = list(dict.fromkeys([*ours, *theirs]))
    another = {s for s in a.sequences if s in b.sequences and _hash(a, s) != _hash(b, s)}
    same, changed = dict.fromkeys((codec for _, codec, _ in keys), 0), list[PointChange]()
    for key in keys:
        states = _state(ours.get(key)), _state(theirs.get(key))
        states = (ANOTHER, ANOTHER) if key[0] in another else states
        values = _values(ours[key], theirs[key]) if states == ("ok", "ok") else {}
        if values or states[0] != states[1] or ANOTHER in states:
            changed.append(PointChange(*key, states, values))
        else:
            same[key[1]] += 1
    return Diff(same, changed, list(_rates(a, b, another)))


def _key(point: Point) -> _Key:
    return point.sequence, point.codec, point.value


def _hash(run: Run, sequence: str) -> str:
    return run.about.sequences[sequence].sha256


def _state(point: Point | None) -> str:
    return ABSENT if point is None else point.error.partition("\n")[0] or "ok"


def _values(a: Point, b: Point) -> dict[str, tuple[float | None, float | None]]:
    """kbps and scores that differ."""
    results = a.record["results"] | b.record["results"]
    measures = ["kbps", *(m for m in results if m not in ("bitrate", "bpp"))]
    pairs = {m: (_measure(a, m), _measure(b, m)) for m in measures}
    return {m: pair for m, pair in pairs.items() if pair[0] != pair[1]}


def _measure(point: Point, name: str) -> float | None:
    return point.kbps if name == "kbps" else point.score(name)


def _rates(a: Run, b: Run, another: set[str]) -> Iterator[RateChange]:
    ours, theirs = ({(c.anchor, c.codec, c.metric): c for c in comparisons(run)} for run in (a, b))
    for key in dict.fromkeys([*ours, *theirs]):
        one, two = ours.get(key), theirs.get(key)
        numbers = [_numbers(one, another), _numbers(two, another)]
        clips = [s for s in numbers[0] if s in numbers[1]]
        total = len({**(one.rate if one else {}), **(two.rate if two else {})})
        if clips and one and two and one.shown and two.shown:
            means = [float(np.mean([n[s] for s in clips])) for n in numbers]
            if abs(means[0] - means[1]) >= SAME_RATE or len(numbers[0]) != len(numbers[1]):
                yield RateChange(*key, means[0], means[1], len(clips), total)
        elif shown := [c for c in (one, two) if c is not None and c.shown]:
            mean_a, mean_b = (c.summary.mean if c and c.shown else None for c in (one, two))
            count = shown[0].summary.numbers if len(shown) == 1 else 0
            yield RateChange(*key, mean_a, mean_b, count, total)


def _numbers(c: Comparison | None, another: set[str]) -> dict[str, float]:
    rates = c.rate.items() if c else ()
    return {s: r.value for s, r in rates if r.value is not None and s not in another}


# ---- as tables

HEAD = (
    "what", "codec", "anchor", "sequence", "value", "measure", "a", "b", "b_minus_a", "note",
)  # fmt: skip


def csv_rows(found: Diff) -> list[list[object]]:
    """One line a value that differs; BD-rates in percent, their differences in points."""
    rows: list[list[object]] = []
    for p in found.points:
        head = ["point", p.codec, "", p.sequence, number_text(p.value)]
        if not p.values:
            rows.append([*head, "state", *p.states, "", ""])
        for measure, pair in p.values.items():
            rows.append([*head, measure, *_numbers_of(*pair), ""])
    for r in found.rates:
        note = f"{r.clips} of {r.total} clips"
        rows.append(
            ["bd-rate", r.codec, r.anchor, "mean", "", r.metric, *_numbers_of(r.a, r.b), note]
        )
    return rows


def _numbers_of(a: float | None, b: float | None) -> list[object]:
    numbers = (a, b, None if a is None or b is None else b - a)
    return ["" if n is None else round(n, 6) for n in numbers]


def text(a: Run, b: Run, found: Diff) -> str:
    """For the terminal: what made both, changed points by codec, changed BD-rates."""
    lines = [f"{name}: {run.folder}" + _made(run) for name, run in (("A", a), ("B", b))]
    if not found.points and not found.rates:
        return "\n".join([*lines, f"No difference in {sum(found.same.values())} points."])
    metrics = list(dict.fromkeys([*a.metrics, *b.metrics]))
    rows = [_codec_row(found, codec, ["kbps", *metrics]) for codec in found.same]
    changed = [row for row in rows if any(cell not in ("", "0") for cell in row[2:])]
    head = ["points", "same", "changed", "only in one, or failed", "kbps, %", *map(label, metrics)]
    lines += ["", "Points of A and B; mean difference (B - A) of those that changed:", ""]
    lines.append(markdown(head, changed) if changed else "All are the same.\n")
    lines.append("BD-rates that changed, percent, over the clips that have a number in both:\n")
    table = [_rate_row(r) for r in found.rates]
    head = ["codec", "against", "metric", "A", "B", "B - A", "clips"]
    lines.append(markdown(head, table) if table else "None.\n")
    return "\n".join(lines).rstrip()


def _made(run: Run) -> str:
    return "".join(f"\n   {line}" for line in made_by(run))


def _codec_row(found: Diff, codec: str, measures: list[str]) -> list[str]:
    points = [p for p in found.points if p.codec == codec]
    changed = [p for p in points if p.values]
    counts = [found.same[codec], len(changed), len(points) - len(changed)]
    cells = []
    for measure in measures:
        pairs = [p.values.get(measure, (None, None)) for p in changed]
        relative = measure == "kbps"
        deltas = [
            100 * (b / a - 1) if relative else b - a
            for a, b in pairs
            if a is not None and b is not None
        ]
        cells.append(f"{np.mean(deltas):+.3g}" if deltas else "")
    return [codec, *map(str, counts), *cells]


def _rate_row(r: RateChange) -> list[str]:
    a, b = ("n/a" if n is None else f"{n:+.2f}" for n in (r.a, r.b))
    change = "" if r.a is None or r.b is None else f"{r.b - r.a:+.2f}"
    return [r.codec, r.anchor, label(r.metric), a, b, change, f"{r.clips} of {r.total}"]
