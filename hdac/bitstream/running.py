"""A codec's functions of slice data, and what they run over: lists, or arrays once they are
compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hdac.bitstream.registers import Ints, Memory


class Code(NamedTuple):
    """walk: parses a slice's data, or reads a recoded one (state, memory, tape). write: writes
    noted bins (state, memory, tape, bins)."""

    walk: Callable[[Ints, Memory, Ints], bool]
    write: Callable[[Ints, Memory, Ints, Ints], object]
    arrays: bool = False

    def numbers(self, values: Any) -> Any:
        """A list or an array of integers, as what the functions run over."""
        if self.arrays:
            return np.asarray(values, np.int64)
        return values if isinstance(values, list) else values.tolist()

    def zeros(self, count: int) -> Any:
        return np.zeros(count, np.int64) if self.arrays else [0] * count

    def tape(self, data: bytearray) -> Any:
        """Bytes: the functions write to `data`."""
        return np.frombuffer(data, np.uint8) if self.arrays else data


def fill(s: Any, at: int, count: int, value: int) -> None:
    """Sets `count` numbers of a state."""
    s[at : at + count] = [value] * count if isinstance(s, list) else value
