"""`tables.xlsx`: numbers as numbers, and the averaged rate-distortion curves as charts."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from hdac.bench.analysis import Run, label
from hdac.bench.cells import is_formula
from hdac.bench.figures import averaged_points

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODIFIED = rb"\g<1>1980-01-01T00:00:00Z"
#: Of a chart, in cm.
_SIZE = (17.0, 10.5)
#: Where charts begin: columns of cells, and rows between two of them.
_LEFT, _DOWN = ("A", "L"), 23
CHARTS, CURVES = "Charts", "Curves"
_HEAD = ("metric", "codec", "kbps", "score")

Sheet = tuple[Sequence[str], Iterable[Sequence[object]]]


class Curve(NamedTuple):
    """A codec's means over the sequences, in the order of rates."""

    codec: str
    kbps: Sequence[float]
    scores: Sequence[float]


def tables_workbook(run: Run, sheets: Mapping[str, Sheet]) -> bytes:
    """`tables.xlsx` of a run: rate points and frame rates, which are texts elsewhere, are numbers
    here."""
    head, rows = sheets["RD"]
    numbers = [list(head).index(name) for name in ("value", "fps")]
    plain = [[_plain(c) if j in numbers else c for j, c in enumerate(row)] for row in rows]
    curves = {
        (m, label(m)): [Curve(c, *averaged_points(run, c, m)) for c in run.codecs]
        for m in run.compared
    }
    return workbook({**sheets, "RD": (head, plain)}, curves)


def _plain(cell: object) -> object:
    """The number that a text is: 30000/1001 is 29.97..."""
    return float(Fraction(cell)) if isinstance(cell, str) and cell else cell


def workbook(
    sheets: Mapping[str, Sheet], curves: Mapping[tuple[str, str], Sequence[Curve]] | None = None
) -> bytes:
    """A workbook with fixed dates inside, so that equal tables are equal files. `curves`: by key
    and label of a metric; each metric has a chart."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, (head, rows) in sheets.items():
        _fill(book, name, (head, *rows))
    drawn = {
        metric: lines for metric, lines in (curves or {}).items() if any(c.kbps for c in lines)
    }
    if drawn:
        _draw(book, drawn)
    book.properties.created = book.properties.modified = datetime(*_EPOCH)
    raw = io.BytesIO()
    book.save(raw)
    return _dated(raw)


def _fill(book: Workbook, name: str, rows: Iterable[Sequence[object]]) -> None:
    sheet: Any = book.create_sheet(name)
    for i, row in enumerate(rows, 1):
        for j, value in enumerate(row, 1):
            if not isinstance(value, str):
                sheet.cell(i, j, value)
            elif value:
                cell = sheet.cell(i, j, _legal(value))
                cell.data_type, cell.quotePrefix = "s", is_formula(value)
    sheet.freeze_panes = "A2"


def _legal(text: str) -> str:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    return str(ILLEGAL_CHARACTERS_RE.sub("?", text))


def _draw(book: Workbook, curves: Mapping[tuple[str, str], Sequence[Curve]]) -> None:
    """A sheet of charts, and one of what they show."""
    charts: Any = book.create_sheet(CHARTS)
    rows = [_HEAD, *_rows(curves)]
    _fill(book, CURVES, rows)
    first = 2
    for index, ((_, title), lines) in enumerate(curves.items()):
        chart = _chart(title, lines)
        for line in lines:
            last = first + len(line.kbps) - 1
            if line.kbps:
                chart.series.append(_series(book[CURVES], line.codec, first, last))
            first = last + 1
        down, right = divmod(index, len(_LEFT))
        charts.add_chart(chart, f"{_LEFT[right]}{1 + down * _DOWN}")


def _rows(curves: Mapping[tuple[str, str], Sequence[Curve]]) -> Iterator[Sequence[object]]:
    for (metric, _), lines in curves.items():
        for line in lines:
            for kbps, score in zip(line.kbps, line.scores, strict=True):
                yield metric, line.codec, kbps, score


def _series(sheet: Any, codec: str, first: int, last: int) -> Any:
    from openpyxl.chart import Reference, Series
    from openpyxl.chart.marker import Marker
    from openpyxl.chart.series import SeriesLabel

    x, y = (Reference(sheet, min_col=c, min_row=first, max_row=last) for c in (3, 4))
    series = Series(y, x)
    series.tx, series.marker, series.smooth = SeriesLabel(v=_legal(codec)), Marker("auto"), False
    return series


def _chart(title: str, lines: Sequence[Curve]) -> Any:
    """An empty chart whose axes suit the curves: doubling rates, scores from below the lowest."""
    from openpyxl.chart import ScatterChart

    chart: Any = ScatterChart(scatterStyle="lineMarker")
    chart.width, chart.height = _SIZE
    chart.title, chart.legend.position = _legal(title), "b"
    rates = [rate for line in lines for rate in line.kbps]
    scores = [score for line in lines for score in line.scores]
    x, y = chart.x_axis, chart.y_axis
    x.title, y.title = "rate (kbps)", _legal(title)
    for titled in (chart, x, y):
        titled.title.overlay = False  # else spreadsheets draw titles over the curves
    x.axPos, x.delete, y.delete = "b", False, False  # openpyxl hides axes
    x.scaling.logBase = 2
    x.scaling.min = 2.0 ** math.floor(math.log2(min(rates)))
    x.scaling.max = 2.0 ** math.ceil(math.log2(max(rates)) + 1e-9)
    y.scaling.min, y.scaling.max, y.majorUnit = score_range(min(scores), max(scores))
    x.number_format = y.number_format = "General"
    x.crosses = y.crosses = "min"
    return chart


def score_range(low: float, high: float) -> tuple[float, float, float]:
    """Round bounds around scores, and the step between lines: 4 to 10 of them."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span))
    step = next(s * power for s in (0.1, 0.2, 0.5, 1.0, 2.0) if span / (s * power) <= 8)
    down, up = math.floor(low / step), math.ceil(high / step)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return round(down * step, digits), round(max(up, down + 1) * step, digits), round(step, digits)


def _dated(raw: io.BytesIO) -> bytes:
    """The same file whose parts bear one date; openpyxl writes the time of saving into it."""
    out = io.BytesIO()
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", _MODIFIED, data)
            new.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
