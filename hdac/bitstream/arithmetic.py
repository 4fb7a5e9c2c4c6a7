"""Binary arithmetic coding over a slice's registers: CABAC's two directions, but for bins with a
context, and the bins of the range coder.

(Rec. ITU-T H.265 and H.266, clause 9.3.4.3, and the encoder of 9.3.4.4 f.; for the range coder see
`rangecoder`.)
"""

from __future__ import annotations

import math

from hdac.bitstream.registers import (
    CODE_END,
    CODE_LEFT,
    CODE_LOW,
    CODE_NEXT,
    CODE_RANGE,
    CODE_SPENT,
    IN_END,
    IN_HAVE,
    IN_NEXT,
    IN_OFFSET,
    IN_RANGE,
    IN_START,
    OUT_END,
    OUT_LOW,
    OUT_NEXT,
    OUT_PENDING,
    OUT_RANGE,
    OUT_START,
    Ints,
)
from hdac.errors import DamagedError

TOP = 1 << 48  # the range coder's range at first; `low` is below it but for a carry
BOTTOM = 1 << 40  # its range is at least this between symbols
COST_UNIT = 1 << 32
#: What a bin costs by its probability in units of 1 / 4096: for statistics only.
COSTS = [round(-COST_UNIT * math.log2(max(1, p) / 4096)) for p in range(4097)]

#: How far a range below 512 is from 256 and more.
SHIFT = [9 - width.bit_length() for width in range(512)]


def open_decoder(s: Ints, tape: Ints) -> None:
    """CABAC's decoder starts at `IN_NEXT`. Its offset is below its range, and stays so (clause
    9.3.2.5 of H.265): no register grows without bound."""
    s[IN_START] = s[IN_NEXT]
    s[IN_RANGE], s[IN_OFFSET], s[IN_HAVE] = 510, 0, -9
    while s[IN_HAVE] < 8:
        fetch(s, tape)
    if s[IN_OFFSET] >> s[IN_HAVE] >= 510:
        raise DamagedError("slice data starts with what no encoder writes")


def used(s: Ints) -> int:
    """How many bits CABAC's decoder has used."""
    return 8 * (s[IN_NEXT] - s[IN_START]) - s[IN_HAVE]


def fetch(s: Ints, tape: Ints) -> None:
    """One more byte for CABAC's decoder, which has 1 to 7 bits left, or starts. What lies behind
    the end reads as zeros, up to a limit."""
    at, end = s[IN_NEXT], s[IN_END]
    byte = 0
    if at < end:
        byte = tape[at]
    elif used(s) > 8 * (end - s[IN_START]) + 16:
        raise DamagedError("slice data ends too early")
    s[IN_NEXT] = at + 1
    s[IN_OFFSET] = s[IN_OFFSET] << 8 | byte
    s[IN_HAVE] += 8


def read_bypass(s: Ints, tape: Ints) -> int:
    have = s[IN_HAVE] - 1
    s[IN_HAVE] = have
    rest = s[IN_OFFSET] - (s[IN_RANGE] << have)
    value = 0
    if rest >= 0:
        s[IN_OFFSET] = rest
        value = 1
    if have < 8:
        fetch(s, tape)
    return value


def read_terminate(s: Ints, tape: Ints) -> int:
    width, have = s[IN_RANGE] - 2, s[IN_HAVE]
    s[IN_RANGE] = width
    if s[IN_OFFSET] >= width << have:
        return 1
    if width < 256:
        s[IN_RANGE] = width << 1
        s[IN_HAVE] = have - 1
        if have < 9:
            fetch(s, tape)
    return 0


def exact(s: Ints, tape: Ints) -> bool:
    """Whether CABAC's encoder would write exactly the decoder's bytes again: behind a terminating
    bin of 1, for both registers are then known.

    The decoder's offset is the number that it has read, less the encoder's `low`. Here the encoder
    writes `low | 1` in as many bits as the decoder has used: that is the number that was read if
    this is odd and at most 1 above `low`. Then zeros follow, up to a byte.
    """
    bits, end = used(s), s[IN_END]
    if s[IN_OFFSET] - (s[IN_RANGE] << s[IN_HAVE]) >= 2 << s[IN_HAVE]:
        return False
    if bits <= 8 * (end - s[IN_START] - 1) or bits > 8 * (end - s[IN_START]):
        return False
    last = 1 << (-bits & 7)
    return tape[end - 1] & 2 * last - 1 == last


