"""Writes docs/results.md, and the table of README.md, from what lies in results/.

HDAC_MODELS=models python experiments/results_page.py    # after each run whose results are kept
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from hdac.bench.analysis import Run, comparisons, label, load
from hdac.bench.cells import filled, markdown, unquoted
from hdac.bench.manifest import Manifest, load_manifest
from hdac.bench.means import mean_head, mean_rows, means_note
from hdac.bench.shares import share_tables
from hdac.bench.stale import stale_rows
from hdac.bench.tables import bd_cell, dropped_lines, marked
from hdac.bench.times import TIME_NOTE, time_table

ROOT = Path(__file__).parents[1]
RESULTS, PAGE, README = ROOT / "results", ROOT / "docs" / "results.md", ROOT / "README.md"
#: README's table: experiment, anchor, codecs (those that the experiment has) and metrics.
EXPERIMENT, ANCHOR, SOFTWARE = "reference_software", "hm-ldb", "HM (HEVC)"
CODECS = {
    "x265-tuned": "x265 (HEVC), veryslow, tuned",
    "vtm-ldb": "VTM (VVC)",
    "hdac-base-mixed": "hdac, default, base layer alone",
    "hdac-hybrid-mixed": "hdac, default",
    "hdac-base-auto": "hdac, base codec auto, preset slower, base layer alone",
    "hdac-hybrid-auto": "hdac, base codec auto, preset slower",
}
METRICS = ("psnr-y", "ms-ssim-y", "lpips-squeeze", "vmaf")


def experiments() -> list[Path]:
    """Folders of experiments, that of README's table first."""
    found = sorted(path.parent for path in RESULTS.glob("*/experiment.json"))
    return sorted(found, key=lambda path: path.name != EXPERIMENT)


def commit(folder: Path) -> str:
    """Of the last run."""
    return str(json.loads((folder / "environment.json").read_text("utf-8"))["commit"])


def means(folder: Path) -> pd.DataFrame:
    """The means over the sequences in bd.csv: those over the clips of the table's column, or
    (`apart`) of a codec that has too few to share them, with what the row over all clips of a
    codec says as `own` and `note`."""
    table = pd.read_csv(folder / "bd.csv", keep_default_na=False)
    table[["anchor", "codec"]] = table[["anchor", "codec"]].map(unquoted)
    keys = ["metric", "anchor", "codec"]
    shown = table[table.sequence.isin(("common", "apart"))].set_index(keys)
    own = table[table.sequence == "mean"].set_index(keys)
    columns = shown[["bd_rate_pchip_percent", "low_95", "high_95"]]
    joined = (
        own[["stale", "note"]]
        .assign(own=own.bd_rate_pchip_percent)
        .join(columns.assign(clips=shown.note, apart=shown.sequence == "apart"))
    )
    return joined.fillna({"apart": False}).fillna("").reset_index()


def counts(row: Any) -> tuple[int, int]:
    """Clips that a cell is of, and those of the set."""
    clips, total = row.clips.split()[::2]
    return int(clips), int(total)


def cell(row: Any, more: bool = True) -> str:
    """Mean BD-rate and its interval, with `more` beside it that over all clips of a codec that has
    more than its column; or why there is none."""
    if row.own == "":
        return str(row.note).partition(";")[0]
    clips, total = counts(row)
    own = sum(int(part.split()[0]) for part in row.note.split(", ")[:3])
    tail = f"; {own} clip{'s' * (own > 1)}: {float(row.own):+.1f} %" if own > clips and more else ""
    if row.bd_rate_pchip_percent == "":
        return f"n/a ({clips} of {total} clips in common){tail}"
    interval = f" [{float(row.low_95):+.1f}, {float(row.high_95):+.1f}]" if row.low_95 != "" else ""
    some = f" of {clips}/{total} clips" if row.apart and clips < total else ""
    return f"{float(row.bd_rate_pchip_percent):+.1f} %{interval}{some}{tail}"


def bd_table(
    folder: Path,
    about: Manifest,
    anchor: str,
    metrics: list[str],
    codecs: dict[str, str],
    title: str = "",
) -> str:
    """Codecs x metrics against one anchor; `codecs`: name -> title, in order. With a `title` for
    the anchor the table is short: without means over more clips than its columns have."""
    table = means(folder)
    stale = stale_rows(about, stale_codecs(table))
    table = table[(table.anchor == anchor) & table.codec.isin(codecs) & table.metric.isin(metrics)]
    cells = table.assign(cell=[cell(row, not title) for row in table.itertuples()])
    grid = cells.pivot(index="codec", columns="metric", values="cell")
    heads = [column_head(metric, table[table.metric == metric]) for metric in metrics]
    rows = [
        [f"{said} (stale)" if c in stale.marked else said, *grid.loc[c, metrics]]
        for c, said in codecs.items()
        if c in grid.index
    ]
    mark = " (stale)" if anchor in stale.marked else ""
    return markdown([f"BD-rate against {title or anchor}{mark}", *heads], rows)


