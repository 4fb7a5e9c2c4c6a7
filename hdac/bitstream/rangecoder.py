"""Adaptive integer range coding over constriction.

Models are built from integer counts, so coder and decoder agree exactly on every machine. One
description of a
syntax serves both directions: `Coder.symbol` codes the value it is given when writing and ignores
    it when reading.

(Range coding: Martin, 1979; implementation: Bamler, "Understanding Entropy Coding With ANS", 2022,
package constriction.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import constriction
import numpy as np

from hdac.errors import DamagedError

# constriction's submodules are attributes of its extension module, not importable names
Categorical = constriction.stream.model.Categorical
Uniform = constriction.stream.model.Uniform
Bernoulli = constriction.stream.model.Bernoulli
RangeEncoder = constriction.stream.queue.RangeEncoder
RangeDecoder = constriction.stream.queue.RangeDecoder

_LIMIT = 2048  # total count at which an adaptive model halves its counts

#: Models of bins by the probability of 1 in units of 1 / 4096, and what a 0 and a 1 cost in bits.
HALF = 2048
_BINS = [Bernoulli(p / 4096, perfect=False) for p in range(4096)]
_COSTS = [[-math.log2(max(1, q) / 4096) for q in (4096 - p, p)] for p in range(4096)]


class Adaptive:
    """Adaptive frequencies of the symbols 0 .. size - 1."""

    def __init__(self, size: int, prior: Sequence[int] | None = None, step: int = 24) -> None:
        self.counts = list(prior) if prior is not None else [max(1, 16 // size)] * size
        assert len(self.counts) == size >= 2
        assert min(self.counts) > 0
        self.step = step

    def model(self) -> Any:
        return Categorical(np.array(self.counts, np.float64), perfect=False)

    def bits(self, symbol: int) -> float:
        """Information content of a symbol under the present counts."""
        return math.log2(sum(self.counts) / self.counts[symbol])

    def update(self, symbol: int) -> None:
        self.counts[symbol] += self.step
        if sum(self.counts) > _LIMIT:
            self.counts = [(c + 1) // 2 for c in self.counts]


class Coder(Protocol):
    """Writes symbols or reads them; `spent` is the information content of all symbols so far, in
    bits."""

    spent: float
    reading: bool

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
    """A `Coder` that writes; `finish` returns the bytes."""

    reading = False

    def __init__(self) -> None:
        self.spent = 0.0
        self._encoder = RangeEncoder()

    def symbol(self, model: Adaptive, value: int | None) -> int:
        assert value is not None
        self.spent += model.bits(value)
        self._encoder.encode(value, model.model())
        model.update(value)
        return value

    def uniform(self, size: int, value: int | None) -> int:
        assert value is not None
        if size > 1:
            self.spent += math.log2(size)
            self._encoder.encode(value, Uniform(size))
        return value

    def bit(self, p: int, value: int | None) -> int:
        assert value is not None
        self.spent += _COSTS[p][value]
        self._encoder.encode(value, _BINS[p])
        return value

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was written; the reader pads with zeros.

        constriction seals with whole 32-bit words. Any number inside the coder's final interval
        decodes alike, so the one with the most zero bytes at its end is taken (1.5 bytes a packet).
        """
        words = self._encoder.get_compressed()
        position, (low, width) = self._encoder.pos()
        size = 4 * position + 8
        sealed = int.from_bytes(words.astype(">u4").tobytes().ljust(size, b"\0"), "big")
        prefix = int.from_bytes(words[:position].astype(">u4").tobytes(), "big")
        # a carry into the finished words shows only in the sealed number
        start = next(
            s for s in ((prefix << 64) + low, (prefix - 1 << 64) + low) if s <= sealed < s + width
        )
        for zeros in range(8 * size, -1, -8):
            number = -(-start >> zeros) << zeros
            if number < start + width:
                break
        return number.to_bytes(size, "big").rstrip(b"\0")


class Reader:
    """A `Coder` that reads what `Writer.finish` returned.

    Raises `DamagedError` on data that no writer can have made.
    """

    reading = True

    def __init__(self, data: bytes) -> None:
        self.spent = 0.0
        padded = data + bytes(-len(data) % 4 + 8)
        self._decoder = RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def symbol(self, model: Adaptive, value: int | None) -> int:
        value = self._decode(model.model())
        self.spent += model.bits(value)
        model.update(value)
        return value

    def uniform(self, size: int, value: int | None) -> int:
        if size <= 1:
            return 0
        self.spent += math.log2(size)
        return self._decode(Uniform(size))

    def bit(self, p: int, value: int | None) -> int:
        value = self._decode(_BINS[p])
        self.spent += _COSTS[p][value]
        return value

    def _decode(self, model: Any) -> int:
        try:
            return int(self._decoder.decode(model))
        except AssertionError as error:
            raise DamagedError(
                f"range-coded data is invalid ({error}); the stream is damaged"
            ) from error


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
    """Adaptive model of an integer around zero: the values -limit .. limit each have a count;
    others escape to a uniform code."""

    def __init__(self, limit: int = 6, span: int = 1024) -> None:
        self.limit, self.span = limit, span
        prior = [
            max(1, 64 >> 2 * abs(v)) for v in range(-limit, limit + 1)
        ]  # keypoints mostly stay where they are
        self.model = Adaptive(2 * limit + 2, [*prior, 1], step=16)

    def code(self, coder: Coder, value: int | None) -> int:
        escape = 2 * self.limit + 1
        symbol = (
            None if value is None else value + self.limit if abs(value) <= self.limit else escape
        )
        symbol = coder.symbol(self.model, symbol)
        if symbol < escape:
            return symbol - self.limit
        if value is not None and abs(value) > self.span:
            raise ValueError(f"{value} is outside -{self.span} .. {self.span}")
        return (
            coder.uniform(2 * self.span + 1, None if value is None else value + self.span)
            - self.span
        )
