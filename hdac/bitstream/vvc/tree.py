"""The syntax of slice data: which bins come in which order, under which contexts.

One description for both directions: `code` gives each bin back, be it read from a slice or from
what the slice was recoded to. Here: coding trees; `unit` and what it uses have the rest.

(Rec. ITU-T H.266, clauses 7.3.11.2 to 7.3.11.4, 6.4 and 9.3.4.2; contexts are those of `cabac`.)
"""

from __future__ import annotations

from hdac.bitstream.arithmetic import (
    close_encoder,
    exact,
    open_decoder,
    open_encoder,
    put_terminate,
    read_terminate,
)
from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.registers import MODE, PARSE, READ, Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import plain
from hdac.bitstream.vvc.filters import filters
from hdac.bitstream.vvc.maps import (
    ANY,
    BINARY_COLUMNS,
    BINARY_ROWS,
    CHROMA_TREE,
    INTER,
    INTRA,
    LUMA_TREE,
    QUAD,
    SINGLE_TREE,
    TERNARY_COLUMNS,
    TERNARY_ROWS,
    WHOLE,
    above_of,
    intra,
    left_of,
)
from hdac.bitstream.vvc.split import split_of
from hdac.bitstream.vvc.unit import coding_unit, cross_component


def walk(s: Ints, m: Memory, tape: Ints) -> bool:
    """A slice's data. Parsed: whether the same bytes would come back from its bins.

    Raises `UnsupportedError` on what no encoder can have meant, and `DamagedError`.
    """
    if s[MODE] == READ:
        open_encoder(s)
    else:
        open_decoder(s, tape)
    side, number = 1 << s[r.TREE_BLOCK], 0
    for y in range(0, s[r.HEIGHT], side):
        for x in range(0, s[r.WIDTH], side):
            filters(s, m, tape, x, y, number)
            number += 1
            if s[r.DUAL]:
                _two_trees(s, m, tape, x, y, side)
            else:
                _push(s, 0, x, y, side, side, SINGLE_TREE, ANY, 0, 0, 0, 0, 0, WHOLE, 1)
                _tree(s, m, tape)
    if s[MODE] == PARSE:
        if not read_terminate(s, tape):
            raise UnsupportedError("a slice that does not cover its picture, or a long one")
        return exact(s, tape)
    put_terminate(s, tape, 1)
    close_encoder(s, tape)
    return True


def _two_trees(s: Ints, m: Memory, tape: Ints, x: int, y: int, side: int) -> None:
    """Trees of luma and of chroma, of 64x64 samples at most (clause 7.3.11.2)."""
    depth, parts = 0, 1
    if side > 64:
        _group(s, 0)
        depth, parts, side = 1, 4, 64
    for part in range(parts):
        x1, y1 = x + (part & 1) * side, y + (part >> 1) * side
        if x1 < s[r.WIDTH] and y1 < s[r.HEIGHT]:
            for tree in range(LUMA_TREE, CHROMA_TREE + 1):
                _push(s, 0, x1, y1, side, side, tree, ANY, 2 * depth, depth, 0, 0, 0, WHOLE, 1)
                _tree(s, m, tape)


def _group(s: Ints, division: int) -> None:
    """A quantisation group starts, if it may."""
    if division <= s[r.QP_DEPTH]:
        s[r.QP_CODED] = 0


def _push(
    s: Ints,
    nodes: int,
    x: int,
    y: int,
    width: int,
    height: int,
    tree: int,
    mode: int,
    division: int,
    depth: int,
    multi: int,
    bonus: int,
    part: int,
    parent: int,
    grouped: int,
) -> int:
    """A block that is to come, which starts inside the picture (of luma samples); returns how many
    there are.

    division: how often it was halved. depth: of quad splits. multi: of binary and ternary ones
        since; bonus: how many more of them the picture's edge allows.
    part, parent: which part of its parent it is, and how that was split.
    grouped: whether quantisation groups may still start here.
    """
    at = r.STACK + r.NODE * nodes
    s[at], s[at + 1], s[at + 2], s[at + 3], s[at + 4], s[at + 5] = x, y, width, height, tree, mode
    s[at + 6], s[at + 7], s[at + 8], s[at + 9] = division, depth, multi, bonus
    s[at + 10], s[at + 11], s[at + 12] = part, parent, grouped
    return nodes + 1


