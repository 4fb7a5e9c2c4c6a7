"""Tables of a run: markdown, LaTeX (booktabs), CSV, xlsx. The same points give the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from hdac.atomic import write_atomically
from hdac.bench.analysis import Comparison, Run, comparisons, label
from hdac.bench.published import ROWS
from hdac.bench.results import Point, csv_text, frames_csv
from hdac.bench.worst import worst_head, worst_rows
from hdac.metrics.registry import METRICS

Cells = Sequence[Sequence[str]]
_EPOCH = (1980, 1, 1, 0, 0, 0)
LAYERS = ("header", "base", "reference", "motion", "fusion")


def markdown(head: Sequence[str], rows: Cells) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _tex(text: str) -> str:
    for plain, escaped in (("%", r"\%"), ("_", r"\_"), ("&", r"\&"), ("±", r"$\pm$")):
        text = text.replace(plain, escaped)
    return text


def latex(head: Sequence[str], rows: Cells, caption: str) -> str:
    body = [" & ".join(map(_tex, cells)) + r" \\" for cells in (head, *rows)]
    return "\n".join(
        [r"\begin{table}", r"\centering", rf"\caption{{{_tex(caption)}}}", rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule",
         body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    )  # fmt: skip


def xlsx(sheets: Mapping[str, tuple[Sequence[str], Iterable[Sequence[object]]]]) -> bytes:
    """A workbook with fixed dates inside, so that equal tables are equal files."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, (head, rows) in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(list(head))
        for row in rows:
            sheet.append(list(row))
        sheet.freeze_panes = "A2"
    book.properties.created = book.properties.modified = datetime(*_EPOCH)
    raw, out = io.BytesIO(), io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":  # openpyxl writes the time of saving into it
                data = _without_time(data)
            new.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _without_time(data: bytes) -> bytes:
    import re

    return re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>1980-01-01T00:00:00Z", data)


# ---- rows


def about(run: Run) -> str:
    """What the tables measured."""
    a = run.about
    frames = f"the first {a['frames']} frames" if a["frames"] else "all frames"
    settings = "; ".join(
        f"{c}: {run.title(c)} ({a['codecs'][c]['parameter']} {', '.join(f'{v:g}' for v in a['codecs'][c]['points'])})"
        for c in run.codecs
    )
    lines = [
        f"{a['title']}. {len(run.sequences)} clips of `{a['set']}`, {frames}. Rate: whole files, kbps = 1000 bit/s.",
        f"Codecs: {settings}.",
    ]
    slow = [m for m in run.metrics if METRICS[m].contract.sampled]
    if a.get("every", 1) > 1 and slow:
        lines.append(
            f"{', '.join(METRICS[m].contract.title for m in slow)}: mean over every {a['every']}th frame."
        )
    models = sorted(
        {m for p in run.points.values() if (m := (p.record.get("decides") or {}).get("weights"))}
    )
    if models:
        lines.append(f"Weights: {', '.join(models)}.")
    skipped = {name: codec["skipped"] for name, codec in a["codecs"].items() if codec["skipped"]}
    lines += [f"Not run: {name} ({reason})." for name, reason in skipped.items()]
    lines += [
        f"Metric not available: {key} ({reason})."
        for key, reason in a["unavailable_metrics"].items()
    ]
    failed = {name: p.error for name, p in run.points.items() if p.error}
    lines += [
        f"Failed: {name} ({reason.splitlines()[0][:200]})." for name, reason in failed.items()
    ]
    if a["notes"]:
        lines.append(a["notes"])
    return "\n".join(lines) + "\n"


def summary_cell(c: Comparison) -> str:
    """Mean and interval; no mean of a few clips: fewer than half with a number is n/a."""
    s = c.summary
    if s.mean is None or 2 * s.numbers < s.total:
        notes = sorted({b.note for b in c.rate.values()})
        few = f", {s.numbers} of {s.total} clips" if s.numbers else ""
        return notes[0] if len(notes) == 1 else f"n/a (overlap {100 * s.overlap:.0f} %{few})"
    assert s.low is not None
    assert s.high is not None
    some = "" if s.numbers == s.total else f" of {s.numbers}/{s.total} clips"
    return f"{s.mean:+.1f} % [{s.low:+.1f}, {s.high:+.1f}]{some}"


def bd_rows(found: list[Comparison], anchor: str, metrics: Sequence[str]) -> list[list[str]]:
    """Codecs x metrics: mean BD-rate with its interval."""
    codecs = list(dict.fromkeys(c.codec for c in found if c.anchor == anchor))
    by = {(c.codec, c.metric): c for c in found if c.anchor == anchor}
    return [[codec, *(summary_cell(by[codec, m]) for m in metrics)] for codec in codecs]


