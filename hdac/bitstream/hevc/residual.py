"""Transform trees and coefficients.

(Rec. ITU-T H.265, clauses 7.3.8.8, 7.3.8.10 to 7.3.8.12 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.bins import (
    EVEN,
    LAST_REST,
    LEVEL_REST,
    QP_REST,
    exp_golomb,
    fixed,
    plain,
)
from hdac.bitstream.hevc.maps import (
    CHROMA,
    DEPTH_INTER,
    DEPTH_INTRA,
    DEPTH_LIMIT,
    FLAGGED,
    FORCED,
    FOUND,
    HIDES_SIGNS,
    LEVELS,
    MAX_TRANSFORM,
    MIN_TRANSFORM,
    MODE_STRIDE,
    MODES,
    OF_INTRA,
    QP_CODED,
    QP_DELTA,
    QUARTERS,
    TRANSFORM_SKIP,
    TRANSFORM_STACK,
)
from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.registers import Ints, Memory


def _scan(side: int, kind: int) -> list[tuple[int, int]]:
    """(x, y) in the order of coding: up-right diagonals, rows or columns (clause 6.5)."""
    if kind == 0:
        return [(x, d - x) for d in range(2 * side - 1) for x in range(side) if 0 <= d - x < side]
    rows = [(x, y) for y in range(side) for x in range(side)]
    return rows if kind == 1 else [(y, x) for x, y in rows]


def _rows(scan: list[tuple[int, int]]) -> list[int]:
    """A scan's places `8 * y + x`, 64 numbers."""
    return [8 * y + x for x, y in scan] + [0] * (64 - len(scan))


def _numbers(scan: list[tuple[int, int]]) -> list[int]:
    """Where in a scan each place is, 64 numbers."""
    where = {8 * y + x: n for n, (x, y) in enumerate(scan)}
    return [where.get(place, 0) for place in range(64)]


#: Places in a block of 1 << n sub-blocks, or of places of a sub-block (n = 2), by n and scan; and
#: the numbers of places.
_ORDERS = [_scan(1 << n, kind) for n in range(4) for kind in range(3)]
_PLACE = [place for order in _ORDERS for place in _rows(order)]
_NUMBER = [number for order in _ORDERS for number in _numbers(order)]
#: `sigCtx` in a block of 4x4 (`ctxIdxMap`); the last coefficient has none.
_MAP_4X4 = (0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 0)


def _near(right: int, below: int, x: int, y: int) -> int:
    """`sigCtx` inside a sub-block from the coded flags of its neighbours (clause 9.3.4.2.5)."""
    if right and below:
        return 2
    if right or below:
        return max(0, 2 - (y if right else x))
    return 2 if x + y == 0 else 1 if x + y < 3 else 0


def _significant(size: int, chroma: int, scan: int, later: int, flags: int) -> list[int]:
    """Contexts of `sig_coeff_flag` in a sub-block, by position; `later`: it is not the first;
    `flags`: whether its neighbours to the right and (2) below are coded."""
    found = []
    for n, (x, y) in enumerate(_scan(4, scan)):
        context = _near(flags & 1, flags >> 1, x, y)
        if size == 2:
            context = _MAP_4X4[4 * y + x]
        elif not (n or later):
            context = 0
        elif chroma:
            context += 9 if size == 3 else 12
        else:
            context += 3 * later + ((15 if scan else 9) if size == 3 else 21)
        found.append(c.SIGNIFICANT + 27 * chroma + context)
    return found


#: By size less 2, chroma, scan, later and flags (as a number of that order), 16 contexts each.
_SIGNIFICANT = [
    context
    for size in range(2, 6)
    for chroma in range(2)
    for scan in range(3)
    for later in range(2)
    for flags in range(4)
    for context in _significant(size, chroma, scan, later, flags)
]


def transforms(
    s: Ints, m: Memory, tape: Ints, x: int, y: int, size: int, intra: int, chroma: int, parted: int
) -> None:
    """A coding unit's tree. `chroma`: its intra mode; `parted`: into more than one part."""
    s[OF_INTRA], s[CHROMA] = intra, chroma
    s[QUARTERS] = int(intra and parted)
    s[FORCED] = int(not intra and parted and s[DEPTH_INTER] == 0)
    s[DEPTH_LIMIT] = s[DEPTH_INTRA] + parted if intra else s[DEPTH_INTER]
    blocks = _push(s, 0, x, y, size, 0, 0, 3)
    while blocks:
        blocks -= 1
        at = TRANSFORM_STACK + 6 * blocks
        x, y, size, depth = s[at], s[at + 1], s[at + 2], s[at + 3]
        index, colours = s[at + 4], s[at + 5]
        split = _split(s, m, tape, size, depth)
        if size > 2:
            colours = _colours(s, m, tape, size, depth, colours)
        if not split:
            _unit(s, m, tape, x, y, size, depth, index, colours)
            continue
        half = 1 << size - 1
        for i in range(3, -1, -1):  # the last one is the next
            x1, y1 = x + (i & 1) * half, y + (i >> 1) * half
            blocks = _push(s, blocks, x1, y1, size - 1, depth + 1, i, colours)


