"""Tables as markdown and CSV. Texts are data: none is read as markup."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

Cells = Sequence[Sequence[str]]
#: What markdown reads as markup; "_" not inside of words.
_MARKUP = re.compile(r"[\\|*`<$~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def markdown(head: Sequence[str], rows: Cells) -> str:
    lines = [head, ["---"] * len(head), *rows]
    plain = ([_MARKUP.sub(r"\\\g<0>", c).replace("\n", " ") for c in cells] for cells in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in plain)


def filled(page: str, maker: str, table: str) -> str:
    """A page of markdown with the table that the script `maker` makes for it made anew.

    Raises `ValueError` for a page that has no place for it."""
    begin, end = f"<!-- table: {maker} -->\n", "<!-- end of table -->\n"
    before, rest = page.split(begin)
    return before + begin + table + end + rest.split(end, 1)[1]


def is_formula(cell: object) -> bool:
    """Whether a spreadsheet would take a text for a formula."""
    if not isinstance(cell, str) or cell[:1] not in _FORMULA:
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Texts that a spreadsheet would take for formulas get an apostrophe in front."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    table.writerows([f"'{c}" if is_formula(c) else c for c in row] for row in rows)
    return text.getvalue()


def unquoted(cell: str) -> str:
    """What `csv_text` was given for a cell."""
    return cell[1:] if cell[:1] == "'" and is_formula(cell[1:]) else cell
