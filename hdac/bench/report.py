"""`report.html`: one file, opened from disk, that shows curves, tables and players.

Clips of a private set never get into `report.html`; for them the page with players is
`report-players.html`, which is not to be published (`results/.gitignore` keeps it out).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hdac.atomic import write_atomically
from hdac.bench.analysis import Comparison, Run, higher_is_better, label, score
from hdac.bench.bd import MIN_OVERLAP
from hdac.bench.compressai import Extra
from hdac.bench.figures import averaged_points, extra_scores
from hdac.bench.players import players
from hdac.bench.published import ROWS
from hdac.bench.tables import about, bd_rows, rd_head, rd_rows
from hdac.bench.worst import worst_head, worst_rows
from hdac.errors import HdacError

TEMPLATE = Path(__file__).with_name("report.html.j2")
PRIVATE = (
    "No players here: the clips of this set may not be published. On a machine that has them, `hdac experiment report` also writes "
    "report-players.html."
)
_COLOURS = ("#D55E00", "#000000", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999999")
_DASHES = ("solid", "solid", "dash", "dot", "dashdot", "solid", "dash", "dot")
_SYMBOLS = ("circle", "square", "triangle-up", "triangle-down", "diamond", "cross", "x", "star")


def write_report(
    run: Run,
    found: list[Comparison],
    extra: Sequence[Extra],
    data: str | None = None,
    with_players: bool = True,
) -> list[Path]:
    """Writes the page, and for a private set the one with players beside it; returns their
    paths."""
    private = any(s["media"] == "private" for s in run.about["sequences"].values())
    try:
        shown, reason = (
            (players(run, data), "")
            if with_players
            else ([], "No players here: made with --no-players.")
        )
    except HdacError as error:
        shown, reason = [], f"No players here: {error}"
    paths = [run.folder / "report.html"]
    if private and not with_players:
        reason = PRIVATE
    if private and shown:
        paths.append(run.folder / "report-players.html")
        write_atomically(paths[1], _page(run, found, extra, shown, "").encode())
        shown, reason = [], PRIVATE
    write_atomically(paths[0], _page(run, found, extra, shown, reason).encode())
    return paths


def _page(
    run: Run,
    found: list[Comparison],
    extra: Sequence[Extra],
    shown: list[dict[str, Any]],
    reason: str,
) -> str:
    import jinja2
    from plotly.offline import get_plotlyjs

    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    anchors = [a for a in run.about["anchors"] if a in run.codecs]
    tables = [
        {
            "anchor": a,
            "head": ["codec", *map(label, run.compared)],
            "rows": bd_rows(found, a, run.compared),
        }
        for a in anchors
    ]
    data = {
        **curves(run, extra),
        "players": [{k: v for k, v in player.items() if k != "worst"} for player in shown],
    }
    worst = {"head": worst_head(run), "rows": [[_short(c) for c in r] for r in worst_rows(run)], "metric": label(run.metrics[0]),
             "pictures": [{**picture, "clip": p["sequence"], "near": p["near"]} for p in shown for picture in p["worst"]]}  # fmt: skip
    try:
        where = (run.folder / "environment.json").read_text(encoding="utf-8")
    except OSError:
        where = "unknown: environment.json is missing"
    return template.render(
        title=run.about["title"], about=about(run), bd=tables, min_overlap=f"{100 * MIN_OVERLAP:.0f}",
        published={"head": ["system", "against", "PSNR", "MS-SSIM", "msVGG", "source"], "rows": [list(r) for r in ROWS]},
        players=bool(shown), no_players=reason, points={"head": rd_head(run), "rows": [[_short(c) for c in r] for r in rd_rows(run)]},
        worst=worst, environment=where, plotly=get_plotlyjs(), data=json.dumps(data, allow_nan=False).replace("</", "<\\/"),
    )  # fmt: skip


def _short(cell: object) -> str:
    return f"{cell:.5g}" if isinstance(cell, float) else str(cell)


def curves(run: Run, extra: Sequence[Extra]) -> dict[str, Any]:
    """Everything that the page's curves need, as JSON."""
    out: list[dict[str, Any]] = []
    for metric in run.compared:
        for codec in run.codecs:
            rates, values = averaged_points(run, codec, metric)
            out.append(
                {
                    "metric": metric,
                    "sequence": "average",
                    "codec": codec,
                    "kbps": rates,
                    "values": values,
                    "points": [""] * len(rates),
                }
            )
            for sequence in run.sequences:
                parameter = run.about["codecs"][codec]["parameter"]
                points = [
                    (p.kbps, s, f"{parameter} {p.value:g}")
                    for p in run.of(codec, sequence)
                    if (s := score(p, metric)) is not None
                ]
                kbps, found, texts = zip(*sorted(points), strict=True) if points else ((), (), ())
                out.append(
                    {
                        "metric": metric,
                        "sequence": sequence,
                        "codec": codec,
                        "kbps": kbps,
                        "values": found,
                        "points": texts,
                    }
                )
        for other in extra:
            scores = extra_scores(other, metric)
            if scores:
                out.append({"metric": metric, "sequence": "average", "codec": other.name, "kbps": other.kbps, "values": scores,
                            "points": ["extra"] * len(scores)})  # fmt: skip
    looks = {
        codec: {"color": _COLOURS[i % 8], "dash": _DASHES[i % 8], "symbol": _SYMBOLS[i % 8]}
        for i, codec in enumerate([*run.codecs, *(e.name for e in extra)])
    }
    metrics = [{"key": m, "label": label(m), "up": higher_is_better(m)} for m in run.compared]
    return {"metrics": metrics, "sequences": run.sequences, "curves": out, "looks": looks}
