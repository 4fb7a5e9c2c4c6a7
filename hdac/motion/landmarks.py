"""Motion models `landmarks` and `landmark sets`: fixed points of the face, as integers; what moves
them all, and then each point, predicted from its neighbour. How many they are is the same in the
whole stream, or said by each GOP."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TypeAlias

import numpy as np

from hdac.bitstream.motions import Landmarks, LandmarkSets, Regions
from hdac.bitstream.rangecoder import Adaptive, Coder, Signed
from hdac.motion.animated import TrackedAnimation
from hdac.motion.facemesh import GROUPS, SETS
from hdac.motion.keypoints import dequantise, quantise
from hdac.motion.protocol import Found, Moving, Parameters
from hdac.runtime.planes import Array
from hdac.runtime.protocol import FAR, Backend, Landmarker
from hdac.video.picture import Picture

#: Points in the order in which they are coded, with their predictors (-1: none), as places.
Order: TypeAlias = tuple[tuple[int, int], ...]
#: What a neighbour did, at most, tells models apart.
_NEAR = 2


@cache
def order(number: int) -> Order:
    """That of a set: along the outlines of the face's parts."""
    places = {int(point): place for place, point in enumerate(SETS[number])}
    lines = [[int(p) for p in group if p in places] for group in GROUPS]
    rest = sorted(set(places) - set(chain.from_iterable(lines)))
    found, seen = [], set[int]()
    for line in [*lines, rest]:
        before = -1
        for point in line:
            if point not in seen:
                found.append((places[point], before))
                seen.add(point)
            before = places[point]
    return tuple(found)


class LandmarkCoder:
    """The state of one GOP's motion layer; `code` is the syntax of one frame, the same for both
    directions.

    A frame says whether anything moved, how the face moved as a whole (the median), and what each
    coordinate does besides; a model depends on whether this coordinate did anything in the frame
    before, and on what its predictor does in this one.
    """

    def __init__(self, motion: Landmarks | Regions, order: Order) -> None:
        self.motion, self.last, self._order = motion, None, order
        span = 4 * motion.levels
        self._still = Adaptive(2, (8, 8))
        self._first = [Signed(12, span) for _ in range(2)]
        self._whole = [Signed(span=span) for _ in range(2)]
        self._each = [
            [[Signed(span=span) for _ in range(2 * _NEAR + 1)] for _ in range(2)] for _ in range(2)
        ]
        self._moved = np.zeros((motion.number, 2), np.int64)

    last: Parameters | None

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes integers `(K, 2)` (None: reads them) and returns them. Reading clamps to the
        range."""
        if self.last is None:
            self.last = self._start(coder, parameters)
        else:
            self.last = self._next(coder, parameters, self.last)
        return self.last

    def _start(self, coder: Coder, given: Parameters | None) -> Parameters:
        levels, out = self.motion.levels, np.zeros((self.motion.number, 2), np.int64)
        for place, before in self._order:
            for axis in range(2):
                near = 0 if before < 0 else int(out[before, axis])
                delta = None if given is None else int(given[place, axis]) - near
                value = near + self._first[axis].code(coder, delta)
                out[place, axis] = max(-levels, min(levels, value))
        return out

    def _next(self, coder: Coder, given: Parameters | None, last: Parameters) -> Parameters:
        still = None if given is None else int(bool((given == last).all()))
        if coder.symbol(self._still, still):
            self._moved[:] = 0
            return last
        levels, out = self.motion.levels, last.copy()
        # (the median of the even numbers of all sets may lie between two integers)
        median = None if given is None else np.floor(np.median(given - last, axis=0)).astype(int)
        whole = [
            model.code(coder, None if median is None else int(median[axis]))
            for axis, model in enumerate(self._whole)
        ]
        own = np.zeros_like(last)
        for place, before in self._order:
            for axis in range(2):
                near = 0 if before < 0 else max(-_NEAR, min(_NEAR, int(own[before, axis])))
                model = self._each[axis][int(self._moved[place, axis])][near + _NEAR]
                moved = int(last[place, axis]) + whole[axis]
                delta = None if given is None else int(given[place, axis]) - moved
                own[place, axis] = model.code(coder, delta)
                value = moved + int(own[place, axis])
                out[place, axis] = max(-levels, min(levels, value))
        self._moved = (own != 0).astype(np.int64)
        return out


class LandmarkSetCoder:
    """The state of one GOP's motion layer: the number of its landmarks, and then as
    `LandmarkCoder`."""

    def __init__(self, motion: LandmarkSets) -> None:
        self._motion = motion
        self._coder: LandmarkCoder | None = None

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes integers `(K, 2)` (None: reads them) and returns them. Reading clamps to the
        range."""
        if self._coder is None:
            numbers = self._motion.numbers
            which = None if parameters is None else numbers.index(len(parameters))
            number = numbers[coder.uniform(len(numbers), which)]
            self._coder = LandmarkCoder(Landmarks(number, self._motion.levels), order(number))
        return self._coder.code(coder, parameters)


@cache
def places(number: int, most: int) -> tuple[int, ...]:
    """Where the points of a set are among those of a larger one."""
    known = SETS[most].tolist()
    return tuple(known.index(point) for point in SETS[number].tolist())


class LandmarkMotion(TrackedAnimation):
    """`MotionModel` of networks that take landmarks, `most` or fewer. `sent`: so many from the next
    GOP on."""

    def __init__(
        self,
        motion: Landmarks | LandmarkSets,
        most: int,
        backend: Backend,
        find: Landmarker | None,
        fps: float,
    ) -> None:
        super().__init__(backend, find, fps)
        self._motion, self._most, self.sent = motion, most, motion.number

    def analyse(self, picture: Picture) -> Found:
        return self._track(picture)[SETS[self._motion.number]]

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        number = self.sent if last is None else len(last)
        chosen = found[list(places(number, self._motion.number))]
        return quantise(chosen, last, self._motion.levels, hysteresis)

    def _given(self, parameters: Moving) -> Array:
        """Those that are not coded are far away."""
        points = np.full((1, self._most, 2), FAR, np.float32)
        coded = list(places(len(parameters), self._most))
        points[0, coded] = dequantise(parameters, self._motion.levels)
        return points
