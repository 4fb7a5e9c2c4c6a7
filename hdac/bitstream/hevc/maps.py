"""What HEVC's parser of slice data knows: numbers of the slice's state behind the registers that
all codecs have.

Blocks are the smallest ones of coding units, row by row: (x, y) is a luma sample inside the picture
wherever it is turned into a block's number, and a coding unit lies inside the picture, whose sides
are multiples of the smallest block's (`parameters.read_sps`).
"""

from __future__ import annotations

from itertools import count
from typing import Any

from hdac.bitstream.hevc.cabac import CONTEXTS
from hdac.bitstream.hevc.parameters import B_SLICE, Slice, Sps
from hdac.bitstream.registers import CODEC, CONTEXT, Ints
from hdac.bitstream.running import fill as fill_range

_GRID = 32  # places across and down a picture that have models of their own

_next = count(CODEC).__next__


def _take(n: int) -> list[int]:
    return [_next() for _ in range(n)]


#: From the parameter sets and the slice header, as `Sps`, `Pps` and `Slice` have them; whether
#: there are two lists; without quantisation groups `QP_DELTA` is -1.
INTRA, BOTH, SAO_LUMA, SAO_CHROMA, WIDTH, HEIGHT, MIN_BLOCK, TREE_BLOCK = _take(8)
MIN_TRANSFORM, MAX_TRANSFORM, DEPTH_INTER, DEPTH_INTRA, ASYMMETRIC, HIDES_SIGNS = _take(6)
QP_DELTA, TRANSFORM_SKIP, PCM_FIRST, PCM_END, MERGE_CANDIDATES, ZERO_MVD = _take(6)
REFERENCES, _ = _take(2)
#: Blocks and 4x4 blocks in a row; QP, and whether the picture before had a lower one, the same or a
#: higher one.
STRIDE, MODE_STRIDE, PACE = _take(3)
#: The last merge index, at most 2; whether the quantisation group's QP is coded.
MERGED_LAST, QP_CODED = _take(2)
#: Of a transform tree: whether its unit is intra, its chroma mode, whether it must have quarters or
#: must be split at first; how deep it may be.
OF_INTRA, CHROMA, QUARTERS, FORCED, DEPTH_LIMIT = _take(5)
#: Where each block's numbers are: depth, whether it is skipped, 1 + the last merge index (0
#: without), bits of a coded vector (at most 6); the first three of the picture before.
_NOW = DEPTH, SKIPPED, MERGED, MOVED = _take(4)
_BEFORE = PAST_DEPTH, PAST_SKIPPED, PAST_MERGED = _take(3)
#: Where the luma mode of each 4x4 block is: DC where nothing is coded in intra mode.
(MODES,) = _take(1)
assert _next() <= CONTEXT

#: For a moment: luma modes of a unit; last coefficients, absolute levels of a sub-block; whether
#: sub-blocks are coded, in rows of 9.
UNIT_MODES, FOUND, LEVELS, FLAGGED = (CONTEXT + CONTEXTS + n for n in (0, 4, 20, 28))
#: Blocks of a coding tree that are still to come, the next one last, by four numbers; and those of
#: a transform tree, by six. Of at most five levels, three blocks each and the last one.
TREE_STACK = FLAGGED + 9 * 9
TRANSFORM_STACK = TREE_STACK + 4 * 16
MAPS = TRANSFORM_STACK + 6 * 16  # where the maps may start

DC = 1  # intra mode


