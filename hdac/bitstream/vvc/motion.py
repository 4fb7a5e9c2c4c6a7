"""Motion of coding units: merge data, vectors and references.

(Rec. ITU-T H.266, clauses 7.3.11.5, 7.3.11.7, 7.3.11.8 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import (
    BCW_REST,
    GPM_REST,
    MERGE_REST,
    MMVD_REST,
    MVD_REST,
    REF_REST,
    SIGN,
    code,
    exp_golomb,
    plain,
    unary,
    viewed,
)
from hdac.bitstream.vvc.maps import (
    BOTH_LISTS,
    MERGED,
    MERGED_BLOCKS,
    MERGED_MOVED,
    MERGED_PARTS,
    ONE_LIST,
    above_of,
    affine,
    left_of,
    merged,
    middle,
    motion,
    moved,
    place,
    shape,
)


def motion_data(s: Ints, m: Memory, tape: Ints) -> int:
    """Of the present coding unit, which is not predicted in intra mode; whether it is merged."""
    left = left_of(s, s[r.LUMA], s[r.X], s[r.Y])
    above = above_of(s, s[r.LUMA], s[r.X], s[r.Y])
    past, skips = middle(s, s[r.BEFORE]), s[r.SKIPPED]
    s[r.LEFT], s[r.ABOVE], s[r.PAST] = left, above, past
    s[r.KNOWN] = 2 * shape(s[r.W], s[r.H]) + skips
    s[r.VIEWS] = 98 * (8 * motion(left) + motion(above)) + s[r.KNOWN]
    s[r.VIEWS + 1] = (8 * motion(past) + s[r.MOTION_LAST]) * 2 + skips
    s[r.VIEWS + 2] = 2 * s[r.PACE] + skips
    merges = 1
    if skips or viewed(s, m, tape, c.MERGE_FLAG, s[r.KNOWN], r.VIEWS):
        _merge(s, m, tape)
    else:
        merges = 0
        if s[r.COPIED]:
            _copy(s, m, tape)
        else:
            _predicted(s, m, tape)
    s[r.MOTION_LAST] = s[r.MOTION]
    return merges


def _index(
    s: Ints,
    m: Memory,
    tape: Ints,
    context: int,
    model: int,
    most: int,
    known: int,
    count: int,
    w0: int,
    w1: int,
    w2: int,
) -> int:
    """A unary number whose first bin has a context. `count`: of wider views."""
    w0, w1, w2 = 8 * w0 + known, 8 * w1 + known, 8 * w2 + known
    if not count:
        w0 = w1 = w2 = 0
    if most < 1 or not code(s, m, tape, context, known, count, w0, w1, w2):
        return 0
    index = 1
    while index < most:
        far = 65536 * index if count else 0
        if not code(s, m, tape, model, 8 * known + index, count, far + w0, far + w1, far + w2):
            break
        index += 1
    return index


def _merge_index(s: Ints, m: Memory, tape: Ints, context: int, most: int, known: int) -> None:
    """An index under the views of the unit's motion."""
    w0, w1, w2 = s[r.VIEWS], s[r.VIEWS + 1], s[r.VIEWS + 2]
    _index(s, m, tape, context, MERGE_REST, most, known, 3, w0, w1, w2)


def _near(s: Ints) -> int:
    return affine(s[r.LEFT]) + affine(s[r.ABOVE])