def _tree(s: Ints, m: Memory, tape: Ints) -> None:
    """The block that is to come, and its parts."""
    least, nodes = 1 << s[r.MIN_BLOCK], 1
    while nodes:
        nodes -= 1
        at = r.STACK + r.NODE * nodes
        x, y, width, height, tree, mode = (
            s[at],
            s[at + 1],
            s[at + 2],
            s[at + 3],
            s[at + 4],
            s[at + 5],
        )
        division, depth, multi, bonus = s[at + 6], s[at + 7], s[at + 8], s[at + 9]
        part, parent, grouped = s[at + 10], s[at + 11], s[at + 12]
        if width < least or height < least:
            raise UnsupportedError("a block below the smallest")
        if grouped and tree != CHROMA_TREE:
            _group(s, division)
        split = split_of(
            s, m, tape, x, y, width, height, tree, mode, division, depth, multi, bonus, part, parent
        )
        cross_component(s, tree, width, height, multi, parent, split)
        if split == WHOLE:
            coding_unit(s, m, tape, x, y, width, height, tree, depth, mode)
            continue
        inner = _mode(s, m, tape, x, y, width, height, mode, split)
        if mode == ANY and inner == INTRA:  # luma is too small for chroma to follow
            nodes = _push(
                s, nodes, x, y, width, height, CHROMA_TREE, INTRA, division, depth, multi, 0, 0,
                split, 0,
            )  # fmt: skip
            tree = LUMA_TREE
        if split <= BINARY_COLUMNS:
            nodes = _halves(
                s, nodes, x, y, width, height, tree, inner, division, depth, multi, bonus, part,
                split, grouped,
            )  # fmt: skip
        else:
            nodes = _thirds(
                s, nodes, x, y, width, height, tree, inner, division, depth, multi, bonus, split,
                grouped,
            )  # fmt: skip


def _halves(
    s: Ints,
    nodes: int,
    x: int,
    y: int,
    width: int,
    height: int,
    tree: int,
    mode: int,
    division: int,
    depth: int,
    multi: int,
    bonus: int,
    part: int,
    split: int,
    grouped: int,
) -> int:
    """The parts of a split into two or four that start inside the picture, the last one first."""
    across, down = int(split != BINARY_ROWS), int(split != BINARY_COLUMNS)
    wide, high = width >> across, height >> down
    if split == QUAD:
        depth, multi, bonus = depth + 1, 0, 0
    else:
        over = x + width > s[r.WIDTH] if across else y + height > s[r.HEIGHT]
        multi, bonus = multi + 1, bonus + over
    for i in range(3, -1, -1):
        column, row = i & 1, i >> 1
        x1, y1 = x + column * wide, y + row * high
        if column <= across and row <= down and x1 < s[r.WIDTH] and y1 < s[r.HEIGHT]:
            number = part if split == QUAD else column + row
            nodes = _push(
                s, nodes, x1, y1, wide, high, tree, mode, division + across + down, depth, multi,
                bonus, number, split, grouped,
            )  # fmt: skip
    return nodes


def _thirds(
    s: Ints,
    nodes: int,
    x: int,
    y: int,
    width: int,
    height: int,
    tree: int,
    mode: int,
    division: int,
    depth: int,
    multi: int,
    bonus: int,
    split: int,
    grouped: int,
) -> int:
    """The parts of a split into three, the last one first: a quarter, a half and a quarter."""
    grouped = int(grouped and division + 2 <= s[r.QP_DEPTH])
    for i in range(2, -1, -1):
        inside = int(i == 1)
        x1, y1, wide, high = x, y, width, height
        if split == TERNARY_COLUMNS:
            wide = width >> 2 - inside
            x1 += (i + (i > 1)) * (width >> 2)
        else:
            high = height >> 2 - inside
            y1 += (i + (i > 1)) * (height >> 2)
        nodes = _push(
            s, nodes, x1, y1, wide, high, tree, mode, division + 2 - inside, depth, multi + 1,
            bonus, i, split, grouped,
        )  # fmt: skip
    return nodes


def _mode(
    s: Ints,
    m: Memory,
    tape: Ints,
    x: int,
    y: int,
    width: int,
    height: int,
    mode: int,
    split: int,
) -> int:
    """How the parts may be predicted: small ones all the same way (clause 7.4.12.4)."""
    if mode != ANY or s[r.DUAL]:
        return mode
    area = width * height
    two, three = BINARY_ROWS <= split <= BINARY_COLUMNS, split >= TERNARY_ROWS
    if (area == 64 and not two) or (area == 32 and two):
        return INTRA
    if (
        (area == 64 and two)
        or (area == 128 and three)
        or (width == 8 and split == BINARY_COLUMNS)
        or (width == 16 and split == TERNARY_COLUMNS)
    ):
        if s[r.INTRA]:
            return INTRA
        left, above = left_of(s, s[r.LUMA], x, y), above_of(s, s[r.LUMA], x, y)
        if plain(s, m, tape, c.NON_INTER + (intra(left) | intra(above)), 0):
            return INTRA
        return INTER
    return mode
