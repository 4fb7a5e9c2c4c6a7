"""Means of rates and scores at each rate point: every row over the same clips."""

from __future__ import annotations

from statistics import fmean
from typing import Any, NamedTuple

from hdac.bench.analysis import LAYERS, Run, label, missing, sharing
from hdac.bench.names import number_text
from hdac.bench.payload import payload_kbps
from hdac.bench.results import Point
from hdac.metrics.registry import METRICS


class Shared(NamedTuple):
    """`made`: codec and value -> clips that have this point; `rows`: those with at least half of
    the clips, which have a mean; `apart`: those of them that have too few to share any; `clips`:
    what all others have, in the order of the set."""

    made: dict[tuple[str, float], list[str]]
    rows: list[tuple[str, float]]
    clips: list[str]
    apart: set[tuple[str, float]]

    def clips_of(self, row: tuple[str, float], total: int) -> list[list[str]]:
        """The clips of a row's means: those of all rows, then its own where it has more; its own
        alone if it is apart."""
        if row in self.apart:
            return [self.made[row]]
        shared = [self.clips] if 2 * len(self.clips) >= total else []
        own = [self.made[row]] if len(self.made[row]) > len(self.clips) else []
        return [*shared, *own]


def shared_clips(run: Run) -> Shared:
    wanted = [(codec, v) for codec in run.codecs for v in run.about.codecs[codec].points]
    made = {(c, v): [p.sequence for p in run.at(c, v) if not p.error] for c, v in wanted}
    rows = [row for row in wanted if made[row] and 2 * len(made[row]) >= len(run.sequences)]
    shared = sharing({row: made[row] for row in rows})
    clips = [s for s in run.sequences if rows and all(s in made[row] for row in shared)]
    return Shared(made, rows, clips, set(rows) - shared)


def means_note(run: Run) -> str:
    """Of which clips the means are."""
    shared = shared_clips(run)
    few = dict.fromkeys(codec for codec, v in shared.rows if (codec, v) in shared.apart)
    but = f", but for points of {', '.join(few)}, which lack some" if few else ""
    if len(shared.clips) == len(run.sequences):
        return f"Each over all clips{but}.\n"
    without = []
    for clip in (s for s in run.sequences if s not in shared.clips):
        rows = [row for row in shared.rows if row not in shared.apart]
        lacking = dict.fromkeys(codec for codec, v in rows if clip not in shared.made[codec, v])
        without.append(f"{clip} ({', '.join(lacking)})" if lacking else clip)
    return (
        f"Over the {len(shared.clips)} of {len(run.sequences)} clips that every codec has that has "
        f"a mean{but}, without {', '.join(without)}; below them rows over all clips that a codec "
        "has.\n"
    )


def mean_head(run: Run) -> list[str]:
    return [
        "codec",
        "point",
        "clips",
        "kbps",
        "payload",
        *map(label, run.metrics),
        "bits by layer, %",
    ]


def mean_rows(run: Run) -> list[list[str]]:
    """Means over the sequences at each rate point, every row over the same; below it, over its own
    where it has more. What a row has in its cells is of the same clips."""
    rows, groups, shared = [], dict(list(run.table.groupby(["codec", "value"]))), shared_clips(run)
    total = len(run.sequences)
    for row, made in shared.made.items():
        codec, value = row
        head = [codec, number_text(value)]
        if row not in shared.rows:
            points = run.at(codec, value)
            why = f"{len(made)} of {total} clips" if made else missing(points)
            rows.append([*head, str(len(made)), why, "", *[""] * len(run.metrics), ""])
            continue
        for clips in shared.clips_of(row, total):
            group = groups[row][groups[row].sequence.isin(clips)]
            kbps, *scores = _means(run, group)
            points = [p for p in run.at(codec, value) if p.sequence in clips]
            rows.append([*head, str(len(clips)), kbps, _payload(points), *scores])
    return rows


def _payload(points: list[Point]) -> str:
    rates = [payload_kbps(p.record) for p in points]
    known = [rate for rate in rates if rate is not None]
    return f"{fmean(known):.2f}" if len(known) == len(points) else "n/a"


def _means(run: Run, group: Any) -> list[str]:
    """Rate, scores and layers of some rows of `Run.table`."""
    shares = group[list(LAYERS)].sum()
    layers = (100 * shares / shares.sum())[shares > 0]
    bits = ", ".join(f"{name} {share:.1f}" for name, share in layers.items())
    return [f"{group.kbps.mean():.2f}", *(_mean(group, m) for m in run.metrics), bits]


def _mean(group: Any, metric: str) -> str:
    """The mean of a column of `Run.table`."""
    present = group[metric].count()
    if present < len(group):
        clips = "clip" if len(group) == 1 else "clips"
        return f"n/a ({present} of {len(group)} {clips})" if present else "n/a"
    at_cap = group[f"curve {metric}"].isna().sum()
    mark = f" ({at_cap} at the cap)" if at_cap else ""
    return score_text(metric, group[metric].mean()) + mark


def score_text(metric: str, value: float) -> str:
    """A score with the digits that its metric has."""
    digits = {"dB": 2, "%": 2, "levels": 3}.get(METRICS[metric].contract.unit, 4)
    if metric in ("vmaf", "msvgg", "msvgg-lite", "grid"):
        digits = 2
    return f"{value:.{digits}f}"
