"""The bins of HEVC's slice data: from CABAC's bytes or from the range coder, and to where they go.

A bin's `model` is CABAC's context, or of those that CABAC takes for even a number behind them;
`known` is what else is known of it, for better models than CABAC's, and each of up to three wider
views is a number below 2^20 of its surroundings.
"""

from __future__ import annotations

from hdac.bitstream.arithmetic import (
    put_bypass,
    put_terminate,
    read_bypass,
    read_terminate,
)
from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.cabac import learn, put_bin, read_bin
from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.mixing import mixed
from hdac.bitstream.noting import STRIDE, note
from hdac.bitstream.registers import BINS, MODE, PARSE, READ, Ints, Memory

#: Models of bins that CABAC takes for even.
EVEN, SAO_REST, MODE_REST, MERGE_REST, REF_REST, AMP_REST = range(c.CONTEXTS, c.CONTEXTS + 6)
MVD_REST, SIGN, LEVEL_REST, QP_REST, LAST_REST, MODELS = range(c.CONTEXTS + 6, c.CONTEXTS + 12)
_CONTEXTS = c.CONTEXTS


def code(
    s: Ints,
    m: Memory,
    tape: Ints,
    model: int,
    known: int,
    count: int,
    w0: int,
    w1: int,
    w2: int,
) -> int:
    """The next bin. `count`: of wider views, w0 to w2."""
    mode = s[MODE]
    if mode == READ:
        value = mixed(s, m, tape, model, known, count, w0, w1, w2, -1, -1)
    elif model < _CONTEXTS:
        value = read_bin(s, tape, model)
    else:
        value = read_bypass(s, tape)
    if mode == PARSE:
        note(s, m, model, known, count, w0, w1, w2, value)
    elif model < _CONTEXTS:
        put_bin(s, tape, model, value)
    else:
        put_bypass(s, tape, value)
    if model < _CONTEXTS:
        learn(s, model, value)
    return value


def plain(s: Ints, m: Memory, tape: Ints, model: int, known: int) -> int:
    """A bin without wider views."""
    return code(s, m, tape, model, known, 0, 0, 0, 0)


def flag_pcm(s: Ints, tape: Ints) -> None:
    """The flag of a block that may be PCM."""
    if s[MODE] == PARSE:
        if read_terminate(s, tape):
            raise UnsupportedError("a PCM block")
    else:
        put_terminate(s, tape, 0)


def terminate(s: Ints, tape: Ints, last: int) -> None:
    """The bin behind a coding tree unit, which is `last`."""
    if s[MODE] != READ and read_terminate(s, tape) != last:
        raise UnsupportedError("a slice that does not cover its picture, or a long one")
    if s[MODE] != PARSE:
        put_terminate(s, tape, last)


def unary(s: Ints, m: Memory, tape: Ints, model: int, limit: int, known: int) -> int:
    """Truncated unary code of bypass bins."""
    count = 0
    while count < limit and plain(s, m, tape, model, known + min(count, 7)):
        count += 1
    return count


def exp_golomb(
    s: Ints, m: Memory, tape: Ints, model: int, order: int, known: int, count: int, w0: int, w1: int
) -> int:
    """Exp-Golomb code of an order (clause 9.3.3.5), below 2^22. `count`: of wider views."""
    value = 0
    while True:
        step = min(order, 12)
        if not code(s, m, tape, model, known + step, count, 16 * w0 + step, 16 * w1 + step, 0):
            return value + fixed(s, m, tape, EVEN, order)
        value += 1 << order
        order += 1
        if order > 20:
            raise UnsupportedError("a number out of range")


def fixed(s: Ints, m: Memory, tape: Ints, model: int, count: int) -> int:
    """`count` bypass bins as a number, the most significant first."""
    value = 0
    for _ in range(count):
        value = 2 * value + plain(s, m, tape, model, 0)
    return value


def write(s: Ints, m: Memory, tape: Ints, notes: Ints) -> None:
    """Codes noted bins with the range coder."""
    for at in range(0, STRIDE * s[BINS], STRIDE):
        first = notes[at]
        count, w0, w1, w2 = first >> 1 & 3, 0, 0, 0
        if count:
            w0, w1, w2 = notes[at + 2], notes[at + 3], notes[at + 4]
        mixed(s, m, tape, first >> 3, notes[at + 1], count, w0, w1, w2, -1, first & 1)
