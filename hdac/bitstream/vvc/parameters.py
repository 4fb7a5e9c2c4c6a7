"""Parameter sets of VVC, as far as slice data and its headers depend on them.

What libvvenc does not write for our settings (tiles, wavefronts, several slices, subpictures,
layers, screen content tools, weighted prediction, range extensions) is refused with
`UnsupportedError`.

(Rec. ITU-T H.266, clause 7.3.2.)
"""

from __future__ import annotations

from typing import NamedTuple

from hdac.bitstream.hevc.parameters import Bits, refuse

SPS_UNIT, PPS_UNIT, PREFIX_APS_UNIT, SUFFIX_APS_UNIT = 15, 16, 17, 18
_MAX_SET = 1024  # bytes of a parameter set that are looked at
_MAX_SIDE = 4160  # the codec's largest picture, padded


def limited(bits: Bits, most: int) -> int:
    """An Exp-Golomb code that is at most so large."""
    value = bits.ue()
    refuse(value > most, "a header's number out of range")
    return value


class Partitions(NamedTuple):
    """How far coding trees may be split: base-2 logarithms of sides in luma samples, and the most
    binary and ternary splits one in another."""

    min_quad: int
    max_binary: int
    max_ternary: int
    depth: int


def read_partitions(bits: Bits, min_block: int, tree_block: int) -> Partitions:
    min_quad, depth = min_block + limited(bits, 6), limited(bits, 10)
    binary = ternary = min_quad
    if depth:
        binary, ternary = min_quad + limited(bits, 7), min_quad + limited(bits, 7)
    refuse(max(min_quad, binary, ternary) > tree_block, "splits out of range")
    return Partitions(min_quad, binary, ternary, depth)


def read_references(bits: Bits, sps: Sps) -> tuple[int, ...]:
    """How long before this picture each of a list's pictures is shown (clause 7.3.10)."""
    found: list[int] = []
    for i in range(limited(bits, 15)):
        step = bits.ue()
        if not (sps.weighted and i):
            step += 1
        if step and not bits.flag():
            step = -step
        found.append((found[-1] if i else 0) + step)
    return tuple(found)


def _profile(bits: Bits, layers: int) -> None:
    """Profile, tier and level (clause 7.3.3)."""
    bits.take(18)
    refuse(bits.flag(), "constraints that are sent")
    bits.take(-bits.at % 8)
    present = [bits.flag() for _ in range(layers)]
    bits.take(-bits.at % 8)
    bits.take(8 * sum(present))
    for _ in range(bits.take(8)):
        bits.take(32)


def _chroma_tables(bits: Bits, joint: bool) -> None:
    """How chroma QPs follow from luma's."""
    for _ in range(1 if bits.flag() else 2 + joint):
        bits.se()
        for _ in range(limited(bits, 63) + 1):
            bits.ue()
            bits.ue()


