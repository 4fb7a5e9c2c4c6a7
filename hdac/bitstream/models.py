"""The models of one GOP's bins: what they start from, and the memory that they are in."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from hdac.bitstream import compiled, table
from hdac.bitstream.mixing import (
    FIRST,
    GUESSES,
    PLACES,
    PRESENT,
    ROOM,
    SET,
    STRIDE,
    USED,
    VIEWS,
    WEIGHTS,
)
from hdac.bitstream.noting import Bins
from hdac.bitstream.rangecoder import Writer
from hdac.bitstream.registers import BINS, EVEN_KIND, FIRST_ROW, KINDS, QP_VIEW, STATE, TYPE, Ints
from hdac.bitstream.running import Code
from hdac.bitstream.table import ENTRY
from hdac.errors import ToolError

QP_STEP = 4  # QPs that share a model


class Head(Protocol):
    """What models look at in a slice's header."""

    @property
    def type(self) -> int:
        """B, P or I: 0 to 2."""

    @property
    def qp(self) -> int: ...

    @property
    def init(self) -> int:
        """`initType`."""

    @property
    def first(self) -> int:
        """The byte of the unit where its data starts."""


class ParsedSlice(NamedTuple):
    """A slice that can be recoded: its header, and the bins of the rest."""

    head: Head
    bins: Bins


class Priors(NamedTuple):
    """What models and mixing weights start from.

    models: key -> probability of 1 (16 bits), the number of bins that this guess counts for.
    weights: 3 * model + slice type -> those of its views.
    """

    models: dict[int, tuple[int, int]]
    weights: dict[int, list[int]]


_Table: TypeAlias = npt.NDArray[np.int64]


def _read(path: Path) -> tuple[_Table, _Table]:
    """Rows of models: key, probability, count; rows of weights: kind, weights."""
    try:
        with np.load(path, allow_pickle=False) as tables:
            return tables["models"].astype(np.int64), tables["weights"].astype(np.int64)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ToolError(
            f"{path.name} is missing from hdac/bitstream/{path.parent.name}, or damaged ({error}): "
            "install hdac again"
        ) from error


def _laid(keys: _Table, room: int) -> tuple[_Table, _Table]:
    """Places of keys in an empty table with so much room, and the order that they are given in:
    `table.insert` would find each there."""
    homes = table.home(keys, room)
    order = np.argsort(homes)
    rank = np.arange(len(keys))
    places = np.maximum.accumulate(homes[order] - rank) + rank
    beyond = places >= room  # they go on at the start
    free = np.ones(room, bool)
    free[places[~beyond]] = False
    places[beyond] = np.flatnonzero(free)[: beyond.sum()]
    return places, order


class _Start:
    """A mixer's memory at first: `listed` for interpreted code, `tabled` for compiled code, whose
    table has all first guesses."""

    def __init__(self, models: _Table, weights: dict[int, list[int]], kinds: int) -> None:
        self._weights = [0] * (3 * kinds * STRIDE)
        for kind, start in weights.items():
            at = kind * STRIDE
            self._weights[at : at + len(start)] = start
            self._weights[at + SET] = len(start)
        self._models = models

    @cached_property
    def _guesses(self) -> dict[int, tuple[int, int]]:
        return {key: (p << 6, count) for key, p, count in self._models.tolist()}

    def listed(self) -> list[Any]:
        memory: list[Any] = [0] * WEIGHTS
        memory[PLACES], memory[PRESENT], memory[GUESSES] = {}, {}, self._guesses
        return memory + self._weights

    @cached_property
    def tabled(self) -> _Table:
        keys, probabilities, counts = self._models.T
        head = WEIGHTS + len(self._weights)
        room = 1 << (4 * len(keys) + 4096).bit_length()
        memory = np.zeros(head + ENTRY * room, np.int64)
        memory[WEIGHTS:head] = self._weights
        memory[USED], memory[ROOM], memory[FIRST] = len(keys), room, head - ENTRY * room
        places, order = _laid(keys, room)
        at = head + ENTRY * places
        memory[at] = keys[order] + 1
        memory[at + 1], memory[at + 2] = probabilities[order] << 6, counts[order]
        return memory


@cache
def _start(path: Path, kinds: int) -> _Start:
    models, weights = _read(path)
    return _Start(models, {key: start for key, *start in weights.tolist()}, kinds)


class Mixer:
    """The models of one GOP: several for each bin, mixed.

    syntax: the codec's name; path: of first guesses, where no `priors` are given; kinds, even: how
    many kinds of bins the codec has, and which of them nothing is known of.
    """

    def __init__(
        self, syntax: str, path: Path, kinds: int, even: int, priors: Priors | None
    ) -> None:
        self._syntax, self._path, self._kinds, self._even = syntax, path, kinds, even
        self._priors = priors
        self._memory: Any = None

    def start(self, s: Ints, head: Head) -> None:
        """Sets what models look at: registers, and CABAC's contexts."""
        s[TYPE], s[QP_VIEW] = head.type, max(0, head.qp) // QP_STEP
        s[KINDS], s[EVEN_KIND] = self._kinds, self._even
        s[FIRST_ROW] = WEIGHTS + STRIDE * head.type

    @cached_property
    def _first(self) -> _Start:
        given = self._priors
        if given is None:
            return _start(self._path, self._kinds)
        models = [(key, *guess) for key, guess in given.models.items()]
        return _Start(np.array(models, np.int64).reshape(-1, 3), given.weights, self._kinds)

    def memory(self, code: Code, bins: int) -> Any:
        """Where models and weights are, for a slice of so many bins."""
        memory = self._memory
        if not code.arrays:
            if memory is None:
                self._memory = memory = self._first.listed()
            memory[PRESENT] = {}
            return memory
        if memory is None:
            memory = self._first.tabled.copy()
        elif isinstance(memory, list):
            memory = self._arrayed(memory)
        size = table.words(memory, VIEWS * (bins + 1))
        if size > len(memory):
            before, memory = memory, np.zeros(size, np.int64)
            memory[: len(before)] = before
        self._memory = memory
        return memory

    def _arrayed(self, memory: list[Any]) -> Any:
        """The memory of interpreted code, for compiled code."""
        found, weights = (
            self._first.tabled.tolist(),
            slice(WEIGHTS, WEIGHTS + 3 * self._kinds * STRIDE),
        )
        found[weights] = memory[weights]
        found += [0] * (table.words(found, len(memory[PLACES])) - len(found))
        table.grow(found, len(memory[PLACES]))
        for key, place in memory[PLACES].items():
            at = table.insert(found, key, 0, 0)
            found[at : at + 2] = memory[place : place + 2]
        return np.array(found, np.int64)

    @property
    def weights(self) -> dict[int, list[int]]:
        """3 * model + slice type -> the weights of its views."""
        if self._memory is None:
            return {}
        rows = [
            [int(n) for n in self._memory[at : at + STRIDE]]
            for at in range(WEIGHTS, WEIGHTS + 3 * self._kinds * STRIDE, STRIDE)
        ]
        return {kind: row[: row[SET]] for kind, row in enumerate(rows) if row[SET]}

    def write(self, coder: Writer, parsed: ParsedSlice) -> None:
        """Codes a slice's bins."""
        code, count = compiled.code(self._syntax), len(parsed.bins)
        s = code.zeros(STATE)
        self.start(s, parsed.head)
        s[BINS] = count
        tape = coder.lend(s, count)
        notes = code.numbers(parsed.bins.numbers)
        code.write(s, self.memory(code, count), code.tape(tape), notes)
        coder.take(s, tape, count)
