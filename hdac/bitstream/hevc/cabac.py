"""CABAC, the arithmetic coder of HEVC: bins with a context; `arithmetic` has the others.

(Rec. ITU-T H.265, clause 9.3: initial values, tables 9-5 to 9-37; state transitions, table 9-53;
ranges, table 9-52.)
"""

from __future__ import annotations

from hdac.bitstream.arithmetic import SHIFT, fetch, narrow
from hdac.bitstream.registers import (
    CONTEXT,
    IN_HAVE,
    IN_OFFSET,
    IN_RANGE,
    OUT_LOW,
    OUT_RANGE,
    Ints,
)

_RANGE_LPS = (
    (128, 176, 208, 240), (128, 167, 197, 227), (128, 158, 187, 216), (123, 150, 178, 205),
    (116, 142, 169, 195), (111, 135, 160, 185), (105, 128, 152, 175), (100, 122, 144, 166),
    (95, 116, 137, 158), (90, 110, 130, 150), (85, 104, 123, 142), (81, 99, 117, 135),
    (77, 94, 111, 128), (73, 89, 105, 122), (69, 85, 100, 116), (66, 80, 95, 110),
    (62, 76, 90, 104), (59, 72, 86, 99), (56, 69, 81, 94), (53, 65, 77, 89), (51, 62, 73, 85),
    (48, 59, 69, 80), (46, 56, 66, 76), (43, 53, 63, 72), (41, 50, 59, 69), (39, 48, 56, 65),
    (37, 45, 54, 62), (35, 43, 51, 59), (33, 41, 48, 56), (32, 39, 46, 53), (30, 37, 43, 50),
    (29, 35, 41, 48), (27, 33, 39, 45), (26, 31, 37, 43), (24, 30, 35, 41), (23, 28, 33, 39),
    (22, 27, 32, 37), (21, 26, 30, 35), (20, 24, 29, 33), (19, 23, 27, 31), (18, 22, 26, 30),
    (17, 21, 25, 28), (16, 20, 23, 27), (15, 19, 22, 25), (14, 18, 21, 24), (14, 17, 20, 23),
    (13, 16, 19, 22), (12, 15, 18, 21), (12, 14, 17, 20), (11, 14, 16, 19), (11, 13, 15, 18),
    (10, 12, 15, 17), (10, 12, 14, 16), (9, 11, 13, 15), (9, 11, 12, 14), (8, 10, 12, 14),
    (8, 9, 11, 13), (7, 9, 11, 12), (7, 9, 10, 12), (7, 8, 10, 11), (6, 8, 9, 11), (6, 7, 9, 10),
    (6, 7, 8, 9), (2, 2, 2, 2),
)  # fmt: skip
#: Range of the less probable symbol by `2 * state + most probable symbol` and two bits of the
#: present range.
_LESS = [width for row in _RANGE_LPS for _ in range(2) for width in row]
_AFTER_LPS = (
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21,
    21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34,
    34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
)  # fmt: skip


def _after(state: int, value: int) -> int:
    if value == state & 1:
        return min(state + 2, 124 + value)
    return 1 - state if state < 2 else 2 * _AFTER_LPS[state >> 1] + (state & 1)


#: `2 * state + most probable symbol` after a bin of 0 or 1.
_AFTER = [_after(state, value) for state in range(126) for value in range(2)]

#: First context of each syntax element.
SAO_MERGE, SAO_TYPE, SPLIT_CU, BYPASS_CU, SKIP, PRED_MODE, PART_MODE = 0, 1, 2, 5, 6, 9, 10
LUMA_MODE, CHROMA_MODE, MERGE_FLAG, MERGE_INDEX, REF_INDEX, MVD, MVP = 14, 15, 16, 17, 18, 20, 22
ROOT_CBF, SPLIT_TRANSFORM, CBF_LUMA, CBF_CHROMA, QP_DELTA, SKIP_TRANSFORM = 23, 24, 27, 29, 33, 35
LAST_X, LAST_Y, SUB_BLOCK, SIGNIFICANT, GREATER1, GREATER2 = 37, 55, 73, 77, 119, 143
INTER_PRED, CONTEXTS = 149, 154

