"""Prediction of coding units: motion and intra modes.

(Rec. ITU-T H.265, clauses 7.3.8.5, 7.3.8.6, 7.3.8.9 and 8.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.bins import (
    MERGE_REST,
    MODE_REST,
    MVD_REST,
    REF_REST,
    SIGN,
    Bins,
    BlockMaps,
    exp_golomb,
    unary,
)
from hdac.bitstream.hevc.parameters import B_SLICE, Slice

PLANAR, DC, HORIZONTAL, VERTICAL = 0, 1, 10, 26


class Prediction:
    """Of one slice. `now`, `before`: of this picture and of the one before it."""

    def __init__(self, head: Slice, bins: Bins, now: BlockMaps, before: BlockMaps) -> None:
        self._head, self._bins, self._now, self._before = head, bins, now, before
        self._merged = 0  # the last merge index, at most 2
        #: Luma mode of each 4x4 block, by row; DC where nothing is coded in intra mode.
        self.modes = [[DC] * (head.sps.width >> 2) for _ in range(head.sps.height >> 2)]

    def merge_index(self, x: int, y: int, size: int, known: int) -> None:
        """The index for (a part of) the block at (x, y)."""
        limit, index, maps, bins = self._head.merge_candidates - 1, 0, self._now, self._bins
        at = maps.at(x, y)
        left, above = maps.merged[at - 1] if x else 0, maps.merged[at - maps.width] if y else 0
        beside = 36 * known + 6 * left + above
        past = 18 * known + 3 * self._before.merged[at] + self._merged
        wider = (maps.place(x, y, 0), beside, past)
        if limit > 0 and bins.bin(c.MERGE_INDEX, 3 * known + self._merged, wider):
            index = 1
            while index < limit:
                wider = (maps.place(x, y, index), 576 * index + beside, 288 * index + past)
                if not bins.bypass(MERGE_REST, index, wider):
                    break
                index += 1
        self._merged = min(2, index)
        maps.fill(maps.merged, x, y, size, 1 + index)

    def motion(self, x: int, y: int, size: int, part: int, depth: int) -> bool:
        """The motion of one part of the block at (x, y); whether it is merged."""
        bins, maps = self._bins, self._now
        if bins.bin(c.MERGE_FLAG, size + 8 * (part > 0)):
            self.merge_index(x, y, size, 8 + size)
            return True
        at = maps.at(x, y)
        near = 7 * (maps.moved[at - 1] if x else 0) + (maps.moved[at - maps.width] if y else 0)
        shape = 8 * (size - 3) + part
        lists = self._lists(x, y, size, part, depth) if self._head.type == B_SLICE else (0,)
        moved = 0
        for which in lists:
            use = which + 2 * (len(lists) > 1)
            limit, reference = self._head.references[which] - 1, 0
            while reference < min(limit, 2) and bins.bin(c.REF_INDEX + reference, use):
                reference += 1
            if reference == 2:
                reference += unary(bins, REF_REST, limit - 2, 0)
            if use < 3 or not self._head.zero_mvd:
                moved += self._vector(64 * use + shape, 49 * use + near, min(2, reference), use)
            bins.bin(c.MVP, use)
        maps.fill(maps.moved, x, y, size, min(6, moved.bit_length()))
        return False

    def _lists(self, x: int, y: int, size: int, part: int, depth: int) -> tuple[int, ...]:
        """The reference lists that a part of a block of a B slice uses."""
        bins, known = self._bins, 8 * (size - 3) + part
        wider = (self._now.place(x, y, 0),)
        small = size == 3 and part  # 8x4 and 4x8 have one
        if not small and bins.bin(c.INTER_PRED + depth, known, wider):
            return 0, 1
        return (bins.bin(c.INTER_PRED + 4, known, wider),)

    def _vector(self, shape: int, near: int, reference: int, use: int) -> int:
        """A motion vector difference; the sum of its components' sizes."""
        bins = self._bins
        moved: list[int] = []
        for axis in range(2):
            other = axis + moved[0] if axis else 0
            wider = (3 * shape + other, 3 * (3 * near + other) + reference)
            moved.append(bins.bin(c.MVD, 2 * use + axis, wider))
        far: list[int] = []
        for axis in range(2):
            other = 2 * axis + (far[0] if axis else moved[1])
            wider = (4 * shape + other, 3 * (4 * near + other) + reference)
            far.append(moved[axis] and bins.bin(c.MVD + 1, 2 * use + axis, wider))
        sizes = [0, 0]
        for axis in range(2):
            if far[axis]:
                other = 8 * axis + (min(7, sizes[0].bit_length()) if axis else far[1])
                wider = (16 * shape + other, 16 * near + other)
                known = 16 * (2 * use + axis)
                sizes[axis] = 2 + exp_golomb(bins, MVD_REST, 1, known, wider)
            elif moved[axis]:
                sizes[axis] = 1
            if moved[axis]:
                bins.bypass(SIGN, 0)
        return sum(sizes)

    def luma_modes(self, x: int, y: int, side: int, parts: int) -> list[int]:
        """Intra modes of the `parts` times `parts` blocks of a coding unit."""
        bins, side = self._bins, side // parts
        coded = [bins.bin(c.LUMA_MODE, parts) for _ in range(parts * parts)]
        modes = []
        for i, predicted in enumerate(coded):
            x1, y1 = x + i % parts * side, y + i // parts * side
            candidates = self._candidates(x1, y1)
            if predicted:
                mode = candidates[unary(bins, MODE_REST, 2, 0)]
            else:
                mode = 1
                for _ in range(5):
                    mode = 2 * mode + bins.bypass(MODE_REST, 32 + mode)
                mode -= 32
                for candidate in sorted(candidates):
                    mode += mode >= candidate
            modes.append(mode)
            for row in self.modes[y1 >> 2 : (y1 + side) >> 2]:
                row[x1 >> 2 : (x1 + side) >> 2] = [mode] * (side >> 2)
        return modes

    def _candidates(self, x: int, y: int) -> tuple[int, int, int]:
        """Most probable modes (clause 8.4.2)."""
        left = self.modes[y >> 2][(x >> 2) - 1] if x else DC
        above = self.modes[(y >> 2) - 1][x >> 2] if y % (1 << self._head.sps.tree_block) else DC
        if left != above:
            third = next(mode for mode in (PLANAR, DC, VERTICAL) if mode not in (left, above))
            return left, above, third
        if left < 2:
            return PLANAR, DC, VERTICAL
        return left, 2 + (left + 29) % 32, 2 + (left - 1) % 32

    def chroma_mode(self, luma: int) -> int:
        """`luma`: the mode of the unit's first luma block."""
        bins = self._bins
        if not bins.bin(c.CHROMA_MODE, 0):
            return luma
        index = 2 * bins.bypass(MODE_REST, 16)
        index += bins.bypass(MODE_REST, 17 + index)
        mode = (PLANAR, VERTICAL, HORIZONTAL, DC)[index]
        return 34 if mode == luma else mode
