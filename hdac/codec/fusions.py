"""The fused pictures of a GOP, for both sides: they stay where nothing was coded."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from hdac.motion.protocol import Moving
from hdac.video.picture import Picture

if TYPE_CHECKING:
    from hdac.codec.synthesiser import Synthesiser


class Fusions:
    """The fused pictures of one GOP after another. Where a base picture is the same as the one
    before, nothing was coded, and the fused picture stays too: at the next QP of the cascade the
    network would make another one of it. Where it is the reference's, the reference stays."""

    def __init__(self, synthesiser: Synthesiser) -> None:
        self._synthesiser = synthesiser
        #: Of the last base picture, if it was begun.
        self.made: Future[Picture] | None = None

    def start(self, reference: Picture) -> None:
        """A GOP starts; the synthesiser has its reference."""
        self._base = reference
        self.made = Future()
        self.made.set_result(reference)

    def follow(self, base: Picture, qp: int, parameters: Moving) -> None:
        """The next base picture, coded at `qp`, be it fused or not."""
        if not base.same(self._base):
            self._base, self._qp, self._parameters = base, qp, parameters
            self.made = None

    def fuse(self) -> Future[Picture]:
        """The fused picture of the last base picture."""
        if self.made is None:
            self.made = self._synthesiser.fuse(self._base, self._qp, self._parameters)
        return self.made
