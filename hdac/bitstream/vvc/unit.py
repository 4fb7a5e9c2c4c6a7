"""Coding units: how they are predicted, and intra modes.

(Rec. ITU-T H.266, clauses 7.3.11.5 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.hevc.bins import unary
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc.bins import (
    BINARY_COLUMNS,
    BINARY_ROWS,
    CHROMA_REST,
    CHROMA_TREE,
    COPIED_LEVELS,
    FAR_LINE,
    LUMA_TREE,
    MATRIX,
    MIP_REST,
    MODE_REST,
    MPM_REST,
    OTHER,
    PACES,
    PARTED,
    PLANAR,
    PROBABLE,
    QUAD,
    WHOLE,
    CodingUnit,
    SliceState,
    truncated_binary,
)
from hdac.bitstream.vvc.motion import Motion
from hdac.bitstream.vvc.transform import TransformParser

#: How a coding tree's units may be predicted (`modeType`).
ANY, INTER, INTRA = range(3)


class CrossComponent:
    """Whether chroma may be predicted from luma where both have trees of their own: what the trees
    of a 64x64 block make of it (`CclmEnabled`, clause 7.4.12.5)."""

    def __init__(self, state: SliceState) -> None:
        self._bound = state.head.dual_tree and state.sps.tree_block >= 6
        self._luma = self._chroma = True

    @property
    def enabled(self) -> bool:
        return not self._bound or (self._luma and self._chroma)

    def note(self, tree: int, width: int, height: int, multi: int, parent: int, split: int) -> None:
        """A block was split."""
        if not self._bound:
            return
        if width == height == 64 and multi == 0:
            if tree == LUMA_TREE:
                self._luma = split in (WHOLE, QUAD)
            else:
                self._chroma = split in (WHOLE, QUAD)
        elif tree == CHROMA_TREE and (width, height, multi, parent) == (64, 32, 1, BINARY_ROWS):
            self._chroma = split in (WHOLE, BINARY_COLUMNS)

    def partitioned(self, unit: CodingUnit) -> None:
        """A luma unit has intra sub-partitions."""
        if unit.width == unit.height == 64:
            self._luma = False


class UnitParser:
    """The coding units of one slice."""

    def __init__(self, state: SliceState) -> None:
        self.state, self.head, self.sps, self.bins = state, state.head, state.sps, state.bins
        self.cross = CrossComponent(state)
        self.motion = Motion(state)
        self.transforms = TransformParser(state)

    def parse(self, unit: CodingUnit, mode: int) -> None:
        chroma = unit.tree == CHROMA_TREE
        self._mode(unit, mode)
        merged, state = False, self.state
        if unit.intra:
            if not chroma:
                self._luma(unit)
            if unit.tree != LUMA_TREE:
                self._chroma(unit)
        else:
            merged = self.motion.parse(unit)
        state.now.fill(unit)
        if unit.intra or merged:
            unit.coded = int(not unit.skipped)
        else:
            past = state.before.middle(unit)
            left, above = state.now.around(unit.x, unit.y, 0)
            near = 3 * (left.coded + above.coded) + past.coded + past.skipped
            wider = (16 * near + unit.motion, state.pace, 16 * unit.moved + unit.motion)
            unit.coded = self.bins.bin(c.CU_CODED, unit.shape, wider)
        if unit.coded:
            self.transforms.parse(unit)

    def _mode(self, unit: CodingUnit, mode: int) -> None:
        """Whether a unit is skipped, and what it is predicted from."""
        head, sps, bins, chroma = self.head, self.sps, self.bins, unit.tree == CHROMA_TREE
        smallest = unit.width == unit.height == 4
        copies = sps.block_copy and max(unit.width, unit.height) <= 64 and not chroma
        if head.intra and max(unit.width, unit.height) > 64:
            mode = INTRA
        unit.intra = 1
        if head.intra and not sps.block_copy:
            return
        left, above = self.state.now.around(unit.x, unit.y, chroma)
        past = self.state.before.middle(unit)
        alone = smallest or mode == INTRA
        if not chroma and (not alone or copies):
            unit.skipped = self._skipped(unit, left.skipped + above.skipped)
        if not (alone or head.intra):
            unit.intra = 0
            if mode != INTER and not unit.skipped:
                near = 4 * past.intra + 2 * left.intra + above.intra
                wider = (near, 2 * self.state.pace + past.intra)
                unit.intra = bins.bin(c.PRED_MODE + (left.intra or above.intra), unit.shape, wider)
        if not copies or mode == INTER:
            return
        if unit.skipped:
            copied = int(alone or head.intra)
            if not copied:
                copied = bins.bin(c.COPY + left.copied + above.copied)
        elif head.intra or not unit.intra or alone:
            copied = bins.bin(c.COPY + left.copied + above.copied)
        else:
            copied = 0
        unit.copied = copied
        if copied:
            unit.intra = 0

    def _skipped(self, unit: CodingUnit, near: int) -> int:
        x, y, width, height = unit.x, unit.y, unit.width, unit.height
        state, form = self.state, unit.shape
        skipped = sum(past.skipped for past in state.before.quarters(x, y, width, height))
        right, below = state.like.ahead(x, y, width, height)
        alike = sum(past.skipped for past in state.like.quarters(x, y, width, height))
        often = (skipped > 0) + (skipped == 4)
        paced = (9 * form + 3 * near + often) * PACES + state.pace
        around = ((form * 5 + alike) * 3 + near) * 4 + 2 * right.skipped + below.skipped
        wider = (state.now.place(x, y, unit.size // 2), paced, around)
        return self.bins.bin(c.SKIP + near, 5 * form + skipped, wider)

    def _luma(self, unit: CodingUnit) -> None:
        """The intra mode of luma."""
        sps, bins = self.sps, self.bins
        width, height = unit.width, unit.height
        left, above = self.state.now.around(unit.x, unit.y, 0)
        near, form = 8 * left.mode + above.mode, unit.shape
        wider = (49 * near + form, near, PACES * unit.size + self.state.pace)
        if (
            sps.bdpcm
            and max(width, height) <= 1 << sps.max_skip
            and bins.bin(c.BDPCM_LUMA, form, wider)
        ):
            bins.bin(c.BDPCM_LUMA_DIRECTION)
            unit.bdpcm, unit.mode = (1, 0), COPIED_LEVELS
            return
        if sps.mip:
            long = width > 2 * height or height > 2 * width
            unit.mip = bins.bin(c.MIP + (3 if long else left.mip + above.mip), form, wider)
            if unit.mip:
                unit.mode = MATRIX
                bins.bypass(MIP_REST, 0)
                small = min(width, height) == 4
                most = 15 if width == height == 4 else 7 if small or width == height == 8 else 5
                truncated_binary(bins, MIP_REST, most, 64 * most)
                return
        line = 0
        if sps.reference_lines and unit.y % (1 << sps.tree_block):
            while line < 2 and bins.bin(c.REFERENCE_LINE + line, form, wider):
                line += 1
        if (
            sps.isp
            and not line
            and max(width, height) <= 1 << sps.max_transform
            and width * height > 16
            and bins.bin(c.ISP, form, wider)
        ):
            unit.isp = 1 + bins.bin(c.ISP_SPLIT, form)
            self.cross.partitioned(unit)
        kind = FAR_LINE if line else PARTED if unit.isp else PROBABLE
        known = 4 * form + kind - PROBABLE
        unit.mode = PLANAR
        if not line and not bins.bin(c.MPM, known, wider):
            truncated_binary(bins, MODE_REST, 60, 0)
            unit.mode = OTHER
        elif line or bins.bin(c.NOT_PLANAR + (not unit.isp), known, wider):
            unary(bins, MPM_REST, 4, 8 * kind)
            unit.mode = PROBABLE
        if line or unit.isp:
            unit.mode = kind

    def _chroma(self, unit: CodingUnit) -> None:
        """The intra mode of chroma."""
        sps, bins = self.sps, self.bins
        if sps.bdpcm and max(unit.width, unit.height) <= 2 << sps.max_skip:
            coded = bins.bin(c.BDPCM_CHROMA, unit.shape)
            unit.bdpcm = (unit.bdpcm[0], coded)
            if coded:
                bins.bin(c.BDPCM_CHROMA_DIRECTION)
                return
        luma = self.state.now.middle(unit).mode if unit.tree == CHROMA_TREE else unit.mode
        left, above = self.state.now.around(unit.x, unit.y, int(unit.tree == CHROMA_TREE))
        form = unit.shape
        wider = (8 * form + luma, 9 * luma + 3 * left.crossed + above.crossed)
        if sps.cclm and self.cross.enabled:
            unit.crossed = 1 + bins.bin(c.CCLM, form, wider)
        if unit.crossed == 2:
            if bins.bin(c.CCLM_INDEX, form, wider):
                bins.bypass(CHROMA_REST, 0)
        elif bins.bin(c.CHROMA_MODE, form, wider):
            first = bins.bypass(CHROMA_REST, 1)
            bins.bypass(CHROMA_REST, 2 + first)
