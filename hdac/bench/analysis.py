"""From points to BD-rates: what tables, figures and the report all show."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from hdac.bench.bd import (
    Bd,
    Curve,
    Summary,
    averaged,
    bd_quality,
    bd_rate,
    curve,
    summarise,
)
from hdac.bench.manifest import Manifest, load_manifest
from hdac.bench.names import number_text
from hdac.bench.results import FRAMES, Point, Store, frames_head, kept_rows
from hdac.bench.stale import StaleRows, stale, stale_rows
from hdac.metrics.ms_ssim import CAP_DB, decibels
from hdac.metrics.registry import METRICS

Row = TypeVar("Row")
DB = "-db"
#: What the bits of an hdac file are of.
LAYERS = ("header", "base", "reference", "motion", "fusion")
NOT_MADE = "not made yet"
#: Metrics that are also compared in dB, where a curve is straighter.
IN_DB = ("ms-ssim-y", "ms-ssim-rgb")


@dataclass(frozen=True)
class Run:
    """Everything of one results folder. `points`: name -> point, failed ones too; `outdated`: name
    -> record of points that were made, but not as the experiment says now: they are in no table."""

    folder: Path
    about: Manifest
    points: dict[str, Point]
    outdated: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[tuple[str, str, str], Curve | str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @property
    def sequences(self) -> list[str]:
        return list(self.about.sequences)

    @property
    def codecs(self) -> list[str]:
        return [name for name, codec in self.about.codecs.items() if not codec.skipped]

    @property
    def anchors(self) -> list[str]:
        return [name for name in self.about.anchors if name in self.codecs]

    @property
    def metrics(self) -> list[str]:
        """Those that have at least one value."""
        points = self.points.values()
        return [m for m in self.about.metrics if any(p.score(m) is not None for p in points)]

    @property
    def compared(self) -> list[str]:
        """Metrics as BD tables list them: MS-SSIM linear and in dB."""
        return [key for m in self.metrics for key in ((m, m + DB) if m in IN_DB else (m,))]

    @property
    def shown(self) -> list[str]:
        """The first anchor and hdac: what players and the worst frames show."""
        ours = [name for name, codec in self.about.codecs.items() if codec.kind == "hdac"]
        chosen = dict.fromkeys([*self.about.anchors[:1], *ours])
        return [name for name in chosen if name in self.codecs]

    @cached_property
    def stale(self) -> dict[str, list[str]]:
        """Points in the tables that are of another version than this installation: name -> how."""
        made = {name: p for name, p in self.points.items() if not p.error}
        found = {name: stale(p.record, self.about.every) for name, p in made.items()}
        return {name: reasons for name, reasons in found.items() if reasons}

    @cached_property
    def stale_codecs(self) -> set[str]:
        """Those with at least one stale point."""
        return {self.points[name].codec for name in self.stale}

    @cached_property
    def stale_rows(self) -> StaleRows:
        """How tables say it."""
        return stale_rows(self.about, self.stale_codecs)

    @cached_property
    def table(self) -> Any:
        """A `pandas.DataFrame`, a row a point that was made: rates, scores by metric, scores for
        curves as `curve <metric>` (`rate_point`), seconds, bits by layer; NaN for what it has
        not."""
        import pandas as pd

        numbers = (
            "value", "kbps", "bpp", "bytes", "frames", "encoding", "decoding", *LAYERS,
            *self.metrics, *(f"curve {m}" for m in self.compared),
        )  # fmt: skip
        rows = [
            [
                p.sequence, p.codec, p.value, p.kbps, r["results"]["bpp"][0], r["bytes"],
                r["frames"], *(r["seconds"].get(side) for side in ("encoding", "decoding")),
                *((r["bits"] or {}).get(layer, 0) for layer in LAYERS),
                *map(p.score, self.metrics), *(rate_point(p, m) for m in self.compared),
            ]
            for p in self.points.values()
            if (r := p.record) and not p.error
        ]  # fmt: skip
        table = pd.DataFrame(rows, columns=["sequence", "codec", *numbers])
        return table.astype(dict.fromkeys(numbers, float))

    @cached_property
    def _kept_frames(self) -> dict[tuple[str, ...], list[list[Any]]]:
        return kept_rows(self.folder / FRAMES, frames_head(self.metrics))

    def frames(self, name: str) -> dict[str, list[float | None]]:
        """A point's values frame by frame, by metric: its own, else those of `frames.csv.xz`; empty
        where neither is here."""
        if found := self.store.frames(name):
            return found
        point = self.points[name]
        rows = self._kept_frames.get((point.sequence, point.codec, number_text(point.value)), [])
        columns = zip(*(row[4:] for row in rows), strict=True)
        values = {
            metric: [float(cell) if cell else None for cell in column]
            for metric, column in zip(self.metrics, columns, strict=False)
        }
        return {m: column for m, column in values.items() if set(column) != {None}}

    def of(self, codec: str, sequence: str | None = None) -> list[Point]:
        """The points of a codec that were made, in the order of its rate parameter."""
        return [
            p
            for p in self.points.values()
            if p.codec == codec and not p.error and sequence in (None, p.sequence)
        ]

    def at(self, codec: str, value: float) -> list[Point]:
        """The points of a codec at one value of its rate parameter, one a sequence, failed ones
        too."""
        return [p for p in self.points.values() if p.codec == codec and p.value == value]

    def curve(self, codec: str, sequence: str, metric: str) -> Curve | str:
        """Why there is none where a point is missing: a curve with a hole is another curve."""
        key = (codec, sequence, metric)
        if key not in self.curves:
            whole = [p for p in self.points.values() if p.codec == codec and p.sequence == sequence]
            kept = [(p.kbps, s) for p in whole if (s := rate_point(p, metric)) is not None]
            self.curves[key] = missing(whole) or "unavailable"
            if not missing(whole) and all(score(p, metric) is not None for p in whole):
                found = curve([r for r, _ in kept], [s for _, s in kept], higher_is_better(metric))
                self.curves[key] = found._replace(left_out=len(whole) - len(kept))
        return self.curves[key]

    def left_out(self, codec: str, metric: str) -> list[Point]:
        """A codec's points at the cap of the metric: they are in no curve."""
        points = [p for p in self.of(codec) if score(p, metric) is not None]
        return [p for p in points if rate_point(p, metric) is None]


