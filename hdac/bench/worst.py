"""Quality over time: the worst 5 % of the frames of each point, where they lie, and whether quality
drifts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hdac.bench.analysis import Run, higher_is_better, label
from hdac.bench.names import number_text
from hdac.bench.results import kept_rows
from hdac.metrics.contract import Clip
from hdac.video.colour import rgb_from_picture
from hdac.video.picture import Picture

SHARE = 0.05
#: Pictures shown of one clip at one rate lie at least this many frames apart.
APART = 12
SHOWN = 3


def worst_frames(scores: Sequence[float | None], up: bool, share: float = SHARE) -> list[int]:
    """Indices of the worst `share` of the frames that have a score (at least one), the worst
    first."""
    known = [(s if up else -s, i) for i, s in enumerate(scores) if s is not None]
    return [i for _, i in sorted(known)[: max(1, round(share * len(known)))]] if known else []


def ranges(frames: Sequence[int]) -> str:
    """`3-5 9` for 3, 4, 5, 9."""
    ordered = sorted(frames)
    cuts = [i + 1 for i, (a, b) in enumerate(pairwise(ordered)) if b != a + 1]
    runs = [ordered[i:j] for i, j in pairwise([0, *cuts, len(ordered)])]
    return " ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs if r)


class Worst(NamedTuple):
    """Of one point and metric: mean of all frames and of the worst 5 %, which those are, and
    `drift`: mean of the last quarter of the frames minus that of the second (the first holds the
    reference picture)."""

    mean: float
    worst: float
    frames: list[int]
    drift: float


def worst_of(scores: Sequence[float | None], up: bool) -> Worst | None:
    """None where fewer than 8 frames have a score."""
    known = np.array([s for s in scores if s is not None], np.float64)
    if len(known) < 8:
        return None
    frames = worst_frames(scores, up)
    quarter = len(known) // 4
    drift = float(known[-quarter:].mean() - known[quarter : 2 * quarter].mean())
    return Worst(float(known.mean()), float(np.mean([scores[i] for i in frames])), frames, drift)  # type: ignore[misc]


def worst_head(run: Run) -> list[str]:
    name = label(run.metrics[0]) if run.metrics else "no metric"
    values = ["kbps", f"{name}, mean", "worst 5 %", "drift"]
    return ["codec", "sequence", "point", *values, "worst frames"]


def worst_rows(run: Run) -> list[list[object]]:
    """One row for each point of hdac and of the first anchor, on the first metric (all frames)."""
    rows: list[list[object]] = []
    if not run.metrics:
        return rows
    metric = run.metrics[0]
    kept = kept_rows(run.folder / "worst.csv", worst_head(run))
    for codec in run.shown:
        for name, point in run.points.items():
            if point.codec != codec or point.error:
                continue
            found = worst_of(run.store.frames(name).get(metric, []), higher_is_better(metric))
            key = (codec, point.sequence, number_text(point.value))
            if not found:
                rows += kept.get(key, [])
            else:
                numbers = [round(v, 4) for v in (found.mean, found.worst, found.drift)]
                rows.append([*key, round(point.kbps, 3), *numbers, ranges(found.frames)])
    return rows


def strips(
    clip: Clip,
    names: Sequence[str],
    pictures: Sequence[list[Picture]],
    codec: int,
    scores: list[float | None],
    up: bool,
) -> Any:
    """The worst frames of one codec (`data`: a JPEG): all `pictures` beside each other, `codec`
    being the index of the one that is judged."""
    chosen = list[int]()
    for i in worst_frames(scores, up):
        if len(chosen) < SHOWN and all(abs(i - c) >= APART for c in chosen):
            chosen.append(i)
    about = {"codec": names[codec], "names": list(names)}
    rows = {i: _jpeg([p[i] for p in pictures], clip.matrix) for i in chosen}
    return [{**about, "frame": i, "score": scores[i], "data": row} for i, row in rows.items()]


def _jpeg(pictures: list[Picture], matrix: int) -> bytes:
    import cv2

    row = np.hstack([rgb_from_picture(p, matrix) for p in pictures])
    fine, data = cv2.imencode(".jpg", row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert fine
    return data.tobytes()
