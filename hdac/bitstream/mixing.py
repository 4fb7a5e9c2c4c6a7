"""The models of slices' bins: several for each bin, mixed.

A model has a probability of 1 (22 bits) and the number of bins that it has seen; a kind of bin,
which is its model number and the slice's type, has a weight for each view. Integers only: the same
bytes on every machine.

(Adaptive states and logistic mixing: Mahoney, "Adaptive weighing of context models for lossless
data compression", 2005.)
"""

from __future__ import annotations

from hdac.bitstream.arithmetic import read_bit, write_bit
from hdac.bitstream.registers import (
    EVEN_KIND,
    FIRST_ROW,
    KINDS,
    QP_VIEW,
    TYPE,
    VIEW,
    Ints,
    Memory,
)

VIEWS = 5  # of a bin, at most
HALF = 2048  # probability of an even bin, in units of 1 / 4096

_LIMIT = 200  # bins after which a model adapts no more slowly
_RATE = [65536 * 2 // (2 * n + 3) for n in range(_LIMIT + 1)]
_LEARNING = 41  # of the mixing weights: 0.01 in units of 1 / 4096
START = 72000  # of the mixing weights together, in units of 1 / 65536
OTHERS, OWN = 20000, 50000  # where CABAC's own view is one of them: theirs together, and its

#: Logistic function of x / 256, in units of 1 / 4096, at x = -2048, -1920 .. 2048; and between, by
#: straight lines in integers.
_NODES = (
    1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349,
    3608, 3785, 3902, 3976, 4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
)  # fmt: skip
_SQUASH = [
    (_NODES[i >> 7] * (128 - (i & 127)) + _NODES[(i >> 7) + 1] * (i & 127) + 64) >> 7
    for i in range(4096)
]


def _inverse() -> list[int]:
    """`_SQUASH` turned round: the middle of the x that give p."""
    where: list[list[int]] = [[] for _ in range(4096)]
    for x, p in enumerate(_SQUASH):
        where[p].append(x - 2048)
    out, last = [], -2047
    for places in where:
        last = places[len(places) // 2] if places else last
        out.append(last)
    return out


_STRETCH = _inverse()

#: What is where in `m`. Interpreted: the places of models by their keys; those of the views of the
#: present slice's bins; first guesses of models, by key. Compiled: how many models there are, the
#: room for them, a power of 2, and the place of the first one.
PLACES, PRESENT, GUESSES = range(3)
USED, ROOM, FIRST = range(3)
#: Of each kind of bin: weights of views and of CABAC's own, and how many are set, if any.
WEIGHTS, STRIDE, SET = 8, 8, 7
FRESH = 1 << 21  # a model's probability at first; behind it are the bins that it has seen

_PLACES_OF_BIN = slice(VIEW, VIEW + VIEWS)
_ROW = 3 * STRIDE

# Keys are below 2^32: views have 19 or 20 bits.


def key_of(s: Ints, view: int, number: int, model: int) -> int:
    """Of the model of a bin's view `number`."""
    return ((view * VIEWS + number) * s[KINDS] + model) * 3 + s[TYPE]


def find(s: Ints, m: Memory, model: int, known: int, count: int, w0: int, w1: int, w2: int) -> None:
    """Sets registers `VIEW` to where in `m` the models of a bin are: in slices of about this QP, in
    its surroundings, and in each wider view of them. (Compiled, `table.find` is here.)"""
    bin_ = (model, known, w0, w1, w2)
    found = m[PRESENT].get(bin_)
    if found is None:
        places, found = m[PLACES], []
        for number, view in enumerate((s[QP_VIEW], known, w0, w1, w2)[: 2 + count]):
            key = key_of(s, view, number, model)
            place = places.get(key)
            if place is None:
                place = places[key] = len(m)
                m.extend(m[GUESSES].get(key, (FRESH, 0)))
            found.append(place)
        found += [0] * (VIEWS - len(found))
        m[PRESENT][bin_] = found
    s[_PLACES_OF_BIN] = found


def mixed(
    s: Ints,
    m: Memory,
    tape: Ints,
    model: int,
    known: int,
    count: int,
    w0: int,
    w1: int,
    w2: int,
    own: int,
    value: int,
) -> int:
    """Codes one bin of the range coder and learns from it; `value` -1: reads it.

    count: of wider views, w0 to w2. own: CABAC's own probability of 1 in units of 1 / 4096, as one
        more view; -1 without.
    Weights and models are in range: `model` is below `KINDS`, `count` below 4, and probabilities
    stay below 2^22.
    """
    if model == s[EVEN_KIND]:
        if value < 0:
            return read_bit(s, tape, HALF)
        write_bit(s, tape, HALF, value)
        return value
    find(s, m, model, known, count, w0, w1, w2)
    views = count + 2
    at = _ROW * model + s[FIRST_ROW]
    if not m[at + SET]:
        m[at + SET] = views + (own >= 0)
        start = OTHERS if own >= 0 else START
        for i in range(views):
            m[at + i] = start // views
        m[at + views] = OWN
    x, stretched = 0, 0
    if own >= 0:
        stretched = _STRETCH[own]
        x = m[at + views] * stretched
    for i in range(views):
        x += m[at + i] * _STRETCH[m[s[VIEW + i]] >> 10]
    x >>= 16
    p = _SQUASH[x + 2048 if -2048 < x < 2048 else 1 if x < 0 else 4095]
    if value < 0:
        value = read_bit(s, tape, p)
    else:
        write_bit(s, tape, p, value)
    error = ((value << 12) - p) * _LEARNING
    goal = value << 22
    if own >= 0:
        m[at + views] += error * stretched + 32768 >> 16
    for i in range(views):
        place = s[VIEW + i]
        old, seen = m[place], m[place + 1]
        m[at + i] += error * _STRETCH[old >> 10] + 32768 >> 16
        m[place] = old + ((goal - old) * _RATE[seen] >> 16)
        if seen < _LIMIT:
            m[place + 1] = seen + 1
    return value
