"""How blocks of coding trees are split.

(Rec. ITU-T H.266, clauses 7.3.11.4, 6.4 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import PACES, code
from hdac.bitstream.vvc.maps import (
    BINARY_ROWS,
    CHROMA_TREE,
    INTER,
    INTRA,
    OUTSIDE,
    QUAD,
    TERNARY_COLUMNS,
    TERNARY_ROWS,
    WHOLE,
    above_of,
    below,
    depth_of,
    height_of,
    left_of,
    of_tree,
    place,
    quarters,
    right_of,
    shape,
    size_of,
    width_of,
)

#: What a block may be split into, as bits of a number.
_MAY_QUAD, _MAY_ROWS, _MAY_COLUMNS, _MAY_3_ROWS, _MAY_3_COLUMNS = 1, 2, 4, 8, 16


def _allowed(
    s: Ints,
    x: int,
    y: int,
    width: int,
    height: int,
    tree: int,
    mode: int,
    multi: int,
    bonus: int,
    part: int,
    parent: int,
) -> int:
    """Clause 6.4: what limits of sizes, of depth and the picture's edge leave."""
    chroma = tree == CHROMA_TREE
    limits = r.PARTITIONS + (4 if chroma else 0)
    min_quad, max_binary, max_ternary = s[limits], s[limits + 1], s[limits + 2]
    least, longer = 1 << s[r.MIN_BLOCK], max(width, height)
    over_x, over_y = x + width > s[r.WIDTH], y + height > s[r.HEIGHT]
    quad = multi == 0 and width > 1 << min_quad
    two = multi < s[limits + 3] + bonus
    three = two and longer <= min(64, 1 << max_ternary) and not (over_x or over_y)
    two = two and longer <= 1 << max_binary
    if mode == INTER:
        two, three = two and width * height > 32, three and width * height > 64
    if chroma:
        area = width * height // 4
        quad, two, three = quad and width > 8, two and area > 16, three and area > 32
        if mode == INTRA:
            quad = two = three = False
    rows = two and height > least and not (width > 64 and (over_y or height <= 64))
    columns = two and width > least and not (height > 64 and (over_x or width <= 64))
    if over_x and over_y and width > 1 << min_quad:
        rows = columns = False
    rows = rows and not (over_x and not over_y)
    columns = columns and not over_y and not (chroma and width == 8)
    if part == 1 and multi:
        rows = rows and parent != TERNARY_ROWS
        columns = columns and parent != TERNARY_COLUMNS
    found = _MAY_QUAD * quad + _MAY_ROWS * rows + _MAY_COLUMNS * columns
    found += _MAY_3_ROWS * (three and height > 2 * least)
    return found + _MAY_3_COLUMNS * (three and width > 2 * least and not (chroma and width == 16))


def split_of(
    s: Ints,
    m: Memory,
    tape: Ints,
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
) -> int:
    """How a block is split (clause 7.3.11.4). One that is not inside the picture is."""
    allowed = _allowed(s, x, y, width, height, tree, mode, multi, bonus, part, parent)
    inside = x + width <= s[r.WIDTH] and y + height <= s[r.HEIGHT]
    if inside and not allowed:
        return WHOLE
    units = of_tree(s, tree)
    left, above = left_of(s, units, x, y), above_of(s, units, x, y)
    lower, narrower = int(height_of(left) < height), int(width_of(above) < width)
    near = lower + narrower
    form, where = shape(width, height), place(s, x, y, min(7, division))
    if s[r.INTRA]:  # the picture before is of no use: the neighbours' sizes
        form = 3 * form + tree
        sizes = 16 * size_of(left) + size_of(above)
        known = 3 * form + min(2, multi)
        w0, w1, w2 = 256 * form + sizes, (3 * form + near) * PACES + s[r.PACE], where
    else:
        _, narrow, low, _ = quarters(s, s[r.BEFORE], x, y, width, height)
        skips, _, _, finer = quarters(s, s[r.LIKE], x, y, width, height)
        right = right_of(s, s[r.LIKE], x, y, width)
        under = below(s, s[r.LIKE], x, y, height)
        often = (narrow + low > 0) + (narrow + low >= 4)
        paced = (form * 9 + 3 * near + often) * PACES + s[r.PACE]
        after = 2 * (height_of(right) < height) + (width_of(under) < width)
        around = ((form * 5 + finer) * 5 + skips) * 4 + after
        known = (form * 5 + narrow) * 5 + low
        w0, w1, w2 = where, paced, around
    quad = allowed & _MAY_QUAD
    if inside:
        count = quad
        for bit in range(5):
            count += allowed >> bit & 1
        context = c.SPLIT_CU + near + 3 * ((count - 1) // 2)
        if not code(s, m, tape, context, known, 3, w0, w1, w2):
            return WHOLE
    if allowed <= _MAY_QUAD:
        return QUAD
    if quad:
        deeper = (depth_of(left) > depth) + (depth_of(above) > depth)
        context = c.SPLIT_QT + deeper + 3 * (depth >= 2)
        if code(s, m, tape, context, known, 3, w0, w1, w2):
            return QUAD
    return _lines(s, m, tape, width, height, allowed, left, above, multi, known, w0, w1, w2)


def _lines(
    s: Ints,
    m: Memory,
    tape: Ints,
    width: int,
    height: int,
    allowed: int,
    left: int,
    above: int,
    multi: int,
    known: int,
    w0: int,
    w1: int,
    w2: int,
) -> int:
    """A split into two or three: by which lines."""
    rows, columns = allowed >> 1 & 1, allowed >> 2 & 1
    ternary_rows, ternary_columns = allowed >> 3 & 1, allowed >> 4
    lying, standing = rows + ternary_rows, columns + ternary_columns
    vertical = int(standing > 0)
    if lying and standing:
        context = 0
        if lying != standing:
            context = 4 if standing > lying else 3
        elif left != OUTSIDE and above != OUTSIDE:
            across, down = width // width_of(above), height // height_of(left)
            context = 1 if across < down else 2 if across > down else 0
        vertical = code(s, m, tape, c.SPLIT_VERTICAL + context, known, 3, w0, w1, w2)
    two, three = (columns, ternary_columns) if vertical else (rows, ternary_rows)
    if two and three:
        context = c.SPLIT_BINARY + 2 * vertical + (multi <= 1)
        two = code(s, m, tape, context, known, 3, w0, w1, w2)
    return (BINARY_ROWS if two else TERNARY_ROWS) + vertical