def open_encoder(s: Ints) -> None:
    """CABAC's encoder starts: it writes from `OUT_NEXT` on; the byte before is 0."""
    s[OUT_START] = s[OUT_NEXT]
    s[OUT_RANGE], s[OUT_LOW], s[OUT_PENDING] = 510, 0, 0


def narrow(s: Ints, tape: Ints, width: int) -> None:
    """The encoder's next range is `width`, 2 to 255, shifted up to 256 or more."""
    shift = SHIFT[width]
    s[OUT_RANGE] = width << shift
    s[OUT_LOW] <<= shift
    s[OUT_PENDING] += shift
    if s[OUT_PENDING] >= 8:
        flush(s, tape)


def flush(s: Ints, tape: Ints) -> None:
    """Writes a byte, of 8 to 15 bits that are to be written, and a carry before it.

    The number is below 2^9 in the units of its first bit: no carry leaves its bytes. (And the byte
    before them is 0.)
    """
    at, low, pending = s[OUT_NEXT], s[OUT_LOW], s[OUT_PENDING] - 8
    byte = low >> pending + 9
    if byte > 255:
        carry(tape, at - 1)
    if at >= s[OUT_END]:
        raise DamagedError("slice data is longer than its bins")
    tape[at] = byte & 255
    s[OUT_NEXT] = at + 1
    s[OUT_LOW] = low & (1 << pending + 9) - 1
    s[OUT_PENDING] = pending


def carry(tape: Ints, at: int) -> None:
    """Adds 1 to the number that ends here; somewhere before there is a byte that is not 255."""
    while tape[at] == 255:
        tape[at] = 0
        at -= 1
    tape[at] += 1


def put_bypass(s: Ints, tape: Ints, value: int) -> None:
    s[OUT_LOW] <<= 1
    if value:
        s[OUT_LOW] += s[OUT_RANGE]
    s[OUT_PENDING] += 1
    if s[OUT_PENDING] >= 8:
        flush(s, tape)


def put_terminate(s: Ints, tape: Ints, value: int) -> None:
    width = s[OUT_RANGE] - 2
    if value:
        s[OUT_LOW] += width
        width = 2
    if width < 256:
        narrow(s, tape, width)
    else:
        s[OUT_RANGE] = width


def close_encoder(s: Ints, tape: Ints) -> None:
    """Behind a terminating bin of 1: the trailing bits, up to a byte."""
    count = s[OUT_PENDING] + 2
    s[OUT_LOW] = (s[OUT_LOW] >> 8 << 1 | 1) << 25 - count
    while count > 0:
        s[OUT_PENDING] = 16
        flush(s, tape)
        s[OUT_LOW] <<= 8
        count -= 8


def read_bit(s: Ints, tape: Ints, p: int) -> int:
    """A bin of the range coder; 1 has the probability `p` / 4096, 0 < p < 4096."""
    left = s[CODE_LEFT] - 1
    s[CODE_LEFT] = left
    if left < 0:
        raise DamagedError(
            "a packet's slices have more bins than their bytes and pictures allow: "
            "the stream is damaged"
        )
    width, low = s[CODE_RANGE], s[CODE_LOW]
    bound = (width >> 12) * p
    value = 1
    if low < bound:
        width = bound
    else:
        value, p = 0, 4096 - p
        low -= bound
        width -= bound
    s[CODE_SPENT] += COSTS[p]
    while width < BOTTOM:
        at = s[CODE_NEXT]
        low <<= 8
        if at < s[CODE_END]:
            low |= tape[at]
        s[CODE_NEXT] = at + 1
        width <<= 8
    s[CODE_LOW], s[CODE_RANGE] = low, width
    return value


def write_bit(s: Ints, tape: Ints, p: int, value: int) -> None:
    """The other direction. A bin needs 12 bits and a bit at most: there are two bytes a bin, and
    before them one that is 0, for a carry."""
    width = s[CODE_RANGE]
    bound = (width >> 12) * p
    if value:
        width = bound
    else:
        s[CODE_LOW] += bound
        width -= bound
        p = 4096 - p
    s[CODE_SPENT] += COSTS[p]
    if width < BOTTOM:
        low, at = s[CODE_LOW], s[CODE_NEXT]
        if low >= TOP:
            low -= TOP
            carry(tape, at - 1)
        while width < BOTTOM:
            if at >= s[CODE_END]:
                raise DamagedError("bins take more bytes than they can")
            tape[at] = low >> 40
            at += 1
            low = (low & BOTTOM - 1) << 8
            width <<= 8
        s[CODE_LOW], s[CODE_NEXT] = low, at
    s[CODE_RANGE] = width
