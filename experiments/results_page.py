"""Writes docs/results.md, and the table of README.md, from what lies in results/.

python experiments/results_page.py    # after each `hdac experiment run` whose results are kept
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from hdac.bench.analysis import label
from hdac.bench.cells import markdown, unquoted

ROOT = Path(__file__).parents[1]
RESULTS, PAGE, README = ROOT / "results", ROOT / "docs" / "results.md", ROOT / "README.md"
BEGIN, END = "<!-- table: experiments/results_page.py -->\n", "<!-- end of table -->\n"
#: README's table: experiment, anchor, codecs (those that the experiment has) and metrics.
EXPERIMENT, ANCHOR, SOFTWARE = "reference_software", "hm-ldb", "HM (HEVC)"
CODECS = {
    "x265-tuned": "x265 (HEVC), veryslow, tuned",
    "vtm-ldb": "VTM (VVC)",
    "hdac-base-mixed": "hdac, default, base layer alone",
    "hdac-hybrid-mixed": "hdac, default",
    "hdac-hybrid-auto": "hdac, base codec auto, preset slower",
}
METRICS = ("psnr-y", "ms-ssim-y", "lpips-squeeze", "vmaf")


def experiments() -> list[Path]:
    """Folders of experiments, that of README's table first."""
    found = sorted(path.parent for path in RESULTS.glob("*/experiment.json"))
    return sorted(found, key=lambda path: path.name != EXPERIMENT)


def read(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
    return found


def means(folder: Path) -> pd.DataFrame:
    """The rows of bd.csv that are means over the sequences."""
    table = pd.read_csv(folder / "bd.csv", keep_default_na=False)
    table[["anchor", "codec"]] = table[["anchor", "codec"]].map(unquoted)
    return table[table.sequence == "mean"]


def cell(row: Any) -> str:
    """Mean BD-rate and its interval, or why there is none."""
    if row.bd_rate_pchip_percent == "":
        return str(row.note).partition(";")[0]
    mean, low, high = map(float, (row.bd_rate_pchip_percent, row.low_95, row.high_95))
    counts = [int(part.split()[0]) for part in row.note.split(", ")]
    some = f" of {sum(counts[:3])}/{sum(counts)} clips" if counts[3] else ""
    return f"{mean:+.1f} % [{low:+.1f}, {high:+.1f}]{some}"


def bd_table(
    folder: Path, anchor: str, metrics: list[str], codecs: dict[str, str], title: str = ""
) -> str:
    """Codecs x metrics against one anchor (`title`: its own); `codecs`: name -> title, in order."""
    table = means(folder)
    table = table[(table.anchor == anchor) & table.codec.isin(codecs) & table.metric.isin(metrics)]
    cells = table.assign(cell=[cell(row) for row in table.itertuples()])
    grid = cells.pivot(index="codec", columns="metric", values="cell")
    rows = [[title, *grid.loc[c, metrics]] for c, title in codecs.items() if c in grid.index]
    return markdown([f"BD-rate against {title or anchor}", *map(label, metrics)], rows)


def number(value: float) -> str:
    return "n/a" if pd.isna(value) else f"{value:.4g}"


def rate_table(folder: Path) -> str:
    """Means over the sequences at each rate point that all sequences have."""
    table = pd.read_csv(folder / "rd.csv")
    table["codec"] = table.codec.map(unquoted)
    metrics = [m for m in read(folder, "experiment.json")["metrics"] if m in table]
    groups = table[table.status == "ok"].groupby(["codec", "value"], sort=False)
    found = groups[["kbps", *metrics]].mean()[groups.size() == table.sequence.nunique()]
    rows = [
        [codec, f"{value:g}", f"{row.kbps:.2f}", *map(number, row[metrics])]
        for (codec, value), row in found.iterrows()
    ]
    return markdown(["codec", "point", "kbps", *map(label, metrics)], rows)


def section(folder: Path) -> str:
    about, made = read(folder, "experiment.json"), read(folder, "environment.json")
    name = folder.name
    codecs = {
        codec: f"{codec} (archived)" if c.get("archived") else codec
        for codec, c in about["codecs"].items()
        if not c["skipped"]
    }
    metrics = list(means(folder).metric.unique())
    frames = f"first {about['frames']} frames" if about["frames"] else "all frames"
    lines = [
        f"## {about['title']}\n",
        f"`hdac experiment run {name}`: {len(about['sequences'])} clips of `{about['set']}`, "
        f"{frames}. Last run at commit {made['commit']}. [All tables](../results/{name}/bd.md).\n",
        *(bd_table(folder, anchor, metrics, codecs) for anchor in about["anchors"]),
    ]
    if (folder / "figures" / f"rd_{metrics[0]}.svg").exists():
        lines.append(f"![curves](../results/{name}/figures/rd_{metrics[0]}.svg)\n")
    return "\n".join([*lines, "Means over the clips:\n", rate_table(folder)])


def page() -> str:
    head = [
        "# Results\n",
        "Made by `python experiments/results_page.py` from `results/`: change nothing by hand.",
        "BD-rate: mean over the clips, PCHIP on log rate, in brackets the 95 % bootstrap interval;",
        "negative: fewer bits at equal quality. Rates are those of whole files. What the numbers",
        "mean, and of which format they are:",
        "[docs/measured/results.md](measured/results.md).\n",
    ]
    return "\n".join([*head, *map(section, experiments())])


def readme(text: str) -> str:
    """README.md with its table made anew."""
    folder = RESULTS / EXPERIMENT
    before, rest = text.split(BEGIN)
    table = bd_table(folder, ANCHOR, list(METRICS), CODECS, SOFTWARE)
    return before + BEGIN + table + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    README.write_text(readme(README.read_text("utf-8")), "utf-8")
