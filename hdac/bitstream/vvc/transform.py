"""Transform trees and units of coding units.

(Rec. ITU-T H.266, clauses 7.3.11.5, 7.3.11.9, 7.3.11.10 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    CHROMA_TREE,
    EVEN,
    LUMA_TREE,
    QP_REST,
    SINGLE_TREE,
    CodingUnit,
    SliceState,
    exp_golomb,
)
from hdac.bitstream.vvc.residual import Residual

_ROWS, _COLUMNS = 1, 2  # of intra sub-partitions


class TransformParser:
    """The transform trees of one slice's coding units."""

    def __init__(self, state: SliceState) -> None:
        self._state = state
        self._head, self._sps, self._bins = state.head, state.sps, state.bins
        self._residual = Residual(state)
        self.qp_coded = False  # in the present quantisation group

    def parse(self, unit: CodingUnit) -> None:
        """A coding unit's transforms."""
        self._unit = unit
        state = self._state
        left, above = state.now.around(unit.x, unit.y, int(unit.tree == CHROMA_TREE))
        near = 3 * (left.coded + above.coded) + state.before.middle(unit).coded
        self._class = 16 * unit.tree + (7 + unit.mode if unit.intra else unit.motion)
        self._known = 4 * unit.shape + unit.intra
        self._wider = (
            16 * self._class + near,
            49 * self._class + unit.shape,
            2 * state.pace + unit.intra,
        )
        self._inferred, self._last = True, 0  # `InferTuCbfLuma`, `prevTuCbfY`
        self._skipped = [False, False]  # luma, chroma: a block without a transform
        self._residual.start(unit)
        most = 1 << self._sps.max_transform
        small = max(unit.width, unit.height) <= most
        turned, first = (0, 0)
        if not (unit.intra or unit.copied or unit.ciip) and self._sps.sbt and small:
            turned, first = self._sub_blocks(unit)
        if unit.sbt:
            self._half(unit, turned, first)
        elif unit.isp:
            self._partitions(unit)
        else:
            self._tree(unit.x, unit.y, unit.width, unit.height)
        if self._lfnst(unit, small):
            return
        self._multiple(unit)

    def _sub_blocks(self, unit: CodingUnit) -> tuple[int, int]:
        """Whether only a part has a transform: if it lies, and quarters of the first part."""
        bins, width, height = self._bins, unit.width, unit.height
        if max(width, height) < 8 or not bins.bin(
            c.SBT + (width * height <= 256), self._known, self._wider
        ):
            return 0, 0
        quarter = max(width, height) >= 16 and bins.bin(c.SBT_QUAD)
        least = 16 if quarter else 8
        turned = int(height >= least)
        if min(width, height) >= least:
            shape = 0 if width == height else 1 if width < height else 2
            turned = bins.bin(c.SBT_HORIZONTAL + shape)
        unit.sbt = 1 + bins.bin(c.SBT_POSITION)
        first = 1 if quarter else 2
        return turned, 4 - first if unit.sbt == 2 else first

    def _half(self, unit: CodingUnit, turned: int, first: int) -> None:
        x, y, width, height = unit.x, unit.y, unit.width, unit.height
        for part in range(2):
            coded = part == unit.sbt - 1
            if turned:
                size = height * first // 4
                self._block(x, y + part * size, width, height - size if part else size, 0, coded)
            else:
                size = width * first // 4
                self._block(x + part * size, y, width - size if part else size, height, 0, coded)

    def _partitions(self, unit: CodingUnit) -> None:
        count = 2 if unit.width * unit.height == 32 else 4
        width, height = unit.width, unit.height
        if unit.isp == _ROWS:
            height //= count
        else:
            width //= count
        for part in range(count):
            last = part == count - 1
            x = unit.x + (part * width if unit.isp == _COLUMNS else 0)
            y = unit.y + (part * height if unit.isp == _ROWS else 0)
            self._block(x, y, width, height, 1 + last, True)

    def _tree(self, x: int, y: int, width: int, height: int) -> None:
        most = 1 << self._sps.max_transform
        if width > most and width > height:
            for x1 in (x, x + width // 2):
                self._tree(x1, y, width // 2, height)
        elif max(width, height) > most:
            for y1 in (y, y + height // 2):
                self._tree(x, y1, width, height // 2)
        else:
            self._block(x, y, width, height, 0, True)

    def _block(self, x: int, y: int, width: int, height: int, part: int, coded: bool) -> None:
        """A transform unit; `part`: 1 an intra sub-partition, 2 the last one. `coded`: it may have
        coefficients."""
        unit, bins, sps = self._unit, self._bins, self._sps
        chroma = unit.tree != LUMA_TREE and part != 1
        cb = cr = luma = 0
        if chroma and coded:
            known, wider = self._known, self._wider
            cb = bins.bin(c.CODED_CB + unit.bdpcm[1], known, wider)
            cr = bins.bin(c.CODED_CR + (2 if unit.bdpcm[1] else cb), known, wider)
        large = max(unit.width, unit.height) > 64
        if unit.tree != CHROMA_TREE:
            luma = int(coded)
            if coded:
                luma = self._coded_luma(part, bool(cb or cr))
            if self._head.pps.qp_delta and not self.qp_coded and (large or luma or cb or cr):
                self._qp_delta()
        joint = 0
        if sps.joint_cbcr and ((unit.intra and (cb or cr)) or (cb and cr)):
            joint = bins.bin(c.JOINT_CBCR + 2 * cb + cr - 1, self._known, self._wider)
        if luma:
            self._residual_block(width, height, 0, part > 0)
        if not chroma:
            return
        if part:
            width, height = unit.width, unit.height
        if cb:
            self._residual_block(width // 2, height // 2, 1, False)
        if cr and not (cb and joint):
            self._residual_block(width // 2, height // 2, 2, False)

    def _coded_luma(self, part: int, chroma: bool) -> int:
        unit, bins = self._unit, self._bins
        most = 1 << self._sps.max_transform
        if part:
            coded = 1
            if part == 1 or not self._inferred:
                context = 1 if unit.bdpcm[0] else 2 + self._last
                coded = bins.bin(c.CODED_Y + context, self._known + 2, self._wider)
            self._last = coded
            self._inferred = self._inferred and not coded
            return coded
        if unit.intra or chroma or max(unit.width, unit.height) > most:
            return bins.bin(c.CODED_Y + unit.bdpcm[0], self._known, self._wider)
        return 1

    def _qp_delta(self) -> None:
        self.qp_coded = True
        bins = self._bins
        if not bins.bin(c.QP_DELTA):
            return
        count = 1
        while count < 5 and bins.bin(c.QP_DELTA + 1, count):
            count += 1
        if count == 5:
            exp_golomb(bins, QP_REST, 0, 6, 6, 0)
        bins.bypass(EVEN)

    def _residual_block(self, width: int, height: int, plane: int, part: bool) -> None:
        unit, sps, chroma = self._unit, self._sps, int(plane > 0)
        skip = bool(unit.bdpcm[chroma])
        if (
            sps.transform_skip
            and not skip
            and not part
            and not unit.sbt
            and max(width, height) <= 1 << sps.max_skip
        ):
            skip = bool(self._bins.bin(c.TRANSFORM_SKIP + chroma, self._known))
        if skip:
            self._skipped[chroma] = True
        self._residual.parse(width, height, plane, skip, self._class)

    def _lfnst(self, unit: CodingUnit, small: bool) -> int:
        """`lfnst_idx`."""
        if not (self._sps.lfnst and unit.intra and small) or any(self._skipped):
            return 0
        width, height, chroma = unit.width, unit.height, unit.tree == CHROMA_TREE
        if chroma:
            width, height = width // 2, height // 2
        elif unit.isp:
            count = 2 if width * height == 32 else 4
            if unit.isp == _ROWS:
                height //= count
            else:
                width //= count
        least = 16 if unit.mip and not chroma else 4
        residual, bins = self._residual, self._bins
        if min(width, height) < least or not residual.lfnst_room:
            return 0
        if not unit.isp and residual.lfnst_dc_only:
            return 0
        known, wider = self._known, self._wider
        if not bins.bin(c.LFNST + (unit.tree != SINGLE_TREE), known, wider):
            return 0
        return 1 + bins.bin(c.LFNST + 2, known, wider)

    def _multiple(self, unit: CodingUnit) -> None:
        """`mts_idx`."""
        sps, residual = self._sps, self._residual
        allowed = sps.mts_intra if unit.intra else sps.mts_inter and not unit.copied
        if (
            not allowed
            or unit.tree == CHROMA_TREE
            or self._skipped[0]
            or max(unit.width, unit.height) > 32
            or unit.isp
            or unit.sbt
            or not residual.mts_room
            or residual.mts_dc_only
        ):
            return
        index = 0
        while index < 4 and self._bins.bin(c.MTS + index, self._known, self._wider):
            index += 1
