"""Writes what was aimed at, and what was measured, into docs/measured/results.md.

python experiments/aims_page.py    # after each `hdac experiment run` whose results are kept
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hdac.bench.analysis import label
from hdac.bench.cells import filled, markdown, unquoted

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "results", ROOT / "docs" / "measured" / "results.md"
AUTO, PERCEPTUAL = "hdac-hybrid-auto", "hdac-hybrid-auto-perceptual"


class Aim(NamedTuple):
    """BD-rates, in percent, of a codec against an anchor in an experiment: metric -> at most."""

    experiment: str
    codec: str
    anchor: str
    at_most: dict[str, float]


AIMS = (
    Aim("reference_software", "hdac-base-mixed", "hm-ldb", {"psnr-y": -22, "ms-ssim-y": -32}),
    Aim("reference_software", "hdac-hybrid-mixed", "hm-ldb", {"psnr-y": -30, "ms-ssim-y": -42}),
    Aim("reference_software", AUTO, "hm-ldb", {"psnr-y": -42, "ms-ssim-y": -50}),
    Aim("reference_software", "hdac-hybrid-mixed", "vtm-ldb", {"psnr-y": -18, "ms-ssim-y": -32}),
    Aim("reference_software", AUTO, "vtm-ldb", {"psnr-y": -31, "ms-ssim-y": -42}),
    Aim("table1", AUTO, "x265-tuned", {"psnr-y": -50, "ms-ssim-y": -60}),
    Aim("table1", AUTO, "vvenc-ldb", {"psnr-y": -40, "ms-ssim-y": -50}),
    *(
        Aim(
            experiment, f"hdac-hybrid{kind}", f"hdac-base{kind}",
            {"psnr-y": -15, "ms-ssim-y": -25, "lpips-squeeze": -10, "msvgg-lite": -15},
        )
        for experiment, kind in (
            ("reference_software", ""), ("table1", "-mixed"), ("table1", "-auto"),
        )
    ),
    Aim(
        "perceptual", PERCEPTUAL, "hdac-base-auto-perceptual",
        {"lpips-squeeze": -65, "msvgg-lite": -35},
    ),
    Aim("perceptual", PERCEPTUAL, "x265-tuned", {"msvgg-lite": -62, "lpips-squeeze": -80}),
    Aim("perceptual", PERCEPTUAL, "vvenc-ldb", {"msvgg-lite": -55, "lpips-squeeze": -70}),
    Aim("size512", "hdac-hybrid-mixed", "x265-tuned", {"psnr-y": -50}),
    Aim("size512_perceptual", "hdac-hybrid-mixed-perceptual", "x265-tuned", {"lpips-squeeze": -80}),
    Aim("size512_low", "hdac-hybrid-mixed-half", "hdac-hybrid-mixed", {"psnr-y": -15}),
)  # fmt: skip
#: Metrics that are to be at most this on every clip, at every rate point.
EVERYWHERE = {"activity": 1.1, "grid": 1.1}
SHOWN = (("table1", "hdac-hybrid-mixed"), ("perceptual", PERCEPTUAL), ("systems", "hdac-face"))


def means(folder: Path) -> pd.DataFrame:
    """The means of bd.csv that tables show, by metric, anchor and codec."""
    table = pd.read_csv(folder / "bd.csv", keep_default_na=False)
    table[["anchor", "codec"]] = table[["anchor", "codec"]].map(unquoted)
    table = table[table.sequence.isin(("common", "apart"))]
    return table.set_index(["metric", "anchor", "codec"]).sort_index()


def rows(aim: Aim) -> list[list[str]]:
    """A row a metric; none while the experiment has no results of the pair."""
    folder = RESULTS / aim.experiment
    table = means(folder) if (folder / "bd.csv").exists() else pd.DataFrame()
    made = []
    for metric, most in aim.at_most.items():
        key = (metric, aim.anchor, aim.codec)
        if key not in table.index or table.loc[key].bd_rate_pchip_percent == "":
            continue
        found = table.loc[key]
        percent = round(float(found.bd_rate_pchip_percent), 1)
        miss = "met" if percent <= most else f"missed by {percent - most:.1f}"
        measured = f"{percent:+.1f} % ({found.note})"
        if found.stale:
            measured += ", stale"
        what = [aim.codec, aim.anchor, label(metric), f"{most:+g} %", measured, miss]
        made.append(what)
    return made


def over(experiment: str, codec: str) -> list[list[str]]:
    """On how many clips a metric is over its limit at any rate point, and by how much."""
    path, made = RESULTS / experiment / "rd.csv", []
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["codec"])
    table = table[table.codec == codec]
    for metric, most in EVERYWHERE.items():
        if metric not in table or table[metric].isna().all():
            continue
        high = table[table[metric] > most]
        clips, total = high.sequence.nunique(), table.sequence.nunique()
        measured = f"over it on {clips} of {total} clips, {table[metric].max():.2f} at most"
        if table.status.eq("stale").any():
            measured += ", stale"
        miss = "missed" if clips else "met"
        made.append([codec, "", label(metric), f"{most:g} everywhere", measured, miss])
    return made


def page(text: str) -> str:
    """The page with its table made anew."""
    table = [row for aim in AIMS for row in rows(aim)]
    table += [row for experiment, codec in SHOWN for row in over(experiment, codec)]
    head = ["codec", "against", "", "aim", "measured", ""]
    return filled(text, "experiments/aims_page.py", markdown(head, table))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
