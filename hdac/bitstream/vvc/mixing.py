"""The models of VVC's bins, mixed: those of `recoding`, and CABAC's own.

CABAC's probabilities are good ones from a slice's first bin on, and they are there in both
directions. As one more view they keep models that have seen little yet from doing harm.
"""

from __future__ import annotations

from pathlib import Path

from hdac.bitstream.hevc.bins import Wider
from hdac.bitstream.rangecoder import Coder
from hdac.bitstream.recoding import Head, Mixer, Priors
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import EVEN, MODELS

PRIORS = Path(__file__).parent / "priors.npz"

#: What CABAC's view, and the others together, weigh at first (in units of 1 / 65536).
_OWN, _OTHERS = 50000, 20000


class VvcMixer(Mixer):
    """The models of one GOP of VVC. Without `priors`, they start from those of talking heads."""

    path = PRIORS

    def __init__(self, priors: Priors | None = None) -> None:
        super().__init__(priors, MODELS, EVEN)

    def start(self, head: Head) -> None:
        super().start(head)
        self._states = c.initial_states(head.init, head.qp)
        #: CABAC's probability of each context as a model's, made new before each bin.
        self._own = [[0, 0] for _ in self._states]

    def _find(self, model: int, known: int, wider: Wider) -> tuple[list[list[int]], list[int]]:
        if model >= c.CONTEXTS:
            return super()._find(model, known, wider)
        models = self._views(model, known, wider)
        kind, count = 3 * model + self._head.type, len(models)
        weights = self.weights.get(kind)
        if weights is None:
            start = self._priors.weights.get(kind, [_OTHERS // count] * count + [_OWN])
            weights = self.weights[kind] = start[: count + 1]
        return [*models, self._own[model]], weights

    def code(self, coder: Coder, model: int, known: int, wider: Wider, value: int | None) -> int:
        if model >= c.CONTEXTS:
            return super().code(coder, model, known, wider, value)
        state = self._states[model]
        self._own[model][:] = ((state[0] << 4) + state[1] << 7, 0)
        value = super().code(coder, model, known, wider, value)
        c.learn(state, value)
        return value