def detail_rows(found: list[Comparison]) -> list[list[object]]:
    """`bd.csv`: one line a sequence, and the mean, of every comparison."""
    rows: list[list[object]] = []
    for c in found:
        for sequence, rate in c.rate.items():
            akima, quality = c.akima[sequence], c.quality[sequence]
            numbers = [
                _round(rate.value),
                _round(akima.value),
                _round(rate.overlap, 3),
                _round(quality.value, 5),
            ]
            rows.append(
                [c.metric, c.anchor, c.codec, sequence, *numbers, "", "", rate.note or quality.note]
            )
        s = c.summary
        numbers = [
            _round(s.mean),
            _round(c.mean_akima),
            _round(s.overlap, 3),
            _round(c.mean_quality, 5),
        ]
        note = f"{s.below_zero} wins, {s.numbers - s.below_zero} losses, {s.total - s.numbers} without a number"
        rows.append(
            [c.metric, c.anchor, c.codec, "mean", *numbers, _round(s.low), _round(s.high), note]
        )
        m = c.mean_curve
        rows.append(
            [
                c.metric,
                c.anchor,
                c.codec,
                "averaged curve",
                _round(m.value),
                "",
                _round(m.overlap, 3),
                "",
                "",
                "",
                m.note,
            ]
        )
    return rows


DETAIL_HEAD = ("metric", "anchor", "codec", "sequence", "bd_rate_pchip_percent", "bd_rate_akima_percent", "overlap", "bd_quality_pchip",
               "low_95", "high_95", "note")  # fmt: skip


def _round(value: float | None, digits: int = 3) -> float | str:
    return "" if value is None else round(value, digits)


def rd_head(run: Run) -> list[str]:
    return [
        "sequence",
        "codec",
        "value",
        "kbps",
        "bpp",
        *run.metrics,
        *(f"bits_{layer}" for layer in LAYERS),
        "frames",
        "fps",
        "status",
    ]


def rd_rows(run: Run) -> list[list[object]]:
    """`rd.csv`: one line a point."""
    rows = []
    for p in run.points.values():
        head: list[object] = [p.sequence, p.codec, f"{p.value:g}"]
        if p.error:
            rows.append([*head, *[""] * (len(rd_head(run)) - 4), "failed"])
            continue
        bits = p.record.get("bits") or {}
        scores = [_round(p.score(m), 6) for m in run.metrics]
        rows.append([*head, round(p.kbps, 4), p.record["results"]["bpp"][0], *scores, *(bits.get(layer, "") for layer in LAYERS),
                     p.record["frames"], p.record["fps"], "ok"])  # fmt: skip
    return rows


def mean_rows(run: Run) -> list[list[str]]:
    """Means over the sequences at each rate point; "failed" where one is missing."""
    rows = []
    for codec in run.codecs:
        for value in run.about["codecs"][codec]["points"]:
            points = run.at(codec, value)
            if any(p.error for p in points) or not points:
                rows.append([codec, f"{value:g}", "failed", *[""] * len(run.metrics), ""])
                continue
            cells = [_mean([p.score(m) for p in points], m) for m in run.metrics]
            rows.append(
                [
                    codec,
                    f"{value:g}",
                    f"{np.mean([p.kbps for p in points]):.2f}",
                    *cells,
                    _layers(points),
                ]
            )
    return rows


def _mean(values: list[float | None], metric: str) -> str:
    present = [v for v in values if v is not None]
    digits = {"dB": 2, "": 4, "levels": 3}.get(
        label(metric).rpartition("(")[2].rstrip(")") if "(" in label(metric) else "", 4
    )
    digits = 2 if metric in ("vmaf", "msvgg", "msvgg-lite") else digits
    return f"{np.mean(present):.{digits}f}" if present else "n/a"


def _layers(points: list[Point]) -> str:
    bits = [p.record["bits"] for p in points if p.record.get("bits")]
    if not bits:
        return ""
    total = sum(sum(b.values()) for b in bits)
    return ", ".join(
        f"{layer} {100 * sum(b[layer] for b in bits) / total:.1f}"
        for layer in LAYERS
        if any(b[layer] for b in bits)
    )


