"""From points to BD-rates: what tables, figures and the report all show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hdac.bench.bd import Bd, Curve, Summary, averaged, bd_quality, bd_rate, curve, summarise
from hdac.bench.results import Point, Store
from hdac.bench.runner import load_run
from hdac.metrics.ms_ssim import decibels
from hdac.metrics.registry import METRICS

DB = "-db"
#: Metrics that are also compared in dB, where a curve is straighter.
IN_DB = ("ms-ssim-y", "ms-ssim-rgb")


@dataclass(frozen=True)
class Run:
    """Everything of one results folder. `points`: name -> point, failed ones too; `about`:
    `experiment.json`."""

    folder: Path
    about: dict[str, Any]
    points: dict[str, Point]
    curves: dict[tuple[str, str, str], Curve] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @property
    def sequences(self) -> list[str]:
        return list(self.about["sequences"])

    @property
    def codecs(self) -> list[str]:
        return [name for name, codec in self.about["codecs"].items() if not codec["skipped"]]

    @property
    def metrics(self) -> list[str]:
        """Those that have at least one value."""
        return [
            m
            for m in self.about["metrics"]
            if any(p.score(m) is not None for p in self.points.values())
        ]

    @property
    def compared(self) -> list[str]:
        """Metrics as BD tables list them: MS-SSIM linear and in dB."""
        return [key for m in self.metrics for key in ((m, m + DB) if m in IN_DB else (m,))]

    def title(self, codec: str) -> str:
        return str(self.about["codecs"][codec]["title"])

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

    def curve(self, codec: str, sequence: str, metric: str) -> Curve | None:
        """None where a point is missing or failed: a curve with a hole is another curve."""
        key = (codec, sequence, metric)
        if key not in self.curves:
            whole = [p for p in self.points.values() if p.codec == codec and p.sequence == sequence]
            scores = [score(p, metric) for p in whole if not p.error]
            if not whole or len(scores) < len(whole) or any(s is None for s in scores):
                return None
            up = higher_is_better(metric)
            self.curves[key] = curve(
                [p.kbps for p in whole], [s for s in scores if s is not None], up
            )
        return self.curves[key]


def load(folder: Path) -> Run:
    """Reads `experiment.json` and the points. Raises `UsageError`."""
    about, store, points = load_run(folder), Store(folder), {}
    for entry in about["points"]:
        record = store.load(entry["name"])
        reason = store.path(entry["name"], ".error")
        error = (
            ""
            if record
            else (reason.read_text(encoding="utf-8") if reason.is_file() else "not made yet")
        )
        points[entry["name"]] = Point(
            entry["sequence"], entry["codec"], float(entry["value"]), record or {}, error
        )
    return Run(folder, about, points)


def plain(metric: str) -> str:
    return metric.removesuffix(DB)


def higher_is_better(metric: str) -> bool:
    return METRICS[plain(metric)].contract.higher_is_better


def label(metric: str) -> str:
    """A metric's name and unit for axes and table heads."""
    contract = METRICS[plain(metric)].contract
    unit = "dB" if metric.endswith(DB) else contract.unit
    return f"{contract.title} ({unit})" if unit else contract.title


def score(point: Point, metric: str) -> float | None:
    found = point.score(plain(metric))
    return decibels(found) if found is not None and metric.endswith(DB) else found


def _mean_of(deltas: dict[str, Bd]) -> float | None:
    """Over the sequences that have a number."""
    numbers = [d.value for d in deltas.values() if d.value is not None]
    return float(np.mean(numbers)) if numbers else None


class Comparison(NamedTuple):
    """One codec against one anchor in one metric: per sequence, and of the averaged curves
    (`mean_curve`)."""

    metric: str
    anchor: str
    codec: str
    rate: dict[str, Bd]
    akima: dict[str, Bd]
    quality: dict[str, Bd]
    mean_curve: Bd

    @property
    def summary(self) -> Summary:
        return summarise(list(self.rate.values()))

    @property
    def mean_akima(self) -> float | None:
        return _mean_of(self.akima)

    @property
    def mean_quality(self) -> float | None:
        return _mean_of(self.quality)


def comparisons(run: Run) -> Iterator[Comparison]:
    """Every codec against every anchor in every metric."""
    for metric in run.compared:
        for anchor in (a for a in run.about["anchors"] if a in run.codecs):
            for codec in (c for c in run.codecs if c != anchor):
                yield compare(run, metric, anchor, codec)


def compare(run: Run, metric: str, anchor: str, codec: str) -> Comparison:
    hole = Bd(None, 0.0, "failed")
    rate, akima, quality = {}, {}, {}
    pairs = []
    for sequence in run.sequences:
        a, t = run.curve(anchor, sequence, metric), run.curve(codec, sequence, metric)
        if a is None or t is None:
            rate[sequence] = akima[sequence] = quality[sequence] = hole
            continue
        pairs.append((a, t))
        rate[sequence], akima[sequence], quality[sequence] = (
            bd_rate(a, t),
            bd_rate(a, t, "akima"),
            bd_quality(a, t),
        )
    whole = len(pairs) == len(run.sequences) and bool(pairs)
    mean_curve = (
        bd_rate(averaged([a for a, _ in pairs]), averaged([t for _, t in pairs])) if whole else hole
    )
    return Comparison(metric, anchor, codec, rate, akima, quality, mean_curve)
