"""Levels of blocks without a transform.

(Rec. ITU-T H.266, clauses 7.3.11.12 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import EVEN, plain
from hdac.bitstream.vvc.levels import remainder
from hdac.bitstream.vvc.scans import PLACE, order, sub_block

# Here `FOUND` has the signs of levels that are not 0, in rows with one place before, below a row
# before them; `LEVELS` has those of the present sub-block.


def untransformed(s: Ints, m: Memory, tape: Ints, across: int, down: int, chroma: int) -> None:
    """A block of 32x32 samples at most."""
    sub_x, sub_y = sub_block(across, down)
    outside, inside = order(across - sub_x, down - sub_y), order(sub_x, sub_y)
    predicted = s[r.BDPCM_CHROMA] if chroma else s[r.BDPCM_LUMA]
    s[r.B_LEFT] = (7 << across + down) >> 2
    s[r.B_STRIDE] = stride = (1 << across) + 1
    for at in range(stride * ((1 << down) + 1)):
        s[r.FOUND + at] = 0
    for flag in range(r.SUB_BLOCKS, r.SUB_BLOCKS + 100):
        s[flag] = 0
    blocks, some = 1 << across + down - sub_x - sub_y, 0
    for i in range(blocks):
        place = PLACE[outside + i]
        xs, ys = place & 15, place >> 4
        flag = r.SUB_BLOCKS + 10 * (ys + 1) + xs + 1
        if i < blocks - 1 or some:
            near = s[flag - 1] + s[flag - 10]
            if not plain(s, m, tape, c.SUB_BLOCK + 4 + near, 0):
                continue
        s[flag] = some = 1
        corner = r.FOUND + ((ys << sub_y) + 1) * stride + (xs << sub_x) + 1
        _levels(s, m, tape, inside, corner, 1 << sub_x + sub_y, predicted)


def _levels(
    s: Ints, m: Memory, tape: Ints, inside: int, corner: int, size: int, predicted: int
) -> None:
    """One sub-block of `size` levels, 16 at most: three passes over them."""
    first = _first_pass(s, m, tape, inside, corner, size, predicted)
    second = 0
    for n in range(first):
        if s[r.B_LEFT] < 4:
            break
        second = n + 1
        greater = int(s[r.LEVELS + n] > 1)
        for j in range(1, 5):
            if greater:
                greater = plain(s, m, tape, c.GREATER + 67 + j, 0)
                s[r.LEVELS + n] += 2 * greater
                s[r.B_LEFT] -= 1
    for n in range(size):
        if n >= first:
            if remainder(s, m, tape, 1):
                place = PLACE[inside + n]
                at = corner + (place >> 4) * s[r.B_STRIDE] + (place & 15)
                s[at] = 1 - 2 * plain(s, m, tape, EVEN, 0)
        elif s[r.LEVELS + n] >= (10 if n < second else 2):
            remainder(s, m, tape, 1)


def _first_pass(
    s: Ints, m: Memory, tape: Ints, inside: int, corner: int, size: int, predicted: int
) -> int:
    """Levels up to 3, and signs; how many levels there are bins for."""
    inferred = 1
    for n in range(size):
        if s[r.B_LEFT] < 4:
            return n
        place = PLACE[inside + n]
        at = corner + (place >> 4) * s[r.B_STRIDE] + (place & 15)
        left, above = s[at - 1], s[at - s[r.B_STRIDE]]
        near = (left != 0) + (above != 0)
        level = 1
        if not (inferred and n == size - 1):
            level = plain(s, m, tape, c.SIGNIFICANT + 60 + near, 0)
            s[r.B_LEFT] -= 1
        if level:
            inferred = 0
            kind = 0 if left == -above else 1 if min(left, above) >= 0 else 2
            sign = plain(s, m, tape, c.SIGN_SKIPPED + kind + 3 * predicted, 0)
            s[at] = 1 - 2 * sign
            s[r.B_LEFT] -= 2
            if plain(s, m, tape, c.GREATER + 64 + (3 if predicted else near), 0):
                level = 2 + plain(s, m, tape, c.PARITY + 32, 0)
                s[r.B_LEFT] -= 1
        s[r.LEVELS + n] = level
    return size
