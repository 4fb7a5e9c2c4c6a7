"""How a codec looks in every figure: one colour, one marker and one name, whatever stands beside
it.

A recipe of `baselines/` may declare them (`colour`, `marker`, `label`); what it leaves open comes
from a hash of the codec's name, so that it is the same in every figure, too.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hdac.bench.recipes import find_recipe, read_toml, recipe_names
from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.bench.manifest import CodecEntry, Manifest

#: Okabe and Ito, "Color Universal Design", 2008 (safe for colour-blind readers), without yellow,
#: which is not seen on white, and with grey.
PALETTE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#888888",
)  # fmt: skip
_SHAPES = {
    "circle": "o", "square": "s", "triangle-up": "^", "triangle-down": "v", "diamond": "D",
    "cross": "P", "x": "X", "star": "*",
}  # fmt: skip
_OPEN = "-open"
#: Names as plotly has them -> matplotlib's; those that are open have a dashed line, which tells
#: them apart in grey.
MARKERS = {f"{name}{tail}": shape for tail in ("", _OPEN) for name, shape in _SHAPES.items()}
LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a recipe may say of its codec's looks. `label`: its name in figures and LaTeX (default:
    the title); `colour`: `#rrggbb`; `marker`: one of `MARKERS`."""

    label: str = ""
    colour: str = ""
    marker: str = ""

    def check(self, where: str) -> None:
        """Raises `UsageError`."""
        if self.colour and not re.fullmatch("#[0-9A-Fa-f]{6}", self.colour):
            raise UsageError(
                f"{where}: colour = {self.colour!r}; expected # and six hexadecimal digits, "
                f"for example {PALETTE[1]}"
            )
        if self.marker and self.marker not in MARKERS:
            raise UsageError(f"{where}: marker = {self.marker!r}; allowed are {', '.join(MARKERS)}")


class Look(NamedTuple):
    """`marker`: a key of `MARKERS`."""

    label: str
    colour: str
    marker: str

    @property
    def dashed(self) -> bool:
        return self.marker.endswith(_OPEN)

    def line(self) -> dict[str, Any]:
        """For matplotlib's `plot`."""
        return {
            "color": self.colour, "marker": MARKERS[self.marker],
            "linestyle": "--" if self.dashed else "-",
            "fillstyle": "none" if self.dashed else "full",
        }  # fmt: skip

    def trace(self) -> dict[str, str]:
        """For plotly."""
        dash = "dash" if self.dashed else "solid"
        return {"name": self.label, "color": self.colour, "symbol": self.marker, "dash": dash}


def shown_name(name: str) -> str:
    """A name in a plot: short, and not hidden from the legend, as one with "_" in front is."""
    short = name if len(name) <= LONGEST else f"{name[:24]}...{name[-13:]}"
    return f" {short}" if short.startswith("_") else short


def looks_of(about: Manifest, others: Iterable[str] = ()) -> dict[str, Look]:
    """Looks of a run's codecs, and of curves of others by their names; no two have the same colour
    and marker as long as there are any left."""
    declared = {name: _declared(name, entry) for name, entry in about.codecs.items()}
    labels = {name: d.label or about.codecs[name].title for name, d in declared.items()}
    known = declared | {n: Declared() for n in others if n not in declared}
    labels = {name: shown_name(labels.get(name) or name) for name in known}
    counts = Counter(labels.values())
    taken, out = set[tuple[str, str]](), dict[str, Look]()
    for name in sorted(known, key=lambda name: _turn(name, declared)):
        colour, marker = _free(name, known[name], taken)
        taken.add((colour, marker))
        label = labels[name] if counts[labels[name]] == 1 else shown_name(name)
        out[name] = Look(label, colour, marker)
    return {name: out[name] for name in known}


def _turn(name: str, declared: Mapping[str, Declared]) -> tuple[bool, int, str]:
    """Who chooses first: codecs before curves of others, those that say more before the others."""
    said = declared.get(name, Declared())
    return name not in declared, -bool(said.colour) - bool(said.marker), name


def _free(name: str, said: Declared, taken: set[tuple[str, str]]) -> tuple[str, str]:
    """Colour and marker: what is said, else where the hash of the name points, else the next."""
    start = int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()[:4])
    everything = [*itertools.product(MARKERS, PALETTE)]
    turned = [everything[(start + i) % len(everything)] for i in range(len(everything))]
    wanted = [(said.colour or c, said.marker or m) for m, c in turned]
    pairs = [*dict.fromkeys(wanted), *((c, m) for m, c in turned)]
    return next((pair for pair in pairs if pair not in taken), pairs[0])


def _declared(name: str, entry: CodecEntry) -> Declared:
    """What the recipe that was run says, else that of this installation with the same name; its
    label only with the same title: it is short for that."""
    keys = vars(Declared())
    said = {k: str(v) for k in keys if (v := entry.recipe.get(k))}
    if not said and name in recipe_names("baselines"):
        table = read_toml(find_recipe("baselines", name))
        same = table.get("title") == entry.title
        said = {k: str(table[k]) for k in keys if k in table and (same or k != "label")}
    found = Declared(**said)
    try:
        found.check(name)
    except UsageError:  # results are data, whoever wrote them
        return Declared(label=found.label)
    return found
