"""The syntax of slice data: which bins come in which order, under which contexts.

One description for both directions: `Bins` gives each bin back, be it read from a slice or from
what the slice was recoded to. Here: sample adaptive offset, coding tree and coding units;
`prediction` and `residual` have the rest.

(Rec. ITU-T H.265, clauses 7.3.8 and 9.3.4.2; contexts are those of `cabac`.)
"""

from __future__ import annotations

from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.bins import AMP_REST, EVEN, SAO_REST, Bins, BlockMaps, unary
from hdac.bitstream.hevc.parameters import Slice
from hdac.bitstream.hevc.prediction import DC, Prediction
from hdac.bitstream.hevc.residual import TransformTree

#: Ways to part a coding unit: 2Nx2N, 2NxN, Nx2N, NxN, 2NxnU, 2NxnD, nLx2N, nRx2N; parts of each.
_WHOLE, _ROWS, _COLUMNS, _QUARTERS, _TOP, _BOTTOM, _LEFT, _RIGHT = range(8)
_PARTS = (1, 2, 2, 4, 2, 2, 2, 2)

_PACES = 156  # QP, and whether the picture before had a lower one, the same, or a higher one


class SliceParser:
    """Parses one slice's data after another; remembers the picture before.

    `parse` raises `UnsupportedError` on what no encoder can have meant.
    """

    def __init__(self) -> None:
        self._maps: BlockMaps | None = None

    def parse(self, head: Slice, bins: Bins) -> None:
        sps = head.sps
        self.head, self.sps, self.bins, self.bin = head, sps, bins, bins.bin
        self.now, before = BlockMaps(sps), self._maps
        if before is None or (before.width, before.height) != (self.now.width, self.now.height):
            before = BlockMaps(sps)
        self.before, self._maps = before, self.now
        self.now.qp = qp = min(51, max(0, head.qp))
        self.pace = 3 * qp + (qp >= before.qp) + (qp > before.qp)
        self.prediction = Prediction(head, bins, self.now, before)
        self.transforms = TransformTree(head, bins, self.prediction.modes)
        side = 1 << sps.tree_block
        across, down = -(-sps.width // side), -(-sps.height // side)
        for at in range(across * down):
            y, x = divmod(at, across)
            if head.sao_luma or head.sao_chroma:
                self._sao(x, y)
            self._tree(x * side, y * side, sps.tree_block, 0)
            bins.terminate(at == across * down - 1)

    def _sao(self, x: int, y: int) -> None:
        """Sample adaptive offset of a coding tree unit (clause 7.3.8.3)."""
        if (x and self.bin(c.SAO_MERGE, 0)) or (y and self.bin(c.SAO_MERGE, 1)):
            return
        kind, bypass = 0, self.bins.bypass
        for plane in range(3):
            if not (self.head.sao_chroma if plane else self.head.sao_luma):
                continue
            chroma = int(plane > 0)
            if plane < 2:
                kind = self.bin(c.SAO_TYPE, chroma) and 1 + bypass(SAO_REST, chroma)
            if not kind:
                continue
            known = 2 + 8 * kind + 32 * chroma
            offsets = [unary(self.bins, SAO_REST, 7, known) for _ in range(4)]
            if kind == 1:  # bands: signs, position
                for offset in offsets:
                    if offset:
                        bypass(EVEN)
                for i in range(5):
                    bypass(SAO_REST, 64 + i)
            elif plane < 2:  # edges: direction
                first = bypass(SAO_REST, 70 + 3 * chroma)
                bypass(SAO_REST, 71 + 3 * chroma + first)

    def _tree(self, x: int, y: int, size: int, depth: int) -> None:
        sps, side, pps = self.sps, 1 << size, self.head.pps
        if size > sps.min_block and x + side <= sps.width and y + side <= sps.height:
            maps, before, at = self.now, self.before, self.now.at(x, y)
            near = (x > 0 and maps.depth[at - 1] > depth) + (
                y > 0 and maps.depth[at - maps.width] > depth
            )
            depths, right, below = before.around(before.depth, x, y, size)
            skipped, _, _ = before.around(before.skipped, x, y, size)
            past = (depths[0] > depth) + (depths[3] > depth)
            around = 20 * max(depths) + 4 * sum(skipped) + 2 * (right > depth) + (below > depth)
            paced = (9 * depth + 3 * near + past) * _PACES + self.pace
            wider = (maps.place(x, y, depth), paced, 80 * depth + around)
            split = self.bin(c.SPLIT_CU + near, 4 * min(depth, 2) + past, wider)
        else:
            split = int(size > sps.min_block)
        if pps.qp_delta is not None and size >= sps.tree_block - pps.qp_delta:
            self.transforms.qp_coded = False
        if not split:
            self._unit(x, y, size, depth)
            return
        half = side >> 1
        for y1 in (y, y + half):
            for x1 in (x, x + half):
                if x1 < sps.width and y1 < sps.height:
                    self._tree(x1, y1, size - 1, depth + 1)

    def _unit(self, x: int, y: int, size: int, depth: int) -> None:
        """A coding unit (clause 7.3.8.5)."""
        maps, prediction = self.now, self.prediction
        maps.fill(maps.depth, x, y, size, depth)
        if not self.head.intra and self._skipped(x, y, size):
            maps.fill(maps.skipped, x, y, size, 1)
            prediction.merge_index(x, y, size, size)
            return
        smallest = size == self.sps.min_block
        if self.head.intra or self.bin(c.PRED_MODE, size - 3):
            quarters = smallest and not self.bin(c.PART_MODE, size)
            if not quarters and size in self.sps.pcm and self.bins.pcm(x, y, size):
                return
            luma = prediction.luma_modes(x, y, 1 << size, 2 if quarters else 1)
            chroma = prediction.chroma_mode(luma[0])
            self.transforms.parse(x, y, size, True, chroma, quarters)
            return
        part, merged = self._part(size, smallest), False
        for _ in range(_PARTS[part]):
            merged = prediction.motion(x, y, size, part, depth)
        if (part == _WHOLE and merged) or self.bin(c.ROOT_CBF, size - 3):
            self.transforms.parse(x, y, size, False, DC, part != _WHOLE)

    def _skipped(self, x: int, y: int, size: int) -> int:
        maps, at = self.now, self.now.at(x, y)
        near = (maps.skipped[at - 1] if x else 0) + (maps.skipped[at - maps.width] if y else 0)
        skipped, right, below = self.before.around(self.before.skipped, x, y, size)
        past = skipped[0] + skipped[3]
        paced = (9 * (size - 3) + 3 * near + past) * _PACES + self.pace
        around = 20 * (size - 3) + 4 * sum(skipped) + 2 * right + below
        wider = (maps.place(x, y, size - 3), paced, around)
        return self.bin(c.SKIP + near, 4 * (size - 3) + past, wider)

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
        late = self.bins.bypass(AMP_REST, flat)
        return (_TOP, _BOTTOM)[late] if flat else (_LEFT, _RIGHT)[late]
