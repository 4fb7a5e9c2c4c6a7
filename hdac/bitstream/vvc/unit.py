"""Coding units: how they are predicted, and intra modes.

(Rec. ITU-T H.266, clauses 7.3.11.5 and 9.3.4.2.)
"""

from __future__ import annotations

from hdac.bitstream.registers import Ints, Memory
from hdac.bitstream.vvc import cabac as c
from hdac.bitstream.vvc import registers as r
from hdac.bitstream.vvc.bins import (
    CHROMA_REST,
    MIP_REST,
    MODE_REST,
    MPM_REST,
    PACES,
    code,
    plain,
    truncated_binary,
    unary,
)
from hdac.bitstream.vvc.maps import (
    BINARY_COLUMNS,
    BINARY_ROWS,
    CHROMA_TREE,
    COPIED_LEVELS,
    FAR_LINE,
    INTER,
    INTRA,
    LUMA_TREE,
    MATRIX,
    OTHER,
    PARTED,
    PLANAR,
    PROBABLE,
    QUAD,
    WHOLE,
    above_of,
    below,
    coded,
    copied,
    crossed,
    fill,
    intra,
    left_of,
    log2,
    middle,
    mip,
    mode,
    of_tree,
    place,
    quarters,
    right_of,
    shape,
    skipped,
)
from hdac.bitstream.vvc.motion import motion_data
from hdac.bitstream.vvc.transform import transforms


def cross_component(
    s: Ints, tree: int, width: int, height: int, multi: int, parent: int, split: int
) -> None:
    """Whether chroma may be predicted from luma where both have trees of their own: what the trees
    of a 64x64 block make of it, one of which was split (`CclmEnabled`, clause 7.4.12.5)."""
    if not s[r.CROSS_BOUND]:
        return
    if width == height == 64 and multi == 0:
        plane = r.CROSS_LUMA if tree == LUMA_TREE else r.CROSS_CHROMA
        s[plane] = int(split in (WHOLE, QUAD))
    elif (
        tree == CHROMA_TREE
        and width == 64
        and height == 32
        and multi == 1
        and parent == BINARY_ROWS
    ):
        s[r.CROSS_CHROMA] = int(split in (WHOLE, BINARY_COLUMNS))


def coding_unit(
    s: Ints,
    m: Memory,
    tape: Ints,
    x: int,
    y: int,
    width: int,
    height: int,
    tree: int,
    depth: int,
    allowed: int,
) -> None:
    """Clause 7.3.11.5. `allowed`: how it may be predicted."""
    for register in range(r.SKIPPED, r.UNIT_END):
        s[register] = 0
    s[r.X], s[r.Y], s[r.W], s[r.H] = x, y, width, height
    s[r.LOG_W], s[r.LOG_H], s[r.TREE], s[r.DEPTH] = log2(width), log2(height), tree, depth
    _prediction(s, m, tape, allowed)
    merged = 0
    if s[r.OF_INTRA]:
        if tree != CHROMA_TREE:
            _luma(s, m, tape)
        if tree != LUMA_TREE:
            _chroma(s, m, tape)
    else:
        merged = motion_data(s, m, tape)
    if s[r.OF_INTRA] or merged:
        s[r.CODED] = 1 - s[r.SKIPPED]
    else:
        past = middle(s, s[r.BEFORE])
        left, above = left_of(s, s[r.LUMA], x, y), above_of(s, s[r.LUMA], x, y)
        near = 3 * (coded(left) + coded(above)) + coded(past) + skipped(past)
        s[r.CODED] = code(
            s, m, tape, c.CU_CODED, shape(width, height), 3, 16 * near + s[r.MOTION], s[r.PACE],
            16 * s[r.MOVED] + s[r.MOTION],
        )  # fmt: skip
    fill(s)
    if s[r.CODED]:
        transforms(s, m, tape)


def _prediction(s: Ints, m: Memory, tape: Ints, allowed: int) -> None:
    """Whether a unit is skipped, and what it is predicted from."""
    x, y, tree, longer = s[r.X], s[r.Y], s[r.TREE], max(s[r.W], s[r.H])
    smallest = s[r.W] == 4 and s[r.H] == 4
    copies = s[r.BLOCK_COPY] and longer <= 64 and tree != CHROMA_TREE
    if s[r.INTRA] and longer > 64:
        allowed = INTRA
    s[r.OF_INTRA] = 1
    if s[r.INTRA] and not s[r.BLOCK_COPY]:
        return
    units = of_tree(s, tree)
    left, above = left_of(s, units, x, y), above_of(s, units, x, y)
    past = middle(s, s[r.BEFORE])
    alone = smallest or allowed == INTRA
    if tree != CHROMA_TREE and (not alone or copies):
        s[r.SKIPPED] = _skip(s, m, tape, skipped(left) + skipped(above))
    if not (alone or s[r.INTRA]):
        s[r.OF_INTRA] = 0
        if allowed != INTER and not s[r.SKIPPED]:
            near = 4 * intra(past) + 2 * intra(left) + intra(above)
            context = c.PRED_MODE + (intra(left) | intra(above))
            s[r.OF_INTRA] = code(
                s, m, tape, context, shape(s[r.W], s[r.H]), 2, near, 2 * s[r.PACE] + intra(past), 0
            )
    if not copies or allowed == INTER:
        return
    copy = 0
    if s[r.SKIPPED] and (alone or s[r.INTRA]):
        copy = 1
    elif s[r.SKIPPED] or s[r.INTRA] or not s[r.OF_INTRA] or alone:
        copy = plain(s, m, tape, c.COPY + copied(left) + copied(above), 0)
    s[r.COPIED] = copy
    if copy:
        s[r.OF_INTRA] = 0


