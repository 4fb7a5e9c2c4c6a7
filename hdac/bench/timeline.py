"""Quality over time: values frame by frame, and where new reference pictures came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hdac.bench.analysis import Run, label, nearest
from hdac.bench.looks import looks_of
from hdac.bench.plots import COLUMN, grid, legend_above, rate_text
from hdac.bench.refreshes import refresh_frames
from hdac.errors import HdacError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: A curve has about so many.
MARKERS = 8


def refreshes(run: Run, name: str) -> list[int]:
    """Frames of a point of hdac at which new reference pictures begin, without the first: of its
    record, else of its coded file; none where neither says."""
    point = run.points[name]
    if "refreshes" in point.record:
        return list(point.record["refreshes"])
    codec = run.about.codecs[point.codec]
    data = run.store.stream(name, codec.suffix) if codec.kind == "hdac" else None
    try:
        return refresh_frames(data) if data else []
    except HdacError:
        return []


def _every(count: int) -> int:
    """Of so many frames every how many-th has a marker."""
    return max(1, count // MARKERS)


def _draw(
    axes: Axes, run: Run, metric: str, sequence: str, codecs: Sequence[str], near: float
) -> list[str]:
    """The curves of one clip, and a dotted line where a new reference picture came; returns the
    rates of what was drawn, in words. Codecs without values frame by frame are left out."""
    looks, rates = looks_of(run.about), list[str]()
    for codec in codecs:
        name = nearest(run, codec, sequence, near)
        scores = run.frames(name).get(metric, []) if name else []
        seen = [(i, s) for i, s in enumerate(scores) if s is not None]
        if not name or not seen:
            continue
        look = looks[codec]
        line = {**look.line(), "linewidth": 0.8, "markersize": 2.5, "markevery": _every(len(seen))}
        axes.plot(*zip(*seen, strict=True), label=look.label, **line)
        rates.append(rate_text(run.points[name].kbps))
        for frame in refreshes(run, name):
            axes.axvline(frame, color=look.colour, linestyle=":", linewidth=0.7)
    axes.margins(x=0.01)
    return rates


def time_figure(
    run: Run, metric: str, sequences: Sequence[str], codecs: Sequence[str], near: float
) -> Figure:
    """Quality of each frame at each codec's point nearest to `near` kbps: of one clip, one column
    wide, its legend with rates; of several, a small plot each."""
    import matplotlib.pyplot as plt

    if len(sequences) == 1:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.9), layout="constrained")
        rates = _draw(axes, run, metric, sequences[0], codecs, near)
        lines, names = axes.get_legend_handles_labels()
        names = [f"{name}, {rate}" for name, rate in zip(names, rates, strict=True)]
        axes.set_xlabel("frame")
        axes.set_ylabel(label(metric))
    else:
        figure, plots = grid(sequences)
        legends: dict[str, Artist] = {}
        for axes, sequence in plots:
            _draw(axes, run, metric, sequence, codecs, near)
            legends |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        names, lines = list(legends), [*legends.values()]
        figure.supxlabel(f"frame; points nearest to {near:g} kbps", fontsize=8)
        figure.supylabel(label(metric), fontsize=8)
    if lines:
        legend_above(figure, lines, names)
    return figure
