"""In-loop filters in slice data: sample adaptive offset and the adaptive loop filter.

(Rec. ITU-T H.266, clauses 7.3.11.2 and 7.3.11.3.)
"""

from __future__ import annotations

from hdac.bitstream.hevc.bins import unary
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    ALF_REST,
    CROSS_REST,
    EVEN,
    SAO_REST,
    SliceState,
    truncated_binary,
)


class LoopFilters:
    """Of one slice's coding tree units, `across` in a row."""

    def __init__(self, state: SliceState, across: int, down: int) -> None:
        self._state, self._across = state, across
        self._head, self._bins = state.head, state.bins
        self._most = (1 << state.sps.depth - 5) - 1  # of an offset
        #: By plane: which units are filtered; and which have filters across components.
        self._on = [[0] * (across * down) for _ in range(3)]
        self._crossed = [[0] * (across * down) for _ in range(2)]

    def parse(self, x: int, y: int) -> None:
        head = self._head
        if head.sao_luma or head.sao_chroma:
            self._offset(x, y)
        if head.alf is not None:
            self._adaptive(x, y)

    def _offset(self, x: int, y: int) -> None:
        """Sample adaptive offset (clause 7.3.11.3)."""
        bins = self._bins
        if (x and bins.bin(c.SAO_MERGE, 0)) or (y and bins.bin(c.SAO_MERGE, 1)):
            return
        kind = 0
        for plane in range(3):
            if not (self._head.sao_chroma if plane else self._head.sao_luma):
                continue
            chroma = int(plane > 0)
            if plane < 2:
                kind = bins.bin(c.SAO_TYPE, chroma) and 1 + bins.bypass(SAO_REST, chroma)
            if not kind:
                continue
            known = 2 + 8 * kind + 32 * chroma
            offsets = [unary(bins, SAO_REST, self._most, known) for _ in range(4)]
            if kind == 1:  # bands: signs, position
                for offset in offsets:
                    if offset:
                        bins.bypass(EVEN)
                for i in range(5):
                    bins.bypass(SAO_REST, 96 + i)
            elif plane < 2:  # edges: direction
                first = bins.bypass(SAO_REST, 102 + 3 * chroma)
                bins.bypass(SAO_REST, 103 + 3 * chroma + first)

    def _near(self, flags: list[int], x: int, y: int) -> int:
        at = y * self._across + x
        return (flags[at - 1] if x else 0) + (flags[at - self._across] if y else 0)

    def _adaptive(self, x: int, y: int) -> None:
        """The adaptive loop filter."""
        bins, alf, at = self._bins, self._head.alf, y * self._across + x
        assert alf is not None
        on = bins.bin(c.ALF_CTB + self._near(self._on[0], x, y))
        self._on[0][at] = on
        if on:
            if alf.luma_sets and bins.bin(c.ALF_APS):
                if alf.luma_sets > 1:
                    truncated_binary(bins, ALF_REST, alf.luma_sets - 1, 128)
            else:
                truncated_binary(bins, ALF_REST, 15, 0)
        for plane in (1, 2):
            count = alf.chroma[plane - 1]
            if count:
                flags = self._on[plane]
                flags[at] = bins.bin(c.ALF_CTB + 3 * plane + self._near(flags, x, y))
                if flags[at]:
                    index = 0
                    while index < count - 1 and bins.bin(c.ALF_ALTERNATIVE + plane - 1, index):
                        index += 1
        for plane, context in enumerate((c.CC_CB, c.CC_CR)):
            count = alf.cross[plane]
            if count:
                flags = self._crossed[plane]
                flags[at] = bins.bin(context + self._near(flags, x, y))
                if flags[at]:
                    unary(bins, CROSS_REST, count - 1, 8 * plane)