def _skip(s: Ints, m: Memory, tape: Ints, near: int) -> int:
    x, y, width, height = s[r.X], s[r.Y], s[r.W], s[r.H]
    form = shape(width, height)
    skips, _, _, _ = quarters(s, s[r.BEFORE], x, y, width, height)
    alike, _, _, _ = quarters(s, s[r.LIKE], x, y, width, height)
    right, under = right_of(s, s[r.LIKE], x, y, width), below(s, s[r.LIKE], x, y, height)
    often = (skips > 0) + (skips == 4)
    paced = (9 * form + 3 * near + often) * PACES + s[r.PACE]
    around = ((form * 5 + alike) * 3 + near) * 4 + 2 * skipped(right) + skipped(under)
    where = place(s, x, y, min(15, s[r.LOG_W] + s[r.LOG_H]) // 2)
    return code(s, m, tape, c.SKIP + near, 5 * form + skips, 3, where, paced, around)


def _luma(s: Ints, m: Memory, tape: Ints) -> None:
    """The intra mode of luma."""
    width, height = s[r.W], s[r.H]
    longer, shorter = max(width, height), min(width, height)
    left = left_of(s, s[r.LUMA], s[r.X], s[r.Y])
    above = above_of(s, s[r.LUMA], s[r.X], s[r.Y])
    near, form = 8 * mode(left) + mode(above), shape(width, height)
    w0, w1, w2 = 49 * near + form, near, PACES * min(15, s[r.LOG_W] + s[r.LOG_H]) + s[r.PACE]
    if (
        s[r.BDPCM]
        and longer <= 1 << s[r.MAX_SKIP]
        and code(s, m, tape, c.BDPCM_LUMA, form, 3, w0, w1, w2)
    ):
        plain(s, m, tape, c.BDPCM_LUMA_DIRECTION, 0)
        s[r.BDPCM_LUMA], s[r.MODE] = 1, COPIED_LEVELS
        return
    if s[r.MIP]:
        context = c.MIP + (3 if longer > 2 * shorter else mip(left) + mip(above))
        s[r.OF_MIP] = code(s, m, tape, context, form, 3, w0, w1, w2)
        if s[r.OF_MIP]:
            s[r.MODE] = MATRIX
            plain(s, m, tape, MIP_REST, 0)
            most = 5
            if longer == 4:
                most = 15
            elif shorter == 4 or longer == 8:
                most = 7
            truncated_binary(s, m, tape, MIP_REST, most, 64 * most)
            return
    line = 0
    if s[r.LINES] and s[r.Y] & (1 << s[r.TREE_BLOCK]) - 1:
        while line < 2 and code(s, m, tape, c.REFERENCE_LINE + line, form, 3, w0, w1, w2):
            line += 1
    if (
        s[r.ISP]
        and not line
        and longer <= 1 << s[r.MAX_TRANSFORM]
        and width * height > 16
        and code(s, m, tape, c.ISP, form, 3, w0, w1, w2)
    ):
        s[r.OF_ISP] = 1 + plain(s, m, tape, c.ISP_SPLIT, form)
        if width == 64 and height == 64:
            s[r.CROSS_LUMA] = 0
    kind = FAR_LINE if line else PARTED if s[r.OF_ISP] else PROBABLE
    known = 4 * form + kind - PROBABLE
    s[r.MODE] = PLANAR
    if not line and not code(s, m, tape, c.MPM, known, 3, w0, w1, w2):
        truncated_binary(s, m, tape, MODE_REST, 60, 0)
        s[r.MODE] = OTHER
    elif line or code(s, m, tape, c.NOT_PLANAR + (not s[r.OF_ISP]), known, 3, w0, w1, w2):
        unary(s, m, tape, MPM_REST, 4, 8 * kind)
        s[r.MODE] = PROBABLE
    if kind != PROBABLE:
        s[r.MODE] = kind


def _chroma(s: Ints, m: Memory, tape: Ints) -> None:
    """The intra mode of chroma."""
    form, tree = shape(s[r.W], s[r.H]), s[r.TREE]
    if s[r.BDPCM] and max(s[r.W], s[r.H]) <= 2 << s[r.MAX_SKIP]:
        s[r.BDPCM_CHROMA] = plain(s, m, tape, c.BDPCM_CHROMA, form)
        if s[r.BDPCM_CHROMA]:
            plain(s, m, tape, c.BDPCM_CHROMA_DIRECTION, 0)
            return
    luma = mode(middle(s, s[r.LUMA])) if tree == CHROMA_TREE else s[r.MODE]
    units = of_tree(s, tree)
    left = left_of(s, units, s[r.X], s[r.Y])
    above = above_of(s, units, s[r.X], s[r.Y])
    w0, w1 = 8 * form + luma, 9 * luma + 3 * crossed(left) + crossed(above)
    if s[r.CCLM] and (not s[r.CROSS_BOUND] or (s[r.CROSS_LUMA] and s[r.CROSS_CHROMA])):
        s[r.CROSSED] = 1 + code(s, m, tape, c.CCLM, form, 2, w0, w1, 0)
    if s[r.CROSSED] == 2:
        if code(s, m, tape, c.CCLM_INDEX, form, 2, w0, w1, 0):
            plain(s, m, tape, CHROMA_REST, 0)
    elif code(s, m, tape, c.CHROMA_MODE, form, 2, w0, w1, 0):
        first = plain(s, m, tape, CHROMA_REST, 1)
        plain(s, m, tape, CHROMA_REST, 2 + first)
