"""Figures: RD curves averaged and per sequence, and where the bits go. Each as PDF, for papers, and
as SVG, for pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hdac.bench.analysis import LAYERS, Run, capped, label, plain, rate_point
from hdac.bench.compressai import Extra
from hdac.bench.names import file_stem, number_text
from hdac.metrics.ms_ssim import decibels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("paper.mplstyle")
_GREYS = ("#bbbbbb", "#0072B2", "#E69F00", "#009E73", "#CC79A7")
_HATCHES = ("", "", "//", "..", "xx")
LEGEND_COLUMNS = 2
MAX_TICKS = 12
LEGEND_ROW_INCHES = 0.13


def averaged_points(run: Run, codec: str, metric: str) -> tuple[list[float], list[float]]:
    """Means over all sequences at each rate point; a point that is not complete, or at the cap of
    the metric on one of them, is left out."""
    table, score = run.table[run.table.codec == codec], f"curve {metric}"
    groups = table.groupby("value")
    means = groups[["kbps", score]].mean()[groups[score].count() == len(run.sequences)]
    means = means.sort_values("kbps")
    return means.kbps.tolist(), means[score].tolist()


def legend(run: Run, codec: str, metric: str) -> str:
    count, clips = len(run.left_out(codec, metric)), {p.sequence for p in run.of(codec)}
    few = (
        f" ({len(clips)} of {len(run.sequences)} clips)" if len(clips) < len(run.sequences) else ""
    )
    return shown_name(codec) + few + (f" ({count} at the metric's cap left out)" if count else "")


def shown_name(name: str) -> str:
    """A name in a plot: short, and not hidden from the legend, as one with "_" in front is."""
    short = name if len(name) <= 40 else f"{name[:24]}...{name[-13:]}"
    return f" {short}" if short.startswith("_") else short


def extra_points(extra: Extra, metric: str) -> tuple[list[float], list[float]]:
    """Rates and scores of somebody else's curve, without points at the cap; empty without the
    metric."""
    found = extra.scores.get(plain(metric), ())
    scores = map(decibels, found) if metric != plain(metric) else found
    kept = [(r, s) for r, s in zip(extra.kbps, scores, strict=False) if not capped(s, metric)]
    return [r for r, _ in kept], [s for _, s in kept]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high` on a log axis: 2 to 12 of them."""
    from matplotlib.ticker import MaxNLocator

    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 3, 5, 7), (1, 2, 5), (1,)):
        found = [d * 10.0**k for k in decades for d in digits if low <= d * 10.0**k <= high]
        if 2 < len(found) <= MAX_TICKS:
            return found
    if len(found) > MAX_TICKS:
        return found[:: math.ceil(len(found) / MAX_TICKS)]
    return [t for t in MaxNLocator(5).tick_values(low, high) if low <= t <= high]


def _axes(axes: Axes, run: Run, metric: str) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks(*axes.get_xlim())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.9g}"))
    axes.set_xlabel("rate (kbps)")
    axes.set_ylabel(label(metric))


def rd_figure(run: Run, metric: str, extra: Sequence[Extra]) -> Figure:
    """Curves averaged over the sequences; names above the plot, where they cover no curve."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(layout="constrained")
    for codec in run.codecs:
        axes.plot(*averaged_points(run, codec, metric), label=legend(run, codec, metric))
    for other in extra:
        rates, values = extra_points(other, metric)
        if values:
            axes.plot(rates, values, label=shown_name(other.name))
    _axes(axes, run, metric)
    rows = math.ceil(len(axes.get_lines()) / LEGEND_COLUMNS)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + LEGEND_ROW_INCHES * rows)
    figure.legend(loc="outside upper center", ncols=LEGEND_COLUMNS)
    return figure


def sequences_figure(run: Run, metric: str) -> Figure:
    """One small plot a sequence."""
    import matplotlib.pyplot as plt

    columns = min(4, len(run.sequences))
    rows = math.ceil(len(run.sequences) / columns)
    size = (1.9 * columns, 1.6 * rows + 0.3)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    flat = grid.flatten()
    for axes, sequence in zip(flat, run.sequences, strict=False):
        for codec in run.codecs:
            found = [(p.kbps, rate_point(p, metric)) for p in run.of(codec, sequence)]
            points = np.array(sorted(p for p in found if p[1] is not None)).reshape(-1, 2)
            axes.plot(*points.T, label=legend(run, codec, metric), markersize=2)
        _axes(axes, run, metric)
        axes.set_title(shown_name(sequence))
        axes.set_xlabel("")
        axes.set_ylabel("")
    for axes in flat[len(run.sequences) :]:
        axes.set_visible(False)
    handles, labels = flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6))
    figure.supylabel(label(metric), fontsize=8)
    figure.supxlabel("rate (kbps)", fontsize=8)
    return figure


def layers_figure(run: Run, codec: str) -> Figure:
    """Stacked bars: kbps of each layer at each rate point, mean over the sequences."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    values = run.about.codecs[codec].points
    bottom = np.zeros(len(values))
    table = run.table[run.table.codec == codec]
    kbps = table[list(LAYERS)].mul(table.kbps / (8 * table.bytes), axis=0)
    means = kbps.groupby(table.value).mean().reindex(values, fill_value=0.0)
    for layer, colour, hatch in zip(LAYERS, _GREYS, _HATCHES, strict=True):
        heights = means[layer].to_numpy()
        look = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.3}
        axes.bar([number_text(v) for v in values], heights, bottom=bottom, label=layer, **look)  # type: ignore[arg-type]
        bottom += heights
    axes.set_xlabel(run.about.codecs[codec].parameter.replace("_", " "))
    axes.set_ylabel("rate (kbps)")
    axes.legend()
    axes.grid(axis="x", visible=False)
    return figure


def write_figures(run: Run, extra: Sequence[Extra]) -> None:
    """All figures into `figures/`."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    folder = run.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, make: Callable[..., Figure], *arguments: Any) -> None:
        figure = make(run, *arguments)
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)

    with plt.style.context(STYLE):
        for metric in run.compared:
            save(f"rd_{metric}", rd_figure, metric, extra)
            save(f"rd_{metric}_sequences", sequences_figure, metric)
        for codec in run.codecs:
            if any(p.record.get("bits") for p in run.of(codec)):
                save(f"layers_{file_stem(codec)}", layers_figure, codec)
