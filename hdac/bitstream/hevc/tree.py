"""The syntax of slice data: which bins come in which order, under which contexts.

One description for both directions: `code` gives each bin back, be it read from a slice or from
what the slice was recoded to. Here: sample adaptive offset, coding tree and coding units;
`prediction` and `residual` have the rest.

(Rec. ITU-T H.265, clauses 7.3.8 and 9.3.4.2; contexts are those of `cabac`.)
"""

from __future__ import annotations

from hdac.bitstream.arithmetic import close_encoder, exact, open_decoder, open_encoder
from hdac.bitstream.hevc import cabac as c
from hdac.bitstream.hevc.bins import (
    AMP_REST,
    EVEN,
    SAO_REST,
    code,
    flag_pcm,
    plain,
    terminate,
    unary,
)
from hdac.bitstream.hevc.maps import (
    ASYMMETRIC,
    DC,
    DEPTH,
    HEIGHT,
    INTRA,
    MIN_BLOCK,
    PACE,
    PAST_DEPTH,
    PAST_SKIPPED,
    PCM_END,
    PCM_FIRST,
    QP_CODED,
    QP_DELTA,
    SAO_CHROMA,
    SAO_LUMA,
    SKIPPED,
    TREE_BLOCK,
    TREE_STACK,
    UNIT_MODES,
    WIDTH,
    above_of,
    below,
    fill,
    left_of,
    place,
    quarters,
    right,
)
from hdac.bitstream.hevc.prediction import chroma_mode, luma_modes, merge_index, motion
from hdac.bitstream.hevc.residual import transforms
from hdac.bitstream.registers import MODE, PARSE, READ, Ints, Memory

#: Ways to part a coding unit: 2Nx2N, 2NxN, Nx2N, NxN, 2NxnU, 2NxnD, nLx2N, nRx2N; parts of each.
_WHOLE, _ROWS, _COLUMNS, _QUARTERS, _TOP, _BOTTOM, _LEFT, _RIGHT = range(8)
_PARTS = [1, 2, 2, 4, 2, 2, 2, 2]

_PACES = 156  # QP, and whether the picture before had a lower one, the same, or a higher one


def walk(s: Ints, m: Memory, tape: Ints) -> bool:
    """A slice's data. Parsed: whether the same bytes would come back from its bins.

    Raises `UnsupportedError` on what no encoder can have meant, and `DamagedError`.
    """
    if s[MODE] != READ:
        open_decoder(s, tape)
    if s[MODE] != PARSE:
        open_encoder(s)
    side = 1 << s[TREE_BLOCK]
    for y in range(0, s[HEIGHT], side):
        for x in range(0, s[WIDTH], side):
            if s[SAO_LUMA] or s[SAO_CHROMA]:
                _offset(s, m, tape, x, y)
            _tree(s, m, tape, x, y)
            terminate(s, tape, int(x + side >= s[WIDTH] and y + side >= s[HEIGHT]))
    if s[MODE] == PARSE:
        return exact(s, tape)
    close_encoder(s, tape)
    return True


def _offset(s: Ints, m: Memory, tape: Ints, x: int, y: int) -> None:
    """Sample adaptive offset of a coding tree unit (clause 7.3.8.3)."""
    if x and plain(s, m, tape, c.SAO_MERGE, 0):
        return
    if y and plain(s, m, tape, c.SAO_MERGE, 1):
        return
    kind = 0
    for plane in range(3):
        if not (s[SAO_CHROMA] if plane else s[SAO_LUMA]):
            continue
        chroma = int(plane > 0)
        if plane < 2:
            kind = plain(s, m, tape, c.SAO_TYPE, chroma)
            if kind:
                kind = 1 + plain(s, m, tape, SAO_REST, chroma)
        if not kind:
            continue
        offsets = 0  # that are not 0
        for _ in range(4):
            offsets += unary(s, m, tape, SAO_REST, 7, 2 + 8 * kind + 32 * chroma) > 0
        if kind == 1:  # bands: signs, position
            for _ in range(offsets):
                plain(s, m, tape, EVEN, 0)
            for i in range(5):
                plain(s, m, tape, SAO_REST, 64 + i)
        elif plane < 2:  # edges: direction
            first = plain(s, m, tape, SAO_REST, 70 + 3 * chroma)
            plain(s, m, tape, SAO_REST, 71 + 3 * chroma + first)


def _push(s: Ints, blocks: int, x: int, y: int, size: int, depth: int) -> int:
    at = TREE_STACK + 4 * blocks
    s[at], s[at + 1], s[at + 2], s[at + 3] = x, y, size, depth
    return blocks + 1


