"""Parameter sets and slice headers of HEVC, as far as slice data depends on them.

What hardly any encoder of ours writes (tiles, wavefronts, several slices, range extensions,
lossless blocks, scaling lists that are sent) is refused with `UnsupportedError`.

(Rec. ITU-T H.265, clauses 7.3.2 and 7.3.6.)
"""

from __future__ import annotations

from dataclasses import dataclass

B_SLICE, P_SLICE, I_SLICE = range(3)
SPS_UNIT, PPS_UNIT = 33, 34
MAX_HEADER = 128  # bytes of a slice header that is understood, the NAL header included
_MAX_SET = 1024  # bytes of a parameter set that are looked at
_MAX_SIDE = 4160  # the codec's largest picture, padded


class UnsupportedError(Exception):
    """A stream that is legal, but that this reader does not know, or no HEVC at all."""


class Bits:
    """Bits of the first `limit` bytes of a NAL unit behind its header (without emulation
    prevention), most significant first; `skipped`: bytes of the header."""

    def __init__(self, payload: bytes, limit: int, skipped: int = 2) -> None:
        self._data, self.at = payload[skipped:limit], 0

    @property
    def left(self) -> int:
        return 8 * len(self._data) - self.at

    def take(self, count: int) -> int:
        if count > self.left:
            raise UnsupportedError("a header ends too early")
        value = self._peek(count)
        self.at += count
        return value

    def _peek(self, count: int) -> int:
        """The next bits, as many as there are."""
        end = self.at + count
        value = int.from_bytes(self._data[self.at // 8 : -(-end // 8)], "big")
        return value >> -end % 8 & (1 << count) - 1

    def flag(self) -> bool:
        return bool(self.take(1))

    def ue(self, most: int = 20) -> int:
        """Exp-Golomb code (clause 9.2) of at most so many zeros."""
        ahead = min(most + 1, self.left)
        zeros = ahead - self._peek(ahead).bit_length()
        self.at += zeros
        if zeros > most:
            raise UnsupportedError(f"an Exp-Golomb code of more than {most} zeros")
        return self.take(zeros + 1) - 1

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def refuse(wrong: object, what: str) -> None:
    if wrong:
        raise UnsupportedError(what)


@dataclass(frozen=True)
class Sps:
    """Sizes are base-2 logarithms of sides in luma samples; `poc_bits` of the picture order count
    in slice headers.

    pcm: sizes of blocks that may be PCM; pcm_at: the bit behind the NAL header that says whether
        there are any; window_at: the one that says whether pictures are cropped.
    """

    width: int
    height: int
    poc_bits: int
    min_block: int
    tree_block: int
    min_transform: int
    max_transform: int
    depth_inter: int
    depth_intra: int
    asymmetric: bool
    sao: bool
    window_at: int
    pcm_at: int
    pcm: range
    reference_sets: tuple[int, ...]  # number of pictures in each
    temporal_mvp: bool

    def fits(self, width: int, height: int) -> bool:
        """Whether pictures of this size, padded to whole smallest blocks, are the sequence's."""
        block = 1 << self.min_block
        return 0 <= self.width - width < block and 0 <= self.height - height < block


@dataclass(frozen=True)
class Pps:
    extra_bits: int
    output_flag: bool
    hides_signs: bool
    init_flag: bool
    references: tuple[int, int]  # of list 0 and 1, where a slice does not say
    qp: int
    transform_skip: bool
    qp_delta: int | None  # log2 difference of quantisation groups to tree blocks
    chroma_offsets: bool
    weighted: tuple[bool, bool]  # in P and B slices
    loop_across: bool
    deblocking_override: bool
    deblocking_off: bool
    lists_modified: bool
    header_extension: bool


@dataclass(frozen=True)
class Slice:
    """A slice that covers its picture; `first` is the byte of the unit where its data starts."""

    sps: Sps
    pps: Pps
    type: int
    init: int  # `initType`
    qp: int
    sao_luma: bool
    sao_chroma: bool
    references: tuple[int, int]  # in list 0 and 1
    zero_mvd: bool  # of list 1, where both lists are used
    merge_candidates: int
    first: int

    @property
    def intra(self) -> bool:
        return self.type == I_SLICE


def _profile(bits: Bits, layers: int) -> None:
    bits.take(88)
    bits.take(8)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile)
        bits.take(8 * level)


def _reference_set(bits: Bits, index: int, counts: list[int], last: bool) -> int:
    """The number of pictures in a short-term reference picture set (clause 7.3.7); `last`: in a
    slice header."""
    if index and bits.flag():
        back = bits.ue() + 1 if last else 1
        refuse(back > index, "a reference set before the first")
        bits.take(1)
        bits.ue()
        total = 0
        for _ in range(counts[index - back] + 1):
            used = bits.flag()
            total += used or bits.flag()
        return total
    negative, positive = bits.ue(), bits.ue()
    refuse(negative + positive > 16, "more than 16 references")
    for _ in range(negative + positive):
        bits.ue()
        bits.take(1)
    return negative + positive


def read_sps(payload: bytes) -> Sps:
    """`payload`: the NAL unit with its header of two bytes. Raises `UnsupportedError`."""
    bits = Bits(payload, _MAX_SET)
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _profile(bits, layers)
    refuse(bits.ue(), "a second sequence parameter set")
    refuse(bits.ue() != 1, "other sampling than 4:2:0")
    width, height = bits.ue(), bits.ue()
    refuse(not (8 <= width <= _MAX_SIDE and 8 <= height <= _MAX_SIDE), "sizes out of range")
    window_at = bits.at
    if bits.flag():
        for _ in range(4):
            bits.ue()
    refuse(bits.ue() or bits.ue(), "more than 8 bits a sample")
    poc_bits = bits.ue() + 4
    refuse(poc_bits > 16, "a picture order count of more than 16 bits")
    for _ in range(layers + 1 if bits.flag() else 1):
        for _ in range(3):
            bits.ue()
    min_block = bits.ue() + 3
    tree_block = min_block + bits.ue()
    min_transform = bits.ue() + 2
    max_transform = min_transform + bits.ue()
    refuse(
        not (tree_block <= 6 and min_transform < min_block and max_transform <= min(5, tree_block)),
        "block sizes out of range",
    )
    refuse(
        width % (1 << min_block) or height % (1 << min_block),
        "a size that is no multiple of the smallest block",
    )
    depth_inter, depth_intra = bits.ue(), bits.ue()
    refuse(max(depth_inter, depth_intra) > 4, "transform trees out of range")
    refuse(bits.flag() and bits.flag(), "scaling lists that are sent")
    asymmetric, sao = bits.flag(), bits.flag()
    pcm_at, pcm = bits.at, range(0)
    if bits.flag():
        refuse(bits.take(8) != 0x77, "PCM samples of other than 8 bits")
        smallest = bits.ue() + 3
        pcm = range(smallest, smallest + bits.ue() + 1)
        bits.take(1)
        refuse(smallest < min_block or pcm[-1] > min(5, tree_block), "PCM blocks out of range")
    count = bits.ue()
    refuse(count > 64, "more than 64 reference sets")
    counts: list[int] = []
    for index in range(count):
        counts.append(_reference_set(bits, index, counts, last=False))
    refuse(bits.flag(), "long-term references")
    temporal_mvp = bits.flag()
    return Sps(
        width, height, poc_bits, min_block, tree_block, min_transform, max_transform, depth_inter,
        depth_intra, asymmetric, sao, window_at, pcm_at, pcm, tuple(counts), temporal_mvp,
    )  # fmt: skip


def read_pps(payload: bytes) -> Pps:
    """`payload`: the NAL unit with its header of two bytes. Raises `UnsupportedError`."""
    bits = Bits(payload, _MAX_SET)
    refuse(bits.ue() or bits.ue(), "a second parameter set")
    refuse(bits.flag(), "dependent slices")
    output_flag, extra_bits = bits.flag(), bits.take(3)
    hides_signs, init_flag = bits.flag(), bits.flag()
    references = bits.ue() + 1, bits.ue() + 1
    qp = 26 + bits.se()
    bits.take(1)
    transform_skip = bits.flag()
    qp_delta = bits.ue() if bits.flag() else None
    bits.se()
    bits.se()
    chroma_offsets, weighted = bits.flag(), (bits.flag(), bits.flag())
    refuse(bits.flag(), "lossless blocks")
    refuse(bits.flag() or bits.flag(), "tiles or wavefronts")
    loop_across = bits.flag()
    deblocking_override = deblocking_off = False
    if bits.flag():
        deblocking_override, deblocking_off = bits.flag(), bits.flag()
        if not deblocking_off:
            bits.se()
            bits.se()
    refuse(bits.flag(), "scaling lists that are sent")
    lists_modified = bits.flag()
    bits.ue()
    header_extension = bits.flag()
    refuse(bits.flag(), "extensions")
    return Pps(
        extra_bits, output_flag, hides_signs, init_flag, references, qp, transform_skip, qp_delta,
        chroma_offsets, weighted, loop_across, deblocking_override, deblocking_off, lists_modified,
        header_extension,
    )  # fmt: skip


def read_slice(payload: bytes, sps: Sps, pps: Pps) -> Slice:
    """The header of a slice's NAL unit. Raises `UnsupportedError`."""
    bits = Bits(payload, MAX_HEADER)
    unit = payload[0] >> 1 & 63
    refuse(not bits.flag(), "several slices in a picture")
    if 16 <= unit <= 23:
        bits.take(1)
    refuse(bits.ue(), "a second picture parameter set")
    bits.take(pps.extra_bits)
    kind = bits.ue()
    refuse(kind > I_SLICE, "no such slice type")
    if pps.output_flag:
        bits.take(1)
    pictures, temporal_mvp = 0, False
    if unit not in (19, 20):
        bits.take(sps.poc_bits)
        sets = sps.reference_sets
        if not bits.flag():
            pictures = _reference_set(bits, len(sets), list(sets), last=True)
        else:
            refuse(not sets, "no reference set to choose from")
            index = bits.take((len(sets) - 1).bit_length())
            refuse(index >= len(sets), "a reference set that is not there")
            pictures = sets[index]
        temporal_mvp = sps.temporal_mvp and bits.flag()
    sao_luma = sps.sao and bits.flag()
    sao_chroma = sps.sao and bits.flag()
    references, zero_mvd, merge, init_flag = pps.references, False, 1, False
    if kind != I_SLICE:
        if bits.flag():
            references = bits.ue() + 1, bits.ue() + 1 if kind == B_SLICE else 1
        refuse(max(references) > 16, "more than 16 references")
        refuse(pps.lists_modified and pictures > 1, "reordered references")
        zero_mvd = kind == B_SLICE and bits.flag()
        init_flag = pps.init_flag and bits.flag()
        if temporal_mvp:
            from_first = kind == P_SLICE or bits.flag()
            if references[0 if from_first else 1] > 1:
                bits.ue()
        refuse(pps.weighted[kind == B_SLICE], "weighted prediction")
        merge = 5 - bits.ue()
        refuse(not 1 <= merge <= 5, "merge candidates out of range")
    qp = pps.qp + bits.se()
    if pps.chroma_offsets:
        bits.se()
        bits.se()
    deblocking_off = pps.deblocking_off
    if pps.deblocking_override and bits.flag():
        deblocking_off = bits.flag()
        if not deblocking_off:
            bits.se()
            bits.se()
    if pps.loop_across and (sao_luma or sao_chroma or not deblocking_off):
        bits.take(1)
    if pps.header_extension:
        bits.take(8 * bits.ue())
    refuse(not bits.flag(), "no alignment bit")
    refuse(bits.take(-bits.at % 8), "alignment bits that are not zero")
    init = 0 if kind == I_SLICE else 1 + (init_flag if kind == P_SLICE else not init_flag)
    return Slice(
        sps, pps, kind, init, qp, sao_luma, sao_chroma, references, zero_mvd, merge,
        2 + bits.at // 8,
    )  # fmt: skip
