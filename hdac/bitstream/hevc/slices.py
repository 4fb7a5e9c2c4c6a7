"""The syntax of slice data: which bins come in which order, under which contexts.

One description for both directions: `Bins` gives each bin back, be it read from a slice or from
    what the slice was recoded to.

(Rec. ITU-T H.265, clauses 7.3.8 and 9.3.4.2; contexts are those of `cabac`.)
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.parameters import Slice, UnsupportedError

#: Models of bins that CABAC takes for even (`Bins.bypass`), after those of its contexts.
EVEN = c.CONTEXTS
(
    SAO_REST,
    MODE_REST,
    MERGE_REST,
    REF_REST,
    AMP_REST,
    MVD_REST,
    SIGN,
    LEVEL_REST,
    QP_REST,
    LAST_REST,
) = range(EVEN + 1, EVEN + 11)
MODELS = EVEN + 11

_PLANAR, _DC, _VERTICAL, _HORIZONTAL = 0, 1, 26, 10
_WHOLE, _ROWS, _COLUMNS, _QUARTERS, _TOP, _BOTTOM, _LEFT, _RIGHT = range(
    8
)  # 2Nx2N, 2NxN, Nx2N, NxN, 2NxnU, 2NxnD, nLx2N, nRx2N
_PARTS = (1, 2, 2, 4, 2, 2, 2, 2)

Wider: TypeAlias = tuple[int, ...]
_GRID = 32  # places across and down a picture that have models of their own
_PACES = 156  # QP, and whether the picture before had a lower one, the same, or a higher one


class Bins(Protocol):
    """Where bins come from. `context` is CABAC's; `known` is what else is known of this bin, for
    better models than CABAC's, and each number of `wider` (below 2^20) is one more view of its
    surroundings."""

    def bin(self, context: int, known: int = 0, wider: Wider = ()) -> int: ...

    def bypass(self, model: int, known: int = 0, wider: Wider = ()) -> int: ...

    def pcm(self, x: int, y: int, size: int) -> bool:
        """The flag of a block of side `1 << size` that may be PCM; if it is, its samples too."""

    def terminate(self, last: bool) -> None:
        """The bin behind a coding tree unit, which is `last`."""


def _diagonal(side: int) -> list[tuple[int, int]]:
    """Up-right diagonal scan (clause 6.5.3): (x, y) in the order of coding."""
    return [(x, d - x) for d in range(2 * side - 1) for x in range(side) if 0 <= d - x < side]


def _scan(side: int, kind: int) -> list[tuple[int, int]]:
    if kind == 0:
        return _diagonal(side)
    rows = [(x, y) for y in range(side) for x in range(side)]
    return rows if kind == 1 else [(y, x) for x, y in rows]


#: Positions in a sub-block, by scan; sub-blocks in a block of 4 << n, by scan.
_INSIDE = [_scan(4, kind) for kind in range(3)]
_OUTSIDE = [[_scan(1 << n, kind) for kind in range(3)] for n in range(4)]
#: `sigCtx` in a block of 4x4 (`ctxIdxMap`).
_MAP_4X4 = (0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8)


def _neighbourhood(right: int, below: int, x: int, y: int) -> int:
    """`sigCtx` inside a sub-block from the coded flags of its neighbours (clause 9.3.4.2.5)."""
    if right and below:
        return 2
    if right:
        return 2 if y == 0 else 1 if y == 1 else 0
    if below:
        return 2 if x == 0 else 1 if x == 1 else 0
    return 2 if x + y == 0 else 1 if x + y < 3 else 0


_NEAR = [
    [[_neighbourhood(flags & 1, flags >> 1, x, y) for x in range(4)] for y in range(4)]
    for flags in range(4)
]


class Maps:
    """What slice data says of each smallest block: of the picture being read, and (`before`) of the
    one before it."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.depth = [0] * (width * height)
        self.skipped = [0] * (width * height)
        self.chosen = [0] * (width * height)  # 1 + the last merge index; 0: no part is merged
        self.moved = [0] * (width * height)  # bits of the size of a coded motion vector, at most 6
        self.qp = 0