_LAST = (
    (110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63),
    (125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108),
    (125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93),
)
_BOTH = (95, 79, 63, 31, 31)  # of `inter_pred_idc`
#: Initial values of all contexts, in the order above, for `initType` 0 (I slices), 1 and 2; 154
#: where a slice type has no such element.
_INITIAL = (
    (
        153, 200, 139, 141, 157, 154, *(154,) * 3, 154, 184, *(154,) * 3, 184, 63, 154, 154, 154,
        154, 154, 154, 154, 154, 153, 138, 138, 111, 141, 94, 138, 182, 154, 154, 154, 139, 139,
        *_LAST[0], *_LAST[0], 91, 171, 134, 141, 111, 111, 125, 110, 110, 94, 124, 108, 124, 107,
        125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 140,
        139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111, 140, 92, 137, 138,
        140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122,
        197, 138, 153, 136, 167, 152, 152, *(154,) * 5,
    ),
    (
        153, 185, 107, 139, 126, 154, 197, 185, 201, 149, 154, 139, 154, 154, 154, 152, 110, 122,
        153, 153, 140, 198, 168, 79, 124, 138, 94, 153, 111, 149, 107, 167, 154, 154, 154, 139, 139,
        *_LAST[1], *_LAST[1], 121, 140, 61, 154, 155, 154, 139, 153, 139, 123, 123, 63, 153, 166,
        183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 170,
        153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140, 154, 196, 196, 167,
        154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154, 167,
        137, 182, 107, 167, 91, 122, 107, 167, *_BOTH,
    ),
    (
        153, 160, 107, 139, 126, 154, 197, 185, 201, 134, 154, 139, 154, 154, 183, 152, 154, 137,
        153, 153, 169, 198, 168, 79, 224, 167, 122, 153, 111, 149, 92, 167, 154, 154, 154, 139, 139,
        *_LAST[2], *_LAST[2], 121, 140, 61, 154, 170, 154, 139, 153, 139, 123, 123, 63, 124, 166,
        183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 170,
        153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140, 154, 196, 167, 167,
        154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154, 152,
        167, 182, 107, 167, 91, 107, 107, 167, *_BOTH,
    ),
)  # fmt: skip
assert all(len(values) == CONTEXTS for values in _INITIAL)


def initial_states(init: int, qp: int) -> list[int]:
    """`2 * state + most probable symbol` of every context at the start of a slice; `init` is
    `initType`, `qp` the slice's luma QP."""
    states = []
    for value in _INITIAL[init]:
        slope, offset = (value >> 4) * 5 - 45, ((value & 15) << 3) - 16
        before = min(126, max(1, (slope * min(51, max(0, qp)) >> 4) + offset))
        states.append(2 * (before - 64) + 1 if before > 63 else 2 * (63 - before))
    return states


# A context's state is below 126, by `initial_states` and `_AFTER`; a range is below 512.


def read_bin(s: Ints, tape: Ints, context: int) -> int:
    """A bin by CABAC's decoder (clause 9.3.4.3.2); the context stays as it is."""
    state, width, have = s[CONTEXT + context], s[IN_RANGE], s[IN_HAVE]
    less = _LESS[state << 2 | width >> 6 & 3]
    width -= less
    rest = s[IN_OFFSET] - (width << have)
    value = state & 1
    if rest < 0:
        if width >= 256:
            s[IN_RANGE] = width
            return value
        s[IN_RANGE] = width << 1
        have -= 1
    else:
        value = 1 - value
        s[IN_OFFSET] = rest
        shift = SHIFT[less]
        s[IN_RANGE] = less << shift
        have -= shift
    s[IN_HAVE] = have
    if have < 8:
        fetch(s, tape)
    return value


def put_bin(s: Ints, tape: Ints, context: int, value: int) -> None:
    """A bin by CABAC's encoder (clause 9.3.4.4); the context stays as it is."""
    state, width = s[CONTEXT + context], s[OUT_RANGE]
    less = _LESS[state << 2 | width >> 6 & 3]
    width -= less
    if value != state & 1:
        s[OUT_LOW] += width
        width = less
    if width < 256:
        narrow(s, tape, width)
    else:
        s[OUT_RANGE] = width


def learn(s: Ints, context: int, value: int) -> None:
    """A context after a bin (clause 9.3.4.3.2.2)."""
    s[CONTEXT + context] = _AFTER[2 * s[CONTEXT + context] + value]
