"""Bins that are noted: five numbers each, of which the first is 8 times the model, twice the number
of wider views, and the bin; then what is known of it, and the views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.registers import BINS, MOST, Ints

STRIDE = 5
Wider: TypeAlias = tuple[int, ...]


def note(
    s: Ints, m: Ints, model: int, known: int, count: int, w0: int, w1: int, w2: int, value: int
) -> None:
    bins = s[BINS]
    if bins >= s[MOST]:
        raise UnsupportedError("a slice that does not cover its picture, or a long one")
    s[BINS] = bins + 1
    at = STRIDE * bins
    m[at] = 8 * model + 2 * count + value
    m[at + 1] = known
    if count:
        m[at + 2] = w0
        m[at + 3] = w1
        m[at + 4] = w2


class Bins:
    """Those of a slice: (model, known, wider views, value) each. `numbers`: a list or an array."""

    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers) // STRIDE

    def __iter__(self) -> Iterator[tuple[int, int, Wider, int]]:
        numbers = list(map(int, self.numbers))
        for at in range(0, len(numbers), STRIDE):
            first, known, *wider = numbers[at : at + STRIDE]
            yield first >> 3, known, tuple(wider[: first >> 1 & 3]), first & 1