def begin(s: Any, head: Slice, last_qp: int) -> None:
    """Sets what a slice's header and parameter sets say. `last_qp`: of the picture before."""
    sps, pps = head.sps, head.pps
    s[INTRA], s[BOTH] = int(head.intra), int(head.type == B_SLICE)
    s[SAO_LUMA], s[SAO_CHROMA] = int(head.sao_luma), int(head.sao_chroma)
    s[WIDTH], s[HEIGHT] = sps.width, sps.height
    s[MIN_BLOCK], s[TREE_BLOCK] = sps.min_block, sps.tree_block
    s[MIN_TRANSFORM], s[MAX_TRANSFORM] = sps.min_transform, sps.max_transform
    s[DEPTH_INTER], s[DEPTH_INTRA] = sps.depth_inter, sps.depth_intra
    s[ASYMMETRIC], s[HIDES_SIGNS] = int(sps.asymmetric), int(pps.hides_signs)
    s[QP_DELTA] = -1 if pps.qp_delta is None else pps.qp_delta
    s[TRANSFORM_SKIP] = int(pps.transform_skip)
    s[PCM_FIRST], s[PCM_END] = sps.pcm.start, sps.pcm.stop
    s[MERGE_CANDIDATES], s[ZERO_MVD] = head.merge_candidates, int(head.zero_mvd)
    s[REFERENCES], s[REFERENCES + 1] = head.references
    s[MERGED_LAST] = s[QP_CODED] = 0
    qp = clipped(head)
    s[PACE] = 3 * qp + (qp >= last_qp) + (qp > last_qp)


def clipped(head: Slice) -> int:
    """A slice's QP."""
    return min(51, max(0, head.qp))


class Maps:
    """Where a picture's maps lie in a state."""

    def __init__(self, sps: Sps) -> None:
        self.width, self.height = sps.width >> sps.min_block, sps.height >> sps.min_block
        self.blocks = self.width * self.height
        self._row = sps.width >> 2
        self._modes = MAPS + 7 * self.blocks
        self.end = self._modes + self._row * (sps.height >> 2)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maps) and vars(self) == vars(other)

    def begin(self, s: Any) -> None:
        """The present picture becomes the one before."""
        s[STRIDE], s[MODE_STRIDE], s[MODES] = self.width, self._row, self._modes
        for number, values in enumerate((*_NOW, *_BEFORE)):
            s[values] = MAPS + number * self.blocks
        now, before = MAPS, MAPS + len(_NOW) * self.blocks
        size = len(_BEFORE) * self.blocks
        s[before : before + size] = s[now : now + size]
        fill_range(s, now, before - now, 0)
        fill_range(s, self._modes, self.end - self._modes, DC)


def at(s: Ints, x: int, y: int) -> int:
    """The number of the block at luma sample (x, y)."""
    return (y >> s[MIN_BLOCK]) * s[STRIDE] + (x >> s[MIN_BLOCK])


def fill(s: Ints, values: int, x: int, y: int, size: int, value: int) -> None:
    """Sets a coding unit's blocks, of side `1 << size`, to a value."""
    side = 1 << size - s[MIN_BLOCK]
    first = values + at(s, x, y)
    for _ in range(side):
        for block in range(first, first + side):
            s[block] = value
        first += s[STRIDE]


def quarters(s: Ints, values: int, x: int, y: int, size: int) -> tuple[int, int, int, int]:
    """The first blocks of a block's four quarters."""
    first, half = values + at(s, x, y), 1 << size - s[MIN_BLOCK] >> 1
    below = first + half * s[STRIDE]
    return s[first], s[first + half], s[below], s[below + half]


def right(s: Ints, values: int, x: int, y: int, size: int) -> int:
    """The first block to the right of a block, 0 outside."""
    side = 1 << size
    return s[values + at(s, x + side, y)] if x + side < s[WIDTH] else 0


def below(s: Ints, values: int, x: int, y: int, size: int) -> int:
    side = 1 << size
    return s[values + at(s, x, y + side)] if y + side < s[HEIGHT] else 0


def left_of(s: Ints, values: int, x: int, y: int) -> int:
    """The block to the left of (x, y), 0 outside."""
    return s[values + at(s, x, y) - 1] if x else 0


def above_of(s: Ints, values: int, x: int, y: int) -> int:
    return s[values + at(s, x, y) - s[STRIDE]] if y else 0


def place(s: Ints, x: int, y: int, which: int) -> int:
    """Where in the picture this is: talking heads are in its middle."""
    column, row = x * _GRID // s[WIDTH], y * _GRID // s[HEIGHT]
    return (which * _GRID + row) * _GRID + column
