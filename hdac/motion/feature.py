"""Motion model `feature`: a few channels of 4x4 numbers that a network has learned to find, as
integers; what is sent is how they differ from those of the frame before.

After Chen et al. (DCC 2022), whose features are quantised in steps of 1/4 and written in Exp-Golomb
codes. Differs: adaptive models of what each number did in the frame before, and of what the number
before it does in this one.
"""

from __future__ import annotations

import numpy as np

from hdac.bitstream.motions import Feature
from hdac.bitstream.rangecoder import Adaptive, Coder, Signed
from hdac.motion.protocol import Parameters

#: Quantiser levels on either side of 0, of numbers in [-1, 1]. (Of numbers in [-8, 8] a step would
#: be the published 1/4.)
FEATURE_LEVELS = 32
#: What the number before did, at most, tells models apart.
_NEAR = 2


class FeatureCoder:
    """The state of one GOP's motion layer; `code` is the syntax of one frame, the same for both
    directions."""

    def __init__(self, motion: Feature) -> None:
        self.motion = motion
        self.last: Parameters | None = None
        span = 2 * motion.levels
        self._still = Adaptive(2, (8, 8))
        self._models = [[Signed(span=span) for _ in range(_NEAR + 1)] for _ in range(2)]
        self._moved = [0] * int(np.prod(motion.shape))

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes integers `(C, 4, 4)` (None: reads them) and returns them. Reading clamps to the
        range."""
        given = None if parameters is None else parameters.ravel().tolist()
        if self.last is None:
            numbers = self._first(coder, given)
        else:
            numbers = self._next(coder, given, self.last.ravel().tolist())
        self.last = np.array(numbers, np.int64).reshape(self.motion.shape)
        return self.last

    def _first(self, coder: Coder, given: list[int] | None) -> list[int]:
        levels = self.motion.levels
        return [
            coder.uniform(2 * levels + 1, None if given is None else given[k] + levels) - levels
            for k in range(len(self._moved))
        ]

    def _next(self, coder: Coder, given: list[int] | None, before: list[int]) -> list[int]:
        if coder.symbol(self._still, None if given is None else int(given == before)):
            self._moved = [0] * len(before)
            return before
        levels, near, out = self.motion.levels, 0, list[int]()
        for k, old in enumerate(before):
            model = self._models[self._moved[k]][near]
            delta = model.code(coder, None if given is None else given[k] - old)
            self._moved[k], near = int(delta != 0), min(_NEAR, abs(delta))
            out.append(max(-levels, min(levels, old + delta)))
        return out
