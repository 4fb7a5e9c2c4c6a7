"""The plot of a training run, from its CSV logs."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from statistics import fmean

TERMS = ("picture", "animation", "motion", "perceptual")
#: Ranges of `qp_base`, both ends included, whose mean gains are shown.
QP_RANGES = ((30, 35), (36, 41), (42, 47), (48, 51))
#: (minutes, value) of each line that is drawn.
Lines = dict[str, list[tuple[float, float]]]


def _columns(path: Path) -> Lines:
    """The columns of a log; what is no number is left out."""
    found: Lines = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for key, value in row.items():
                    if value:
                        found.setdefault(key, []).append((float(row["minutes"]), float(value)))
    return found


def _by_range(validations: Lines) -> Lines:
    """Mean of the columns `gain_QP` in each of `QP_RANGES`."""
    found = {}
    for low, high in QP_RANGES:
        columns = [validations.get(f"gain_{qp}", []) for qp in range(low, high + 1)]
        rows = zip(*filter(None, columns), strict=True)
        found[f"QP {low} to {high}"] = [(row[0][0], fmean(v for _, v in row)) for row in rows]
    return found


def draw_curves(run: Path) -> Path | None:
    """`curves.png` in the folder of a run: loss terms, gain in training and on val, BD-rate; what
    is not there has no panel.

    None where matplotlib is not installed, or nothing is there yet.
    """
    if not importlib.util.find_spec("matplotlib"):
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    log, validations = _columns(run / "log.csv"), _columns(run / "validation.csv")
    terms = {t: log[t] for t in TERMS if any(value for _, value in log.get(t, []))}
    panels = {
        "loss terms (dB)": terms,
        "gain in training (dB)": {"gain": log.get("gain", [])},
        "gain over the base layer on val (dB)": _by_range(validations),
        "BD-rate on val, PSNR-Y against x265-tuned (%)": {"": validations.get("bd_rate", [])},
    }
    panels = {title: {k: v for k, v in lines.items() if v} for title, lines in panels.items()}
    panels = {title: lines for title, lines in panels.items() if lines}
    if not panels:
        return None
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(3.4 * len(panels), 3), layout="constrained")
        for i, (title, lines) in enumerate(panels.items(), 1):
            axes = figure.add_subplot(1, len(panels), i)
            for name, points in lines.items():
                marker = "." if len(points) < 40 else ""
                axes.plot(*zip(*points, strict=True), marker=marker, lw=1, label=name)
            axes.set_title(title)
            axes.set_xlabel("minutes")
            if len(lines) > 1:
                axes.legend(frameon=False)
        figure.savefig(run / "curves.png", dpi=130)
    return run / "curves.png"
