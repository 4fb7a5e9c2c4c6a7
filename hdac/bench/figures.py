"""Figures of a run: RD curves averaged and per sequence, where the bits go, BD-rate by codec and
clip, quality over time. Each as PDF, for papers, and as SVG, for pages; as wide as one column of a
paper or as its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hdac.bench.analysis import LAYERS, Comparison, Run, capped, label, plain, rate_point
from hdac.bench.compressai import Extra
from hdac.bench.looks import Look, looks_of, shown_name
from hdac.bench.names import file_stem, number_text
from hdac.bench.plots import (
    COLUMN,
    PAGE,
    SMALL_TICKS,
    Axis,
    drawing,
    grid,
    legend_above,
    rate_axis,
    rate_text,
    save,
)
from hdac.bench.shares import own_bases
from hdac.bench.timeline import time_figure
from hdac.metrics.ms_ssim import decibels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LAYER_COLOURS = ("#bbbbbb", "#0072B2", "#E69F00", "#009E73", "#CC79A7")
_HATCHES = ("", "", "//", "..", "xx")
#: How names of files begin that `write_figures` writes.
_OURS = ("rd_", "heat_", "layers_", "time_")
#: Percent of a bar from which a share is written into it.
_WRITTEN = 8
#: Percent at which colours of a heat map end.
_FULL = 60
#: Clips of a heat map up to which it is one column wide, and up to which numbers are in its cells.
_NARROW, _NUMBERS = 13, 36


def averaged_points(
    run: Run, codec: str, metric: str, axis: Axis = "kbps"
) -> tuple[list[float], list[float]]:
    """Means over all sequences at each rate point; a point that is not complete, or at the cap of
    the metric on one of them, is left out."""
    table, score = run.table[run.table.codec == codec], f"curve {metric}"
    groups = table.groupby("value")
    means = groups[[axis, score]].mean()[groups[score].count() == len(run.sequences)]
    means = means.sort_values(axis)
    return means[axis].tolist(), means[score].tolist()


def legend(run: Run, codec: str, metric: str, look: Look) -> str:
    count, clips = len(run.left_out(codec, metric)), {p.sequence for p in run.of(codec)}
    few = (
        f" ({len(clips)} of {len(run.sequences)} clips)" if len(clips) < len(run.sequences) else ""
    )
    return look.label + few + (f" ({count} at the metric's cap left out)" if count else "")


def extra_points(extra: Extra, metric: str, axis: Axis = "kbps") -> tuple[list[float], list[float]]:
    """Rates and scores of somebody else's curve, without points at the cap; empty without the
    metric, or without rates in bpp where they are asked for."""
    found = extra.scores.get(plain(metric), ())
    scores = map(decibels, found) if metric != plain(metric) else found
    rates = extra.kbps if axis == "kbps" else extra.scores.get(axis, ())
    kept = [(r, s) for r, s in zip(rates, scores, strict=False) if not capped(s, metric)]
    return [r for r, _ in kept], [s for _, s in kept]


def rd_figure(run: Run, metric: str, extra: Sequence[Extra], axis: Axis = "kbps") -> Figure:
    """Curves averaged over the sequences."""
    import matplotlib.pyplot as plt

    looks = looks_of(run.about, [other.name for other in extra])
    figure, axes = plt.subplots(layout="constrained")
    for codec in run.codecs:
        look, points = looks[codec], averaged_points(run, codec, metric, axis)
        named = legend(run, codec, metric, look)
        if points[0]:
            axes.plot(*points, label=named, **look.line())
        else:  # a mean of other clips would be another curve
            axes.plot([], [], label=f"{named}: no mean", linestyle="none")
    for other in extra:
        rates, values = extra_points(other, metric, axis)
        if values:
            look = looks[other.name]
            axes.plot(rates, values, label=look.label, **look.line())
    rate_axis(axes, axis)
    axes.set_ylabel(label(metric))
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure


def sequences_figure(run: Run, metric: str, axis: Axis = "kbps") -> Figure:
    """One small plot of curves a sequence."""
    looks, (figure, plots) = looks_of(run.about), grid(run.sequences)
    for axes, sequence in plots:
        for codec in run.codecs:
            found = [
                (p.kbps if axis == "kbps" else p.bpp, rate_point(p, metric))
                for p in run.of(codec, sequence)
            ]
            points = np.array(sorted(p for p in found if p[1] is not None)).reshape(-1, 2)
            name = legend(run, codec, metric, looks[codec])
            axes.plot(*points.T, label=name, markersize=2, **looks[codec].line())
        rate_axis(axes, axis, SMALL_TICKS)
        axes.set_xlabel("")
    legend_above(figure, *plots[0][0].get_legend_handles_labels())
    figure.supylabel(label(metric), fontsize=8)
    figure.supxlabel(f"rate ({axis})", fontsize=8)
    return figure


def layers_figure(run: Run, codec: str) -> Figure:
    """Stacked bars: percent of each layer at each rate point, of the bits of all sequences; below
    each its mean rate."""
    import matplotlib.pyplot as plt

    table = run.table[run.table.codec == codec]
    groups = table.groupby("value")
    bits = groups[list(LAYERS)].sum()
    shares = 100 * bits.div(bits.sum(axis=1), axis=0)
    values = [v for v in run.about.codecs[codec].points if v in shares.index]
    kbps = groups.kbps.mean()
    figure, axes = plt.subplots(layout="constrained")
    bottom, names = (
        np.zeros(len(values)),
        [f"{number_text(v)}\n{rate_text(kbps[v])}" for v in values],
    )
    for layer, colour, hatch in zip(LAYERS, _LAYER_COLOURS, _HATCHES, strict=True):
        heights = shares.loc[values, layer].to_numpy()
        if not heights.any():
            continue
        look = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.3}
        bars = axes.bar(names, heights, bottom=bottom, label=layer, **look)  # type: ignore[arg-type]
        texts = [f"{share:.0f}" if share >= _WRITTEN else "" for share in heights]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.bar_label(bars, texts, label_type="center", fontsize=6, bbox=box)
        bottom += heights
    for text in [t for t in axes.texts if not t.get_text()]:
        text.remove()  # its box would be seen
    axes.set_xlabel(run.about.codecs[codec].parameter.replace("_", " "))
    axes.set_ylabel("share of the rate (%)")
    axes.set_ylim(0, 100)
    axes.grid(axis="x", visible=False)
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure


def heat_figure(run: Run, found: Sequence[Comparison], metric: str, anchor: str) -> Figure:
    """BD-rate of each codec on each clip, and the mean that the table has: blue needs fewer bits
    than the anchor."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import Normalize

    looks = looks_of(run.about)
    rows = [c for c in found if (c.metric, c.anchor) == (metric, anchor)]
    clips = run.sequences
    cells = np.array([
        [*(b.value if (b := c.rate[s]).value is not None else np.nan for s in clips),
         c.same.summary.mean if c.same.shown else np.nan]
        for c in rows
    ], np.float64)  # fmt: skip
    width = COLUMN if len(clips) <= _NARROW else PAGE
    size = (width, 1.1 + 0.17 * len(rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    colours = plt.get_cmap("RdBu_r").with_extremes(bad="#dddddd")
    norm = Normalize(-_FULL, _FULL)
    axes.imshow(np.ma.masked_invalid(cells), cmap=colours, norm=norm, aspect="auto")
    for (y, x), value in np.ndenumerate(cells) if len(clips) <= _NUMBERS else ():
        text = "n/a" if np.isnan(value) else f"{value:+.0f}".replace("-", "\N{MINUS SIGN}")
        dark = abs(value) > 0.6 * _FULL
        colour = "white" if dark else "black"
        axes.text(x, y, text, ha="center", va="center", fontsize=5, color=colour)
    axes.axvline(len(clips) - 0.5, color="black", linewidth=0.8)
    names = [*map(shown_name, clips), "mean"]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=5.5)
    axes.set_yticks(range(len(rows)), [looks[c.codec].label for c in rows], fontsize=6.5)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title(f"BD-rate (%) against {looks[anchor].label}: {label(metric)}", loc="right")
    return figure


def _all(
    run: Run, found: Sequence[Comparison], extra: Sequence[Extra], axis: Axis
) -> Iterator[tuple[str, Figure]]:
    """Every figure of a report, with its name, drawn as it is asked for."""
    for metric in run.compared:
        yield f"rd_{metric}", rd_figure(run, metric, extra, axis)
        yield f"rd_{metric}_sequences", sequences_figure(run, metric, axis)
        if run.anchors and len(run.codecs) > 1:
            yield f"heat_{metric}", heat_figure(run, found, metric, run.anchors[0])
    for codec in run.codecs:
        if any(p.record.get("bits") for p in run.of(codec)):
            yield f"layers_{file_stem(codec)}", layers_figure(run, codec)
    for metric in run.metrics[:1] if run.about.players_kbps else ():
        near, bases = run.about.players_kbps[0], own_bases(run)
        beside = {bases.get(codec) for codec in run.shown}
        codecs = [codec for codec in run.shown if codec not in beside]
        yield f"time_{metric}", time_figure(run, metric, run.sequences, codecs, near)


def write_figures(
    run: Run, found: Sequence[Comparison], extra: Sequence[Extra], axis: Axis = "kbps"
) -> None:
    """All figures into `figures/`; those of earlier runs go."""
    folder, names = run.folder / "figures", set[str]()
    with drawing():
        for name, figure in _all(run, found, extra, axis):
            save(figure, folder / f"{name}.pdf", folder / f"{name}.svg")
            names.add(name)
    for path in folder.glob("*"):
        ours = path.suffix in (".pdf", ".svg") and path.stem.startswith(_OURS)
        if ours and path.stem not in names:
            path.unlink()
