"""BD-rates as LaTeX tables for papers of two columns: booktabs, siunitx's `S` columns, as wide as
one column of the paper where that is enough, else as wide as its page.

Texts are data: none is read as markup.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hdac.bench.analysis import Comparison, Run, label
from hdac.bench.looks import looks_of
from hdac.bench.names import file_stem

#: In the preamble of a document that reads a table.
PACKAGES = r"\usepackage{booktabs,siunitx}"
#: Points (TeX's): one column and the page of LaTeX's own article class, letter paper, twocolumn,
#: which is narrower than those of IEEE and ACM.
_COLUMN, _PAGE = 229.0, 469.0
#: Points: a letter of text, between two columns of a table, the widest name of a codec.
_LETTER, _GAP, _STUB = 4.4, 6.0, 104.0
#: Rows that a page has room for, besides heads, caption and notes.
_ROWS = 24
#: Letters of a metric's name in one line of its head.
_LINE = 10
#: Points: a digit of a mean, a letter of its interval.
_DIGIT, _SMALL = 4.3, 3.4
_TEX = str.maketrans({
    **{c: rf"\{c}" for c in "%_&$#{}"}, "±": r"$\pm$", "~": r"\textasciitilde{}",
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "|": r"\textbar{}", "\n": " ",
    "<": r"\textless{}", ">": r"\textgreater{}", '"': "''",
})  # fmt: skip


class Cell(NamedTuple):
    """`mean`: percent, one decimal; `low` and `high`: of its interval; empty without one. `note`:
    what to know of it, or why there is no number."""

    mean: str = ""
    low: str = ""
    high: str = ""
    note: str = ""


def tex(text: str) -> str:
    """A text for LaTeX; "[" and "*" at its start would belong to the line break before."""
    return ("{}" if text[:1] in ("[", "*") else "") + text.translate(_TEX)


def cell(c: Comparison, text: str) -> Cell:
    """Of one comparison; `text`: all that is said of it (`tables.column_cell`)."""
    s = c.same.summary
    if s.mean is None or not text.startswith(f"{s.mean:+.1f} %"):
        return Cell(note=text)
    low, high = ("" if v is None else f"{v:+.1f}" for v in (s.low, s.high))
    _, _, more = text.partition("] " if low else " % ")
    return Cell(f"{s.mean:+.1f}", low, high, more.strip("; "))


def bd_table(
    run: Run,
    anchor: str,
    metrics: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Cell]]],
    clips: Sequence[int] = (),
    part: int = 1,
) -> str:
    """The float of one anchor, or several where a page is too low for one. `rows`: codecs, a cell a
    metric; `clips`: of how many clips each metric's means are, all if empty; `part`: which of
    several floats it is."""
    looks, archived = looks_of(run.about), [n for n, c in run.about.codecs.items() if c.archived]
    labels = [looks[codec].label for codec, _ in rows]
    counts, total = clips or [len(run.sequences)] * len(metrics), len(run.sequences)
    alike = len(set(counts)) == 1
    few = [[] if alike or n == total else [f"({n} clips)"] for n in counts]
    heads = [[*_lines(label(m)), *said] for m, said in zip(metrics, few, strict=True)]
    columns = [[cells[i] for _, cells in rows] for i in range(len(metrics))]
    widths = [_width(head, column) for head, column in zip(heads, columns, strict=True)]
    stub = min(_STUB, max(_LETTER * len(name) + _GAP for name in labels))
    wide = stub + sum(widths) > _COLUMN
    blocks = _blocks(widths, (_PAGE if wide else _COLUMN) - stub)
    if len(blocks) > 1 and len(rows) * len(blocks) > _ROWS:
        return "\n".join(
            bd_table(
                run, anchor, metrics[block], [(name, cells[block]) for name, cells in rows],
                counts[block], i,
            )
            for i, block in enumerate(blocks, 1)
        )  # fmt: skip
    made = "made elsewhere"
    notes = [made] if any(codec in archived for codec, _ in rows) else []
    notes += [c.note for block in blocks for _, cells in rows for c in cells[block] if c.note]
    marks = {note: _mark(i) for i, note in enumerate(dict.fromkeys(notes))}
    names = [
        (name, marks[made] if codec in archived else "")
        for name, (codec, _) in zip(labels, rows, strict=True)
    ]
    star = "*" if wide else ""
    caption = f"BD-rate (%) against {looks[anchor].label}: {_of(counts, total)}"
    if any(c.low for _, cells in rows for c in cells):
        caption += ", with the ends of its 95 % bootstrap interval"
    caption += "; negative: fewer bits at equal quality."
    tabulars = [_tabular(names, heads[block], columns[block], marks, stub) for block in blocks]
    explained = "; ".join(rf"\textsuperscript{{{m}}}{tex(note)}" for note, m in marks.items())
    return "\n".join([
        rf"\begin{{table{star}}}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\renewcommand{\arraystretch}{1.35}\sisetup{retain-explicit-plus}",
        rf"\caption{{{tex(caption)}}}", rf"\label{{{reference(run, anchor, part)}}}\smallskip",
        "\\par\\medskip\n".join(tabulars)
        + (rf"\par\smallskip{{\scriptsize\raggedright {explained}\par}}" if marks else "%"),
        rf"\end{{table{star}}}", "",
    ])  # fmt: skip


def _of(counts: Sequence[int], total: int) -> str:
    """What the caption says of the clips; heads say it of columns that are not alike."""
    clips = f"{total} clip{'s' if total > 1 else ''}"
    if len(set(counts)) > 1:
        return f"mean over {clips}, or as many as a head says"
    return f"mean over {clips if counts[0] == total else f'{counts[0]} of {clips}'}"


def reference(run: Run, anchor: str, part: int = 1) -> str:
    r"""What `\ref` calls the table of an anchor, or a later part of it."""
    name = "tab:" + file_stem(run.about.name, anchor).replace("~", ".")
    return name if part == 1 else f"{name}.{part}"


def _mark(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    first, second = divmod(index, 26)
    return ("" if not first else _mark(first - 1)) + chr(ord("a") + second)


def _lines(text: str) -> list[str]:
    """A head's words in lines that are short, where words are."""
    lines = [""]
    for word in text.split():
        both = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], both] if len(both) <= _LINE else [*filter(None, lines), word]
    return lines


