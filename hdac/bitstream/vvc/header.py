"""Headers of VVC slices that cover their picture, the picture header inside.

(Rec. ITU-T H.266, clauses 7.3.2.8 and 7.3.7.)
"""

from __future__ import annotations

from dataclasses import dataclass

from hdac.bitstream.hevc.parameters import (
    B_SLICE,
    I_SLICE,
    MAX_HEADER,
    P_SLICE,
    Bits,
    refuse,
)
from hdac.bitstream.vvc.parameters import (
    Aps,
    Partitions,
    Pps,
    Sps,
    limited,
    read_partitions,
    read_references,
)

_IDR_UNITS = (7, 8)
_REFRESH_UNITS = (7, 8, 9, 10)


@dataclass(frozen=True)
class Filters:
    """Adaptive loop filter of a slice: how many sets its luma may choose from; of Cb and Cr, how
    many filters; of luma's into Cb and Cr, how many (0: off)."""

    luma_sets: int
    chroma: tuple[int, int]
    cross: tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """What a picture header says."""

    intra: Partitions
    chroma: Partitions
    inter: Partitions
    inter_allowed: bool
    qp_depths: tuple[int, int]  # of quantisation groups, in I slices and others
    temporal_mvp: bool
    zero_mvd_l1: bool


@dataclass(frozen=True)
class Slice:
    """A slice that covers its picture; `first` is the byte of the unit where its data starts.

    partitions: of luma (or all planes) and of chroma.
    references: active ones in lists 0 and 1.
    symmetric: whether lists 0 and 1 have a reference before and one behind the picture.
    backward: whether a reference is shown after the picture.
    """

    sps: Sps
    pps: Pps
    type: int
    init: int  # `initType`
    qp: int
    sao_luma: bool
    sao_chroma: bool
    alf: Filters | None
    partitions: tuple[Partitions, Partitions]
    qp_depth: int
    references: tuple[int, int]
    symmetric: bool
    backward: bool
    zero_mvd_l1: bool
    subblock_candidates: int
    dependent_quantisation: bool
    sign_hiding: bool
    plain_skip: bool  # blocks without a transform are coded as those with one
    first: int

    @property
    def intra(self) -> bool:
        return self.type == I_SLICE

    @property
    def bidirectional(self) -> bool:
        return self.type == B_SLICE

    @property
    def dual_tree(self) -> bool:
        return self.intra and self.sps.dual_tree


def _picture(bits: Bits, sps: Sps, pps: Pps) -> Picture:
    flag = bits.flag
    refresh, unreferenced = flag(), flag()
    refuse(refresh and flag(), "gradual refresh")
    inter = flag()
    intra = flag() if inter else True
    refuse(bits.ue(), "a second picture parameter set")
    bits.take(sps.poc_bits + sps.extra_picture_bits)
    if sps.cycle_bits and flag():
        bits.take(sps.cycle_bits)
    if sps.lmcs and flag():
        bits.take(3)
    if pps.output_flag and not unreferenced:
        bits.take(1)
    override = sps.partitions_override and flag()
    sizes = sps.min_block, sps.tree_block
    of_intra, of_chroma, of_inter, depths = sps.intra, sps.chroma, sps.inter, [0, 0]
    if intra:
        if override:
            of_intra = of_chroma = read_partitions(bits, *sizes)
            if sps.dual_tree:
                of_chroma = read_partitions(bits, *sizes)
        if pps.qp_delta:
            depths[0] = limited(bits, 30)
    temporal_mvp, zero_mvd_l1 = False, False
    if inter:
        if override:
            of_inter = read_partitions(bits, *sizes)
        if pps.qp_delta:
            depths[1] = limited(bits, 30)
        temporal_mvp = sps.temporal_mvp and flag()
        if sps.mmvd_control:
            bits.take(1)
        zero_mvd_l1 = flag()
        bits.take(sps.bdof_control + sps.dmvr_control + sps.prof_control)
    if sps.joint_cbcr:
        bits.take(1)
    if pps.picture_extension:
        bits.take(8 * bits.ue())
    return Picture(
        of_intra, of_chroma, of_inter, inter, (depths[0], depths[1]), temporal_mvp, zero_mvd_l1
    )


def _filters(bits: Bits, sps: Sps, sets: dict[int, Aps]) -> Filters | None:
    if not (sps.alf and bits.flag()):
        return None
    luma_sets = bits.take(3)
    bits.take(3 * luma_sets)
    used = bits.flag(), bits.flag()
    alternatives = 0
    if any(used):
        number = bits.take(3)
        refuse(number not in sets, "filters that are not there")
        alternatives = sets[number].chroma
    cross = [0, 0]
    if sps.cross_alf:
        for i in range(2):
            if bits.flag():
                number = bits.take(3)
                refuse(number not in sets, "filters that are not there")
                cross[i] = sets[number][1 + i]
                refuse(not cross[i], "filters that are not there")
    return Filters(
        luma_sets, (used[0] * alternatives, used[1] * alternatives), (cross[0], cross[1])
    )


