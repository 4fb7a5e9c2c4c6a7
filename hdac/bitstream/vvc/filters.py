"""In-loop filters in slice data: sample adaptive offset and the adaptive loop filter.

(Rec. ITU-T H.266, clauses 7.3.11.2 and 7.3.11.3.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import (
    ALF_REST,
    CROSS_REST,
    EVEN,
    SAO_REST,
    plain,
    truncated_binary,
    unary,
)


def filters(s: Ints, m: Memory, tape: Ints, x: int, y: int, number: int) -> None:
    """Of a coding tree unit, which is the `number`th of the picture; `x`, `y`: whether there are
    others to the left and above."""
    if s[r.SAO_LUMA] or s[r.SAO_CHROMA]:
        _offset(s, m, tape, x, y)
    if s[r.ALF]:
        _adaptive(s, m, tape, x, y, number)


def _offset(s: Ints, m: Memory, tape: Ints, x: int, y: int) -> None:
    """Sample adaptive offset (clause 7.3.11.3)."""
    if x and plain(s, m, tape, c.SAO_MERGE, 0):
        return
    if y and plain(s, m, tape, c.SAO_MERGE, 1):
        return
    kind = 0
    for plane in range(3):
        if not (s[r.SAO_CHROMA] if plane else s[r.SAO_LUMA]):
            continue
        chroma = int(plane > 0)
        if plane < 2:
            kind = plain(s, m, tape, c.SAO_TYPE, chroma)
            if kind:
                kind = 1 + plain(s, m, tape, SAO_REST, chroma)
        if not kind:
            continue
        offsets = 0  # that are not 0
        for _ in range(4):
            offsets += unary(s, m, tape, SAO_REST, s[r.SAO_MOST], 2 + 8 * kind + 32 * chroma) > 0
        if kind == 1:  # bands: signs, position
            for _ in range(offsets):
                plain(s, m, tape, EVEN, 0)
            for i in range(5):
                plain(s, m, tape, SAO_REST, 96 + i)
        elif plane < 2:  # edges: direction
            first = plain(s, m, tape, SAO_REST, 102 + 3 * chroma)
            plain(s, m, tape, SAO_REST, 103 + 3 * chroma + first)


def _flag(s: Ints, m: Memory, tape: Ints, x: int, y: int, context: int, at: int) -> int:
    """A flag of a coding tree unit, which is at `at`."""
    near = 0
    if x:
        near += s[at - 1]
    if y:
        near += s[at - s[r.ACROSS]]
    s[at] = plain(s, m, tape, context + near, 0)
    return s[at]


def _adaptive(s: Ints, m: Memory, tape: Ints, x: int, y: int, number: int) -> None:
    """The adaptive loop filter. `FILTERED` has a flag for each unit of each plane and component."""
    units = s[r.ACROSS] * -(-s[r.HEIGHT] >> s[r.TREE_BLOCK])
    at = s[r.FILTERED] + number
    if _flag(s, m, tape, x, y, c.ALF_CTB, at):
        if s[r.LUMA_SETS] and plain(s, m, tape, c.ALF_APS, 0):
            if s[r.LUMA_SETS] > 1:
                truncated_binary(s, m, tape, ALF_REST, s[r.LUMA_SETS] - 1, 128)
        else:
            truncated_binary(s, m, tape, ALF_REST, 15, 0)
    for plane in range(1, 3):
        at += units
        count = s[r.ALF_CHROMA + plane - 1]
        if count and _flag(s, m, tape, x, y, c.ALF_CTB + 3 * plane, at):
            index = 0
            while index < count - 1 and plain(s, m, tape, c.ALF_ALTERNATIVE + plane - 1, index):
                index += 1
    for plane in range(2):
        at += units
        count = s[r.CROSS + plane]
        context = c.CC_CR if plane else c.CC_CB
        if count and _flag(s, m, tape, x, y, context, at):
            unary(s, m, tape, CROSS_REST, count - 1, 8 * plane)
