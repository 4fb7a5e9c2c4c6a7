"""What is left of levels behind their flags.

(Rec. ITU-T H.266, clauses 9.3.3.11 and 9.3.3.12.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc.bins import EVEN, LEVEL_REST, exp_golomb, fixed, plain


def remainder(s: Ints, m: Memory, tape: Ints, rice: int) -> int:
    """`abs_remainder` and `dec_abs_level`, below 2^20."""
    ones = 0
    while ones < 6 and plain(s, m, tape, LEVEL_REST, 8 * rice + ones):
        ones += 1
    if ones < 6:
        return (ones << rice) + fixed(s, m, tape, EVEN, rice)
    return (6 << rice) + exp_golomb(s, m, tape, LEVEL_REST, rice + 1, 11, 15, 64)