def _lists(bits: Bits, sps: Sps, pps: Pps) -> list[tuple[int, ...]]:
    """Both reference picture lists (clause 7.3.9)."""
    found: list[tuple[int, ...]] = []
    known, index = False, 0
    for i in range(2):
        lists = sps.lists[i]
        if i == 0 or pps.second_list:
            known = bool(lists) and bits.flag()
            if known:
                index = bits.take((len(lists) - 1).bit_length())
        if known:
            refuse(index >= len(lists), "a reference list that is not there")
            found.append(lists[index])
        else:
            found.append(read_references(bits, sps))
    return found


def _deblocking(bits: Bits, pps: Pps) -> None:
    if pps.deblocking_override and bits.flag():
        off = not pps.deblocking_off and bits.flag()
        if not off:
            for _ in range(6 if pps.tool_offsets else 2):
                bits.se()


def read_slice(payload: bytes, sps: Sps, pps: Pps, sets: dict[int, Aps]) -> Slice:
    """The header of a slice's NAL unit. Raises `UnsupportedError`."""
    bits = Bits(payload, MAX_HEADER)
    flag = bits.flag
    unit = payload[1] >> 3
    refuse((pps.width, pps.height) != (sps.width, sps.height), "sizes that change")
    refuse(not flag(), "a picture header of its own")
    picture = _picture(bits, sps, pps)
    bits.take(sps.extra_slice_bits)
    kind = limited(bits, 2) if picture.inter_allowed else I_SLICE
    if unit in _REFRESH_UNITS:
        bits.take(1)
    filters = _filters(bits, sps, sets)
    lists: list[tuple[int, ...]] = [(), ()]
    if unit not in _IDR_UNITS or sps.idr_references:
        lists = _lists(bits, sps, pps)
    used = {I_SLICE: 0, P_SLICE: 1, B_SLICE: 2}[kind]
    active = [min(len(lists[i]), pps.references[i]) if i < used else 0 for i in range(2)]
    if any(len(lists[i]) > 1 for i in range(used)) and flag():
        for i in range(used):
            active[i] = 1 + limited(bits, 14) if len(lists[i]) > 1 else 1
    refuse(any(active[i] > len(lists[i]) for i in range(2)), "more references than there are")
    swapped = False
    if used:
        refuse(not all(active[:used]), "no reference")
        swapped = pps.init_flag and flag()
        if picture.temporal_mvp:
            which = 0 if used == 1 or flag() else 1
            if active[which] > 1:
                bits.ue()
    qp = pps.qp + bits.se()
    if pps.chroma_offsets:
        for _ in range(2 + sps.joint_cbcr):
            bits.se()
    sao_luma, sao_chroma = (flag(), flag()) if sps.sao else (False, False)
    _deblocking(bits, pps)
    dependent = sps.dependent_quantisation and flag()
    hiding = sps.sign_hiding and not dependent and flag()
    plain_skip = sps.transform_skip and not dependent and not hiding and flag()
    if pps.slice_extension:
        bits.take(8 * bits.ue())
    refuse(not flag(), "no alignment bit")
    refuse(bits.take(-bits.at % 8), "alignment bits that are not zero")
    before = [any(step > 0 for step in lists[i][: active[i]]) for i in range(2)]
    behind = [any(step < 0 for step in lists[i][: active[i]]) for i in range(2)]
    candidates = sps.subblock_candidates
    if not sps.affine:
        candidates = int(sps.subblock_mvp and picture.temporal_mvp)
    intra = kind == I_SLICE
    return Slice(
        sps=sps,
        pps=pps,
        type=kind,
        init=0 if intra else (3 - used if swapped else used),
        qp=qp,
        sao_luma=sao_luma,
        sao_chroma=sao_chroma,
        alf=filters,
        partitions=((picture.intra, picture.chroma) if intra else (picture.inter, picture.inter)),
        qp_depth=picture.qp_depths[not intra],
        references=(active[0], active[1]),
        symmetric=(before[0] and behind[1]) or (behind[0] and before[1]),
        backward=any(behind),
        zero_mvd_l1=picture.zero_mvd_l1,
        subblock_candidates=candidates,
        dependent_quantisation=dependent,
        sign_hiding=hiding,
        plain_skip=plain_skip,
        first=2 + bits.at // 8,
    )
