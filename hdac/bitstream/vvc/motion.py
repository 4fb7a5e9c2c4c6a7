"""Motion of coding units: merge data, vectors and references.

(Rec. ITU-T H.266, clauses 7.3.11.5, 7.3.11.7, 7.3.11.8 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc.bins import unary
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    BCW_REST,
    GPM_REST,
    MERGE_REST,
    MMVD_REST,
    MVD_REST,
    REF_REST,
    SIGN,
    CodingUnit,
    SliceState,
    exp_golomb,
)


class Motion:
    """Of one slice's coding units that are not predicted in intra mode."""

    def __init__(self, state: SliceState) -> None:
        self._state, self._bins = state, state.bins
        self._head, self._sps = state.head, state.sps

    def parse(self, unit: CodingUnit) -> bool:
        """Whether the motion is merged."""
        if unit.skipped or self._bins.bin(c.MERGE_FLAG):
            self._merge(unit)
            return True
        if unit.copied:
            self._copy()
        else:
            self._predicted(unit)
        return False

    def _index(self, context: int, model: int, most: int, known: int) -> int:
        """A unary number whose first bin has a context."""
        if most < 1 or not self._bins.bin(context, known):
            return 0
        return 1 + unary(self._bins, model, most - 1, 8 * known)

    def _near(self, unit: CodingUnit) -> int:
        left, above = self._state.now.around(unit.x, unit.y, 0)
        return left.affine + above.affine

    def _merge(self, unit: CodingUnit) -> None:
        """Clause 7.3.11.7."""
        sps, head, bins = self._sps, self._head, self._bins
        width, height, skipped = unit.width, unit.height, unit.skipped
        if unit.copied:
            self._index(c.MERGE_INDEX, MERGE_REST, sps.copy_candidates - 1, 0)
            return
        if head.subblock_candidates and min(width, height) >= 8:
            unit.affine = bins.bin(c.SUBBLOCK_MERGE + self._near(unit))
            if unit.affine:
                self._index(c.SUBBLOCK_INDEX, MERGE_REST, head.subblock_candidates - 1, 1)
                return
        inside = max(width, height) < 128
        ciip = sps.ciip and not skipped and width * height >= 64 and inside
        gpm = sps.gpm and head.bidirectional and min(width, height) >= 8 and inside
        gpm = gpm and width < 8 * height and height < 8 * width
        if not (ciip or gpm) or bins.bin(c.REGULAR_MERGE + (not skipped)):
            self._regular(unit)
            return
        unit.ciip = int(ciip and (not gpm or bins.bin(c.CIIP)))
        if unit.ciip:
            self._index(c.MERGE_INDEX, MERGE_REST, sps.merge_candidates - 1, 3)
            return
        for i in range(6):
            bins.bypass(GPM_REST, i)
        for i in range(2 if sps.gpm_candidates > 2 else 1):
            self._index(c.MERGE_INDEX, MERGE_REST, sps.gpm_candidates - 1 - i, 4 + i)

    def _regular(self, unit: CodingUnit) -> None:
        sps, bins = self._sps, self._bins
        if sps.mmvd and bins.bin(c.MMVD):
            if sps.merge_candidates > 1:
                bins.bin(c.MMVD_CANDIDATE)
            self._index(c.MMVD_DISTANCE, MMVD_REST, 7, 0)
            first = bins.bypass(MMVD_REST, 64)
            bins.bypass(MMVD_REST, 65 + first)
            return
        unit.merged = 1 + self._index(c.MERGE_INDEX, MERGE_REST, sps.merge_candidates - 1, 2)

    def _difference(self) -> int:
        """A vector's difference: the sum of its sides (clause 7.3.11.8)."""
        bins = self._bins
        moved = [bins.bin(c.MVD_GREATER0, axis) for axis in range(2)]
        far = [moved[axis] and bins.bin(c.MVD_GREATER1, axis) for axis in range(2)]
        for axis in range(2):
            if moved[axis]:
                if far[axis]:
                    moved[axis] = 2 + exp_golomb(bins, MVD_REST, 1, 15, 17, 16 * axis)
                bins.bypass(SIGN)
        return sum(moved)

    def _copy(self) -> None:
        """Intra block copy."""
        moved = self._difference()
        if self._sps.copy_candidates > 1:
            self._bins.bin(c.MVP)
        if self._sps.amvr and moved:
            self._bins.bin(c.AMVR_PRECISION + 1)

    def _lists(self, unit: CodingUnit) -> tuple[bool, bool]:
        """Which reference lists are used (`inter_pred_idc`)."""
        bins, both = self._bins, 0
        if not self._head.bidirectional:
            return True, False
        if unit.width + unit.height > 12:
            size = (unit.width * unit.height).bit_length() - 1
            both = bins.bin(c.INTER_PRED + 7 - ((1 + size) >> 1))
        if both:
            return True, True
        second = bool(bins.bin(c.INTER_PRED + 5))
        return not second, second

    def _reference(self, count: int) -> None:
        bins, index = self._bins, 0
        while index < min(count - 1, 2) and bins.bin(c.REF_INDEX + index):
            index += 1
        if index == 2:
            unary(bins, REF_REST, count - 3, 0)

    def _predicted(self, unit: CodingUnit) -> None:
        """Vectors that are predicted, and their differences."""
        sps, head, bins = self._sps, self._head, self._bins
        used = self._lists(unit)
        points = 1
        if sps.affine and min(unit.width, unit.height) >= 16:
            unit.affine = bins.bin(c.AFFINE + self._near(unit))
            if unit.affine:
                points = 2 + (bins.bin(c.AFFINE_TYPE) if sps.affine_6 else 0)
        symmetric = 0
        if (
            sps.symmetric_mvd
            and head.symmetric
            and not head.zero_mvd_l1
            and all(used)
            and not unit.affine
        ):
            symmetric = bins.bin(c.SYMMETRIC_MVD)
        moved = 0
        for i in range(2):
            if not used[i]:
                continue
            if not symmetric:
                self._reference(head.references[i])
            if i == 0 or not ((head.zero_mvd_l1 and all(used)) or symmetric):
                for _ in range(points):
                    moved += self._difference()
            bins.bin(c.MVP)
        unit.moved = min(6, moved.bit_length())
        if moved and (sps.affine_amvr if unit.affine else sps.amvr) and bins.bin(
            c.AMVR + unit.affine
        ):
            if unit.affine:
                bins.bin(c.AMVR_PRECISION + 2)
            elif bins.bin(c.AMVR_PRECISION):
                bins.bin(c.AMVR_PRECISION + 1)
        if sps.bcw and all(used) and unit.width * unit.height >= 256:
            self._index(c.BCW, BCW_REST, 2 if head.backward else 4, 0)