def _push(
    s: Ints, blocks: int, x: int, y: int, size: int, depth: int, index: int, colours: int
) -> int:
    """`index`: which quarter of the block around it. `colours`: whether that has coefficients of
    Cb, and (2) of Cr."""
    at = TRANSFORM_STACK + 6 * blocks
    s[at], s[at + 1], s[at + 2], s[at + 3] = x, y, size, depth
    s[at + 4], s[at + 5] = index, colours
    return blocks + 1


def _split(s: Ints, m: Memory, tape: Ints, size: int, depth: int) -> int:
    """Whether a block is split; sizes are 2 to 6."""
    first = depth == 0
    quarters = s[QUARTERS] > 0 and first
    if s[MIN_TRANSFORM] < size <= s[MAX_TRANSFORM] and depth < s[DEPTH_LIMIT] and not quarters:
        return plain(s, m, tape, c.SPLIT_TRANSFORM + 5 - size, s[OF_INTRA])
    forced = s[FORCED] > 0 and first and size > s[MIN_TRANSFORM]
    return int(size > s[MAX_TRANSFORM] or quarters or forced)


def _known(s: Ints, size: int) -> int:
    return 2 * min(size - 2, 3) + s[OF_INTRA]


def _colours(s: Ints, m: Memory, tape: Ints, size: int, depth: int, colours: int) -> int:
    """Whether a block has chroma coefficients, if the one around it has; at depths up to 3."""
    cb, cr, known = colours & 1, colours >> 1, _known(s, size)
    if cb:
        cb = plain(s, m, tape, c.CBF_CHROMA + depth, known)
    if cr:
        cr = plain(s, m, tape, c.CBF_CHROMA + depth, 8 + known + 8 * cb)
    return cb | cr << 1


def _unit(
    s: Ints,
    m: Memory,
    tape: Ints,
    x: int,
    y: int,
    size: int,
    depth: int,
    index: int,
    colours: int,
) -> None:
    """A transform unit (clause 7.3.8.10)."""
    coded = 1
    if s[OF_INTRA] or depth or colours:
        known = _known(s, size) + (8 if colours else 0)
        coded = plain(s, m, tape, c.CBF_LUMA + (depth == 0), known)
    if not (coded or colours):
        return
    if s[QP_DELTA] >= 0 and not s[QP_CODED]:
        _qp_delta(s, m, tape)
    if coded:
        mode = s[s[MODES] + (y >> 2) * s[MODE_STRIDE] + (x >> 2)]
        _residual(s, m, tape, size, 0, mode)
    if size > 2:
        size -= 1
    elif index < 3:
        return  # the four blocks have chroma together, with the last one
    for plane in range(2):
        if colours >> plane & 1:
            _residual(s, m, tape, size, 1, s[CHROMA])


def _qp_delta(s: Ints, m: Memory, tape: Ints) -> None:
    s[QP_CODED] = 1
    if not plain(s, m, tape, c.QP_DELTA, 0):
        return
    count = 1
    while count < 5 and plain(s, m, tape, c.QP_DELTA + 1, count):
        count += 1
    if count == 5:
        exp_golomb(s, m, tape, QP_REST, 0, 0, 0, 0, 0)
    plain(s, m, tape, EVEN, 0)


