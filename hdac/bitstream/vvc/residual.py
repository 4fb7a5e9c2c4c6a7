"""Coefficients of transform blocks.

(Rec. ITU-T H.266, clauses 7.3.11.11, 6.5.2 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import EVEN, LAST_REST, code, fixed
from hdac.bitstream.vvc.levels import remainder
from hdac.bitstream.vvc.maps import log2
from hdac.bitstream.vvc.scans import NUMBER, PLACE, order, sub_block
from hdac.bitstream.vvc.transform_skip import untransformed

#: State of dependent quantisation, by the one before and a level's parity.
_NEXT = [0, 2, 2, 0, 1, 3, 3, 1]
#: Rice parameter by what the levels nearby add up to (table 128).
_RICE = [0] * 7 + [1] * 7 + [2] * 14 + [3] * 4
_LAST_OFFSET = [0, 0, 3, 6, 10, 15]  # contexts of the last position in luma, by size


def residual(
    s: Ints, m: Memory, tape: Ints, width: int, height: int, chroma: int, skip: int
) -> None:
    """A block with coefficients, of 1 to 64 samples a side; `skip`: without a transform."""
    across, down = log2(width), log2(height)
    s[r.B_KIND] = 2 * s[r.KIND] + chroma
    s[r.FORM] = (7 * across + down) * 2 + chroma  # below 98
    s[r.PACED] = 2 * s[r.PACE] + chroma
    if skip and not s[r.PLAIN_SKIP]:
        untransformed(s, m, tape, across, down, chroma)
    else:
        _transformed(s, m, tape, across, down, chroma, skip)


def _transformed(
    s: Ints, m: Memory, tape: Ints, across: int, down: int, chroma: int, skip: int
) -> None:
    """Clause 7.3.11.11. Of each side, 32 coefficients at most may be there."""
    halved = s[r.MTS] and s[r.OF_SBT] and not chroma
    columns, rows = min(across, 5), min(down, 5)
    if halved and across == 5 and down < 6:
        columns = 4
    if halved and down == 5 and across < 6:
        rows = 4
    x_last, y_last = _last(s, m, tape, across, down, columns, rows, chroma)
    s[r.B_STRIDE] = stride = (1 << columns) + 2
    for at in range(stride * ((1 << rows) + 2)):
        s[r.FIRST_PASS + at] = s[r.LEVELS + at] = s[r.FOUND + at] = 0
    sub_x, sub_y = sub_block(columns, rows)
    outside, inside = order(columns - sub_x, rows - sub_y), order(sub_x, sub_y)
    last_block = NUMBER[4 * outside + ((y_last >> sub_y) << 4) + (x_last >> sub_x)]
    x_in, y_in = x_last & (1 << sub_x) - 1, y_last & (1 << sub_y) - 1
    last = NUMBER[4 * inside + (y_in << 4) + x_in]
    big = across > 1 and down > 1
    if last_block == 0 and big and not skip and last > 0:
        s[r.LFNST_DC_ONLY] = 0
    if (last_block and big) or (last > 7 and across == down and 2 <= across <= 3):
        s[r.LFNST_ROOM] = 0
    if (last_block or last) and not chroma:
        s[r.MTS_DC_ONLY] = 0
    s[r.B_LEFT] = (7 << columns + rows) >> 2  # bins of the first pass that there may still be
    s[r.QUANTISER] = 0
    for flag in range(r.SUB_BLOCKS, r.SUB_BLOCKS + 100):
        s[flag] = 0
    for i in range(last_block, -1, -1):
        place = PLACE[outside + i]
        xs, ys = place & 15, place >> 4
        flag = r.SUB_BLOCKS + 10 * ys + xs
        if 0 < i < last_block:
            context = c.SUB_BLOCK + (s[flag + 1] | s[flag + 10]) + 2 * chroma
            wider = 98 * min(i, 15) + s[r.FORM]
            if not code(s, m, tape, context, min(i, 15), 2, wider, s[r.PACED], 0):
                continue
        s[flag] = 1
        s[r.BLOCK] = min(i, 3)
        if max(xs, ys) > 3 and not chroma:
            s[r.MTS_ROOM] = 0
        start = last if i == last_block else (1 << sub_x + sub_y) - 1
        first = (ys << sub_y) * stride + (xs << sub_x)
        x, y = xs << sub_x, ys << sub_y
        ends, inferred = int(i == last_block), int(0 < i < last_block)
        _coefficients(s, m, tape, inside, first, x + y, start, ends, inferred, chroma)


def _last(
    s: Ints,
    m: Memory,
    tape: Ints,
    across: int,
    down: int,
    columns: int,
    rows: int,
    chroma: int,
) -> tuple[int, int]:
    """Where the last coefficient is, inside the block."""
    x = _prefix(s, m, tape, c.LAST_X, across, columns, chroma, 0)
    y = _prefix(s, m, tape, c.LAST_Y, down, rows, chroma, 1 + x)
    x = _suffix(s, m, tape, x, columns)
    return x, _suffix(s, m, tape, y, rows)


def _prefix(
    s: Ints, m: Memory, tape: Ints, base: int, size: int, most: int, chroma: int, other: int
) -> int:
    """`other`: 1 + the other one, which was before."""
    if chroma:
        base, shift = base + 20, min(2, max(0, size - 2))
    else:
        base, shift = base + (_LAST_OFFSET[size - 1] if size else 0), (size + 1) >> 2
    count = 0
    while count < 2 * most - 1:
        known = 10 * s[r.FORM] + count
        w0, w1, w2 = 11 * known + other, 16 * s[r.B_KIND] + count, 16 * s[r.PACED] + count
        if not code(s, m, tape, base + (count >> shift), known, 3, w0, w1, w2):
            break
        count += 1
    return count


def _suffix(s: Ints, m: Memory, tape: Ints, prefix: int, most: int) -> int:
    if prefix > 3:
        bits = (prefix >> 1) - 1
        prefix = (2 + (prefix & 1) << bits) + fixed(s, m, tape, LAST_REST, bits)
    if prefix >= 1 << most:
        raise UnsupportedError("a last coefficient outside of its block")
    return prefix


def _near(s: Ints, values: int, at: int) -> int:
    """The sum of the five values to the right and below (clause 9.3.4.2.7)."""
    at += values
    below = at + s[r.B_STRIDE]
    return s[at + 1] + s[at + 2] + s[below] + s[below + 1] + s[below + s[r.B_STRIDE]]


def _coefficients(
    s: Ints,
    m: Memory,
    tape: Ints,
    inside: int,
    corner: int,
    away: int,
    start: int,
    last: int,
    inferred: int,
    chroma: int,
) -> None:
    """One sub-block, from `start` on, of 16 at most. `inside`: the order of its coefficients;
    `corner`, `away`: the place of its first one, and the sum of that one's sides. `last`: `start`
    is the block's last coefficient; `inferred`: there is at least one."""
    stride, dependent = s[r.B_STRIDE], s[r.DEPENDENT]
    beside = 16 * (4 * s[r.FORM] + s[r.BLOCK])
    n, count, larger = start, 0, 0
    while n >= 0 and s[r.B_LEFT] >= 4:
        place = PLACE[inside + n]
        x, y = place & 15, place >> 4
        at, far = corner + y * stride + x, away + x + y
        total = _near(s, r.FIRST_PASS, at)
        final = int(last and n == start)
        level = 1
        if not final and not (n == 0 and inferred):
            level = _significant(s, m, tape, total, far, n, count, beside, chroma)
        if level:
            inferred = 0
            s[r.FOUND + at] = 1
            context = _context(s, total - _near(s, r.FOUND, at), far, final, chroma)
            level = _greater(s, m, tape, context, total, n, count, final, beside, chroma)
            count += 1
            if level > 3:
                s[r.LARGER + larger] = at
                larger += 1
        s[r.FIRST_PASS + at] = s[r.LEVELS + at] = level
        if dependent:
            s[r.QUANTISER] = _NEXT[2 * s[r.QUANTISER] + (level & 1)]
        n -= 1
    for i in range(larger):
        at = s[r.LARGER + i]
        s[r.LEVELS + at] += 2 * remainder(s, m, tape, _rice(s, at, 4))
    while n >= 0:
        place = PLACE[inside + n]
        at = corner + (place >> 4) * stride + (place & 15)
        level = _whole(s, m, tape, _rice(s, at, 0))
        s[r.LEVELS + at] = level
        if dependent:
            s[r.QUANTISER] = _NEXT[2 * s[r.QUANTISER] + (level & 1)]
        n -= 1
    _signs(s, m, tape, inside, corner, start)