def _tree(s: Ints, m: Memory, tape: Ints, x: int, y: int) -> None:
    """A coding tree unit. Blocks of side `1 << size`, which start inside the picture; `depth` is at
    most 3."""
    blocks = _push(s, 0, x, y, s[TREE_BLOCK], 0)
    while blocks:
        blocks -= 1
        at = TREE_STACK + 4 * blocks
        x, y, size, depth = s[at], s[at + 1], s[at + 2], s[at + 3]
        side = 1 << size
        if size > s[MIN_BLOCK] and x + side <= s[WIDTH] and y + side <= s[HEIGHT]:
            split = _split(s, m, tape, x, y, size, depth)
        else:
            split = int(size > s[MIN_BLOCK])
        if s[QP_DELTA] >= 0 and size >= s[TREE_BLOCK] - s[QP_DELTA]:
            s[QP_CODED] = 0
        if not split:
            _unit(s, m, tape, x, y, size, depth)
            continue
        half = side >> 1
        for part in range(3, -1, -1):  # the last one is the next
            x1, y1 = x + (part & 1) * half, y + (part >> 1) * half
            if x1 < s[WIDTH] and y1 < s[HEIGHT]:
                blocks = _push(s, blocks, x1, y1, size - 1, depth + 1)


def _split(s: Ints, m: Memory, tape: Ints, x: int, y: int, size: int, depth: int) -> int:
    near = (left_of(s, s[DEPTH], x, y) > depth) + (above_of(s, s[DEPTH], x, y) > depth)
    d0, d1, d2, d3 = quarters(s, s[PAST_DEPTH], x, y, size)
    s0, s1, s2, s3 = quarters(s, s[PAST_SKIPPED], x, y, size)
    past = (d0 > depth) + (d3 > depth)
    around = 20 * max(d0, d1, d2, d3) + 4 * (s0 + s1 + s2 + s3)
    around += 2 * (right(s, s[PAST_DEPTH], x, y, size) > depth)
    around += below(s, s[PAST_DEPTH], x, y, size) > depth
    paced = (9 * depth + 3 * near + past) * _PACES + s[PACE]
    wider = 80 * depth + around
    known = 4 * min(depth, 2) + past
    return code(s, m, tape, c.SPLIT_CU + near, known, 3, place(s, x, y, depth), paced, wider)


def _unit(s: Ints, m: Memory, tape: Ints, x: int, y: int, size: int, depth: int) -> None:
    """A coding unit (clause 7.3.8.5)."""
    fill(s, s[DEPTH], x, y, size, depth)
    if not s[INTRA] and _skip(s, m, tape, x, y, size):
        fill(s, s[SKIPPED], x, y, size, 1)
        merge_index(s, m, tape, x, y, size, size)
        return
    smallest = size == s[MIN_BLOCK]
    if s[INTRA] or plain(s, m, tape, c.PRED_MODE, size - 3):
        parted = int(smallest and not plain(s, m, tape, c.PART_MODE, size))
        if not parted and s[PCM_FIRST] <= size < s[PCM_END]:
            flag_pcm(s, tape)
        luma_modes(s, m, tape, x, y, 1 << size, 1 + parted)
        chroma = chroma_mode(s, m, tape, s[UNIT_MODES])
        transforms(s, m, tape, x, y, size, 1, chroma, parted)
        return
    part, merged = _part(s, m, tape, size, smallest), 0
    for _ in range(_PARTS[part]):
        merged = motion(s, m, tape, x, y, size, part, depth)
    if (part == _WHOLE and merged) or plain(s, m, tape, c.ROOT_CBF, size - 3):
        transforms(s, m, tape, x, y, size, 0, DC, int(part != _WHOLE))


def _skip(s: Ints, m: Memory, tape: Ints, x: int, y: int, size: int) -> int:
    near = left_of(s, s[SKIPPED], x, y) + above_of(s, s[SKIPPED], x, y)
    s0, s1, s2, s3 = quarters(s, s[PAST_SKIPPED], x, y, size)
    past = s0 + s3
    paced = (9 * (size - 3) + 3 * near + past) * _PACES + s[PACE]
    around = 20 * (size - 3) + 4 * (s0 + s1 + s2 + s3)
    around += 2 * right(s, s[PAST_SKIPPED], x, y, size) + below(s, s[PAST_SKIPPED], x, y, size)
    known, where = 4 * (size - 3) + past, place(s, x, y, size - 3)
    return code(s, m, tape, c.SKIP + near, known, 3, where, paced, around)


def _part(s: Ints, m: Memory, tape: Ints, size: int, smallest: bool) -> int:
    if plain(s, m, tape, c.PART_MODE, size):
        return _WHOLE
    flat = plain(s, m, tape, c.PART_MODE + 1, size)
    if smallest:
        if flat:
            return _ROWS
        if size == 3 or plain(s, m, tape, c.PART_MODE + 2, size):
            return _COLUMNS
        return _QUARTERS
    if not s[ASYMMETRIC] or plain(s, m, tape, c.PART_MODE + 3, size + 8 * flat):
        return _ROWS if flat else _COLUMNS
    late = plain(s, m, tape, AMP_REST, flat)
    return (_TOP if flat else _LEFT) + late
