"""The bins of VVC's slice data: from CABAC's bytes or from the range coder, and to where they go.

As in `hevc.bins`; where a bin has a context, CABAC's own probability is one more view of it: they
are good ones from a slice's first bin on, and they are there in both directions.
"""

from __future__ import annotations

from hdac.bitstream.arithmetic import put_bypass, read_bypass
from hdac.bitstream.mixing import mixed
from hdac.bitstream.noting import STRIDE, note
from hdac.bitstream.registers import BINS, MODE, PARSE, READ, Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.cabac import learn, probability, put_bin, read_bin

#: Models of bins that CABAC takes for even, after those of its contexts.
EVEN, SAO_REST, ALF_REST, CROSS_REST, MIP_REST, MPM_REST = range(c.CONTEXTS, c.CONTEXTS + 6)
MODE_REST, CHROMA_REST, MERGE_REST, MMVD_REST, GPM_REST, REF_REST, BCW_REST, MVD_REST, SIGN = range(
    c.CONTEXTS + 6, c.CONTEXTS + 15
)
LAST_REST, LEVEL_REST, QP_REST, MODELS = range(c.CONTEXTS + 15, c.CONTEXTS + 19)

_CONTEXTS = c.CONTEXTS

PACES = 192  # QP, and whether the picture before had a lower one, the same, or a higher one


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
        own = probability(s, model) >> 3 if model < _CONTEXTS else -1
        value = mixed(s, m, tape, model, known, count, w0, w1, w2, own, -1)
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


def viewed(s: Ints, m: Memory, tape: Ints, model: int, known: int, views: int) -> int:
    """A bin with three wider views, which are registers from `views` on."""
    return code(s, m, tape, model, known, 3, s[views], s[views + 1], s[views + 2])


def unary(s: Ints, m: Memory, tape: Ints, model: int, limit: int, known: int) -> int:
    """Truncated unary code of bypass bins."""
    count = 0
    while count < limit and plain(s, m, tape, model, known + min(count, 7)):
        count += 1
    return count


def fixed(s: Ints, m: Memory, tape: Ints, model: int, count: int) -> int:
    """`count` bypass bins as a number, the most significant first."""
    value = 0
    for _ in range(count):
        value = 2 * value + plain(s, m, tape, model, 0)
    return value


def truncated_binary(s: Ints, m: Memory, tape: Ints, model: int, most: int, known: int) -> int:
    """A number up to `most` in bypass bins (clause 9.3.3.4)."""
    count = 0
    while 2 << count <= most + 1:
        count += 1
    short = (2 << count) - most - 1
    value = 0
    for i in range(count):
        value = 2 * value + plain(s, m, tape, model, known + 16 * i + min(15, value))
    if value >= short:
        value = 2 * value + plain(s, m, tape, model, known + 16 * count) - short
    return value


def exp_golomb(
    s: Ints, m: Memory, tape: Ints, model: int, order: int, most: int, last: int, known: int
) -> int:
    """Exp-Golomb code of an order with at most `most` ones before, and then `last` bins (clause
    9.3.3.6)."""
    ones = 0
    while ones < most and plain(s, m, tape, model, known + min(ones, 15)):
        ones += 1
    rest = last if ones == most else ones + order
    return ((1 << ones) - 1 << order) + fixed(s, m, tape, EVEN, rest)


def write(s: Ints, m: Memory, tape: Ints, notes: Ints) -> None:
    """Codes noted bins with the range coder."""
    for at in range(0, STRIDE * s[BINS], STRIDE):
        first = notes[at]
        model, count, value = first >> 3, first >> 1 & 3, first & 1
        w0 = w1 = w2 = 0
        if count:
            w0, w1, w2 = notes[at + 2], notes[at + 3], notes[at + 4]
        own = probability(s, model) >> 3 if model < _CONTEXTS else -1
        mixed(s, m, tape, model, notes[at + 1], count, w0, w1, w2, own, value)
        if model < _CONTEXTS:
            learn(s, model, value)
