"""Transform trees and units of coding units.

(Rec. ITU-T H.266, clauses 7.3.11.5, 7.3.11.9, 7.3.11.10 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import EVEN, QP_REST, exp_golomb, plain, viewed
from hdac.bitstream.vvc.maps import (
    CHROMA_TREE,
    LUMA_TREE,
    SINGLE_TREE,
    above_of,
    coded,
    left_of,
    middle,
    of_tree,
    shape,
)
from hdac.bitstream.vvc.residual import residual

_ROWS, _COLUMNS = 1, 2  # of intra sub-partitions


def transforms(s: Ints, m: Memory, tape: Ints) -> None:
    """The present coding unit's."""
    x, y, width, height = s[r.X], s[r.Y], s[r.W], s[r.H]
    units, form, intra = of_tree(s, s[r.TREE]), shape(width, height), s[r.OF_INTRA]
    near = coded(left_of(s, units, x, y)) + coded(above_of(s, units, x, y))
    near = 3 * near + coded(middle(s, s[r.BEFORE]))
    s[r.KIND] = kind = 16 * s[r.TREE] + (7 + s[r.MODE] if intra else s[r.MOTION])
    s[r.T_KNOWN] = 4 * form + intra
    s[r.T_VIEWS] = 16 * kind + near
    s[r.T_VIEWS + 1] = 49 * kind + form
    s[r.T_VIEWS + 2] = 2 * s[r.PACE] + intra
    s[r.INFERRED], s[r.LAST_CODED], s[r.PLAIN_LUMA], s[r.PLAIN_CHROMA] = 1, 0, 0, 0
    for register in range(r.LFNST_DC_ONLY, r.MTS_ROOM + 1):
        s[register] = 1
    small = int(max(width, height) <= 1 << s[r.MAX_TRANSFORM])
    turned = first = 0
    if not (intra or s[r.COPIED] or s[r.OF_CIIP]) and s[r.SBT] and small:
        turned, first = _sub_blocks(s, m, tape)
    if s[r.OF_SBT]:
        _half(s, m, tape, turned, first)
    elif s[r.OF_ISP]:
        _partitions(s, m, tape)
    else:
        _tree(s, m, tape, width, height)
    if not _lfnst(s, m, tape, small):
        _multiple(s, m, tape)


def _sub_blocks(s: Ints, m: Memory, tape: Ints) -> tuple[int, int]:
    """Whether only a part has a transform: if it lies, and quarters of the first part."""
    width, height = s[r.W], s[r.H]
    longer, shorter = max(width, height), min(width, height)
    context = c.SBT + (width * height <= 256)
    if longer < 8 or not viewed(s, m, tape, context, s[r.T_KNOWN], r.T_VIEWS):
        return 0, 0
    quarter = 0
    if longer >= 16:
        quarter = plain(s, m, tape, c.SBT_QUAD, 0)
    least = 16 if quarter else 8
    turned = int(height >= least)
    if shorter >= least:
        form = 0 if width == height else 1 if width < height else 2
        turned = plain(s, m, tape, c.SBT_HORIZONTAL + form, 0)
    s[r.OF_SBT] = 1 + plain(s, m, tape, c.SBT_POSITION, 0)
    first = 1 if quarter else 2
    return turned, 4 - first if s[r.OF_SBT] == 2 else first


def _half(s: Ints, m: Memory, tape: Ints, turned: int, first: int) -> None:
    width, height = s[r.W], s[r.H]
    for part in range(2):
        has = int(part == s[r.OF_SBT] - 1)
        if turned:
            size = height * first // 4
            _block(s, m, tape, width, height - size if part else size, 0, has)
        else:
            size = width * first // 4
            _block(s, m, tape, width - size if part else size, height, 0, has)


def _partitions(s: Ints, m: Memory, tape: Ints) -> None:
    width, height = s[r.W], s[r.H]
    count = 2 if width * height == 32 else 4
    if s[r.OF_ISP] == _ROWS:
        height //= count
    else:
        width //= count
    for part in range(count):
        _block(s, m, tape, width, height, 1 + (part == count - 1), 1)


def _tree(s: Ints, m: Memory, tape: Ints, width: int, height: int) -> None:
    """Halves sides until they are transforms'; that gives blocks of one size."""
    most, count = 1 << s[r.MAX_TRANSFORM], 1
    while width > most or height > most:
        if width > most and width > height:
            width //= 2
        else:
            height //= 2
        count *= 2
    for _ in range(count):
        _block(s, m, tape, width, height, 0, 1)