def load(folder: Path) -> Run:
    """Reads `experiment.json` and the points. Raises `UsageError`."""
    about, store = load_manifest(folder), Store(folder)
    points, outdated = dict[str, Point](), dict[str, dict[str, Any]]()
    for entry in about.points:
        record, error = store.load(entry.name, entry.key), store.error(entry.name, entry.key)
        if record is None and not error:
            error = NOT_MADE
            if (old := store.load(entry.name)) is not None:
                outdated[entry.name] = old
        value = float(entry.value)
        known = {} if error or record is None else record
        points[entry.name] = Point(entry.sequence, entry.codec, value, known, error)
    return Run(folder, about, points, outdated)


def missing(points: list[Point]) -> str:
    """Why there is no curve of these points; empty if all were made."""
    errors = [p.error for p in points if p.error]
    if not points or set(errors) == {NOT_MADE}:
        return "not made"
    return "failed" if errors else ""


def nearest(run: Run, codec: str, sequence: str, kbps: float) -> str | None:
    """The name of the codec's point on a clip whose rate is nearest to `kbps` on a log scale; None
    if it has none."""
    found = {
        name: abs(np.log(p.kbps / kbps))
        for name, p in run.points.items()
        if (p.codec, p.sequence, p.error) == (codec, sequence, "")
    }
    return min(found, key=found.__getitem__, default=None)


def plain(metric: str) -> str:
    return metric.removesuffix(DB)


def higher_is_better(metric: str) -> bool:
    return METRICS[plain(metric)].contract.higher_is_better


def cap(metric: str) -> float | None:
    """What no measurement exceeds: points there are in no curve."""
    return CAP_DB if metric.endswith(DB) else METRICS[metric].contract.cap


def capped(score: float, metric: str) -> bool:
    """Whether a score says no more than that it is at its limit (records round to 6 digits)."""
    limit = cap(metric)
    return limit is not None and score >= limit - 1e-6


def label(metric: str) -> str:
    """A metric's name and unit for axes and table heads."""
    contract = METRICS[plain(metric)].contract
    unit = "dB" if metric.endswith(DB) else contract.unit
    return f"{contract.title} ({unit})" if unit else contract.title


def score(point: Point, metric: str) -> float | None:
    found = None if point.error else point.score(plain(metric))
    return decibels(found) if found is not None and metric.endswith(DB) else found


def rate_point(point: Point, metric: str) -> float | None:
    """A point's score for a curve; None without one, or where it is no measurement: at the cap of
    the metric, or the mean of frames of which half or more are."""
    found, frames = score(point, metric), point.record.get("capped", {}).get(metric, 0)
    if found is None or capped(found, metric) or 2 * frames >= point.record["frames"]:
        return None
    return found


#: The part of the clips that a row of a table has at least, if its lacking the others may take them
#: from the other rows.
SHARING = Fraction(5, 6)


class Comparison(NamedTuple):
    """One codec against one anchor in one metric: per sequence, and of the averaged curves
    (`mean_curve`). `common`: over the clips that its column of a table is of; None where these are
    all clips, and where it is `apart`: has too few to share any with the column (`SHARING`)."""

    metric: str
    anchor: str
    codec: str
    rate: dict[str, Bd]
    akima: dict[str, Bd]
    quality: dict[str, Bd]
    mean_curve: Bd
    common: Comparison | None = None
    apart: bool = False

    @property
    def same(self) -> Comparison:
        """What its table shows: the same clips in every row."""
        return self if self.common is None or not self.shown else self.common

    @property
    def numbers(self) -> dict[str, float]:
        """Of the clips that have one."""
        return {s: bd.value for s, bd in self.rate.items() if bd.value is not None}

    @property
    def summary(self) -> Summary:
        return summarise(list(self.rate.values()))

    @property
    def mean_akima(self) -> float | None:
        return self._mean_beside(self.akima)

    @property
    def mean_quality(self) -> float | None:
        return self._mean_beside(self.quality)

    @property
    def shown(self) -> bool:
        """No mean of a few clips: at least half of them have a number."""
        return 0 < self.summary.numbers >= self.summary.total / 2

    def _mean_beside(self, deltas: dict[str, Bd]) -> float | None:
        """A mean that stands beside that of the rate: over the same clips, or none."""
        numbers = [deltas[name].value for name, d in self.rate.items() if d.value is not None]
        present = [n for n in numbers if n is not None]
        return float(np.mean(present)) if numbers and len(present) == len(numbers) else None


