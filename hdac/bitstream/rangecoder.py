"""Adaptive range coding in integers: the same bytes on every machine.

One description of a syntax serves both directions: `Coder.symbol` codes the value it is given when
writing, and ignores it when reading. A number in [0, 1) is narrowed down to an interval: `low` and
`range`, 48 bits each, bytes leaving at the top; everything fits unsigned 64-bit arithmetic.
`docs/format-bitstream.md` says it without this source.

(Range coding: Martin, "Range encoding: an algorithm for removing redundancy from a digitised
message", 1979.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from hdac.bitstream.arithmetic import BOTTOM, COST_UNIT, TOP, carry, read_bit, write_bit
from hdac.bitstream.registers import (
    CODE_END,
    CODE_LEFT,
    CODE_LOW,
    CODE_NEXT,
    CODE_RANGE,
    CODE_SPENT,
    CODEC,
    Ints,
)

_LIMIT = 2048  # total count at which an adaptive model halves its counts


class Adaptive:
    """Adaptive frequencies of the symbols 0 .. size - 1."""

    def __init__(self, size: int, prior: Sequence[int] | None = None, step: int = 24) -> None:
        self.counts = list(prior) if prior is not None else [max(1, 16 // size)] * size
        assert len(self.counts) == size >= 2
        assert min(self.counts) > 0
        self.step = step

    def bits(self, symbol: int) -> float:
        """Information content of a symbol under the present counts."""
        return math.log2(sum(self.counts) / self.counts[symbol])

    def update(self, symbol: int) -> None:
        self.counts[symbol] += self.step
        if sum(self.counts) > _LIMIT:
            self.counts = [(c + 1) // 2 for c in self.counts]


class Coder(Protocol):
    """Writes symbols or reads them; `spent`: information content of all symbols so far, in bits."""

    spent: float

    def symbol(self, model: Adaptive, value: int | None) -> int:
        """Codes `value` (ignored when reading) under an adaptive model and adapts it."""
        ...

    def uniform(self, size: int, value: int | None) -> int:
        """Codes 0 <= value < size <= 2^16 with equal probabilities."""
        ...

    def bit(self, p: int, value: int | None) -> int:
        """Codes 0 or 1; 1 has the probability `p` / 4096, 0 < p < 4096."""
        ...


class Writer:
    """A `Coder` that writes; `finish` returns the bytes. `bits`: how many `bit` has coded."""

    def __init__(self) -> None:
        self.spent, self.bits = 0.0, 0
        self._low, self._range, self._out = 0, TOP, bytearray()

    def symbol(self, model: Adaptive, value: int | None) -> int:
        assert value is not None
        self.spent += model.bits(value)
        counts = model.counts
        unit, before = self._range // sum(counts), sum(counts[:value])
        last = value == len(counts) - 1
        self._narrow(unit * before, self._range - unit * before if last else unit * counts[value])
        model.update(value)
        return value

    def uniform(self, size: int, value: int | None) -> int:
        assert value is not None
        if size > 1:
            self.spent += math.log2(size)
            unit = self._range // size
            self._narrow(unit * value, self._range - unit * value if value == size - 1 else unit)
        return value

    def bit(self, p: int, value: int | None) -> int:
        assert value is not None
        s = [0] * CODEC
        tape = self.lend(s, 1)
        write_bit(s, tape, p, value)
        self.take(s, tape, 1)
        return value

    def lend(self, s: Ints, bins: int) -> bytearray:
        """The state goes to registers, for functions that write so many bins; returns their
        tape."""
        s[CODE_LOW], s[CODE_RANGE], s[CODE_SPENT] = self._low, self._range, 0
        s[CODE_NEXT], s[CODE_END] = 1, 2 * bins + 8
        return bytearray(2 * bins + 8)

    def take(self, s: Ints, tape: bytearray, bins: int) -> None:
        """The state comes back."""
        if tape[0]:
            carry(self._out, len(self._out) - 1)
        self._out += tape[1 : s[CODE_NEXT]]
        self._low, self._range = int(s[CODE_LOW]), int(s[CODE_RANGE])
        self.spent += int(s[CODE_SPENT]) / COST_UNIT
        self.bits += bins

    def _narrow(self, start: int, width: int) -> None:
        self._low += start
        self._renormalise(width)

    def _renormalise(self, width: int) -> None:
        """The next range is `width`, shifted up to `BOTTOM` or more."""
        low, out = self._low, self._out
        if low >= TOP:
            low -= TOP
            carry(out, len(out) - 1)
        while width < BOTTOM:
            out.append(low >> 40)
            low = (low & BOTTOM - 1) << 8
            width <<= 8
        self._low, self._range = low, width

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was written; the reader pads with zeros."""
        for zeros in range(48, -1, -8):
            number = -(-self._low >> zeros) << zeros
            if number < self._low + self._range:
                break
        out = bytearray(self._out)
        if number >= TOP:
            number -= TOP
            carry(out, len(out) - 1)
        return bytes(out + number.to_bytes(6, "big")).rstrip(b"\0")