def _merge(s: Ints, m: Memory, tape: Ints) -> None:
    """Clause 7.3.11.7."""
    width, height, skips, known = s[r.W], s[r.H], s[r.SKIPPED], s[r.KNOWN]
    if s[r.COPIED]:
        _merge_index(s, m, tape, c.MERGE_INDEX, s[r.COPY_CANDIDATES] - 1, 0)
        return
    if s[r.SUBBLOCK_CANDIDATES] and min(width, height) >= 8:
        s[r.OF_AFFINE] = viewed(s, m, tape, c.SUBBLOCK_MERGE + _near(s), known, r.VIEWS)
        if s[r.OF_AFFINE]:
            s[r.MOTION] = MERGED_BLOCKS
            _merge_index(s, m, tape, c.SUBBLOCK_INDEX, s[r.SUBBLOCK_CANDIDATES] - 1, 1)
            return
    inside = max(width, height) < 128
    ciip = s[r.CIIP] and not skips and width * height >= 64 and inside
    gpm = s[r.GPM] and s[r.BOTH] and min(width, height) >= 8 and inside
    gpm = gpm and width < 8 * height and height < 8 * width
    if not (ciip or gpm) or viewed(s, m, tape, c.REGULAR_MERGE + (not skips), known, r.VIEWS):
        _regular(s, m, tape)
        return
    s[r.MOTION] = MERGED_PARTS
    if ciip:
        s[r.OF_CIIP] = 1
        if gpm:
            s[r.OF_CIIP] = viewed(s, m, tape, c.CIIP, known, r.VIEWS)
    if s[r.OF_CIIP]:
        _merge_index(s, m, tape, c.MERGE_INDEX, s[r.MERGE_CANDIDATES] - 1, 3)
        return
    parts, form = 1, shape(width, height)
    for _ in range(6):
        parts = 2 * parts + code(s, m, tape, GPM_REST, parts, 1, 64 * form + parts, 0, 0)
    _merge_index(s, m, tape, c.MERGE_INDEX, s[r.GPM_CANDIDATES] - 1, 4)
    if s[r.GPM_CANDIDATES] > 2:
        _merge_index(s, m, tape, c.MERGE_INDEX, s[r.GPM_CANDIDATES] - 2, 5)


def _regular(s: Ints, m: Memory, tape: Ints) -> None:
    s[r.MOTION] = MERGED
    if s[r.MMVD] and viewed(s, m, tape, c.MMVD, s[r.KNOWN], r.VIEWS):
        s[r.MOTION] = MERGED_MOVED
        if s[r.MERGE_CANDIDATES] > 1:
            plain(s, m, tape, c.MMVD_CANDIDATE, 0)
        _index(s, m, tape, c.MMVD_DISTANCE, MMVD_REST, 7, 0, 0, 0, 0, 0)
        first = plain(s, m, tape, MMVD_REST, 64)
        plain(s, m, tape, MMVD_REST, 65 + first)
        return
    last = s[r.MERGED_LAST]
    beside = (7 * merged(s[r.LEFT]) + merged(s[r.ABOVE])) * 98 + s[r.KNOWN]
    past = ((7 * merged(s[r.PAST]) + last) * 8 + s[r.MOTION_LAST]) * 2 + s[r.SKIPPED]
    where, most = place(s, s[r.X], s[r.Y], 0), s[r.MERGE_CANDIDATES] - 1
    index = _index(s, m, tape, c.MERGE_INDEX, MERGE_REST, most, 2, 3, where, beside, past)
    s[r.MERGED_LAST] = min(2, index)
    s[r.MERGED] = 1 + index


def _difference(s: Ints, m: Memory, tape: Ints, kind: int) -> int:
    """A vector's difference: the sum of its sides (clause 7.3.11.8). `kind`: of motion."""
    near = 7 * moved(s[r.LEFT]) + moved(s[r.ABOVE])
    form = 8 * (s[r.KNOWN] >> 1) + kind
    near += 49 * kind
    x = code(s, m, tape, c.MVD_GREATER0, 0, 2, 3 * form, 3 * near, 0)
    other = 1 + x
    y = code(s, m, tape, c.MVD_GREATER0, 1, 2, 3 * form + other, 3 * near + other, 0)
    x_far = y_far = 0
    if x:
        x_far = code(s, m, tape, c.MVD_GREATER1, 0, 2, 4 * form + y, 4 * near + y, 0)
    if y:
        other = 2 + x_far
        y_far = code(s, m, tape, c.MVD_GREATER1, 1, 2, 4 * form + other, 4 * near + other, 0)
    if x:
        x = _side(s, m, tape, kind, 0, x_far, 0)
    if y:
        y = _side(s, m, tape, kind, 1, y_far, x)
    return x + y