def comparisons(run: Run) -> Iterator[Comparison]:
    """Every codec against every anchor in every metric."""
    for metric in run.compared:
        for anchor in run.anchors:
            yield from with_common(
                run, [compare(run, metric, anchor, c) for c in run.codecs if c != anchor]
            )


def with_common(run: Run, column: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons of one column of a table, who know what they are over the clips of the column:
    those on which all that have a mean have a number, but for those that are apart."""
    rows = {c.codec: c.numbers for c in column if c.shown}
    shared = sharing(rows)
    clips = [s for s in run.sequences if all(s in rows[codec] for codec in shared)]
    out = []
    for c in column:
        apart = c.shown and c.codec not in shared
        whole = apart or len(clips) == len(run.sequences)
        common = None if whole else compare(run, c.metric, c.anchor, c.codec, clips)
        out.append(c._replace(common=common, apart=apart))
    return out


def sharing(clips: Mapping[Row, Collection[str]]) -> set[Row]:
    """The rows of a table whose clips are the common ones: all but a minority that lacks many, as
    reference software does where it was not run on all. `clips`: what each row has."""
    anywhere = len(set[str]().union(*clips.values()))
    few = {row for row, own in clips.items() if len(own) < SHARING * anywhere}
    return set(clips) - (few if 2 * len(few) < len(clips) else set())


def column_clips(column: Sequence[Comparison]) -> list[str] | None:
    """The clips of a column of a table (`with_common`); None where these are all."""
    return next((list(c.common.rate) for c in column if c.common is not None), None)


def column_head(name: str, column: Sequence[Comparison]) -> str:
    """A column's name, and of how many clips it is, if not of all."""
    clips = column_clips(column)
    return name if clips is None else f"{name}, {len(clips)}/{len(column[0].rate)} clips"


def dropped(column: Sequence[Comparison]) -> list[str]:
    """Which clips a column of a table (`with_common`) is not of, and who has no number there; then
    who is apart, with what the others are over the clips that it has. Empty where all rows are of
    all clips."""
    rows, kept, lines = [c for c in column if c.shown], column_clips(column), []
    if kept is not None:
        total, without = len(column[0].rate), []
        for clip in (s for s in column[0].rate if s not in kept):
            lacking = [c.codec for c in rows if clip not in c.numbers]
            codecs = "all" if len(lacking) == len(rows) else ", ".join(lacking)
            without.append(f"{clip} ({codecs})")
        lines.append(f"{len(kept)} of {total} clips, without {', '.join(without)}")
    return [*lines, *(_beside(c, rows) for c in rows if c.apart)]


def _beside(few: Comparison, rows: Sequence[Comparison]) -> str:
    """A codec that is apart: which clips it lacks, and the others' means over those that it has."""
    lacks, same = [s for s in few.rate if s not in few.numbers], []
    for c in (c for c in rows if c.codec != few.codec):
        present = [c.numbers[s] for s in few.numbers if s in c.numbers]
        if len(present) == len(few.numbers):
            same.append(f"{c.codec} {np.mean(present):+.1f} %")
    clips = f"{len(few.numbers)} of {len(few.rate)} clips, without {', '.join(lacks)}"
    return f"{few.codec} has {clips}" + (f"; on these {', '.join(same)}" if same else "")


def compare(
    run: Run, metric: str, anchor: str, codec: str, clips: Sequence[str] | None = None
) -> Comparison:
    """`clips`: over these alone."""
    clips = run.sequences if clips is None else clips
    rate, akima, quality = (dict[str, Bd]() for _ in range(3))
    pairs = list[tuple[Curve, Curve]]()
    for sequence in clips:
        a, t = run.curve(anchor, sequence, metric), run.curve(codec, sequence, metric)
        if isinstance(a, str) or isinstance(t, str):
            hole = Bd(None, None, f"{a} (anchor)" if isinstance(a, str) else str(t))
            rate[sequence] = akima[sequence] = quality[sequence] = hole
            continue
        pairs.append((a, t))
        rate[sequence], quality[sequence] = bd_rate(a, t), bd_quality(a, t)
        akima[sequence] = bd_rate(a, t, "akima")
    mean_curve = Bd(None, None, f"n/a ({len(pairs)} of {len(clips)} clips)")
    if pairs and len(pairs) == len(clips):
        try:
            anchors, tests = zip(*pairs, strict=True)
            mean_curve = bd_rate(averaged(anchors), averaged(tests))
        except ValueError as error:
            mean_curve = Bd(None, None, f"n/a ({error})")
    return Comparison(metric, anchor, codec, rate, akima, quality, mean_curve)
