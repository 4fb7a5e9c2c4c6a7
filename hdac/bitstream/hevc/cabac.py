"""CABAC, the arithmetic coder of HEVC: bins out of a slice's bytes, and the same bytes again from
its bins.

(Rec. ITU-T H.265, clause 9.3: initial values, tables 9-5 to 9-37; state transitions, table 9-53;
ranges, table 9-52.)
"""

from __future__ import annotations

from hdac.errors import DamagedError

#: Range of the less probable symbol by state (rows) and two bits of the present range.
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
_AFTER = [(_after(state, 0), _after(state, 1)) for state in range(126)]

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


class CabacReader:
    """Bins of slice data that starts at the first byte of `data`. What lies behind the end reads as
    zeros."""

    def __init__(self, data: bytes, states: list[int]) -> None:
        self.states = states
        self._data, self._next, self._limit = data, 0, 8 * len(data) + 16
        self._window, self._have = 0, 0  # bits taken from `data` but not yet used; how many
        self._at = 0  # bits used
        self._range, self._offset = 510, 0
        self._more(9)

    def _more(self, count: int) -> None:
        self._at += count
        if self._at > self._limit:
            raise DamagedError("slice data ends too early")
        if self._have < count:
            eight = self._data[self._next : self._next + 8]
            self._window = self._window << 64 | int.from_bytes(eight.ljust(8, b"\0"), "big")
            self._next, self._have = self._next + 8, self._have + 64
        self._have -= count
        self._offset = self._offset << count | self._window >> self._have
        self._window &= (1 << self._have) - 1

    def bin(self, context: int) -> int:
        state = self.states[context]
        lps = _RANGE_LPS[state >> 1][self._range >> 6 & 3]
        rest = self._range - lps
        if self._offset >= rest:
            value = 1 - (state & 1)
            self._offset -= rest
            shift = 9 - lps.bit_length()
            self._range = lps << shift
            self.states[context] = _AFTER[state][value]
            self._more(shift)
            return value
        self.states[context] = _AFTER[state][state & 1]
        if rest < 256:
            self._range = rest << 1
            self._more(1)
        else:
            self._range = rest
        return state & 1

    def bypass(self) -> int:
        self._more(1)
        if self._offset >= self._range:
            self._offset -= self._range
            return 1
        return 0

    def terminate(self) -> int:
        self._range -= 2
        if self._offset >= self._range:
            return 1
        if self._range < 256:
            self._range <<= 1
            self._more(1)
        return 0


class CabacWriter:
    """The bytes of slice data; `finish` follows a terminating bin of 1 and adds the trailing bits.

    The register `low` of the standard is the end of one long number here, so that a carry needs no
    care.
    """

    def __init__(self, states: list[int]) -> None:
        self.states = states
        self._low, self._range = 0, 510
        self._shifts = 0  # of `_low`, since it was last cut
        self._high, self._cut = 0, 0  # what was cut off it, and by how many bits

    def _renormalise(self, width: int) -> None:
        """The next range is `width`, shifted up to 256 or more."""
        shift = 9 - width.bit_length()
        self._range = width << shift
        self._low <<= shift
        self._shifts += shift
        if self._shifts >= 512:
            self._high = (self._high << self._shifts) + (self._low >> 10)
            self._low &= 1023
            self._cut, self._shifts = self._cut + self._shifts, 0

    def bin(self, context: int, value: int) -> None:
        state = self.states[context]
        lps = _RANGE_LPS[state >> 1][self._range >> 6 & 3]
        width = self._range - lps
        self.states[context] = _AFTER[state][value]
        if value != state & 1:
            self._low += width
            width = lps
        if width < 256:
            self._renormalise(width)
        else:
            self._range = width

    def bypass(self, value: int) -> None:
        self._low = 2 * self._low + (self._range if value else 0)
        self._shifts += 1

    def terminate(self, value: int) -> None:
        width = self._range - 2
        if value:
            self._low += width
            width = 2
        self._renormalise(width)

    def finish(self) -> bytes:
        count = self._cut + self._shifts + 2
        number = (self._high << self._shifts + 2) + (self._low >> 8) << 1 | 1
        return (number << -count % 8).to_bytes(-(-count // 8), "big")
