"""The motion layer: keypoints, quantised (`quantiser.py`), predicted from the last decoded ones and
range coded."""

from __future__ import annotations

import torch
from torch import Tensor

from hdac.bitstream.rangecoder import Adaptive, Coder, Signed
from hdac.layers.quantiser import LEVELS


class KeypointCoder:
    """The state of one GOP's motion layer; `code` is the syntax of one frame, the same for both
    directions.

    A residual's model depends on its axis and on whether this coordinate moved in the frame before.
    """

    def __init__(self, keypoints: int, levels: int = LEVELS) -> None:
        self.keypoints, self.levels = keypoints, levels
        self.last: Tensor | None = None
        self._moved = [[False, False] for _ in range(keypoints)]
        self._models = [[Signed(span=2 * levels), Signed(span=2 * levels)] for _ in range(2)]
        self._still = Adaptive(2, (8, 8))

    def code(self, coder: Coder, integers: Tensor | None) -> Tensor:
        """Codes `(K, 2)` integers (ignored when reading) and returns them. Reading clamps to the
        range."""
        size = 2 * self.levels + 1
        given = None if integers is None else integers.tolist()
        if self.last is None:
            rows = [
                [
                    coder.uniform(size, None if given is None else given[k][axis] + self.levels)
                    - self.levels
                    for axis in range(2)
                ]
                for k in range(self.keypoints)
            ]
            self.last = torch.tensor(rows)
            return self.last
        before = self.last.tolist()
        if coder.symbol(self._still, None if given is None else int(given == before)):
            self._moved = [[False, False] for _ in range(self.keypoints)]
            return self.last
        rows = []
        for k in range(self.keypoints):
            row = []
            for axis in range(2):
                model = self._models[axis][self._moved[k][axis]]
                delta = model.code(
                    coder, None if given is None else given[k][axis] - before[k][axis]
                )
                self._moved[k][axis] = delta != 0
                row.append(max(-self.levels, min(self.levels, before[k][axis] + delta)))
            rows.append(row)
        self.last = torch.tensor(rows)
        return self.last
