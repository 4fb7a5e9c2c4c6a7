"""What figures share: sizes in print, axes of rates, legends, files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hdac.atomic import write_atomically
from hdac.bench.looks import shown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What rates are drawn in: kbit/s, or bits a pixel.
Axis = Literal["kbps", "bpp"]
STYLE = Path(__file__).with_name("paper.mplstyle")
#: Inches: one column of a paper, and both.
COLUMN, PAGE = 3.3, 7.0
MAX_TICKS = 12
LEGEND_ROW_INCHES = 0.13
#: The fonts of an SVG, whose texts stay texts: where a browser lacks the first, another one as wide
#: as it (DejaVu Serif is wider: names in legends ran into each other).
_FAMILIES = (
    b"'STIXGeneral', 'DejaVu Serif', serif",
    b"'STIXGeneral', 'Times New Roman', 'Liberation Serif', 'Times', serif",
)
#: Numbers below one of the small plots of a grid.
SMALL_TICKS = 6
#: Letters of a name in a legend of two columns that is one column of a paper wide.
_SHORT = 30


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib without a window, in our style."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with plt.style.context(STYLE):
        yield


def save(figure: Figure, *paths: Path) -> None:
    """Writes a figure, the same bytes whenever it is drawn, and closes it."""
    import matplotlib.pyplot as plt

    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # else each file moves what the last one placed
    dates = {".pdf": "CreationDate", ".svg": "Date"}
    for path in paths:
        out, suffix = io.BytesIO(), path.suffix.lower()
        key = dates.get(suffix)
        figure.savefig(out, format=suffix[1:], metadata={key: None} if key else None)
        write_atomically(path, out.getvalue().replace(*_FAMILIES))
    plt.close(figure)


def rate_text(kbps: float) -> str:
    """Three digits."""
    return f"{kbps:#.3g}".rstrip(".") + " kbps"


def ticks(low: float, high: float, most: int = MAX_TICKS) -> list[float]:
    """Round numbers from `low` to `high` on a log axis: 2 to `most` of them."""
    from matplotlib.ticker import MaxNLocator

    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 3, 5, 7), (1, 2, 5), (1,)):
        found = [d * 10.0**k for k in decades for d in digits if low <= d * 10.0**k <= high]
        if 2 < len(found) <= most:
            return found
    if len(found) > most:
        return found[:: math.ceil(len(found) / most)]
    return [t for t in MaxNLocator(5).tick_values(low, high) if low <= t <= high]


def rate_axis(axes: Axes, axis: Axis, most: int = MAX_TICKS) -> None:
    """A log axis of rates with at most so many numbers; after the curves are drawn."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks(*axes.get_xlim(), most)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.9g}"))
    axes.set_xlabel(f"rate ({axis})")


def legend_above(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Names above the plot, where they cover no curve; the figure grows by as much."""
    width, height = figure.get_size_inches()
    columns = max(1, round(width / COLUMN)) * (2 if max(map(len, labels)) <= _SHORT else 1)
    rows = math.ceil(len(labels) / columns)
    figure.set_size_inches(width, height + LEGEND_ROW_INCHES * rows)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def grid(sequences: Sequence[str]) -> tuple[Figure, list[tuple[Axes, str]]]:
    """One small plot a sequence, with its name above."""
    import matplotlib.pyplot as plt

    count = len(sequences)
    columns = 3 if count > 4 and -count % 3 < -count % 4 else min(4, count)
    rows = math.ceil(count / columns)
    size = (PAGE if count > 4 else PAGE / 4 * columns, 1.5 * rows)
    figure, cells = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    flat = cells.flatten()
    for axes in flat[count:]:
        axes.set_visible(False)
    plots = list(zip(flat, sequences, strict=False))
    for axes, sequence in plots:
        axes.set_title(shown_name(sequence))
    return figure, plots