class Sps:
    """`payload`: the NAL unit with its header of two bytes. Raises `UnsupportedError`.

    Sizes are base-2 logarithms of sides in luma samples; `poc_bits` of the picture order count in
    picture headers, `cycle_bits` of its cycle there, if any. What allows a tool has its name.
    """

    def __init__(self, payload: bytes) -> None:
        bits = Bits(payload, _MAX_SET)
        refuse(bits.take(8), "a second parameter set, or layers")
        layers = bits.take(3)
        refuse(bits.take(2) != 1, "other sampling than 4:2:0")
        self.tree_block = 5 + bits.take(2)
        refuse(self.tree_block > 7, "coding tree blocks of more than 128")
        self._sizes(bits, layers)
        self._splits(bits)
        self._transforms(bits)
        self._filters(bits)
        self._references(bits)
        self._inter(bits)
        self._intra(bits)
        self._end(bits)

    def _sizes(self, bits: Bits, layers: int) -> None:
        flag = bits.flag
        described = flag()
        if described:
            _profile(bits, layers)
        flag()
        refuse(flag(), "sizes that change")
        self.width, self.height = bits.ue(), bits.ue()
        sides = (self.width, self.height)
        refuse(not all(8 <= side <= _MAX_SIDE for side in sides), "sizes out of range")
        for _ in range(4 * flag()):
            bits.ue()
        refuse(flag(), "subpictures")
        self.depth = 8 + bits.ue()
        refuse(self.depth > 10, "more than 10 bits a sample")
        refuse(flag(), "wavefronts")
        flag()
        self.poc_bits = 4 + bits.take(4)
        self.cycle_bits = 1 + limited(bits, 27) if flag() else 0
        self.extra_picture_bits = sum(flag() for _ in range(8 * bits.take(2)))
        self.extra_slice_bits = sum(flag() for _ in range(8 * bits.take(2)))
        if described:
            for _ in range(layers + 1 if layers and flag() else 1):
                for _ in range(3):
                    bits.ue()
        self._described, self._layers = described, layers

    def _splits(self, bits: Bits) -> None:
        self.min_block = 2 + limited(bits, 4)
        block = 1 << max(3, self.min_block)
        refuse(self.min_block > self.tree_block, "block sizes out of range")
        refuse(self.width % block or self.height % block, "a size that is no multiple of 8")
        self.partitions_override = bits.flag()
        self.intra = self.chroma = read_partitions(bits, self.min_block, self.tree_block)
        self.dual_tree = bits.flag()
        if self.dual_tree:
            self.chroma = read_partitions(bits, self.min_block, self.tree_block)
        self.inter = read_partitions(bits, self.min_block, self.tree_block)

    def _transforms(self, bits: Bits) -> None:
        flag = bits.flag
        self.max_transform = 6 if self.tree_block > 5 and flag() else 5
        self.transform_skip = flag()
        self.max_skip = 2 + limited(bits, 3) if self.transform_skip else 0
        self.bdpcm = self.transform_skip and flag()
        self.mts = flag()
        self.mts_intra, self.mts_inter = (flag(), flag()) if self.mts else (False, False)
        self.lfnst = flag()
        self.joint_cbcr = flag()
        _chroma_tables(bits, self.joint_cbcr)

    def _filters(self, bits: Bits) -> None:
        flag = bits.flag
        self.sao, self.alf = flag(), flag()
        self.cross_alf = self.alf and flag()
        self.lmcs = flag()

    def _references(self, bits: Bits) -> None:
        flag = bits.flag
        one, two = flag(), flag()
        self.weighted = one or two
        refuse(flag(), "long-term references")
        self.idr_references = flag()
        self.lists: list[list[tuple[int, ...]]] = []
        for _ in range(1 if flag() else 2):
            self.lists.append([read_references(bits, self) for _ in range(limited(bits, 64))])
        self.lists = [self.lists[0], self.lists[-1]]
        refuse(flag(), "references that wrap around")

    def _inter(self, bits: Bits) -> None:
        flag = bits.flag
        self.temporal_mvp = flag()
        self.subblock_mvp = self.temporal_mvp and flag()
        self.amvr = flag()
        self.bdof_control = flag() and flag()
        self.symmetric_mvd = flag()
        self.dmvr_control = flag() and flag()
        self.mmvd = flag()
        self.mmvd_control = self.mmvd and flag()
        self.merge_candidates = 6 - limited(bits, 5)
        self.sbt, self.affine = flag(), flag()
        self.subblock_candidates = 0
        self.affine_6, self.affine_amvr, self.prof_control = False, False, False
        if self.affine:
            self.subblock_candidates = 5 - limited(bits, 5)
            self.affine_6 = flag()
            self.affine_amvr = self.amvr and flag()
            self.prof_control = flag() and flag()
        self.bcw, self.ciip = flag(), flag()
        self.gpm = self.merge_candidates > 1 and flag()
        self.gpm_candidates = 2
        if self.gpm and self.merge_candidates > 2:
            self.gpm_candidates = self.merge_candidates - limited(bits, self.merge_candidates - 2)
        bits.ue()

    def _intra(self, bits: Bits) -> None:
        flag = bits.flag
        self.isp, self.reference_lines, self.mip, self.cclm = (flag() for _ in range(4))
        bits.take(2)
        refuse(flag(), "palettes")
        if self.transform_skip:
            bits.ue()
        self.block_copy = flag()
        self.copy_candidates = 6 - limited(bits, 5) if self.block_copy else 0

    def _end(self, bits: Bits) -> None:
        flag = bits.flag
        if flag():  # deblocking that adapts to luma
            count = bits.take(2) + 1
            bits.se()
            for _ in range(count):
                bits.se()
                bits.ue()
        refuse(flag(), "scaling lists that are sent")
        self.dependent_quantisation, self.sign_hiding = flag(), flag()
        refuse(flag(), "virtual boundaries")
        if self._described and flag():
            bits.take(64)
            refuse(bits.take(2), "a reference decoder's parameters")
            for _ in range(self._layers + 1 if self._layers and flag() else 1):
                if flag() or flag():
                    bits.ue()
        refuse(flag(), "fields")
        if flag():
            size = bits.ue() + 1
            bits.take(-bits.at % 8)
            bits.take(8 * size)
        refuse(flag(), "extensions")

    def fits(self, width: int, height: int) -> bool:
        """Whether pictures of this size, padded to whole smallest blocks, are the sequence's."""
        block = 1 << max(3, self.min_block)
        return 0 <= self.width - width < block and 0 <= self.height - height < block


