"""Tables: what stands in a cell, in every format, and that equal tables are equal bytes."""

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from hdac.bench.analysis import Comparison, label, load
from hdac.bench.bd import Bd
from hdac.bench.cells import markdown
from hdac.bench.tables import summary_cell, write_tables
from hdac.bench.workbook import score_range, workbook
from tests.bench.conftest import results_folder


def compared(values: list[float | None]) -> Comparison:
    rate = {
        str(i): Bd(v, 0.8 if v is not None else 0.1, "" if v is not None else "n/a (overlap 10 %)")
        for i, v in enumerate(values)
    }
    return Comparison("psnr-y", "a", "b", rate, rate, rate, Bd(-1.0, 1.0))


def test_cells() -> None:
    assert summary_cell(compared([-10.0, -20.0])) == "-15.0 % [-20.0, -10.0]"
    assert summary_cell(compared([-10.0, -20.0, None])) == "-15.0 % [-20.0, -10.0] of 2/3 clips"
    assert summary_cell(compared([-10.0])) == "-10.0 %"
    assert summary_cell(compared([None, None])) == "n/a (overlap 10 %)"
    assert summary_cell(compared([-10.0, None, None])) == "n/a (overlap 33 %, 1 of 3 clips)"


def test_markdown() -> None:
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_workbooks_are_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    sheets = {"BD": (["codec", "value"], [["a", -1.5], ["b", ""]]), "RD": (["x"], [[1]])}
    first = workbook(sheets)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert workbook(sheets) == first
    book = openpyxl.load_workbook(io.BytesIO(first))
    assert book.sheetnames == ["BD", "RD"]
    assert [[c.value for c in row] for row in book["BD"].iter_rows()] == [
        ["codec", "value"],
        ["a", -1.5],
        ["b", None],
    ]
    assert {i.date_time for i in zipfile.ZipFile(io.BytesIO(first)).infolist()} == {
        (1980, 1, 1, 0, 0, 0)
    }


def test_numbers_are_numbers_and_curves_are_charts(tmp_path: Path) -> None:
    points = {
        ("001", c, v): (64.0 / 2**i + j, {"psnr-y": 40.0 - 3 * i, "vmaf": 90.0 - 9 * i})
        for j, c in enumerate("ab")
        for i, v in enumerate((22, 27.5, 32))
    }
    folder = results_folder(tmp_path, points, ("psnr-y", "vmaf"))
    write_tables(load(folder))
    book = openpyxl.load_workbook(folder / "tables.xlsx")
    assert book.sheetnames == ["BD", "RD", "Charts", "Curves"]
    head, *rows = book["RD"].iter_rows(values_only=True)
    for column in ("value", "kbps", "bpp", "psnr-y", "vmaf", "frames", "fps"):
        assert {type(row[head.index(column)]) for row in rows} <= {int, float}, column
    assert {row[0] for row in rows} == {"001"}
    assert [row[2] for row in rows[:3]] == [22, 27.5, 32]
    _, *curves = book["Curves"].iter_rows(values_only=True)
    assert curves[:3] == [("psnr-y", "a", 16, 34), ("psnr-y", "a", 32, 37), ("psnr-y", "a", 64, 40)]
    first, second = book["Charts"]._charts
    assert [[s.tx.v for s in chart.series] for chart in (first, second)] == [["a", "b"]] * 2
    refs = [(s.xVal.numRef.f, s.yVal.numRef.f) for s in second.series]
    assert refs == [
        ("'Curves'!$C$8:$C$10", "'Curves'!$D$8:$D$10"),
        ("'Curves'!$C$11:$C$13", "'Curves'!$D$11:$D$13"),
    ]
    x, y = first.x_axis.scaling, first.y_axis.scaling
    assert (x.logBase, x.min, x.max, y.min, y.max) == (2, 16, 128, 34, 40)


@pytest.mark.parametrize(
    ("low", "high", "bounds"),
    [
        (28.3, 41.2, (28, 42, 2)), (0.981, 0.9953, (0.98, 0.996, 0.002)), (5, 5, (5, 6, 1)),
        (17.2, 96.1, (10, 100, 10)), (-3.2, 4.1, (-4, 5, 1)),
    ],
)  # fmt: skip
def test_bounds_of_an_axis(low: float, high: float, bounds: tuple[float, ...]) -> None:
    found = score_range(low, high)
    assert found[0] <= low <= high <= found[1]
    assert found == pytest.approx(bounds)


def test_labels() -> None:
    assert label("psnr-y") == "PSNR-Y (dB)"
    assert label("ms-ssim-y-db") == "MS-SSIM-Y (dB)"
    assert label("ms-ssim-y") == "MS-SSIM-Y"
