"""Prediction of coding units: motion and intra modes.

(Rec. ITU-T H.265, clauses 7.3.8.5, 7.3.8.6, 7.3.8.9 and 8.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.bins import (
    MERGE_REST,
    MODE_REST,
    MVD_REST,
    REF_REST,
    SIGN,
    code,
    exp_golomb,
    plain,
    unary,
)
from hdac.bitstream.hevc.maps import (
    BOTH,
    DC,
    MERGE_CANDIDATES,
    MERGED,
    MERGED_LAST,
    MODE_STRIDE,
    MODES,
    MOVED,
    PAST_MERGED,
    REFERENCES,
    TREE_BLOCK,
    UNIT_MODES,
    ZERO_MVD,
    above_of,
    at,
    fill,
    left_of,
    place,
)
from hdac.bitstream.registers import Ints, Memory

_PLANAR, _HORIZONTAL, _VERTICAL = 0, 10, 26
_CHROMA_MODES = [_PLANAR, _VERTICAL, _HORIZONTAL, DC]


def bit_length(value: int, most: int) -> int:
    """Of a number that is not negative, or `most` if that is less."""
    length = 0
    while value and length < most:
        value >>= 1
        length += 1
    return length


def merge_index(s: Ints, m: Memory, tape: Ints, x: int, y: int, size: int, known: int) -> None:
    """The index for (a part of) the block at (x, y)."""
    limit, index, last = s[MERGE_CANDIDATES] - 1, 0, s[MERGED_LAST]
    beside = 36 * known + 6 * left_of(s, s[MERGED], x, y) + above_of(s, s[MERGED], x, y)
    past = 18 * known + 3 * s[s[PAST_MERGED] + at(s, x, y)] + last
    where = place(s, x, y, 0)
    if limit > 0 and code(s, m, tape, c.MERGE_INDEX, 3 * known + last, 3, where, beside, past):
        index = 1
        while index < limit:
            where = place(s, x, y, index)
            farther = 576 * index + beside
            if not code(s, m, tape, MERGE_REST, index, 3, where, farther, 288 * index + past):
                break
            index += 1
    s[MERGED_LAST] = min(2, index)
    fill(s, s[MERGED], x, y, size, 1 + index)


def motion(s: Ints, m: Memory, tape: Ints, x: int, y: int, size: int, part: int, depth: int) -> int:
    """The motion of one part of the block at (x, y); whether it is merged."""
    if plain(s, m, tape, c.MERGE_FLAG, size + 8 * (part > 0)):
        merge_index(s, m, tape, x, y, size, 8 + size)
        return 1
    near = 7 * left_of(s, s[MOVED], x, y) + above_of(s, s[MOVED], x, y)
    shape = 8 * (size - 3) + part
    first, end = 0, 1  # of the reference lists that are used
    if s[BOTH]:
        where = place(s, x, y, 0)
        small = size == 3 and part > 0  # 8x4 and 4x8 have one
        if not small and code(s, m, tape, c.INTER_PRED + depth, shape, 1, where, 0, 0):
            end = 2
        else:
            first = code(s, m, tape, c.INTER_PRED + 4, shape, 1, where, 0, 0)
            end = first + 1
    moved = 0
    for which in range(first, end):
        use = which + 2 * (end - first > 1)
        limit, reference = s[REFERENCES + which] - 1, 0
        while reference < min(limit, 2) and plain(s, m, tape, c.REF_INDEX + reference, use):
            reference += 1
        if reference == 2:
            unary(s, m, tape, REF_REST, limit - 2, 0)
        if use < 3 or not s[ZERO_MVD]:
            moved += _vector(s, m, tape, 64 * use + shape, 49 * use + near, reference, use)
        plain(s, m, tape, c.MVP, use)
    fill(s, s[MOVED], x, y, size, bit_length(moved, 6))
    return 0


def _vector(s: Ints, m: Memory, tape: Ints, shape: int, near: int, reference: int, use: int) -> int:
    """A motion vector difference; the sum of its components' sizes. `reference`: at most 2."""
    wide, know = 3 * near, 2 * use
    x_moved = code(s, m, tape, c.MVD, know, 2, 3 * shape, 3 * wide + reference, 0)
    other = 1 + x_moved
    y_moved = code(
        s, m, tape, c.MVD, know + 1, 2, 3 * shape + other, 3 * (wide + other) + reference, 0
    )
    wide, x_far, y_far = 4 * near, 0, 0
    if x_moved:
        other = y_moved
        x_far = code(
            s, m, tape, c.MVD + 1, know, 2, 4 * shape + other, 3 * (wide + other) + reference, 0
        )
    if y_moved:
        other = 2 + x_far
        y_far = code(
            s, m, tape, c.MVD + 1, know + 1, 2, 4 * shape + other, 3 * (wide + other) + reference, 0
        )
    x_size = _component(
        s, m, tape, x_moved, x_far, 16 * know, 16 * shape + y_far, 16 * near + y_far
    )
    other = 8 + bit_length(x_size, 7) if y_far else 0
    return x_size + _component(
        s, m, tape, y_moved, y_far, 16 * (know + 1), 16 * shape + other, 16 * near + other
    )


