"""Transform trees and coefficients.

(Rec. ITU-T H.265, clauses 7.3.8.8, 7.3.8.10 to 7.3.8.12 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.bins import EVEN, LAST_REST, LEVEL_REST, QP_REST, Bins, exp_golomb, fixed
from hdac.bitstream.hevc.parameters import Slice, UnsupportedError


def _scan(side: int, kind: int) -> list[tuple[int, int]]:
    """(x, y) in the order of coding: up-right diagonals, rows or columns (clause 6.5)."""
    if kind == 0:
        return [(x, d - x) for d in range(2 * side - 1) for x in range(side) if 0 <= d - x < side]
    rows = [(x, y) for y in range(side) for x in range(side)]
    return rows if kind == 1 else [(y, x) for x, y in rows]


#: Positions in a sub-block, by scan; sub-blocks in a block of 4 << n, by scan.
_INSIDE = [_scan(4, kind) for kind in range(3)]
_OUTSIDE = [[_scan(1 << n, kind) for kind in range(3)] for n in range(4)]
#: `sigCtx` in a block of 4x4 (`ctxIdxMap`); the last coefficient has none.
_MAP_4X4 = (0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 0)


def _near(right: int, below: int, x: int, y: int) -> int:
    """`sigCtx` inside a sub-block from the coded flags of its neighbours (clause 9.3.4.2.5)."""
    if right and below:
        return 2
    if right or below:
        return max(0, 2 - (y if right else x))
    return 2 if x + y == 0 else 1 if x + y < 3 else 0


def _significant(size: int, chroma: int, scan: int, later: int, flags: int) -> list[int]:
    """Contexts of `sig_coeff_flag` in a sub-block, by position; `later`: it is not the first;
    `flags`: whether its neighbours to the right and (2) below are coded."""
    found = []
    for n, (x, y) in enumerate(_INSIDE[scan]):
        context = _near(flags & 1, flags >> 1, x, y)
        if size == 2:
            context = _MAP_4X4[4 * y + x]
        elif not (n or later):
            context = 0
        elif chroma:
            context += 9 if size == 3 else 12
        else:
            context += 3 * later + ((15 if scan else 9) if size == 3 else 21)
        found.append(c.SIGNIFICANT + 27 * chroma + context)
    return found


_SIGNIFICANT = {
    (size, chroma, scan, later, flags): _significant(size, chroma, scan, later, flags)
    for size in range(2, 6)
    for chroma in range(2)
    for scan in range(3)
    for later in range(2)
    for flags in range(4)
}


class TransformTree:
    """The transform trees of one slice's coding units. `modes`: luma modes, of each 4x4 block."""

    def __init__(self, head: Slice, bins: Bins, modes: list[list[int]]) -> None:
        self.sps, self.pps, self.modes = head.sps, head.pps, modes
        self.bins, self.bin, self.bypass = bins, bins.bin, bins.bypass
        self.qp_coded = False  # in the present quantisation group

    def parse(self, x: int, y: int, size: int, intra: bool, chroma: int, parted: bool) -> None:
        """A coding unit's tree. `chroma`: its intra mode; `parted`: into more than one part."""
        self.is_intra, self.chroma = intra, chroma
        self.quarters = intra and parted
        self.forced = not intra and parted and self.sps.depth_inter == 0
        self.depth_limit = self.sps.depth_intra + parted if intra else self.sps.depth_inter
        self._tree(x, y, size, 0, 0, 1, 1)

    def _tree(self, x: int, y: int, size: int, depth: int, index: int, cb: int, cr: int) -> None:
        """`cb`, `cr`: whether the block around it has chroma coefficients."""
        sps, first = self.sps, depth == 0
        split_first = self.quarters and first
        if (
            sps.min_transform < size <= sps.max_transform
            and depth < self.depth_limit
            and not split_first
        ):
            split = self.bin(c.SPLIT_TRANSFORM + 5 - size, self.is_intra)
        else:
            forced = self.forced and first and size > sps.min_transform
            split = int(size > sps.max_transform or split_first or forced)
        known = 2 * min(size - 2, 3) + self.is_intra
        if size > 2:
            cb = cb and self.bin(c.CBF_CHROMA + depth, known)
            cr = cr and self.bin(c.CBF_CHROMA + depth, 8 + known + 8 * cb)
        if split:
            half = 1 << size - 1
            for i in range(4):
                self._tree(x + i % 2 * half, y + i // 2 * half, size - 1, depth + 1, i, cb, cr)
            return
        coded = 1
        if self.is_intra or depth or cb or cr:
            coded = self.bin(c.CBF_LUMA + first, known + 8 * (cb or cr))
        if not (coded or cb or cr):
            return
        if self.pps.qp_delta is not None and not self.qp_coded:
            self._qp_delta()
        if coded:
            self._residual(size, 0, self.modes[y >> 2][x >> 2])
        if size > 2:
            size -= 1
        elif index < 3:
            return  # the four blocks have chroma together, with the last one
        for present in (cb, cr):
            if present:
                self._residual(size, 1, self.chroma)

    def _qp_delta(self) -> None:
        self.qp_coded = True
        if not self.bin(c.QP_DELTA, 0):
            return
        count = 1
        while count < 5 and self.bin(c.QP_DELTA + 1, count):
            count += 1
        if count == 5:
            exp_golomb(self.bins, QP_REST, 0, 0)
        self.bypass(EVEN)

    def _residual(self, size: int, chroma: int, mode: int) -> None:
        """Coefficients of a block of `1 << size` (clause 7.3.8.11)."""
        bin_, hides = self.bin, self.pps.hides_signs
        if self.pps.transform_skip and size == 2:
            bin_(c.SKIP_TRANSFORM + chroma, 0)
        scan = 0
        if self.is_intra and (size == 2 or (size == 3 and not chroma)):
            scan = 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0
        x_last, y_last = self._last(size, chroma, scan)
        inside, outside = _INSIDE[scan], _OUTSIDE[size - 2][scan]
        last_block = outside.index((x_last >> 2, y_last >> 2))
        start = inside.index((x_last & 3, y_last & 3))
        known = 32 * self.is_intra + 4 * size
        flagged: dict[tuple[int, int], int] = {}
        carried = 1
        for i in range(last_block, -1, -1):
            xs, ys = outside[i]
            right, below = flagged.get((xs + 1, ys), 0), flagged.get((xs, ys + 1), 0)
            inferred = 0 < i < last_block  # the first coefficient, if no other is there
            if inferred:
                coded = bin_(c.SUB_BLOCK + (right | below) + 2 * chroma, size)
                flagged[xs, ys] = coded
                if not coded:
                    continue
            else:
                flagged[xs, ys] = 1
            contexts = _SIGNIFICANT[size, chroma, scan, i > 0, right + 2 * below]
            found = [start] if i == last_block else []
            for n in range((start if i == last_block else 16) - 1, -1, -1):
                if n == 0 and inferred and not found:
                    found.append(0)
                elif bin_(contexts[n], known + min(len(found), 3)):
                    found.append(n)
            if found:
                carried = self._levels(found, i, chroma, carried, hides, size)

    def _last(self, size: int, chroma: int, scan: int) -> tuple[int, int]:
        """Where the last coefficient is."""
        prefixes: list[int] = []
        shift = size - 2 if chroma else (size + 1) >> 2
        offset = 15 if chroma else 3 * (size - 2) + ((size - 1) >> 2)
        for base in (c.LAST_X, c.LAST_Y):
            known = (
                64 * self.is_intra + 4 * size * chroma + (min(prefixes[0], 3) if prefixes else 0)
            )
            count, context = 0, base + offset
            while count < 2 * size - 1 and self.bin(
                context + (count >> shift), 128 * count + known
            ):
                count += 1
            prefixes.append(count)
        values = []
        for prefix in prefixes:
            if prefix > 3:
                bits = (prefix >> 1) - 1
                prefix = (2 + (prefix & 1) << bits) + fixed(self.bins, LAST_REST, bits)
            values.append(prefix)
        return (values[1], values[0]) if scan == 2 else (values[0], values[1])

    def _levels(
        self, found: list[int], i: int, chroma: int, carried: int, hides: bool, size: int
    ) -> int:
        """Absolute levels and signs of the coefficients `found` in a sub-block; returns
        `greater1Ctx` for the next one."""
        group = (0 if i == 0 or chroma else 2) + (carried == 0)
        known, context = 8 * self.is_intra + size, c.GREATER1 + 16 * chroma + 4 * group
        state, levels, second = 1, [], -1
        for k in range(min(8, len(found))):
            greater = self.bin(context + state, known)
            levels.append(1 + greater)
            if greater:
                state = 0
                if second < 0:
                    second = k
            elif 0 < state < 3:
                state += 1
        if second >= 0:
            levels[second] += self.bin(c.GREATER2 + 4 * chroma + group, known)
        fixed(self.bins, EVEN, len(found) - (hides and found[0] - found[-1] > 3))  # signs
        rice = 0
        for k in range(len(found)):
            base = levels[k] if k < 8 else 1
            if base == (1 if k >= 8 else 3 if k == second else 2):
                level = base + self._remaining(rice)
                if level > 3 << rice:
                    rice = min(4, rice + 1)
        return state

    def _remaining(self, rice: int) -> int:
        """`coeff_abs_level_remaining` (clause 9.3.3.11)."""
        prefix = 0
        while self.bypass(LEVEL_REST, 8 * rice + min(prefix, 7)):
            prefix += 1
            if prefix > 20:
                raise UnsupportedError("a coefficient out of range")
        if prefix <= 3:
            return (prefix << rice) + fixed(self.bins, EVEN, rice)
        bits = prefix - 3 + rice
        return ((1 << prefix - 3) + 2 << rice) + fixed(self.bins, EVEN, bits)
