"""In which order a transform block's coefficients are coded.

(Rec. ITU-T H.266, clauses 6.5.2 and 7.3.11.11.)
"""

from __future__ import annotations

_MOST = 6  # logarithm of the coefficients that an order is made for


def scan(across: int, down: int) -> tuple[tuple[int, int], ...]:
    """(x, y) in the order of coding: up-right diagonals of a block of `1 << across` times
    `1 << down`."""
    width, height = 1 << across, 1 << down
    return tuple(
        (x, d - x)
        for d in range(width + height - 1)
        for x in range(min(d + 1, width))
        if d - x < height
    )


def _numbers(order: tuple[tuple[int, int], ...]) -> list[int]:
    """Where in an order each (x, y) is, at `16 * y + x`."""
    where = {16 * y + x: n for n, (x, y) in enumerate(order)}
    return [where.get(place, 0) for place in range(256)]


#: Of all shapes up to 16 a side and 64 in all, with room for as many others: places `16 * y + x` in
#: the order of coding, 64 each, and the numbers of places, 256 each.
_ORDERS = [
    scan(across, down) if across + down <= _MOST else () for across in range(5) for down in range(5)
]
PLACE = [
    place for order in _ORDERS for place in [16 * y + x for x, y in order] + [0] * (64 - len(order))
]
NUMBER = [number for order in _ORDERS for number in _numbers(order)]


def order(across: int, down: int) -> int:
    """Where an order starts in `PLACE`, and four times as far in `NUMBER`; sides are 1 to 16."""
    return 64 * (5 * across + down)


def sub_block(across: int, down: int) -> tuple[int, int]:
    """Size of the sub-blocks of a block of at most 32x32: base-2 logarithms. There are 8x8 of them
    at most, and a block of 8 or fewer is not 1 wide or high."""
    if across + down > 3:
        if across < 2:
            return across, 4 - across
        if down < 2:
            return 4 - down, down
    side = 1 if min(across, down) < 2 else 2
    return min(side, across), min(side, down)