def _block(s: Ints, m: Memory, tape: Ints, width: int, height: int, part: int, has: int) -> None:
    """A transform unit; `part`: 1 an intra sub-partition, 2 the last one. `has`: it may have
    coefficients."""
    known, tree, intra = s[r.T_KNOWN], s[r.TREE], s[r.OF_INTRA]
    chroma = tree != LUMA_TREE and part != 1
    cb = cr = luma = 0
    if chroma and has:
        cb = viewed(s, m, tape, c.CODED_CB + s[r.BDPCM_CHROMA], known, r.T_VIEWS)
        context = c.CODED_CR + (2 if s[r.BDPCM_CHROMA] else cb)
        cr = viewed(s, m, tape, context, known, r.T_VIEWS)
    if tree != CHROMA_TREE:
        if has:
            luma = _coded_luma(s, m, tape, part, cb | cr)
        large = s[r.W] > 64 or s[r.H] > 64
        if s[r.QP_DELTA] and not s[r.QP_CODED] and (large or luma or cb or cr):
            _qp_delta(s, m, tape)
    joint = 0
    if s[r.JOINT_CBCR] and ((intra and (cb or cr)) or (cb and cr)):
        joint = viewed(s, m, tape, c.JOINT_CBCR + 2 * cb + cr - 1, known, r.T_VIEWS)
    if luma:
        _residual(s, m, tape, width, height, 0, int(part > 0))
    if not chroma:
        return
    if part:
        width, height = s[r.W], s[r.H]
    if cb:
        _residual(s, m, tape, width // 2, height // 2, 1, 0)
    if cr and not (cb and joint):
        _residual(s, m, tape, width // 2, height // 2, 1, 0)


def _coded_luma(s: Ints, m: Memory, tape: Ints, part: int, chroma: int) -> int:
    known, most = s[r.T_KNOWN], 1 << s[r.MAX_TRANSFORM]
    if part:
        has = 1
        if part == 1 or not s[r.INFERRED]:
            context = c.CODED_Y + (1 if s[r.BDPCM_LUMA] else 2 + s[r.LAST_CODED])
            has = viewed(s, m, tape, context, known + 2, r.T_VIEWS)
        s[r.LAST_CODED] = has
        if has:
            s[r.INFERRED] = 0
        return has
    if s[r.OF_INTRA] or chroma or s[r.W] > most or s[r.H] > most:
        return viewed(s, m, tape, c.CODED_Y + s[r.BDPCM_LUMA], known, r.T_VIEWS)
    return 1


def _qp_delta(s: Ints, m: Memory, tape: Ints) -> None:
    s[r.QP_CODED] = 1
    if not plain(s, m, tape, c.QP_DELTA, 0):
        return
    count = 1
    while count < 5 and plain(s, m, tape, c.QP_DELTA + 1, count):
        count += 1
    if count == 5:
        exp_golomb(s, m, tape, QP_REST, 0, 6, 6, 0)
    plain(s, m, tape, EVEN, 0)


def _residual(
    s: Ints, m: Memory, tape: Ints, width: int, height: int, chroma: int, part: int
) -> None:
    skip = s[r.BDPCM_CHROMA] if chroma else s[r.BDPCM_LUMA]
    if (
        s[r.TRANSFORM_SKIP]
        and not skip
        and not part
        and not s[r.OF_SBT]
        and max(width, height) <= 1 << s[r.MAX_SKIP]
    ):
        skip = plain(s, m, tape, c.TRANSFORM_SKIP + chroma, s[r.T_KNOWN])
    if skip:
        s[r.PLAIN_CHROMA if chroma else r.PLAIN_LUMA] = 1
    residual(s, m, tape, width, height, chroma, skip)


def _lfnst(s: Ints, m: Memory, tape: Ints, small: int) -> int:
    """`lfnst_idx`."""
    if not (s[r.LFNST] and s[r.OF_INTRA] and small) or s[r.PLAIN_LUMA] or s[r.PLAIN_CHROMA]:
        return 0
    width, height, chroma = s[r.W], s[r.H], s[r.TREE] == CHROMA_TREE
    if chroma:
        width, height = width // 2, height // 2
    elif s[r.OF_ISP]:
        count = 2 if width * height == 32 else 4
        if s[r.OF_ISP] == _ROWS:
            height //= count
        else:
            width //= count
    least = 16 if s[r.OF_MIP] and not chroma else 4
    if min(width, height) < least or not s[r.LFNST_ROOM]:
        return 0
    if not s[r.OF_ISP] and s[r.LFNST_DC_ONLY]:
        return 0
    context = c.LFNST + (s[r.TREE] != SINGLE_TREE)
    if not viewed(s, m, tape, context, s[r.T_KNOWN], r.T_VIEWS):
        return 0
    return 1 + viewed(s, m, tape, c.LFNST + 2, s[r.T_KNOWN], r.T_VIEWS)


def _multiple(s: Ints, m: Memory, tape: Ints) -> None:
    """`mts_idx`."""
    allowed = s[r.MTS_INTER] and not s[r.COPIED]
    if s[r.OF_INTRA]:
        allowed = s[r.MTS_INTRA] > 0
    if (
        not allowed
        or s[r.TREE] == CHROMA_TREE
        or s[r.PLAIN_LUMA]
        or max(s[r.W], s[r.H]) > 32
        or s[r.OF_ISP]
        or s[r.OF_SBT]
        or not s[r.MTS_ROOM]
        or s[r.MTS_DC_ONLY]
    ):
        return
    index = 0
    while index < 4 and viewed(s, m, tape, c.MTS + index, s[r.T_KNOWN], r.T_VIEWS):
        index += 1
