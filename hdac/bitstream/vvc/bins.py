"""What the parser of slice data works on: models of bins, codes of numbers, and what is known of
blocks."""

from __future__ import annotations

from dataclasses import dataclass

from hdac.bitstream.hevc import bins as hevc
from hdac.bitstream.hevc.bins import Bins, Wider
from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.header import Slice
from hdac.bitstream.vvc.parameters import Sps

#: Models of bins that CABAC takes for even (`Bins.bypass`), after those of its contexts.
EVEN, SAO_REST, ALF_REST, CROSS_REST, MIP_REST, MPM_REST = range(c.CONTEXTS, c.CONTEXTS + 6)
MODE_REST, CHROMA_REST, MERGE_REST, MMVD_REST, GPM_REST, REF_REST, BCW_REST, MVD_REST, SIGN = range(
    c.CONTEXTS + 6, c.CONTEXTS + 15
)
LAST_REST, LEVEL_REST, QP_REST, MODELS = range(c.CONTEXTS + 15, c.CONTEXTS + 19)

_GRID = 32  # places across and down a picture that have models of their own
_RECENT = 8  # pictures that are remembered
PACES = 192  # QP, and whether the picture before had a lower one, the same, or a higher one

SINGLE_TREE, LUMA_TREE, CHROMA_TREE = range(3)
#: Ways to split a block: not at all, into quarters, and in two or three by lines that lie or stand.
WHOLE, QUAD, BINARY_ROWS, BINARY_COLUMNS, TERNARY_ROWS, TERNARY_COLUMNS = range(6)

#: How a unit is predicted, as far as models go: not yet known, or in intra mode; merged: as it is,
#: with a difference, in sub-blocks, of two parts or with intra prediction; from a list, from both.
NO_MOTION, MERGED, MERGED_MOVED, MERGED_BLOCKS, MERGED_PARTS, ONE_LIST, BOTH_LISTS = range(7)
#: How a unit's intra mode of luma is coded: not at all; planar, a probable or another angle; from a
#: line farther off, in sub-partitions; by matrices; copied levels.
NO_MODE, PLANAR, PROBABLE, OTHER, FAR_LINE, PARTED, MATRIX, COPIED_LEVELS = range(8)


class CopiedBins(hevc.CopiedBins):
    """`Bins` of a slice as it is: reads CABAC's, notes them and writes them again."""

    def __init__(self, data: bytes, head: Slice, limit: int) -> None:
        self.reader = c.CabacReader(data, c.initial_states(head.init, head.qp))
        self.writer = c.CabacWriter(c.initial_states(head.init, head.qp))
        self.bins = []
        self._limit = limit

    def bin(self, context: int, known: int = 0, wider: Wider = ()) -> int:
        if len(self.bins) >= self._limit:
            raise UnsupportedError("a long slice")
        return super().bin(context, known, wider)


def truncated_binary(bins: Bins, model: int, most: int, known: int) -> int:
    """A number up to `most` in bypass bins (clause 9.3.3.4)."""
    count = (most + 1).bit_length() - 1
    short = (2 << count) - most - 1
    value = 0
    for i in range(count):
        value = 2 * value + bins.bypass(model, known + 16 * i + min(15, value))
    if value >= short:
        value = 2 * value + bins.bypass(model, known + 16 * count) - short
    return value


def exp_golomb(bins: Bins, model: int, order: int, most: int, last: int, known: int) -> int:
    """Exp-Golomb code of an order with at most `most` ones before, and then `last` bins (clause
    9.3.3.6)."""
    ones = 0
    while ones < most and bins.bypass(model, known + min(ones, 15)):
        ones += 1
    rest = last if ones == most else ones + order
    return ((1 << ones) - 1 << order) + hevc.fixed(bins, EVEN, rest)


def shape(width: int, height: int) -> int:
    """A number below 49 for each size of a block of luma (at least 2 samples a side)."""
    return 7 * width.bit_length() + height.bit_length() - 16


