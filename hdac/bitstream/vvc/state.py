"""Sets what VVC's parser of slice data starts from."""

from __future__ import annotations

from typing import Any

from hdac.bitstream.recoding import SliceState
from hdac.bitstream.registers import CONTEXT
from hdac.bitstream.running import fill
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.cabac import initial_states
from hdac.bitstream.vvc.header import Slice
from hdac.bitstream.vvc.maps import OUTSIDE
from hdac.bitstream.vvc.parameters import Sps

_RECENT = 8  # pictures that are remembered


class _Layout:
    """Where a picture's maps lie in a state: of luma in `_RECENT` pictures and the present one, of
    chroma, and flags of in-loop filters."""

    def __init__(self, sps: Sps) -> None:
        self.width, self.height = sps.width >> 2, sps.height >> 2
        self.blocks = self.width * self.height
        side = 1 << sps.tree_block
        self.across = -(-sps.width // side)
        self.units = self.across * -(-sps.height // side)
        self.chroma = r.UNITS + (_RECENT + 1) * self.blocks
        self.filtered = self.chroma + self.blocks
        self.end = self.filtered + 5 * self.units

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Layout) and vars(self) == vars(other)


class VvcState(SliceState[Slice]):
    syntax = "vvc"

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        self._layout: _Layout | None = None
        #: Numbers of the maps of recent pictures, the last one last, and the pictures' QPs.
        self._recent: list[tuple[int, int]] = []

    def _begin(self, head: Slice) -> None:
        layout = _Layout(head.sps)
        if layout != self._layout:
            self._layout, self._s = layout, self._code.zeros(layout.end)
            self._recent = [(0, 0)]
            fill(self._s, r.UNITS, layout.blocks, OUTSIDE)
        _tools(self._s, head.sps)
        _header(self._s, head)
        self._pictures(layout, min(63, max(0, head.qp)))
        states = initial_states(head.init, head.qp)
        self._s[CONTEXT : CONTEXT + len(states)] = states

    def _pictures(self, layout: _Layout, qp: int) -> None:
        s, recent = self._s, self._recent
        before, last_qp = recent[-1]
        like = next((number for number, of in reversed(recent) if of <= qp), before)
        now = next(n for n in range(_RECENT + 1) if n not in [number for number, _ in recent])
        self._recent = [*recent[1 - _RECENT :], (now, qp)]
        for register, number in ((r.LUMA, now), (r.BEFORE, before), (r.LIKE, like)):
            s[register] = r.UNITS + number * layout.blocks
        s[r.CHROMA], s[r.FILTERED] = layout.chroma, layout.filtered
        s[r.STRIDE], s[r.ROWS], s[r.ACROSS] = layout.width, layout.height, layout.across
        s[r.PACE] = 3 * qp + (qp >= last_qp) + (qp > last_qp)
        fill(s, int(s[r.LUMA]), layout.blocks, OUTSIDE)
        fill(s, layout.chroma, layout.blocks, OUTSIDE)
        fill(s, layout.filtered, layout.end - layout.filtered, 0)

    def _most_flags(self) -> int:
        return 1


def _tools(s: Any, sps: Sps) -> None:
    s[r.WIDTH], s[r.HEIGHT] = sps.width, sps.height
    s[r.MIN_BLOCK], s[r.TREE_BLOCK] = sps.min_block, sps.tree_block
    s[r.MAX_TRANSFORM], s[r.MAX_SKIP] = sps.max_transform, sps.max_skip
    s[r.MERGE_CANDIDATES], s[r.GPM_CANDIDATES] = sps.merge_candidates, sps.gpm_candidates
    s[r.COPY_CANDIDATES] = sps.copy_candidates
    for register, has in (
        (r.TRANSFORM_SKIP, sps.transform_skip), (r.BDPCM, sps.bdpcm), (r.MTS, sps.mts),
        (r.MTS_INTRA, sps.mts_intra), (r.MTS_INTER, sps.mts_inter), (r.LFNST, sps.lfnst),
        (r.JOINT_CBCR, sps.joint_cbcr), (r.AMVR, sps.amvr), (r.MMVD, sps.mmvd), (r.SBT, sps.sbt),
        (r.AFFINE, sps.affine), (r.AFFINE_6, sps.affine_6), (r.AFFINE_AMVR, sps.affine_amvr),
        (r.BCW, sps.bcw), (r.CIIP, sps.ciip), (r.GPM, sps.gpm), (r.ISP, sps.isp),
        (r.LINES, sps.reference_lines), (r.MIP, sps.mip), (r.CCLM, sps.cclm),
        (r.BLOCK_COPY, sps.block_copy),
    ):  # fmt: skip
        s[register] = int(has)


def _header(s: Any, head: Slice) -> None:
    sps, alf = head.sps, head.alf
    s[r.INTRA], s[r.BOTH], s[r.DUAL] = int(head.intra), int(head.bidirectional), int(head.dual_tree)
    for i, limits in enumerate(head.partitions):
        for n, limit in enumerate(limits):
            s[r.PARTITIONS + 4 * i + n] = limit
    s[r.QP_DELTA], s[r.QP_DEPTH], s[r.QP_CODED] = int(head.pps.qp_delta), head.qp_depth, 0
    s[r.REFERENCES], s[r.REFERENCES + 1] = head.references
    s[r.SYMMETRIC] = int(sps.symmetric_mvd and head.symmetric and not head.zero_mvd_l1)
    s[r.BACKWARD], s[r.ZERO_MVD] = int(head.backward), int(head.zero_mvd_l1)
    s[r.SUBBLOCK_CANDIDATES] = head.subblock_candidates
    s[r.DEPENDENT], s[r.SIGN_HIDING] = int(head.dependent_quantisation), int(head.sign_hiding)
    s[r.PLAIN_SKIP] = int(head.plain_skip)
    s[r.SAO_LUMA], s[r.SAO_CHROMA] = int(head.sao_luma), int(head.sao_chroma)
    s[r.SAO_MOST], s[r.ALF] = (1 << sps.depth - 5) - 1, int(alf is not None)
    if alf is not None:
        s[r.LUMA_SETS] = alf.luma_sets
        s[r.ALF_CHROMA], s[r.ALF_CHROMA + 1] = alf.chroma
        s[r.CROSS], s[r.CROSS + 1] = alf.cross
    s[r.MERGED_LAST] = s[r.MOTION_LAST] = 0
    s[r.CROSS_BOUND] = int(head.dual_tree and sps.tree_block >= 6)
    s[r.CROSS_LUMA] = s[r.CROSS_CHROMA] = 1