def _component(
    s: Ints, m: Memory, tape: Ints, moved: int, far: int, known: int, shape: int, near: int
) -> int:
    """The rest of a vector's component: its size."""
    size = moved
    if far:
        size = 2 + exp_golomb(s, m, tape, MVD_REST, 1, known, 2, shape, near)
    if moved:
        plain(s, m, tape, SIGN, 0)
    return size


def luma_modes(s: Ints, m: Memory, tape: Ints, x: int, y: int, side: int, parts: int) -> None:
    """Intra modes of the `parts` times `parts` blocks of a coding unit, 4 at most: those are in
    `UNIT_MODES` then."""
    side //= parts
    for i in range(parts * parts):
        s[UNIT_MODES + i] = plain(s, m, tape, c.LUMA_MODE, parts)
    for i in range(parts * parts):
        x1, y1 = x + i % parts * side, y + i // parts * side
        one, two, three = _candidates(s, x1, y1)
        if s[UNIT_MODES + i]:
            index = unary(s, m, tape, MODE_REST, 2, 0)
            mode = one if index == 0 else two if index == 1 else three
        else:
            mode = 1
            for _ in range(5):
                mode = 2 * mode + plain(s, m, tape, MODE_REST, 32 + mode)
            least, most = min(one, two, three), max(one, two, three)
            mode -= 32
            mode += mode >= least
            mode += mode >= one + two + three - least - most
            mode += mode >= most
        s[UNIT_MODES + i] = mode
        row = s[MODES] + (y1 >> 2) * s[MODE_STRIDE] + (x1 >> 2)
        for _ in range(side >> 2):
            for block in range(row, row + (side >> 2)):
                s[block] = mode
            row += s[MODE_STRIDE]


def _candidates(s: Ints, x: int, y: int) -> tuple[int, int, int]:
    """Most probable modes (clause 8.4.2)."""
    block = s[MODES] + (y >> 2) * s[MODE_STRIDE] + (x >> 2)
    left = s[block - 1] if x else DC
    above = s[block - s[MODE_STRIDE]] if y & (1 << s[TREE_BLOCK]) - 1 else DC
    if left != above:
        third = _VERTICAL
        if left != _PLANAR and above != _PLANAR:
            third = _PLANAR
        elif left != DC and above != DC:
            third = DC
        return left, above, third
    if left < 2:
        return _PLANAR, DC, _VERTICAL
    return left, 2 + (left + 29) % 32, 2 + (left - 1) % 32


def chroma_mode(s: Ints, m: Memory, tape: Ints, luma: int) -> int:
    """`luma`: the mode of the unit's first luma block."""
    if not plain(s, m, tape, c.CHROMA_MODE, 0):
        return luma
    index = 2 * plain(s, m, tape, MODE_REST, 16)
    index += plain(s, m, tape, MODE_REST, 17 + index)
    mode = _CHROMA_MODES[index]
    return 34 if mode == luma else mode