@dataclass(eq=False, slots=True)
class CodingUnit:
    """A coding unit's place (of luma), and what its neighbours, in space and time, have to know.

    depth: of quad splits. merged: 1 + the merge index, 0 without. moved: bits of a coded vector, at
    most 6. coded: whether it has coefficients. motion, mode: how it is predicted, as above.
    """

    x: int
    y: int
    width: int
    height: int
    tree: int
    depth: int = 0
    skipped: int = 0
    intra: int = 0
    copied: int = 0
    affine: int = 0
    mip: int = 0
    merged: int = 0
    moved: int = 0
    coded: int = 0
    bdpcm: tuple[int, int] = (0, 0)
    isp: int = 0
    ciip: int = 0
    sbt: int = 0
    crossed: int = 0  # chroma from luma: 1 not, 2 predicted
    motion: int = NO_MOTION
    mode: int = NO_MODE

    @property
    def shape(self) -> int:
        return shape(self.width, self.height)

    @property
    def size(self) -> int:
        """Of four bits."""
        return min(15, (self.width * self.height).bit_length() - 1)


#: What lies outside of the picture or was never coded.
OUTSIDE = CodingUnit(0, 0, 1 << 16, 1 << 16, SINGLE_TREE)


class BlockMaps:
    """The coding unit at each 4x4 block of a picture, row by row: of luma (or all planes) and of
    chroma, if it has a tree of its own."""

    def __init__(self, sps: Sps) -> None:
        self._sps = sps
        self.width, self.height = sps.width >> 2, sps.height >> 2
        self.units = [[OUTSIDE] * (self.width * self.height) for _ in range(2)]
        self.qp = 0

    def fill(self, unit: CodingUnit) -> None:
        units = self.units[unit.tree == CHROMA_TREE]
        side, width = unit.width >> 2, self.width
        at = (unit.y >> 2) * width + (unit.x >> 2)
        for row in range(at, at + (unit.height >> 2) * width, width):
            units[row : row + side] = [unit] * side

    def around(self, x: int, y: int, chroma: int) -> tuple[CodingUnit, CodingUnit]:
        """The units to the left and above (x, y)."""
        units, at = self.units[chroma], (y >> 2) * self.width + (x >> 2)
        left = units[at - 1] if x else OUTSIDE
        above = units[at - self.width] if y else OUTSIDE
        return left, above

    def middle(self, unit: CodingUnit) -> CodingUnit:
        """The unit of luma at another one's middle."""
        row, column = (unit.y + unit.height // 2) >> 2, (unit.x + unit.width // 2) >> 2
        return self.units[0][row * self.width + column]

    def ahead(self, x: int, y: int, width: int, height: int) -> tuple[CodingUnit, CodingUnit]:
        """The units of luma to the right of a block and below it, where the present picture is not
        coded yet."""
        units, at = self.units[0], (y >> 2) * self.width + (x >> 2)
        right = units[at + (width >> 2)] if x + width < self._sps.width else OUTSIDE
        inside = y + height < self._sps.height
        return right, units[at + (height >> 2) * self.width] if inside else OUTSIDE

    def quarters(self, x: int, y: int, width: int, height: int) -> list[CodingUnit]:
        """The units of luma in the middle of a block's four quarters, those outside of the picture
        left out."""
        units, found = self.units[0], []
        for row in ((y + height // 4) >> 2, (y + 3 * height // 4) >> 2):
            for column in ((x + width // 4) >> 2, (x + 3 * width // 4) >> 2):
                if row < self.height and column < self.width:
                    found.append(units[row * self.width + column])
        return found

    def place(self, x: int, y: int, which: int) -> int:
        """Where in the picture this is: talking heads are in its middle."""
        column, row = x * _GRID // self._sps.width, y * _GRID // self._sps.height
        return (which * _GRID + row) * _GRID + column


class SliceState:
    """What all parts of a slice's parser share.

    now, before: of this picture and of the one before it.
    like: of the last picture whose QP was not higher than this one's: that is split as finely.
    pace: QP, and whether the picture before had a lower one, the same or a higher.
    """

    def __init__(self, head: Slice, bins: Bins, recent: list[BlockMaps]) -> None:
        self.head, self.sps, self.bins = head, head.sps, bins
        self.now = now = BlockMaps(head.sps)
        now.qp = qp = min(63, max(0, head.qp))
        if not recent or (recent[-1].width, recent[-1].height) != (now.width, now.height):
            recent[:] = [BlockMaps(head.sps)]
        self.before = before = recent[-1]
        self.like = next((maps for maps in reversed(recent) if maps.qp <= qp), before)
        recent[:] = [*recent[1 - _RECENT :], now]
        self.pace = 3 * qp + (qp >= before.qp) + (qp > before.qp)
