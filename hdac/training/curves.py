"""The plot of a training run, from its CSV logs."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

TERMS = ("animation", "motion", "perceptual")
#: Ranges of `qp_base` whose mean gains are drawn.
LEVELS = ((0, 35), (36, 41), (42, 47), (48, 51))


def _columns(path: Path) -> dict[str, list[tuple[float, float]]]:
    """(minutes, value) of each column; what is no number is left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for key, value in row.items():
                    if value:
                        found.setdefault(key, []).append((float(row["minutes"]), float(value)))
    return found


def _by_level(
    validations: dict[str, list[tuple[float, float]]],
) -> dict[str, list[tuple[float, float]]]:
    """Mean of the columns `gain_QP` in each of `LEVELS`."""
    found = {}
    for low, high in LEVELS:
        columns = [
            validations[f"gain_{qp}"] for qp in range(low, high + 1) if f"gain_{qp}" in validations
        ]
        rows = zip(*columns, strict=True)
        found[f"QP {low} to {high}"] = [
            (row[0][0], sum(value for _, value in row) / len(row)) for row in rows
        ]
    return found


def draw_curves(run: Path) -> Path | None:
    """`curves.png` in the folder of a run: loss terms, gain in training and on val, BD-rate; what
    is not there has no panel.

    None where matplotlib is not installed.
    """
    if not importlib.util.find_spec("matplotlib"):
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    losses, validations = _columns(run / "log.csv"), _columns(run / "validation.csv")
    panels = [
        (
            "loss terms (dB)",
            {t: losses[t] for t in TERMS if t in losses and any(v for _, v in losses[t])},
        ),
        ("gain in training (dB)", {t: losses[t] for t in ("gain",) if t in losses}),
        ("gain over the base layer on val (dB)", _by_level(validations)),
        (
            "BD-rate on val, PSNR-Y against x265-tuned (%)",
            {k: v for k, v in validations.items() if k == "bd_rate"},
        ),
    ]
    panels = [
        (title, {name: points for name, points in lines.items() if points})
        for title, lines in panels
    ]
    panels = [panel for panel in panels if panel[1]]
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(3.4 * len(panels), 3), layout="constrained")
        for axes, (title, lines) in zip(
            figure.subplots(1, max(1, len(panels)), squeeze=False)[0], panels, strict=False
        ):
            for name, points in lines.items():
                axes.plot(
                    *zip(*points, strict=True),
                    marker="." if len(points) < 40 else "",
                    lw=1,
                    label=name,
                )
            axes.set_title(title)
            axes.set_xlabel("minutes")
            if len(lines) > 1:
                axes.legend(frameon=False)
        figure.savefig(run / "curves.png", dpi=130)
    return run / "curves.png"
