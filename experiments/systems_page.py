"""Writes the tables of docs/systems.md from results/systems.

HDAC_MODELS=models python experiments/systems_page.py    # after `hdac experiment run systems`
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from hdac.bench.analysis import Run, label, load
from hdac.bench.cells import filled, markdown
from hdac.bench.means import score_text, shared_clips
from hdac.errors import UsageError
from hdac.metrics.registry import METRICS
from hdac.nets.cost import decoder_gmac
from hdac.nets.zoo import load_model
from hdac.runtime.graphs import read_about
from hdac.runtime.models import NumberFormat, find_model, serving

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "results" / "systems", ROOT / "docs" / "systems.md"
SPEED = ROOT / "results" / "runtime.json"  # by experiments/runtime.py
RATES = (3.0, 5.0)  # kbps
#: What is asked of ours at the first rate: to be the best system in these.
ASKED, OURS = ("lpips-squeeze", "identity", "landmarks-mouth"), "hdac-face"
#: Whose quality the rates of the second table are at.
H264 = "x264-zerolatency"


def mean_curves(run: Run) -> dict[str, pd.DataFrame]:
    """Codec -> means of rate and scores over the clips that every codec has, by rate; points that
    lack one of these clips are in none."""
    shared = shared_clips(run)
    table = run.table[run.table.sequence.isin(shared.clips)]
    means = table.groupby(["codec", "value"]).mean(numeric_only=True)
    means = means[means.index.isin(set(shared.rows) - shared.apart)]
    present = set(means.index.get_level_values("codec"))
    return {c: means.loc[c].sort_values("kbps") for c in run.codecs if c in present}


def at_rate(points: pd.DataFrame, kbps: float, metric: str) -> float:
    """Linear in the logarithm of the rate; beyond its ends the point that is nearest."""
    return float(np.interp(np.log(kbps), np.log(points.kbps), points[metric]))


def rate_at(points: pd.DataFrame, metric: str, wanted: float) -> str:
    """The rate, in kbps, at which a metric for which less is better reaches a value."""
    by_score = points.sort_values(metric)
    if wanted > by_score[metric].iloc[-1]:
        return f"< {points.kbps.iloc[0]:.2f}"
    if wanted < by_score[metric].iloc[0]:
        return "not reached"
    return f"{np.exp(np.interp(wanted, by_score[metric], np.log(by_score.kbps))):.2f}"


def costs(run: Run, codec: str, rates: dict[str, Any]) -> list[str]:
    """MB of the int8 network, GMAC a picture of 256x256, decoded pictures a second."""
    recipe: dict[str, Any] = run.about.codecs[codec].recipe
    if recipe.get("mode") != "animation":
        return ["", "", ""]
    speed = f"{median(rates['rows'][recipe['model'] + ', animation']['decoder']):.0f}"
    name = serving(str(recipe.get("model", "")), "animation", str(recipe.get("tune", "psnr")), 1)
    try:
        model = find_model(name, number_format=NumberFormat.INT8)
    except UsageError:  # an architecture of others has no graphs
        model = find_model(name)
        gmac = decoder_gmac(load_model(model), 256, 256)
        return [f"{model.path.stat().st_size / 1e6:.2f}, fp16", f"{gmac:.2f}", speed]
    gmac = read_about(model.graphs)["gmac_256"]
    return [f"{model.path.stat().st_size / 1e6:.2f}", f"{gmac:.2f}", speed]


def rate_table(run: Run, curves: dict[str, pd.DataFrame], kbps: float) -> str:
    head = [f"at {kbps:g} kbps", "kbps", *map(label, run.metrics)]
    rows = []
    for codec, points in curves.items():
        at = float(np.clip(kbps, points.kbps.iloc[0], points.kbps.iloc[-1]))
        scores = [score_text(m, at_rate(points, at, m)) for m in run.metrics]
        rows.append([codec, f"{at:.2f}", *scores])
    return markdown(head, rows)


def best(run: Run, curves: dict[str, pd.DataFrame], kbps: float) -> str:
    """Which system is best at a rate, in each of what is asked of ours, and where ours is then.
    Those that do not come down to the rate are left out."""
    systems = {
        codec: points
        for codec, points in curves.items()
        if run.about.codecs[codec].kind == "hdac" and points.kbps.iloc[0] <= kbps
    }
    parts = []
    for metric in ASKED:
        up = METRICS[metric].contract.higher_is_better
        scores = {codec: at_rate(points, kbps, metric) for codec, points in systems.items()}
        order = sorted(scores, key=lambda codec: scores[codec], reverse=up)
        first = [f"`{codec}` ({score_text(metric, scores[codec])})" for codec in order]
        place = order.index(OURS)
        then = f", then {first[1]}" if place == 0 else f"; {first[place]} is number {place + 1}"
        parts.append(f"{label(metric)}: {first[0]}{then}")
    return f"Of the systems that come down to {kbps:g} kbps, best there in {'. In '.join(parts)}.\n"


def cost_table(run: Run, curves: dict[str, pd.DataFrame]) -> str:
    metric = "lpips-squeeze"
    theirs = [f"{row.kbps:.1f} kbps ({row[metric]:.4f})" for _, row in curves[H264].iterrows()]
    head = ["", "MB, int8", "GMAC", "pictures/s", *(f"{H264} at {text}" for text in theirs)]
    rates = json.loads(SPEED.read_text("utf-8"))
    rows = [
        [
            codec,
            *costs(run, codec, rates),
            *(rate_at(points, metric, v) for v in curves[H264][metric]),
        ]
        for codec, points in curves.items()
        if codec != H264
    ]
    return markdown(head, rows)


def tables() -> str:
    run = load(RESULTS)
    curves = mean_curves(run)
    clips = shared_clips(run).clips
    few = f" of {len(run.sequences)}" if len(clips) < len(run.sequences) else ""
    commits = {p.record.get("made", {}).get("commit", "") for p in run.points.values()}
    return "\n".join(
        [
            f"Means over {len(clips)}{few} clips of `{run.about.set}`, all frames, every "
            f"{run.about.every}th measured, at commits {', '.join(sorted(filter(None, commits)))} "
            "([all points](results.md)); between rate points linear in the logarithm of the rate; "
            "who does not come down (or up) to a rate is at the nearest that it has.\n",
            *(rate_table(run, curves, kbps) for kbps in RATES),
            best(run, curves, RATES[0]),
            "What each costs (pictures of 256x256 a second: [runtime.md](runtime.md)), and its "
            f"rate, kbps, at the LPIPS of {H264}'s points:\n",
            cost_table(run, curves),
        ]
    )


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(filled(page, "experiments/systems_page.py", tables()), "utf-8")
