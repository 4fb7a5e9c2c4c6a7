"""Tables: what stands in a cell, in every format, and that equal tables are equal bytes."""

import io
import zipfile

import openpyxl
import pytest

from hdac.bench.analysis import Comparison, label
from hdac.bench.bd import Bd
from hdac.bench.cells import latex, markdown, xlsx
from hdac.bench.tables import summary_cell


def compared(values: list[float | None]) -> Comparison:
    rate = {
        str(i): Bd(v, 0.8 if v is not None else 0.1, "" if v is not None else "n/a (overlap 10 %)")
        for i, v in enumerate(values)
    }
    return Comparison("psnr-y", "a", "b", rate, rate, rate, Bd(-1.0, 1.0))


def test_cells() -> None:
    assert summary_cell(compared([-10.0, -20.0])) == "-15.0 % [-20.0, -10.0]"
    assert summary_cell(compared([-10.0, -20.0, None])) == "-15.0 % [-20.0, -10.0] of 2/3 clips"
    assert summary_cell(compared([None, None])) == "n/a (overlap 10 %)"
    assert summary_cell(compared([-10.0, None, None])) == "n/a (overlap 33 %, 1 of 3 clips)"


def test_markdown_and_latex() -> None:
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    text = latex(["codec", "x"], [["a_b", "-1 %"]], "100 % & more")
    assert r"\begin{tabular}{lr}" in text
    assert r"a\_b & -1 \% \\" in text
    assert r"\caption{100 \% \& more}" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1


def test_workbooks_are_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    sheets = {"BD": (["codec", "value"], [["a", -1.5], ["b", ""]]), "RD": (["x"], [[1]])}
    first = xlsx(sheets)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert xlsx(sheets) == first
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


def test_labels() -> None:
    assert label("psnr-y") == "PSNR-Y (dB)"
    assert label("ms-ssim-y-db") == "MS-SSIM-Y (dB)"
    assert label("ms-ssim-y") == "MS-SSIM-Y"
