"""Motion of coding units: merge data, vectors and references.

(Rec. ITU-T H.266, clauses 7.3.11.5, 7.3.11.7, 7.3.11.8 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc.bins import Wider, unary
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    BCW_REST,
    BOTH_LISTS,
    GPM_REST,
    MERGE_REST,
    MERGED,
    MERGED_BLOCKS,
    MERGED_MOVED,
    MERGED_PARTS,
    MMVD_REST,
    MVD_REST,
    ONE_LIST,
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
        self._merged = self._last = 0  # the last merge index, at most 2, and kind of motion

    def parse(self, unit: CodingUnit) -> bool:
        """Whether the motion is merged."""
        left, above = self._state.now.around(unit.x, unit.y, 0)
        past = self._state.before.middle(unit)
        self._left, self._above, self._past = left, above, past
        self._known = 2 * unit.shape + unit.skipped
        self._wider = (
            98 * (8 * left.motion + above.motion) + self._known,
            (8 * past.motion + self._last) * 2 + unit.skipped,
            2 * self._state.pace + unit.skipped,
        )
        merged = unit.skipped or self._bins.bin(c.MERGE_FLAG, self._known, self._wider)
        if merged:
            self._merge(unit)
        elif unit.copied:
            self._copy()
        else:
            self._predicted(unit)
        self._last = unit.motion
        return bool(merged)

    def _index(self, context: int, model: int, most: int, known: int, wider: Wider = ()) -> int:
        """A unary number whose first bin has a context."""
        bins, wider = self._bins, tuple(8 * view + known for view in wider)
        if most < 1 or not bins.bin(context, known, wider):
            return 0
        index = 1
        while index < most:
            farther = tuple(65536 * index + view for view in wider)
            if not bins.bypass(model, 8 * known + index, farther):
                break
            index += 1
        return index

    def _near(self) -> int:
        return self._left.affine + self._above.affine

    def _merge(self, unit: CodingUnit) -> None:
        """Clause 7.3.11.7."""
        sps, head, bins = self._sps, self._head, self._bins
        width, height, skipped = unit.width, unit.height, unit.skipped
        if unit.copied:
            self._index(c.MERGE_INDEX, MERGE_REST, sps.copy_candidates - 1, 0, self._wider)
            return
        if head.subblock_candidates and min(width, height) >= 8:
            unit.affine = bins.bin(c.SUBBLOCK_MERGE + self._near(), self._known, self._wider)
            if unit.affine:
                unit.motion = MERGED_BLOCKS
                most = head.subblock_candidates - 1
                self._index(c.SUBBLOCK_INDEX, MERGE_REST, most, 1, self._wider)
                return
        inside = max(width, height) < 128
        ciip = sps.ciip and not skipped and width * height >= 64 and inside
        gpm = sps.gpm and head.bidirectional and min(width, height) >= 8 and inside
        gpm = gpm and width < 8 * height and height < 8 * width
        known, wider = self._known, self._wider
        if not (ciip or gpm) or bins.bin(c.REGULAR_MERGE + (not skipped), known, wider):
            self._regular(unit)
            return
        unit.motion = MERGED_PARTS
        unit.ciip = int(ciip and (not gpm or bins.bin(c.CIIP, known, wider)))
        if unit.ciip:
            self._index(c.MERGE_INDEX, MERGE_REST, sps.merge_candidates - 1, 3, wider)
            return
        parts = 1
        for _ in range(6):
            parts = 2 * parts + bins.bypass(GPM_REST, parts, (64 * unit.shape + parts,))
        for i in range(2 if sps.gpm_candidates > 2 else 1):
            most = sps.gpm_candidates - 1 - i
            self._index(c.MERGE_INDEX, MERGE_REST, most, 4 + i, wider)

    def _regular(self, unit: CodingUnit) -> None:
        sps, bins = self._sps, self._bins
        unit.motion = MERGED
        if sps.mmvd and bins.bin(c.MMVD, self._known, self._wider):
            unit.motion = MERGED_MOVED
            if sps.merge_candidates > 1:
                bins.bin(c.MMVD_CANDIDATE)
            self._index(c.MMVD_DISTANCE, MMVD_REST, 7, 0)
            first = bins.bypass(MMVD_REST, 64)
            bins.bypass(MMVD_REST, 65 + first)
            return
        beside = (7 * self._left.merged + self._above.merged) * 98 + self._known
        past = ((7 * self._past.merged + self._merged) * 8 + self._last) * 2 + unit.skipped
        wider = (self._state.now.place(unit.x, unit.y, 0), beside, past)
        index = self._index(c.MERGE_INDEX, MERGE_REST, sps.merge_candidates - 1, 2, wider)
        self._merged = min(2, index)
        unit.merged = 1 + index

    def _difference(self, kind: int) -> int:
        """A vector's difference: the sum of its sides (clause 7.3.11.8). `kind`: of motion."""
        bins, near = self._bins, 7 * self._left.moved + self._above.moved
        form, moved, far = 8 * (self._known >> 1) + kind, [0, 0], [0, 0]
        for axis in range(2):
            other = axis + moved[0] if axis else 0
            wider = (3 * form + other, (49 * kind + near) * 3 + other)
            moved[axis] = bins.bin(c.MVD_GREATER0, axis, wider)
        for axis in range(2):
            if moved[axis]:
                other = 2 + far[0] if axis else moved[1]
                wider = (4 * form + other, (49 * kind + near) * 4 + other)
                far[axis] = bins.bin(c.MVD_GREATER1, axis, wider)
        for axis in range(2):
            if moved[axis]:
                if far[axis]:
                    known = 256 * kind + 128 * axis + 16 * min(6, moved[0].bit_length() * axis)
                    moved[axis] = 2 + exp_golomb(bins, MVD_REST, 1, 15, 17, known)
                bins.bypass(SIGN, 2 * kind + axis)
        return sum(moved)

    def _copy(self) -> None:
        """Intra block copy."""
        moved = self._difference(0)
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
            both = bins.bin(c.INTER_PRED + 7 - ((1 + size) >> 1), self._known, self._wider)
        if both:
            return True, True
        second = bool(bins.bin(c.INTER_PRED + 5, self._known, self._wider))
        return not second, second

    def _reference(self, count: int, which: int) -> None:
        bins, index = self._bins, 0
        while index < min(count - 1, 2) and bins.bin(
            c.REF_INDEX + index, 8 * which + count, self._wider
        ):
            index += 1
        if index == 2:
            unary(bins, REF_REST, count - 3, 0)

    def _predicted(self, unit: CodingUnit) -> None:
        """Vectors that are predicted, and their differences."""
        sps, head, bins = self._sps, self._head, self._bins
        used = self._lists(unit)
        unit.motion = BOTH_LISTS if all(used) else ONE_LIST
        points = 1
        if sps.affine and min(unit.width, unit.height) >= 16:
            unit.affine = bins.bin(c.AFFINE + self._near(), self._known, self._wider)
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
        moved, kind = 0, 2 * all(used) + 4 * unit.affine
        for i in range(2):
            if not used[i]:
                continue
            if not symmetric:
                self._reference(head.references[i], 2 * all(used) + i)
            if i == 0 or not ((head.zero_mvd_l1 and all(used)) or symmetric):
                for point in range(points):
                    moved += self._difference(kind + (point > 0))
            bins.bin(c.MVP, kind + i)
        unit.moved = min(6, moved.bit_length())
        allowed = moved and (sps.affine_amvr if unit.affine else sps.amvr)
        wider = (8 * unit.moved + unit.motion, self._state.pace)
        if allowed and bins.bin(c.AMVR + unit.affine, self._known, wider):
            if unit.affine:
                bins.bin(c.AMVR_PRECISION + 2)
            elif bins.bin(c.AMVR_PRECISION, unit.moved):
                bins.bin(c.AMVR_PRECISION + 1, unit.moved)
        if sps.bcw and all(used) and unit.width * unit.height >= 256:
            self._index(c.BCW, BCW_REST, 2 if head.backward else 4, 0)