def _residual(s: Ints, m: Memory, tape: Ints, size: int, chroma: int, mode: int) -> None:
    """Coefficients of a block of `1 << size`, 2 to 5 (clause 7.3.8.11)."""
    if s[TRANSFORM_SKIP] and size == 2:
        plain(s, m, tape, c.SKIP_TRANSFORM + chroma, 0)
    scan = 0
    if s[OF_INTRA] and (size == 2 or (size == 3 and not chroma)):
        scan = 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0
    x_last, y_last = _last(s, m, tape, size, chroma, scan)
    outside = 64 * (3 * (size - 2) + scan)
    last_block = _NUMBER[outside + (y_last >> 2) * 8 + (x_last >> 2)]
    start = _NUMBER[64 * (6 + scan) + (y_last & 3) * 8 + (x_last & 3)]
    known = 32 * s[OF_INTRA] + 4 * size
    side = 1 << size - 2
    for row in range(FLAGGED, FLAGGED + 9 * side + 1, 9):
        for flag in range(row, row + side + 1):
            s[flag] = 0
    carried = 1
    for i in range(last_block, -1, -1):
        place = _PLACE[outside + i]
        flag = FLAGGED + (place >> 3) * 9 + (place & 7)
        right, below = s[flag + 1], s[flag + 9]
        inferred = 0 < i < last_block  # the first coefficient, if no other is there
        if inferred:
            s[flag] = plain(s, m, tape, c.SUB_BLOCK + (right | below) + 2 * chroma, size)
            if not s[flag]:
                continue
        else:
            s[flag] = 1
        kind = ((2 * (size - 2) + chroma) * 3 + scan) * 2 + (i > 0)
        contexts = 16 * (4 * kind + right + 2 * below)
        found, first = 0, 15
        if i == last_block:
            s[FOUND] = start
            found, first = 1, start - 1
        for n in range(first, -1, -1):
            if n == 0 and inferred and not found:
                coded = 1
            else:
                coded = plain(s, m, tape, _SIGNIFICANT[contexts + n], known + min(found, 3))
            if coded:
                s[FOUND + found] = n
                found += 1
        if found:
            carried = _levels(s, m, tape, found, i, chroma, carried, size)


def _last(s: Ints, m: Memory, tape: Ints, size: int, chroma: int, scan: int) -> tuple[int, int]:
    """Where the last coefficient is: inside the block, as prefixes are at most `2 * size - 1`."""
    known = 64 * s[OF_INTRA] + 4 * size * chroma
    x = _prefix(s, m, tape, c.LAST_X, size, chroma, known)
    y = _prefix(s, m, tape, c.LAST_Y, size, chroma, known + min(x, 3))
    x = _suffix(s, m, tape, x)
    y = _suffix(s, m, tape, y)
    if scan == 2:
        return y, x
    return x, y


def _prefix(s: Ints, m: Memory, tape: Ints, base: int, size: int, chroma: int, known: int) -> int:
    shift = size - 2 if chroma else (size + 1) >> 2
    base += 15 if chroma else 3 * (size - 2) + ((size - 1) >> 2)
    count = 0
    while count < 2 * size - 1 and plain(s, m, tape, base + (count >> shift), 128 * count + known):
        count += 1
    return count


def _suffix(s: Ints, m: Memory, tape: Ints, prefix: int) -> int:
    if prefix <= 3:
        return prefix
    bits = (prefix >> 1) - 1
    return (2 + (prefix & 1) << bits) + fixed(s, m, tape, LAST_REST, bits)


def _levels(
    s: Ints, m: Memory, tape: Ints, found: int, i: int, chroma: int, carried: int, size: int
) -> int:
    """Absolute levels and signs of a sub-block's coefficients, 1 to 16 in `FOUND`; returns
    `greater1Ctx` for the next one."""
    group = (0 if i == 0 or chroma else 2) + (carried == 0)
    known, context = 8 * s[OF_INTRA] + size, c.GREATER1 + 16 * chroma + 4 * group
    state, second = 1, -1
    for k in range(min(8, found)):
        greater = plain(s, m, tape, context + state, known)
        s[LEVELS + k] = 1 + greater
        if greater:
            state = 0
            if second < 0:
                second = k
        elif 0 < state < 3:
            state += 1
    if second >= 0:
        s[LEVELS + second] += plain(s, m, tape, c.GREATER2 + 4 * chroma + group, known)
    hidden = int(s[HIDES_SIGNS] and s[FOUND] - s[FOUND + found - 1] > 3)
    fixed(s, m, tape, EVEN, found - hidden)  # signs
    rice = 0
    for k in range(found):
        base = s[LEVELS + k] if k < 8 else 1
        if base == (1 if k >= 8 else 3 if k == second else 2):
            level = base + _remaining(s, m, tape, rice)
            if level > 3 << rice:
                rice = min(4, rice + 1)
    return state


def _remaining(s: Ints, m: Memory, tape: Ints, rice: int) -> int:
    """`coeff_abs_level_remaining` (clause 9.3.3.11)."""
    prefix = 0
    while plain(s, m, tape, LEVEL_REST, 8 * rice + min(prefix, 7)):
        prefix += 1
        if prefix > 20:
            raise UnsupportedError("a coefficient out of range")
    if prefix <= 3:
        return (prefix << rice) + fixed(s, m, tape, EVEN, rice)
    bits = prefix - 3 + rice
    return ((1 << prefix - 3) + 2 << rice) + fixed(s, m, tape, EVEN, bits)