def time_rows(run: Run) -> list[list[str]]:
    """Seconds of this machine, one thread a process: not part of what two runs have in common."""
    from hdac.errors import HdacError
    from hdac.nets.cost import decoder_gmac
    from hdac.nets.zoo import find_model, load_model, serving

    rows = []
    for codec in run.codecs:
        points = run.of(codec)
        if not points:
            continue
        cells = []
        for side in ("encoding", "decoding"):
            timed = [
                (p.record["seconds"][side], p.record["frames"])
                for p in points
                if p.record["seconds"].get(side)
            ]
            cells.append(
                f"{1000 * sum(s for s, _ in timed) / sum(n for _, n in timed):.1f}"
                if timed
                else "n/a"
            )
        recipe, gmac = run.about["codecs"][codec]["recipe"], ""
        if recipe.get("mode", "base") != "base":
            record = points[0].record
            try:
                model = find_model(
                    serving(recipe["model"], recipe["mode"], recipe.get("tune", "psnr"))
                )
                gmac = f"{decoder_gmac(load_model(model), record['height'], record['width']):.2f}"
            except HdacError:
                gmac = "n/a"
        rows.append([codec, *cells, gmac])
    return rows


# ---- writing


def write_tables(run: Run) -> list[Comparison]:
    """All tables into the run's folder; returns the comparisons."""
    found = list(comparisons(run))
    folder = run.folder
    text = [f"# {run.about['title']}\n", about(run)]
    tex = []
    for anchor in (a for a in run.about["anchors"] if a in run.codecs):
        head, rows = ["BD-rate", *map(label, run.compared)], bd_rows(found, anchor, run.compared)
        text += [f"## BD-rate against {anchor}\n", "Mean over sequences, PCHIP on log rate; in brackets the 95 % bootstrap interval.\n",
                 markdown(head, rows)]  # fmt: skip
        tex.append(
            latex(
                head,
                rows,
                f"BD-rate against {anchor}, {len(run.sequences)} sequences, mean (95 % interval)",
            )
        )
        text.append(markdown([f"against {anchor}", *(f"{label(m)}: wins/numbers, overlap, Akima, averaged curve" for m in run.compared)],
                             _second_rows(found, anchor, run.compared)))  # fmt: skip
        headline = run.compared[0]
        by = {c.codec: c for c in found if c.anchor == anchor and c.metric == headline}
        per = [[s, *(c.rate[s].text() for c in by.values())] for s in run.sequences]
        text += [f"Per sequence, {label(headline)}:\n", markdown(["sequence", *by], per)]
    text += ["## Published, on other clips and with other anchor settings\n",
             markdown(["system", "against", "PSNR", "MS-SSIM", "msVGG", "source"], [list(r) for r in ROWS])]  # fmt: skip
    text += ["## Means over the sequences\n",
             markdown(["codec", "point", "kbps", *map(label, run.metrics), "bits by layer, %"], mean_rows(run))]  # fmt: skip
    write_atomically(folder / "bd.md", "\n".join(text).encode())
    write_atomically(folder / "bd.tex", "\n".join(tex).encode())
    write_atomically(folder / "bd.csv", csv_text(DETAIL_HEAD, detail_rows(found)).encode())
    write_atomically(folder / "rd.csv", csv_text(rd_head(run), rd_rows(run)).encode())
    sheets = {"BD": (DETAIL_HEAD, detail_rows(found)), "RD": (rd_head(run), rd_rows(run))}
    write_atomically(folder / "tables.xlsx", xlsx(sheets))
    per_frame = frames_csv(run.store, run.points.items(), tuple(run.metrics))
    if (
        per_frame.count("\n") > 1 or not (folder / "frames.csv").exists()
    ):  # a table of other metrics is better than an empty one
        write_atomically(folder / "frames.csv", per_frame.encode())
    if worst := worst_rows(run):
        write_atomically(folder / "worst.csv", csv_text(worst_head(run), worst).encode())
    note = (
        "Milliseconds a frame, one thread a process, several side by side; hdac: start-up excluded. environment.json is the machine of the "
        "last run: points that were kept from earlier runs may be another's.\n\n"
    )
    timed = markdown(
        ["codec", "encoding", "decoding", "network at the decoder, GMAC per frame"], time_rows(run)
    )
    write_atomically(folder / "time.md", (note + timed).encode())
    return found


def _second_rows(found: list[Comparison], anchor: str, metrics: Sequence[str]) -> list[list[str]]:
    codecs = list(dict.fromkeys(c.codec for c in found if c.anchor == anchor))
    by = {(c.codec, c.metric): c for c in found if c.anchor == anchor}
    rows = []
    for codec in codecs:
        cells = []
        for metric in metrics:
            c = by[codec, metric]
            akima = "n/a" if c.mean_akima is None else f"{c.mean_akima:+.1f} %"
            s = c.summary
            cells.append(
                f"{s.below_zero}/{s.numbers}, {100 * s.overlap:.0f} %, {akima}, {c.mean_curve.text()}"
            )
        rows.append([codec, *cells])
    return rows