def _significant(
    s: Ints,
    m: Memory,
    tape: Ints,
    total: int,
    far: int,
    n: int,
    count: int,
    beside: int,
    chroma: int,
) -> int:
    quantiser, near = max(0, s[r.QUANTISER] - 1), min(total + 1 >> 1, 3)
    if chroma:
        context = 36 + 8 * quantiser + near + (4 if far < 2 else 0)
    else:
        context = 12 * quantiser + near + (8 if far < 2 else 4 if far < 5 else 0)
    known = (16 * min(total, 15) + min(far, 15)) * 2 + chroma
    kind = (s[r.B_KIND] * 4 + s[r.BLOCK]) * 8 + min(count, 7)
    s[r.B_LEFT] -= 1
    return code(
        s, m, tape, c.SIGNIFICANT + context, known, 3, beside + n, kind, 4 * s[r.PACED] + near
    )


def _context(s: Ints, above: int, far: int, final: int, chroma: int) -> int:
    """Of flags of greater levels. `above`: what the levels nearby are above 1."""
    if final:
        return 21 * chroma
    if chroma:
        return min(above, 4) + 22 + (0 if far else 5)
    return min(above, 4) + 1 + (15 if far == 0 else 10 if far < 3 else 5 if far < 10 else 0)


def _greater(
    s: Ints,
    m: Memory,
    tape: Ints,
    context: int,
    total: int,
    n: int,
    count: int,
    final: int,
    beside: int,
    chroma: int,
) -> int:
    """A level that is not 0, up to 3 or 4 or 5; those have a rest."""
    quantiser = s[r.QUANTISER]
    known = 16 * min(total, 15) + 2 * quantiser + chroma
    w0 = (beside + n) * 2 + final
    w1 = (8 * s[r.B_KIND] + min(count, 7)) * 4 + quantiser
    w2 = 4 * s[r.PACED] + quantiser
    s[r.B_LEFT] -= 1
    if not code(s, m, tape, c.GREATER + context, known, 3, w0, w1, w2):
        return 1
    s[r.B_LEFT] -= 2
    level = 2 + code(s, m, tape, c.PARITY + context, known, 3, w0, w1, w2)
    return level + 2 * code(s, m, tape, c.GREATER + 32 + context, known, 3, w0, w1, w2)


def _signs(s: Ints, m: Memory, tape: Ints, inside: int, corner: int, start: int) -> None:
    count, first, last = 0, 0, 0
    for n in range(start + 1):
        place = PLACE[inside + n]
        if s[r.LEVELS + corner + (place >> 4) * s[r.B_STRIDE] + (place & 15)]:
            if not count:
                first = n
            count, last = count + 1, n
    hidden = int(s[r.SIGN_HIDING] and last - first > 3)
    fixed(s, m, tape, EVEN, count - hidden)


def _rice(s: Ints, at: int, base: int) -> int:
    return _RICE[min(31, max(0, _near(s, r.LEVELS, at) - 5 * base))]


def _whole(s: Ints, m: Memory, tape: Ints, rice: int) -> int:
    """A level that is coded at once."""
    value = remainder(s, m, tape, rice)
    zero = (1 if s[r.QUANTISER] < 2 else 2) << rice
    return 0 if value == zero else value + (value < zero)