def column_head(metric: str, column: pd.DataFrame) -> str:
    """A metric's name, and of how many clips its column is, if not of all."""
    found = {counts(row) for row in column.itertuples() if row.clips and not row.apart}
    few = [f", {clips}/{total} clips" for clips, total in found if clips < total]
    return label(metric) + "".join(few)


def stale_codecs(table: pd.DataFrame) -> set[str]:
    """Codecs of `means` that were of another version than wrote bd.csv."""
    return {
        str(getattr(row, side))
        for row in table.itertuples()
        for side in ("anchor", "codec")
        if side in row.stale
    }


def rate_table(run: Run) -> str:
    """Means at each rate point."""
    head, rows = mean_head(run), mean_rows(run)
    return means_note(run) + "\n" + markdown(head[:-1], [row[:-1] for row in rows])


def section(folder: Path) -> str:
    about, name, table = load_manifest(folder), folder.name, means(folder)
    codecs = {
        codec: f"{codec} (archived)" if entry.archived else codec
        for codec, entry in about.codecs.items()
        if not entry.skipped
    }
    metrics = list(table.metric.unique())
    frames = f"first {about.frames} frames" if about.frames else "all frames"
    lines = [
        f"## {about.title}\n",
        f"`hdac experiment run {name}`: {len(about.sequences)} clips of `{about.set}`, "
        f"{frames}. Last run at commit {commit(folder)}. "
        f"[All tables](../results/{name}/bd.md).\n{stale_rows(about, stale_codecs(table)).line()}",
    ]
    run = load(folder)
    found = list(comparisons(run))
    for anchor in about.anchors:
        lines.append(bd_table(folder, about, anchor, metrics, codecs))
        lines += ["".join(f"- {line}\n" for line in dropped_lines(found, anchor, metrics))]
    for table in [*share_tables(run, bd_cell), time_table(run)._replace(note="")]:
        rows = markdown(table.head, marked(run, table.rows))
        lines.append(f"{f'**{table.title}.** {table.note}'.strip()}\n\n{rows}")
    if (folder / "figures" / f"rd_{metrics[0]}.svg").exists():
        lines.append(f"![curves](../results/{name}/figures/rd_{metrics[0]}.svg)\n")
    return "\n".join([*filter(None, lines), "Means over the clips:\n", rate_table(run)])


def page() -> str:
    head = [
        "# Results\n",
        "Made by `HDAC_MODELS=models python experiments/results_page.py` from `results/`: change",
        "nothing by hand.",
        "BD-rate: mean over the clips on which every codec of a table has a number, PCHIP on log",
        "rate, in brackets the 95 % bootstrap interval, after a semicolon the mean over all clips",
        "of a codec that has more; negative: fewer bits at equal quality. One that has a number on",
        "few clips is apart: its mean is of its own. Rates are those of whole files. Stale: of",
        "another version of hdac than wrote the tables. What the numbers mean, and of which format",
        "they are: [docs/measured/results.md](measured/results.md).\n",
        f"Times: {TIME_NOTE}".rstrip() + "\n",
    ]
    return "\n".join([*head, *map(section, experiments())])


def on_their_clips(folder: Path) -> list[str]:
    """The best row over the clips of each that is apart, in the first metric."""
    table = means(folder)
    table = table[(table.metric == METRICS[0]) & (table.anchor == ANCHOR)].set_index("codec")
    detail = pd.read_csv(folder / "bd.csv", keep_default_na=False)
    detail = detail[(detail.metric == METRICS[0]) & (detail.anchor == ANCHOR)]
    numbers = detail[detail.sequence.isin(load_manifest(folder).sequences)].pivot(
        index="sequence", columns="codec", values="bd_rate_pchip_percent"
    )
    numbers = numbers.apply(pd.to_numeric)
    best = [codec for codec in CODECS if codec in table.index][-1]
    return [
        f"On the clips of {CODECS[codec]}: {CODECS[best]} "
        f"{numbers[best][numbers[codec].notna()].mean():+.1f} % in {label(METRICS[0])}."
        for codec in CODECS
        if codec in table.index and table.loc[codec].apart
    ]


def readme(text: str) -> str:
    """README.md with its table made anew."""
    folder = RESULTS / EXPERIMENT
    about = load_manifest(folder)
    table = bd_table(folder, about, ANCHOR, list(METRICS), CODECS, SOFTWARE)
    table += "".join(f"\n{line}\n" for line in on_their_clips(folder))
    stale = stale_codecs(means(folder)) & set(CODECS)
    note = f"\nMade at commit {commit(folder)}, by an older hdac than wrote this.\n"
    return filled(text, "experiments/results_page.py", table + note * bool(stale))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    README.write_text(readme(README.read_text("utf-8")), "utf-8")
