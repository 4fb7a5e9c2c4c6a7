"""What the parser of slice data works on: where bins come from, and what is known of blocks."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.parameters import Slice, Sps, UnsupportedError

#: Models of bins that CABAC takes for even (`Bins.bypass`), after those of its contexts.
EVEN, SAO_REST, MODE_REST, MERGE_REST, REF_REST, AMP_REST = range(c.CONTEXTS, c.CONTEXTS + 6)
MVD_REST, SIGN, LEVEL_REST, QP_REST, LAST_REST, MODELS = range(c.CONTEXTS + 6, c.CONTEXTS + 12)

Wider: TypeAlias = tuple[int, ...]
_GRID = 32  # places across and down a picture that have models of their own


class Bins(Protocol):
    """Where bins come from. `context` is CABAC's; `known` is what else is known of this bin, for
    better models than CABAC's, and each number of `wider` (below 2^20) is one more view of its
    surroundings."""

    def bin(self, context: int, known: int = 0, wider: Wider = ()) -> int: ...

    def bypass(self, model: int, known: int = 0, wider: Wider = ()) -> int: ...

    def pcm(self, x: int, y: int, size: int) -> bool:
        """The flag of a block of side `1 << size` that may be PCM; if it is, its samples too."""

    def terminate(self, last: bool) -> None:
        """The bin behind a coding tree unit, which is `last`."""


class CopiedBins:
    """`Bins` of a slice as it is: reads CABAC's, notes them and writes them again."""

    def __init__(self, data: bytes, head: Slice, limit: int) -> None:
        self.reader = c.CabacReader(data, c.initial_states(head.init, head.qp))
        self.writer = c.CabacWriter(c.initial_states(head.init, head.qp))
        self.bins: list[tuple[int, int, Wider, int]] = []  # model, known, wider, value
        self._limit = limit

    def bin(self, context: int, known: int = 0, wider: Wider = ()) -> int:
        value = self.reader.bin(context)
        self.writer.bin(context, value)
        self.bins.append((context, known, wider, value))
        return value

    def bypass(self, model: int, known: int = 0, wider: Wider = ()) -> int:
        value = self.reader.bypass()
        self.writer.bypass(value)
        self.bins.append((model, known, wider, value))
        return value

    def pcm(self, x: int, y: int, size: int) -> bool:
        if self.reader.terminate():
            raise UnsupportedError("a PCM block")
        self.writer.terminate(0)
        return False

    def terminate(self, last: bool) -> None:
        value = self.reader.terminate()
        self.writer.terminate(value)
        if value != last or len(self.bins) > self._limit:
            raise UnsupportedError("a slice that does not cover its picture, or a long one")


def unary(bins: Bins, model: int, limit: int, known: int) -> int:
    """Truncated unary code of bypass bins."""
    count = 0
    while count < limit and bins.bypass(model, known + min(count, 7)):
        count += 1
    return count


def exp_golomb(bins: Bins, model: int, order: int, known: int, wider: Wider = ()) -> int:
    """Exp-Golomb code of an order (clause 9.3.3.5)."""
    value = 0
    while bins.bypass(model, known + min(order, 12), tuple(16 * w + min(order, 12) for w in wider)):
        value += 1 << order
        order += 1
        if order > 20:
            raise UnsupportedError("a number out of range")
    return value + fixed(bins, EVEN, order)


def fixed(bins: Bins, model: int, count: int) -> int:
    """`count` bypass bins as a number, the most significant first."""
    value = 0
    for _ in range(count):
        value = 2 * value + bins.bypass(model)
    return value


class BlockMaps:
    """What slice data says of each smallest block of a picture, row by row."""

    def __init__(self, sps: Sps) -> None:
        self._sps = sps
        self.width, self.height = sps.width >> sps.min_block, sps.height >> sps.min_block
        self.depth, self.skipped, self.merged, self.moved = (
            [0] * (self.width * self.height) for _ in range(4)
        )  # merged: 1 + the last merge index, 0 without; moved: bits of a coded vector, at most 6
        self.qp = 0

    def at(self, x: int, y: int) -> int:
        """Index of the block at luma sample (x, y)."""
        return (y >> self._sps.min_block) * self.width + (x >> self._sps.min_block)

    def fill(self, values: list[int], x: int, y: int, size: int, value: int) -> None:
        """Sets a block of side `1 << size`."""
        side = 1 << size - self._sps.min_block
        at, width = self.at(x, y), self.width
        for row in range(at, at + side * width, width):
            values[row : row + side] = [value] * side

    def around(self, values: list[int], x: int, y: int, size: int) -> tuple[list[int], int, int]:
        """The first blocks of a block's four quarters, and those to its right and below it, where
        the present picture is not coded yet; 0 outside."""
        at, side, step = self.at(x, y), 1 << size, 1 << size - self._sps.min_block
        right = values[at + step] if x + side < self._sps.width else 0
        below = values[at + step * self.width] if y + side < self._sps.height else 0
        half = step >> 1
        down = half * self.width
        return [values[i] for i in (at, at + half, at + down, at + down + half)], right, below

    def place(self, x: int, y: int, which: int) -> int:
        """Where in the picture this is: talking heads are in its middle."""
        column, row = x * _GRID // self._sps.width, y * _GRID // self._sps.height
        return (which * _GRID + row) * _GRID + column