def _side(s: Ints, m: Memory, tape: Ints, kind: int, axis: int, far: int, other: int) -> int:
    """The rest of one side of a vector's difference. `other`: the one before."""
    size = 1
    if far:
        known = 256 * kind + 128 * axis + 16 * length(other)
        size = 2 + exp_golomb(s, m, tape, MVD_REST, 1, 15, 17, known)
    plain(s, m, tape, SIGN, 2 * kind + axis)
    return size


def length(value: int) -> int:
    """Bits of a number that is not negative, at most 6."""
    bits = 0
    while value and bits < 6:
        value >>= 1
        bits += 1
    return bits


def _copy(s: Ints, m: Memory, tape: Ints) -> None:
    """Intra block copy."""
    sides = _difference(s, m, tape, 0)
    if s[r.COPY_CANDIDATES] > 1:
        plain(s, m, tape, c.MVP, 0)
    if s[r.AMVR] and sides:
        plain(s, m, tape, c.AMVR_PRECISION + 1, 0)


def _lists(s: Ints, m: Memory, tape: Ints) -> int:
    """Which reference lists are used (`inter_pred_idc`): the first, the second, or both."""
    if not s[r.BOTH]:
        return 0
    if s[r.W] + s[r.H] > 12:
        context = c.INTER_PRED + 7 - ((1 + s[r.LOG_W] + s[r.LOG_H]) >> 1)
        if viewed(s, m, tape, context, s[r.KNOWN], r.VIEWS):
            return 2
    return viewed(s, m, tape, c.INTER_PRED + 5, s[r.KNOWN], r.VIEWS)


def _reference(s: Ints, m: Memory, tape: Ints, count: int, which: int) -> None:
    index = 0
    while index < min(count - 1, 2) and viewed(
        s, m, tape, c.REF_INDEX + index, 8 * which + count, r.VIEWS
    ):
        index += 1
    if index == 2:
        unary(s, m, tape, REF_REST, count - 3, 0)


def _predicted(s: Ints, m: Memory, tape: Ints) -> None:
    """Vectors that are predicted, and their differences."""
    used = _lists(s, m, tape)
    both, points = int(used == 2), 1
    s[r.MOTION] = BOTH_LISTS if both else ONE_LIST
    if s[r.AFFINE] and min(s[r.W], s[r.H]) >= 16:
        s[r.OF_AFFINE] = viewed(s, m, tape, c.AFFINE + _near(s), s[r.KNOWN], r.VIEWS)
        if s[r.OF_AFFINE]:
            points = 2
            if s[r.AFFINE_6]:
                points += plain(s, m, tape, c.AFFINE_TYPE, 0)
    symmetric = 0
    if s[r.SYMMETRIC] and both and not s[r.OF_AFFINE]:
        symmetric = plain(s, m, tape, c.SYMMETRIC_MVD, 0)
    sides, kind = 0, 2 * both + 4 * s[r.OF_AFFINE]
    for i in range(2):
        if not both and i != used:
            continue
        if not symmetric:
            _reference(s, m, tape, s[r.REFERENCES + i], 2 * both + i)
        if i == 0 or not ((s[r.ZERO_MVD] and both) or symmetric):
            for point in range(points):
                sides += _difference(s, m, tape, kind + (point > 0))
        plain(s, m, tape, c.MVP, kind + i)
    s[r.MOVED] = length(sides)
    allowed = sides and (s[r.AFFINE_AMVR] if s[r.OF_AFFINE] else s[r.AMVR])
    form = 8 * s[r.MOVED] + s[r.MOTION]
    if allowed and code(s, m, tape, c.AMVR + s[r.OF_AFFINE], s[r.KNOWN], 2, form, s[r.PACE], 0):
        if s[r.OF_AFFINE]:
            plain(s, m, tape, c.AMVR_PRECISION + 2, 0)
        elif plain(s, m, tape, c.AMVR_PRECISION, s[r.MOVED]):
            plain(s, m, tape, c.AMVR_PRECISION + 1, s[r.MOVED])
    if s[r.BCW] and both and s[r.W] * s[r.H] >= 256:
        _index(s, m, tape, c.BCW, BCW_REST, 2 if s[r.BACKWARD] else 4, 0, 0, 0, 0, 0)