def _width(head: Sequence[str], column: Sequence[Cell]) -> float:
    """Points that a metric's two columns take, with what is between them and the next."""
    marked = any(c.note for c in column)
    mean = _DIGIT * max(len(c.mean or "n/a") for c in column)
    interval = _SMALL * (max(max(len(c.low), len(c.high)) for c in column) + marked)
    return max(mean + interval, _LETTER * max(map(len, head))) + 2 * _GAP


def _blocks(widths: Sequence[float], room: float) -> list[slice]:
    """Metrics in as few tabulars as they fit into, of about as many each."""
    widest = max(1, min(len(widths), int(room // max(widths))))
    if sum(widths) <= room:
        widest = len(widths)
    count = math.ceil(len(widths) / widest)
    size = math.ceil(len(widths) / count)
    return [slice(i, i + size) for i in range(0, len(widths), size)]


def _tabular(
    names: Sequence[tuple[str, str]],
    heads: Sequence[Sequence[str]],
    columns: Sequence[Sequence[Cell]],
    marks: dict[str, str],
    stub: float,
) -> str:
    formats = "".join(f"S[table-format={_format(column)}]@{{\\,}}l" for column in columns)
    stacks = [r"\\".join(map(tex, lines)) for lines in heads]
    head = "".join(rf" & \multicolumn{{2}}{{c}}{{\shortstack{{{stack}}}}}" for stack in stacks)
    body = []
    for i, (name, mark) in enumerate(names):
        above = rf"\textsuperscript{{{mark}}}" if mark else ""
        cells = "".join(_cell(column[i], marks) for column in columns)
        body.append(rf"{tex(name)}{above}{cells} \\")
    width = f">{{\\raggedright\\arraybackslash}}p{{{stub - _GAP:.0f}pt}}"
    return "\n".join([
        rf"\begin{{tabular}}{{@{{}}{width}{formats}@{{}}}}", r"\toprule", rf"{head} \\",
        r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
    ])  # fmt: skip


def _format(column: Sequence[Cell]) -> str:
    digits = max((len(c.mean) - len("+.0") for c in column if c.mean), default=1)
    return f"+{digits}.1"


def _cell(c: Cell, marks: dict[str, str]) -> str:
    mark = rf"\,\textsuperscript{{{marks[c.note]}}}" if c.note else ""
    if not c.mean:
        return f" & {{n/a}} & {mark}"
    if not c.low:
        return f" & {c.mean} & {mark}"
    return rf" & {c.mean} & $_{{{c.low}}}^{{{c.high}}}${mark}"