class Pps:
    """`payload`: the NAL unit with its header of two bytes. Raises `UnsupportedError`."""

    def __init__(self, payload: bytes) -> None:
        bits = Bits(payload, _MAX_SET)
        flag = bits.flag
        refuse(bits.take(10), "a second parameter set")
        refuse(flag(), "pictures of mixed NAL units")
        self.width, self.height = bits.ue(), bits.ue()
        for _ in range(4 * flag()):
            bits.ue()
        refuse(flag(), "scaled references")
        self.output_flag = flag()
        refuse(not flag(), "tiles or several slices")
        refuse(flag(), "subpictures")
        self.init_flag = flag()
        self.references = (1 + limited(bits, 14), 1 + limited(bits, 14))
        self.second_list = flag()
        refuse(flag() or flag(), "weighted prediction")
        refuse(flag(), "references that wrap around")
        self.qp = 26 + bits.se()
        self.qp_delta, tool_offsets = flag(), flag()
        self.chroma_offsets = False
        if tool_offsets:
            bits.se()
            bits.se()
            if flag():
                bits.se()
            self.chroma_offsets = flag()
            refuse(flag(), "chroma offsets of blocks")
        self.tool_offsets = tool_offsets
        self.deblocking_override = self.deblocking_off = False
        if flag():
            self.deblocking_override, self.deblocking_off = flag(), flag()
            if not self.deblocking_off:
                for _ in range(6 if tool_offsets else 2):
                    bits.se()
        self.picture_extension, self.slice_extension = flag(), flag()
        refuse(flag(), "extensions")


class Aps(NamedTuple):
    """How many filters an adaptation parameter set has: for chroma, and across components."""

    chroma: int
    cross_cb: int
    cross_cr: int


def _coefficients(bits: Bits, count: int) -> None:
    for _ in range(count):
        if bits.ue():
            bits.take(1)


def read_aps(payload: bytes) -> tuple[int, Aps | None]:
    """The number of an adaptation parameter set, and what it has of the adaptive loop filter; None
    if it is of another kind (clause 7.3.2.17)."""
    bits = Bits(payload, _MAX_SET)
    kind, number, chroma = bits.take(3), bits.take(5), bits.flag()
    if kind:
        return number, None
    refuse(number > 7, "filters out of range")
    luma, of_chroma, cross = bits.flag(), False, [False, False]
    if chroma:
        of_chroma, *cross = (bits.flag() for _ in range(3))
    if luma:
        clipped = bits.flag()
        filters = limited(bits, 24) + 1
        bits.take(25 * (filters - 1).bit_length())
        _coefficients(bits, 12 * filters)
        bits.take(24 * filters * clipped)
    alternatives, counts = 1, [0, 0]
    if of_chroma:
        clipped = bits.flag()
        alternatives = limited(bits, 7) + 1
        for _ in range(alternatives):
            _coefficients(bits, 6)
            bits.take(12 * clipped)
    for i in range(2):
        if cross[i]:
            counts[i] = limited(bits, 3) + 1
            for _ in range(7 * counts[i]):
                if bits.take(3):
                    bits.take(1)
    return number, Aps(alternatives, counts[0], counts[1])