class SliceData:
    """Walks through one slice's data after another; raises `UnsupportedError` on what no encoder
    can have meant."""

    def __init__(self) -> None:
        self._maps: Maps | None = None

    def walk(self, head: Slice, bins: Bins) -> None:
        sps = head.sps
        self.head, self.sps, self.pps = head, sps, head.pps
        self.bins, self.bin, self.bypass = bins, bins.bin, bins.bypass
        width, height = sps.width >> sps.min_block, sps.height >> sps.min_block
        before = self._maps
        self.now = self._maps = Maps(width, height)
        self.before = (
            before
            if before is not None and (before.width, before.height) == (width, height)
            else Maps(width, height)
        )
        self.now.qp = qp = min(51, max(0, head.qp))
        self.pace = 3 * qp + (qp >= self.before.qp) + (qp > self.before.qp)
        self.merged = 0  # the last merge index, at most 2
        self.modes = [[_DC] * (sps.width >> 2) for _ in range(sps.height >> 2)]
        side = 1 << sps.tree_block
        across, down = -(-sps.width // side), -(-sps.height // side)
        for at in range(across * down):
            x, y = at % across, at // across
            if head.sao_luma or head.sao_chroma:
                self._sao(x, y)
            self._tree(x * side, y * side, sps.tree_block, 0)
            bins.terminate(at == across * down - 1)

    # ---- sample adaptive offset

    def _sao(self, x: int, y: int) -> None:
        if (x and self.bin(c.SAO_MERGE, 0)) or (y and self.bin(c.SAO_MERGE, 1)):
            return
        kind = 0
        for plane in range(3):
            if not (self.head.sao_chroma if plane else self.head.sao_luma):
                continue
            chroma = int(plane > 0)
            if plane < 2:
                kind = self.bin(c.SAO_TYPE, chroma) and 1 + self.bypass(SAO_REST, chroma)
            if not kind:
                continue
            offsets = [self._unary(SAO_REST, 7, 2 + 8 * kind + 32 * chroma) for _ in range(4)]
            if kind == 1:
                for offset in offsets:
                    if offset:
                        self.bypass(EVEN)
                for i in range(5):
                    self.bypass(SAO_REST, 64 + i)
            elif plane < 2:
                first = self.bypass(SAO_REST, 70 + 3 * chroma)
                self.bypass(SAO_REST, 71 + 3 * chroma + first)

    def _unary(self, model: int, limit: int, known: int) -> int:
        count = 0
        while count < limit and self.bypass(model, known + min(count, 7)):
            count += 1
        return count

    # ---- coding tree

    def _tree(self, x: int, y: int, size: int, depth: int) -> None:
        sps, side = self.sps, 1 << size
        inside = x + side <= sps.width and y + side <= sps.height
        if inside and size > sps.min_block:
            at, maps = self._block(x, y), self.now
            near = (x > 0 and maps.depth[at - 1] > depth) + (
                y > 0 and maps.depth[at - maps.width] > depth
            )
            middle = self._block(x + side // 2, y + side // 2)
            past = (self.before.depth[at] > depth) + (self.before.depth[middle] > depth)
            right, below = self._beyond(self.before.depth, x, y, side)
            around = 5 * max(self._quarters(self.before.depth, x, y, side)) + sum(
                self._quarters(self.before.skipped, x, y, side)
            )
            around = 4 * around + 2 * (right > depth) + (below > depth)
            paced = (9 * depth + 3 * near + past) * _PACES + self.pace
            split = self.bin(
                c.SPLIT_CU + near,
                4 * min(depth, 2) + past,
                (self._place(x, y, depth), paced, 80 * depth + around),
            )
        else:
            split = int(size > sps.min_block)
        if self.pps.qp_delta is not None and size >= sps.tree_block - self.pps.qp_delta:
            self.qp_coded = False
        if not split:
            self._unit(x, y, size, depth)
            return
        half = side >> 1
        for y1 in (y, y + half):
            for x1 in (x, x + half):
                if x1 < sps.width and y1 < sps.height:
                    self._tree(x1, y1, size - 1, depth + 1)

    def _block(self, x: int, y: int) -> int:
        return (y >> self.sps.min_block) * self.now.width + (x >> self.sps.min_block)

    def _place(self, x: int, y: int, which: int) -> int:
        """Where in the picture this is: talking heads are in its middle."""
        return (which * _GRID + y * _GRID // self.sps.height) * _GRID + x * _GRID // self.sps.width

    def _quarters(self, values: list[int], x: int, y: int, side: int) -> list[int]:
        at, half = self._block(x, y), side >> self.sps.min_block + 1
        down = half * self.now.width
        return [values[i] for i in (at, at + half, at + down, at + down + half)]

    def _beyond(self, values: list[int], x: int, y: int, side: int) -> tuple[int, int]:
        """To the right of a block and below it, where this picture is not coded yet; 0 outside."""
        at, step = self._block(x, y), side >> self.sps.min_block
        right = values[at + step] if x + side < self.sps.width else 0
        return right, values[at + step * self.now.width] if y + side < self.sps.height else 0

    def _fill(self, values: list[int], x: int, y: int, size: int, value: int) -> None:
        side = 1 << size - self.sps.min_block
        at, width = self._block(x, y), self.now.width
        for row in range(at, at + side * width, width):
            values[row : row + side] = [value] * side

    # ---- coding unit

    def _unit(self, x: int, y: int, size: int, depth: int) -> None:
        maps, at = self.now, self._block(x, y)
        self._fill(maps.depth, x, y, size, depth)
        if not self.head.intra:
            near = (maps.skipped[at - 1] if x else 0) + (maps.skipped[at - maps.width] if y else 0)
            skipped = self._quarters(self.before.skipped, x, y, 1 << size)
            right, below = self._beyond(self.before.skipped, x, y, 1 << size)
            past = skipped[0] + skipped[3]
            paced = (9 * (size - 3) + 3 * near + past) * _PACES + self.pace
            around = 20 * (size - 3) + 4 * sum(skipped) + 2 * right + below
            if self.bin(
                c.SKIP + near, 4 * (size - 3) + past, (self._place(x, y, size - 3), paced, around)
            ):
                self._fill(maps.skipped, x, y, size, 1)
                self._merge_index(x, y, size, size)
                return
        is_intra = self.head.intra or bool(self.bin(c.PRED_MODE, size - 3))
        smallest = size == self.sps.min_block
        if is_intra:
            quarters = smallest and not self.bin(c.PART_MODE, size)
            if not quarters and size in self.sps.pcm and self.bins.pcm(x, y, size):
                return
            luma = self._luma_modes(x, y, 1 << size, 2 if quarters else 1)
            chroma = self._chroma_mode(luma)
            self._transforms(x, y, size, True, chroma, quarters, whole=True)
            return
        part = self._part(size, smallest)
        merged = False
        for _ in range(_PARTS[part]):
            merged = self._prediction(x, y, size, part)
        if (part == _WHOLE and merged) or self.bin(c.ROOT_CBF, size - 3):
            self._transforms(x, y, size, False, _DC, False, whole=part == _WHOLE)

    def _part(self, size: int, smallest: bool) -> int:
        if self.bin(c.PART_MODE, size):
            return _WHOLE
        flat = self.bin(c.PART_MODE + 1, size)
        if smallest:
            if flat:
                return _ROWS
            return _COLUMNS if size == 3 or self.bin(c.PART_MODE + 2, size) else _QUARTERS
        if not self.sps.asymmetric or self.bin(c.PART_MODE + 3, size + 8 * flat):
            return _ROWS if flat else _COLUMNS
        late = self.bypass(AMP_REST, flat)
        return (_TOP, _BOTTOM)[late] if flat else (_LEFT, _RIGHT)[late]

    def _merge_index(self, x: int, y: int, size: int, known: int) -> None:
        """The index for (a part of) the block at (x, y)."""
        limit, index, maps, at = self.head.merge_candidates - 1, 0, self.now, self._block(x, y)
        left, above = maps.chosen[at - 1] if x else 0, maps.chosen[at - maps.width] if y else 0
        beside, past = (
            36 * known + 6 * left + above,
            18 * known + 3 * self.before.chosen[at] + self.merged,
        )
        if limit > 0 and self.bin(
            c.MERGE_INDEX, 3 * known + self.merged, (self._place(x, y, 0), beside, past)
        ):
            index = 1
            while index < limit and self.bypass(
                MERGE_REST,
                index,
                (self._place(x, y, index), 576 * index + beside, 288 * index + past),
            ):
                index += 1
        self.merged = min(2, index)
        self._fill(maps.chosen, x, y, size, 1 + index)

    def _prediction(self, x: int, y: int, size: int, part: int) -> bool:
        """The motion of one part of the block at (x, y); whether it is merged."""
        if self.bin(c.MERGE_FLAG, size + 8 * (part > 0)):
            self._merge_index(x, y, size, 8 + size)
            return True
        maps, at = self.now, self._block(x, y)
        near = 7 * (maps.moved[at - 1] if x else 0) + (maps.moved[at - maps.width] if y else 0)
        shape = 8 * (size - 3) + part
        limit = self.head.references - 1
        count = 0
        while count < min(limit, 2) and self.bin(c.REF_INDEX + count, 0):
            count += 1
        if count == 2:
            self._unary(REF_REST, limit - 2, 0)
        moved: list[int] = []
        far: list[int] = []
        for axis in range(2):
            other = axis + moved[0] if axis else 0
            moved.append(
                self.bin(c.MVD, axis, (3 * shape + other, (3 * near + other) * 3 + min(count, 2)))
            )
        for axis in range(2):
            other = 2 * axis + (far[0] if axis else moved[1])
            far.append(
                moved[axis]
                and self.bin(
                    c.MVD + 1, axis, (4 * shape + other, (4 * near + other) * 3 + min(count, 2))
                )
            )
        sizes = [0, 0]
        for axis in range(2):
            if far[axis]:
                other = 8 * axis + (min(7, sizes[0].bit_length()) if axis else far[1])
                sizes[axis] = 2 + self._golomb(
                    MVD_REST, 1, 16 * axis, (16 * shape + other, 16 * near + other)
                )
            elif moved[axis]:
                sizes[axis] = 1
            if moved[axis]:
                self.bypass(SIGN, 0)
        self.bin(c.MVP, 0)
        self._fill(maps.moved, x, y, size, min(6, sum(sizes).bit_length()))
        return False

    def _golomb(self, model: int, order: int, known: int, wider: Wider = ()) -> int:
        """Exp-Golomb code of an order (clause 9.3.3.5)."""
        value = 0
        while self.bypass(
            model, known + min(order, 12), tuple(16 * view + min(order, 12) for view in wider)
        ):
            value += 1 << order
            order += 1
            if order > 20:
                raise UnsupportedError("a number out of range")
        for _ in range(order):
            order -= 1
            value += self.bypass(EVEN) << order
        return value

    # ---- intra modes

    def _luma_modes(self, x: int, y: int, side: int, parts: int) -> list[int]:
        side //= parts
        coded = [self.bin(c.LUMA_MODE, parts) for _ in range(parts * parts)]
        modes = []
        for i, predicted in enumerate(coded):
            x1, y1 = x + i % parts * side, y + i // parts * side
            candidates = self._candidates(x1, y1)
            if predicted:
                mode = candidates[self._unary(MODE_REST, 2, 0)]
            else:
                mode = 1
                for _ in range(5):
                    mode = 2 * mode + self.bypass(MODE_REST, 32 + mode)
                mode -= 32
                for candidate in sorted(candidates):
                    mode += mode >= candidate
            modes.append(mode)
            for row in self.modes[y1 >> 2 : (y1 + side) >> 2]:
                row[x1 >> 2 : (x1 + side) >> 2] = [mode] * (side >> 2)
        return modes

    def _candidates(self, x: int, y: int) -> tuple[int, int, int]:
        """Most probable modes (clause 8.4.2). `modes` is DC where nothing is coded in intra
        mode."""
        left = self.modes[y >> 2][(x >> 2) - 1] if x else _DC
        above = self.modes[(y >> 2) - 1][x >> 2] if y % (1 << self.sps.tree_block) else _DC
        if left != above:
            third = (
                _PLANAR
                if _PLANAR not in (left, above)
                else _DC
                if _DC not in (left, above)
                else _VERTICAL
            )
            return left, above, third
        if left < 2:
            return _PLANAR, _DC, _VERTICAL
        return left, 2 + (left + 29) % 32, 2 + (left - 1) % 32

    def _chroma_mode(self, luma: list[int]) -> int:
        if not self.bin(c.CHROMA_MODE, 0):
            return luma[0]
        index = 2 * self.bypass(MODE_REST, 16)
        index += self.bypass(MODE_REST, 17 + index)
        mode = (_PLANAR, _VERTICAL, _HORIZONTAL, _DC)[index]
        return 34 if mode == luma[0] else mode

    # ---- transform tree

    def _transforms(
        self, x: int, y: int, size: int, intra: bool, chroma: int, quarters: bool, whole: bool
    ) -> None:
        self.is_intra, self.chroma, self.quarters = intra, chroma, quarters
        self.forced = not intra and not whole and self.sps.depth_inter == 0
        self.depth_limit = self.sps.depth_intra + quarters if intra else self.sps.depth_inter
        self._transform(x, y, size, 0, 0, 1, 1)

    def _transform(
        self, x: int, y: int, size: int, depth: int, index: int, cb: int, cr: int
    ) -> None:
        """`cb`, `cr`: whether the block around it has chroma coefficients."""
        sps, split_first = self.sps, self.quarters and depth == 0
        if (
            size <= sps.max_transform
            and size > sps.min_transform
            and depth < self.depth_limit
            and not split_first
        ):
            split = self.bin(c.SPLIT_TRANSFORM + 5 - size, self.is_intra)
        else:
            split = int(
                size > sps.max_transform
                or split_first
                or (self.forced and depth == 0 and size > sps.min_transform)
            )
        known = 2 * min(size - 2, 3) + self.is_intra
        if size > 2:
            cb = cb and self.bin(c.CBF_CHROMA + depth, known)
            cr = cr and self.bin(c.CBF_CHROMA + depth, 8 + known + 8 * cb)
        if split:
            half = 1 << size - 1
            for i in range(4):
                self._transform(x + i % 2 * half, y + i // 2 * half, size - 1, depth + 1, i, cb, cr)
            return
        coded = 1
        if self.is_intra or depth or cb or cr:
            coded = self.bin(c.CBF_LUMA + (depth == 0), known + 8 * (cb or cr))
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
        for plane, present in ((1, cb), (2, cr)):
            if present:
                self._residual(size, plane, self.chroma)

    def _qp_delta(self) -> None:
        self.qp_coded = True
        if not self.bin(c.QP_DELTA, 0):
            return
        count = 1
        while count < 5 and self.bin(c.QP_DELTA + 1, count):
            count += 1
        if count == 5:
            self._golomb(QP_REST, 0, 0)
        self.bypass(EVEN)

    # ---- coefficients

    def _residual(self, size: int, plane: int, mode: int) -> None:
        """Coefficients of a block of `1 << size` (clause 7.3.8.11)."""
        chroma = int(plane > 0)
        if self.pps.transform_skip and size == 2:
            self.bin(c.SKIP_TRANSFORM + chroma, 0)
        scan = 0
        if self.is_intra and (size == 2 or (size == 3 and not chroma)):
            scan = 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0
        x_last, y_last = self._last(size, chroma, scan)
        inside, outside = _INSIDE[scan], _OUTSIDE[size - 2][scan]
        block = outside.index((x_last >> 2, y_last >> 2))
        first = inside.index((x_last & 3, y_last & 3))
        flagged: dict[tuple[int, int], int] = {}
        last_block, carried = block, 1
        bin_, hides = self.bin, self.pps.hides_signs
        for i in range(last_block, -1, -1):
            xs, ys = outside[i]
            right, below = flagged.get((xs + 1, ys), 0), flagged.get((xs, ys + 1), 0)
            coded, inferred = 1, False
            if 0 < i < last_block:
                coded = bin_(c.SUB_BLOCK + (right | below) + 2 * chroma, size)
                inferred = True
            flagged[xs, ys] = coded
            if not coded:
                continue
            found = []
            if i == last_block:
                found.append(first)
            near = _NEAR[right + 2 * below]
            for n in range(first - 1 if i == last_block else 15, -1, -1):
                if n == 0 and inferred:
                    found.append(0)
                    break
                x, y = inside[n]
                if size == 2:
                    context = _MAP_4X4[4 * y + x]
                elif not (n or i):
                    context = 0
                elif chroma:
                    context = near[y][x] + (9 if size == 3 else 12)
                else:
                    context = (
                        near[y][x] + 3 * (i > 0) + ((9 if scan == 0 else 15) if size == 3 else 21)
                    )
                if bin_(
                    c.SIGNIFICANT + 27 * chroma + context,
                    32 * self.is_intra + 4 * size + min(len(found), 3),
                ):
                    found.append(n)
                    inferred = False
            if found:
                carried = self._levels(found, i, chroma, carried, hides, size)

    def _last(self, size: int, chroma: int, scan: int) -> tuple[int, int]:
        prefixes: list[int] = []
        shift = size - 2 if chroma else (size + 1) >> 2
        offset = 15 if chroma else 3 * (size - 2) + ((size - 1) >> 2)
        for base in (c.LAST_X, c.LAST_Y):
            count, known = (
                0,
                64 * self.is_intra + 4 * size * chroma + (min(prefixes[0], 3) if prefixes else 0),
            )
            while count < 2 * size - 1 and self.bin(
                base + offset + (count >> shift), 128 * count + known
            ):
                count += 1
            prefixes.append(count)
        values = []
        for prefix in prefixes:
            if prefix < 4:
                values.append(prefix)
                continue
            rest = 0
            for _ in range((prefix >> 1) - 1):
                rest = 2 * rest + self.bypass(LAST_REST, 0)
            values.append((2 + (prefix & 1) << (prefix >> 1) - 1) + rest)
        return (values[1], values[0]) if scan == 2 else (values[0], values[1])

    def _levels(
        self, found: list[int], i: int, chroma: int, carried: int, hides: bool, size: int
    ) -> int:
        """Absolute levels and signs of the coefficients `found` in a sub-block; returns
        `greater1Ctx` for the next one."""
        group = (0 if i == 0 or chroma else 2) + (carried == 0)
        state, levels, second = 1, [], -1
        for k in range(min(8, len(found))):
            greater = self.bin(
                c.GREATER1 + 16 * chroma + 4 * group + state, 8 * self.is_intra + size
            )
            levels.append(1 + greater)
            if greater:
                state = 0
                if second < 0:
                    second = k
            elif 0 < state < 3:
                state += 1
        if second >= 0:
            levels[second] += self.bin(c.GREATER2 + 4 * chroma + group, 8 * self.is_intra + size)
        signs = len(found) - (hides and found[0] - found[-1] > 3)
        for _ in range(signs):
            self.bypass(EVEN)
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
        count = rice if prefix <= 3 else prefix - 3 + rice
        rest = 0
        for _ in range(count):
            rest = 2 * rest + self.bypass(EVEN)
        return (prefix << rice) + rest if prefix <= 3 else ((1 << prefix - 3) + 2 << rice) + rest
