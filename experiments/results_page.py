"""Writes docs/results.md, and the table of README.md, from what lies in results/.

python experiments/results_page.py    # after each `hdac experiment run` whose results are kept
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from hdac.bench.analysis import label, load
from hdac.bench.cells import markdown, unquoted
from hdac.bench.means import mean_head, mean_rows, means_note

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
    """The means over the sequences in bd.csv: `common`, over the clips that all codecs have, with
    what the row over all clips of a codec says as `own` and `note`."""
    table = pd.read_csv(folder / "bd.csv", keep_default_na=False)
    table[["anchor", "codec"]] = table[["anchor", "codec"]].map(unquoted)
    keys = ["metric", "anchor", "codec"]
    common = table[table.sequence == "common"].set_index(keys)
    own = table[table.sequence == "mean"].set_index(keys)
    joined = (
        own[["stale", "note"]]
        .assign(own=own.bd_rate_pchip_percent)
        .join(common[["bd_rate_pchip_percent", "low_95", "high_95"]].assign(clips=common.note))
    )
    return joined.fillna("").reset_index()


def cell(row: Any) -> str:
    """Mean BD-rate over the clips that all have and its interval, beside it that over all clips of
    a codec that has more; or why there is none."""
    if row.own == "":
        return str(row.note).partition(";")[0]
    counts = [int(part.split()[0]) for part in row.note.split(", ")]
    own, total, clips = sum(counts[:3]), sum(counts), int(row.clips.split()[0])
    more = f"; {own} clip{'s' * (own > 1)}: {float(row.own):+.1f} %" if own > clips else ""
    if row.bd_rate_pchip_percent == "":
        return f"n/a ({clips} of {total} clips in common){more}"
    interval = f" [{float(row.low_95):+.1f}, {float(row.high_95):+.1f}]" if row.low_95 != "" else ""
    some = f" of {clips}/{total} clips" if clips < total else ""
    return f"{float(row.bd_rate_pchip_percent):+.1f} %{interval}{some}{more}"


def bd_table(
    folder: Path, anchor: str, metrics: list[str], codecs: dict[str, str], title: str = ""
) -> str:
    """Codecs x metrics against one anchor; `codecs`: name -> title, in order. With a `title` for
    the anchor the table is short: where all cells are of the same clips, its head says how many,
    and the means over more clips are left out."""
    table = means(folder)
    table = table[(table.anchor == anchor) & table.codec.isin(codecs) & table.metric.isin(metrics)]
    cells = table.assign(cell=[cell(row) for row in table.itertuples()])
    head = f"BD-rate against {title or anchor}"
    clips = set(cells.clips[cells.clips != ""])
    if title and len(clips) == 1:
        (same,) = clips
        numbers = cells.cell.str.partition(";")[0].str.partition(" of ")[0]
        cells, head = cells.assign(cell=numbers), f"{head}, {same}"
    grid = cells.pivot(index="codec", columns="metric", values="cell")
    stale = set(table.codec[table.stale.str.contains("codec")])
    rows = [
        [f"{said} (stale)" if c in stale else said, *grid.loc[c, metrics]]
        for c, said in codecs.items()
        if c in grid.index
    ]
    mark = " (stale)" if table.stale.str.contains("anchor").any() else ""
    return markdown([f"{head}{mark}", *map(label, metrics)], rows)


def rate_table(folder: Path) -> str:
    """Means at each rate point."""
    run = load(folder)
    head, rows = mean_head(run), mean_rows(run)
    return means_note(run) + "\n" + markdown(head[:-1], [row[:-1] for row in rows])


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
        "BD-rate: mean over the clips on which every codec of a table that has a mean has a",
        "number, PCHIP on log rate, in brackets the 95 % bootstrap interval, after a semicolon the",
        "mean over all clips of a codec that has more; negative: fewer bits at equal quality.",
        "Rates are those of whole files. Stale: made or measured by another version of hdac than",
        "wrote the tables. What the numbers mean, and of which format they are:",
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
