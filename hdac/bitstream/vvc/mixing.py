"""The models of VVC's bins, mixed: those of `models`, and CABAC's own."""

from __future__ import annotations

from pathlib import Path

from hdac.bitstream.models import Head, Mixer, Priors
from hdac.bitstream.registers import CONTEXT, Ints
from hdac.bitstream.vvc.bins import EVEN, MODELS
from hdac.bitstream.vvc.cabac import initial_states

PRIORS = Path(__file__).parent / "priors.npz"


class VvcMixer(Mixer):
    """The models of one GOP of VVC. Without `priors`, they start from those of talking heads."""

    def __init__(self, priors: Priors | None = None) -> None:
        super().__init__("vvc", PRIORS, MODELS, EVEN, priors)

    def start(self, s: Ints, head: Head) -> None:
        super().start(s, head)
        states = initial_states(head.init, head.qp)
        s[CONTEXT : CONTEXT + len(states)] = states