class Reader:
    """A `Coder` that reads what `Writer.finish` returned; behind the end it reads zeros.

    Any bytes mean some symbols: whoever reads bounds how many, and refuses what they cannot mean.
    bits_left: how many `bit` may still read; then it raises `DamagedError`.
    """

    def __init__(self, data: bytes, bits_left: int = 0) -> None:
        self.spent, self.bits_left = 0.0, bits_left
        self._data, self._next = data, 6
        self._offset = int.from_bytes(data[:6].ljust(6, b"\0"), "big")  # above `low`
        self._range = TOP

    def symbol(self, model: Adaptive, value: int | None) -> int:
        counts = model.counts
        unit, last = self._range // sum(counts), len(counts) - 1
        target, value, before = self._offset // unit, 0, 0
        while value < last and target >= before + counts[value]:
            before += counts[value]
            value += 1
        rest = self._range - unit * before
        self._narrow(unit * before, rest if value == last else unit * counts[value])
        self.spent += model.bits(value)
        model.update(value)
        return value

    def uniform(self, size: int, value: int | None) -> int:
        if size <= 1:
            return 0
        self.spent += math.log2(size)
        unit = self._range // size
        value = min(self._offset // unit, size - 1)
        self._narrow(unit * value, self._range - unit * value if value == size - 1 else unit)
        return value

    def bit(self, p: int, value: int | None) -> int:
        s = [0] * CODEC
        tape = self.lend(s, 1)
        try:
            return read_bit(s, tape, p)
        finally:
            self.take(s, 1)

    def lend(self, s: Ints, bins: int) -> bytearray:
        """The state goes to registers, for functions that read so many bins at most; returns their
        tape, as long as it can matter to them."""
        s[CODE_LOW], s[CODE_RANGE], s[CODE_SPENT] = self._offset, self._range, 0
        s[CODE_LEFT] = min(bins, self.bits_left)
        tape = bytearray(self._data[self._next : self._next + 2 * bins + 8])
        s[CODE_NEXT], s[CODE_END] = 0, len(tape)
        return tape

    def take(self, s: Ints, bins: int) -> None:
        """The state comes back, after `lend` for so many bins."""
        self._offset, self._range = int(s[CODE_LOW]), int(s[CODE_RANGE])
        self._next += int(s[CODE_NEXT])
        self.spent += int(s[CODE_SPENT]) / COST_UNIT
        left = int(s[CODE_LEFT])
        self.bits_left = left if left < 0 else self.bits_left - min(bins, self.bits_left) + left

    def _narrow(self, start: int, width: int) -> None:
        self._offset -= start
        self._renormalise(width)

    def _renormalise(self, width: int) -> None:
        while width < BOTTOM:
            byte = self._data[self._next] if self._next < len(self._data) else 0
            self._offset = self._offset << 8 | byte
            self._next += 1
            width <<= 8
        self._range = width


class Integer:
    """Adaptive model of a non-negative integer below 2^24: bit length, then the two bits after the
    leading one, then the rest.

    (Adaptive Elias-gamma binarisation.)
    """

    BITS = 24

    def __init__(self) -> None:
        self.length = Adaptive(self.BITS + 1)
        self.mantissa = [Adaptive(2) for _ in range(4 * (self.BITS + 1))]

    def code(self, coder: Coder, value: int | None) -> int:
        if value is not None and not 0 <= value < 1 << self.BITS:
            raise ValueError(f"{value} is outside 0 .. 2^{self.BITS} - 1")
        bits = coder.symbol(self.length, None if value is None else value.bit_length())
        if bits <= 1:
            return bits
        out, rest = 1, bits - 1
        for depth in range(min(2, rest)):
            rest -= 1
            model = self.mantissa[4 * bits + (depth and 1 + (out & 1))]
            out = 2 * out + coder.symbol(model, None if value is None else value >> rest & 1)
        while rest > 0:
            step = min(rest, 12)
            rest -= step
            chunk = None if value is None else value >> rest & (1 << step) - 1
            out = (out << step) + coder.uniform(1 << step, chunk)
        return out


class Signed:
    """Adaptive model of an integer around zero: -limit .. limit have a count each; others, at most
    `span` from zero, escape to a uniform code."""

    def __init__(self, limit: int = 6, span: int = 1024) -> None:
        self.limit, self.span = limit, span
        prior = [max(1, 64 >> 2 * abs(v)) for v in range(-limit, limit + 1)]
        self.model = Adaptive(2 * limit + 2, [*prior, 1], step=16)

    def code(self, coder: Coder, value: int | None) -> int:
        if value is not None and abs(value) > self.span:
            raise ValueError(f"{value} is outside -{self.span} .. {self.span}")
        escape = 2 * self.limit + 1
        symbol = None
        if value is not None:
            symbol = value + self.limit if abs(value) <= self.limit else escape
        symbol = coder.symbol(self.model, symbol)
        if symbol < escape:
            return symbol - self.limit
        given = None if value is None else value + self.span
        return coder.uniform(2 * self.span + 1, given) - self.span
