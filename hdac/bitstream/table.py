"""Where models are by their keys, in compiled code: a hash table with open addressing.

It is at most half full. When it would be fuller, all models move to one twice as large: a table for
2^n models starts 2^n entries behind the first possible one's place, so that all of them have room
in one array, of which only what is used takes memory. First guesses are in it from the start.
"""

from __future__ import annotations

from typing import Any

from hdac.bitstream.mixing import FIRST, FRESH, ROOM, USED, VIEWS, key_of
from hdac.bitstream.registers import QP_VIEW, VIEW, Ints

ENTRY = 3  # numbers: 1 + key (0: empty), and a model
SPREAD = 2654435769  # 2^32 times the golden section (Knuth, volume 3, 6.4)


def home(key: Any, room: int) -> Any:
    """Where a key would be in an empty table with so much room (a power of 2); of an array: where
    each of its keys would be."""
    return (key * SPREAD >> 15 ^ key) & room - 1


def place(m: Ints, key: int) -> int:
    """Where this key's model is, or has to go.

    There is an empty entry: the table is at most half full.
    """
    room = m[ROOM]
    at = home(key, room)
    first = m[FIRST] + ENTRY * room
    while m[first + ENTRY * at] != key + 1 and m[first + ENTRY * at] != 0:
        at = at + 1 & room - 1
    return first + ENTRY * at + 1


def insert(m: Ints, key: int, probability: int, seen: int) -> int:
    """A model's place, which is made if there is none yet."""
    at = place(m, key)
    if m[at - 1] == 0:
        m[at - 1], m[at], m[at + 1] = key + 1, probability, seen
        m[USED] += 1
    return at


def grow(m: Ints, models: int) -> None:
    """Makes room for so many models more. (`words` has made the array long enough.)"""
    while 2 * (m[USED] + models) > m[ROOM]:
        room = m[ROOM]
        first = m[FIRST] + ENTRY * room
        m[ROOM], m[USED] = 2 * room, 0
        for at in range(first, first + ENTRY * room, ENTRY):
            if m[at]:
                insert(m, m[at] - 1, m[at + 1], m[at + 2])


def words(m: Ints, models: int) -> int:
    """How long the array has to be for so many models more."""
    room = m[ROOM]
    while 2 * (m[USED] + models) > room:
        room *= 2
    return m[FIRST] + 2 * ENTRY * room


def find(s: Ints, m: Ints, model: int, known: int, count: int, w0: int, w1: int, w2: int) -> None:
    """`mixing.find`, compiled."""
    if 2 * (m[USED] + VIEWS) > m[ROOM]:
        grow(m, VIEWS)
    s[VIEW] = insert(m, key_of(s, s[QP_VIEW], 0, model), FRESH, 0)
    s[VIEW + 1] = insert(m, key_of(s, known, 1, model), FRESH, 0)
    if count > 0:
        s[VIEW + 2] = insert(m, key_of(s, w0, 2, model), FRESH, 0)
    if count > 1:
        s[VIEW + 3] = insert(m, key_of(s, w1, 3, model), FRESH, 0)
    if count > 2:
        s[VIEW + 4] = insert(m, key_of(s, w2, 4, model), FRESH, 0)
