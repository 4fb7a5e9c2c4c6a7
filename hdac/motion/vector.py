"""Vectors of integers, one a frame: the syntax of motion models whose parameters have no order that
says more."""

from __future__ import annotations

import numpy as np

from hdac.bitstream.rangecoder import Adaptive, Coder, Signed
from hdac.motion.protocol import Found, Moving, Parameters
from hdac.runtime.planes import Array

#: Largest level.
LIMIT = 1023


class VectorCoder:
    """The state of one GOP's motion layer; `code` is the syntax of one frame, the same for both
    directions. A change's model depends on the parameter and on the sign of its last change.

    count: of parameters; constant: so many at the end stay what they are in the first frame.
    """

    def __init__(self, count: int, constant: int = 0) -> None:
        self.last: Parameters | None = None
        self._count, self._changing = count, count - constant
        self._still = Adaptive(2, (8, 8))
        self._first = Signed(12, 2 * LIMIT)
        self._models = [[Signed(span=2 * LIMIT) for _ in range(3)] for _ in range(self._changing)]
        self._signs = [0] * self._changing

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes integers `(P,)` (None: reads them) and returns them. Reading clamps to the
        range."""
        given = None if parameters is None else parameters.tolist()
        if self.last is None:
            values = [
                self._first.code(coder, None if given is None else given[i])
                for i in range(self._count)
            ]
        else:
            values = self._next(coder, given, self.last.tolist())
        self.last = np.array(values, np.int64).clip(-LIMIT, LIMIT)
        return self.last

    def _next(self, coder: Coder, given: list[int] | None, last: list[int]) -> list[int]:
        if coder.symbol(self._still, None if given is None else int(given == last)):
            self._signs = [0] * self._changing
            return last
        values = last.copy()
        for i, before in enumerate(last[: self._changing]):
            model = self._models[i][self._signs[i] + 1]
            change = model.code(coder, None if given is None else given[i] - before)
            self._signs[i] = (change > 0) - (change < 0)
            values[i] = before + change
        return values


def dequantise_steps(parameters: Moving, steps: Array) -> Array:
    """`(1, P)` float32."""
    values: Array = (parameters.astype(np.float32) * steps)[None]
    return values


def quantise_steps(
    found: Found, steps: Array, last: Parameters | None, hysteresis: float
) -> Parameters:
    """Integers of parameters in `steps`; those of the frame before stay where `found` is within
    `hysteresis` steps of them."""
    scaled = (found / steps).clip(-LIMIT, LIMIT)
    rounded: Parameters = np.rint(scaled).astype(np.int64)
    if last is None:
        return rounded
    return np.where(np.abs(scaled - last) <= hysteresis, last, rounded)
