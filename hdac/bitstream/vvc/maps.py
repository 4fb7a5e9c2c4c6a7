"""The coding unit at each 4x4 block of a picture, row by row.

A unit is a number: what its neighbours, in space and time, have to know. (x, y) is a luma sample
inside the picture wherever it is turned into a block's place, and a coding unit lies inside the
picture, of at least 4x4 samples: splits at its edges go on until that is so (`tree`).
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints
from hdac.bitstream.vvc import registers as r

SINGLE_TREE, LUMA_TREE, CHROMA_TREE = range(3)
#: Ways to split a block: not at all, into quarters, and in two or three by lines that lie or stand.
WHOLE, QUAD, BINARY_ROWS, BINARY_COLUMNS, TERNARY_ROWS, TERNARY_COLUMNS = range(6)
#: How a coding tree's units may be predicted (`modeType`).
ANY, INTER, INTRA = range(3)
#: How a unit is predicted, as far as models go: not yet known, or in intra mode; merged: as it is,
#: with a difference, in sub-blocks, of two parts or with intra prediction; from a list, from both.
NO_MOTION, MERGED, MERGED_MOVED, MERGED_BLOCKS, MERGED_PARTS, ONE_LIST, BOTH_LISTS = range(7)
#: How a unit's intra mode of luma is coded: not at all; planar, a probable or another angle; from a
#: line farther off, in sub-partitions; by matrices; copied levels.
NO_MODE, PLANAR, PROBABLE, OTHER, FAR_LINE, PARTED, MATRIX, COPIED_LEVELS = range(8)

#: What lies outside of the picture or was never coded: a unit of 65536x65536.
OUTSIDE = 16 | 16 << 5
_GRID = 32  # places across and down a picture that have models of their own
#: Base-2 logarithms, rounded down.
_LOG = [max(0, n.bit_length() - 1) for n in range(129)]


def log2(size: int) -> int:
    """Of 1 to 128, rounded down."""
    return _LOG[size]


def shape(width: int, height: int) -> int:
    """A number below 49 for each size of a block of luma (at least 2 samples a side)."""
    return 7 * _LOG[width] + _LOG[height] - 8


def unit(s: Ints) -> int:
    """The present coding unit."""
    number = s[r.LOG_W] | s[r.LOG_H] << 5 | s[r.DEPTH] << 10 | s[r.SKIPPED] << 13
    number |= s[r.OF_INTRA] << 14 | s[r.COPIED] << 15 | s[r.OF_AFFINE] << 16 | s[r.OF_MIP] << 17
    number |= s[r.MERGED] << 18 | s[r.MOVED] << 21 | s[r.CODED] << 24 | s[r.MOTION] << 25
    return number | s[r.MODE] << 28 | s[r.CROSSED] << 31


def width_of(one: int) -> int:
    return 1 << (one & 31)


def height_of(one: int) -> int:
    return 1 << (one >> 5 & 31)


def size_of(one: int) -> int:
    """Logarithm of the area, of four bits."""
    return min(15, (one & 31) + (one >> 5 & 31))


def depth_of(one: int) -> int:
    return one >> 10 & 7


def skipped(one: int) -> int:
    return one >> 13 & 1


def intra(one: int) -> int:
    return one >> 14 & 1


def copied(one: int) -> int:
    return one >> 15 & 1


def affine(one: int) -> int:
    return one >> 16 & 1


def mip(one: int) -> int:
    return one >> 17 & 1


def merged(one: int) -> int:
    return one >> 18 & 7


def moved(one: int) -> int:
    return one >> 21 & 7


def coded(one: int) -> int:
    return one >> 24 & 1


def motion(one: int) -> int:
    return one >> 25 & 7


def mode(one: int) -> int:
    return one >> 28 & 7


def crossed(one: int) -> int:
    return one >> 31 & 3


def fill(s: Ints) -> None:
    """Notes the present coding unit in its blocks."""
    number = unit(s)
    side = s[r.W] >> 2
    row = s[r.CHROMA] if s[r.TREE] == CHROMA_TREE else s[r.LUMA]
    row += (s[r.Y] >> 2) * s[r.STRIDE] + (s[r.X] >> 2)
    for _ in range(s[r.H] >> 2):
        for block in range(row, row + side):
            s[block] = number
        row += s[r.STRIDE]


def left_of(s: Ints, units: int, x: int, y: int) -> int:
    """The unit to the left of (x, y)."""
    return s[units + (y >> 2) * s[r.STRIDE] + (x >> 2) - 1] if x else OUTSIDE


def above_of(s: Ints, units: int, x: int, y: int) -> int:
    return s[units + ((y >> 2) - 1) * s[r.STRIDE] + (x >> 2)] if y else OUTSIDE


def of_tree(s: Ints, tree: int) -> int:
    """Where the units of a tree are."""
    return s[r.CHROMA] if tree == CHROMA_TREE else s[r.LUMA]


def middle(s: Ints, units: int) -> int:
    """The unit at the present one's middle."""
    row, column = (s[r.Y] + (s[r.H] >> 1)) >> 2, (s[r.X] + (s[r.W] >> 1)) >> 2
    return s[units + row * s[r.STRIDE] + column]


def right_of(s: Ints, units: int, x: int, y: int, width: int) -> int:
    """The unit to the right of a block, where the present picture is not coded yet."""
    if x + width >= s[r.WIDTH]:
        return OUTSIDE
    return s[units + (y >> 2) * s[r.STRIDE] + ((x + width) >> 2)]


def below(s: Ints, units: int, x: int, y: int, height: int) -> int:
    if y + height >= s[r.HEIGHT]:
        return OUTSIDE
    return s[units + ((y + height) >> 2) * s[r.STRIDE] + (x >> 2)]


def quarters(
    s: Ints, units: int, x: int, y: int, width: int, height: int
) -> tuple[int, int, int, int]:
    """Of the units in the middle of a block's four quarters, those outside of the picture left out:
    how many are skipped, narrower, lower, and narrower or lower."""
    skips = narrow = low = finer = 0
    for part in range(4):
        row = (y + (2 * (part >> 1) + 1) * height // 4) >> 2
        column = (x + (2 * (part & 1) + 1) * width // 4) >> 2
        if row < s[r.ROWS] and column < s[r.STRIDE]:
            one = s[units + row * s[r.STRIDE] + column]
            narrower, lower = int(width_of(one) < width), int(height_of(one) < height)
            skips += skipped(one)
            narrow += narrower
            low += lower
            finer += narrower | lower
    return skips, narrow, low, finer


def place(s: Ints, x: int, y: int, which: int) -> int:
    """Where in the picture this is: talking heads are in its middle."""
    column, row = x * _GRID // s[r.WIDTH], y * _GRID // s[r.HEIGHT]
    return (which * _GRID + row) * _GRID + column
