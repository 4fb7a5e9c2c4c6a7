"""The plot of a training run, from its CSV logs."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

TERMS = ("gain", "animation", "motion", "perceptual")


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


def draw_curves(run: Path) -> Path | None:
    """`curves.png` in the folder of a run: loss terms, gain on val by QP, BD-rate. None where matplotlib is not installed."""
    if not importlib.util.find_spec("matplotlib"):
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    losses, validations = _columns(run / "log.csv"), _columns(run / "validation.csv")
    panels = [
        ("loss terms (dB)", {t: losses[t] for t in TERMS if t in losses and any(v for _, v in losses[t])}),
        ("gain over the base layer on val (dB)", {k.replace("gain_", "QP "): v for k, v in validations.items() if k.startswith("gain_")}),
        ("BD-rate on val, PSNR-Y against x265-tuned (%)", {k: v for k, v in validations.items() if k == "bd_rate"}),
    ]
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(10, 3), layout="constrained")
        for axes, (title, lines) in zip(figure.subplots(1, len(panels)), panels, strict=True):
            for name, points in lines.items():
                axes.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else "", lw=1, label=name)
            axes.set_title(title)
            axes.set_xlabel("minutes")
            if any(lines):
                axes.legend(frameon=False)
        figure.savefig(run / "curves.png", dpi=130)
    return run / "curves.png"
