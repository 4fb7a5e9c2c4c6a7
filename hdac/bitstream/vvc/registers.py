"""What VVC's parser of slice data knows: numbers of the slice's state, behind CABAC's contexts."""

from __future__ import annotations

from itertools import count

from hdac.bitstream.registers import CONTEXT
from hdac.bitstream.vvc.cabac import CONTEXTS

_next = count(CONTEXT + 4 * CONTEXTS).__next__


def _take(n: int) -> list[int]:
    return [_next() for _ in range(n)]


#: From the sequence's parameter set, by its names.
WIDTH, HEIGHT, MIN_BLOCK, TREE_BLOCK, MAX_TRANSFORM, MAX_SKIP = _take(6)
TRANSFORM_SKIP, BDPCM, MTS, MTS_INTRA, MTS_INTER, LFNST, JOINT_CBCR = _take(7)
AMVR, MMVD, MERGE_CANDIDATES, SBT, AFFINE, AFFINE_6, AFFINE_AMVR, BCW, CIIP = _take(9)
GPM, GPM_CANDIDATES, ISP, LINES, MIP, CCLM, BLOCK_COPY, COPY_CANDIDATES = _take(8)
#: From the slice header and what it stands in: whether it is an I slice, or has two lists, or trees
#: of chroma; the partitions of luma and of chroma, by four numbers (`Partitions`).
INTRA, BOTH, DUAL, PARTITIONS, _, _, _, _, _, _, _ = _take(11)
QP_DELTA, QP_DEPTH, REFERENCES, _, SYMMETRIC, BACKWARD, ZERO_MVD, SUBBLOCK_CANDIDATES = _take(8)
DEPENDENT, SIGN_HIDING, PLAIN_SKIP = _take(3)
#: In-loop filters: most of an offset; whether there is an adaptive filter, the sets of luma, the
#: filters of Cb, Cr, and across components into them.
SAO_LUMA, SAO_CHROMA, SAO_MOST, ALF, LUMA_SETS, ALF_CHROMA, _, CROSS, _ = _take(9)
#: 4x4 blocks in a row, rows of them; coding tree units in a row; QP, and whether the picture before
#: had a lower one, the same or a higher one.
STRIDE, ROWS, ACROSS, PACE = _take(4)
#: Where units are by 4x4 block (`maps`): of luma (or all planes) and of chroma, if it has a tree of
#: its own; of luma in the picture before, and in the last one whose QP was not higher than this
#: one's, which is split as finely. Where flags of coding tree units are: filters of three planes,
#: and across components of two.
LUMA, CHROMA, BEFORE, LIKE, FILTERED = _take(5)
#: Whether the quantisation group's QP is coded; the last merge index, at most 2, and the last kind
#: of motion.
QP_CODED, MERGED_LAST, MOTION_LAST = _take(3)
#: Whether chroma may be predicted from luma (clause 7.4.12.5): whether trees decide it; what luma's
#: and chroma's say.
CROSS_BOUND, CROSS_LUMA, CROSS_CHROMA = _take(3)

#: The present coding unit: place and size (of luma), its logarithms, tree, depth of quad splits.
X, Y, W, H, LOG_W, LOG_H, TREE, DEPTH = _take(8)
#: How it is coded; 1 + the merge index, 0 without; bits of a coded vector, at most 6; chroma from
#: luma: 1 not, 2 predicted; kind of motion and of intra mode (`maps`).
SKIPPED, OF_INTRA, COPIED, OF_AFFINE, OF_MIP, MERGED, MOVED, CODED = _take(8)
BDPCM_LUMA, BDPCM_CHROMA, OF_ISP, OF_CIIP, OF_SBT, CROSSED, MOTION, MODE = _take(8)
UNIT_END = MODE + 1
#: What models look at in a unit's motion: units to the left, above and in the picture before; what
#: is known, and three views.
LEFT, ABOVE, PAST, KNOWN, VIEWS, _, _ = _take(7)
#: And in its transforms; how it is predicted (below 48).
KIND, T_KNOWN, T_VIEWS, _, _ = _take(5)
#: Of transforms: `InferTuCbfLuma`, `prevTuCbfY`, blocks without a transform of luma and of chroma.
INFERRED, LAST_CODED, PLAIN_LUMA, PLAIN_CHROMA = _take(4)
#: Whether there is no coefficient but the first one, or none where the transform has none: of
#: low-frequency and of multiple transforms.
LFNST_DC_ONLY, LFNST_ROOM, MTS_DC_ONLY, MTS_ROOM = _take(4)
#: Of a transform block: how its unit is predicted, its size, both with its plane; samples in a row
#: of what follows; bins of the first pass that there may be; state of dependent quantisation;
#: sub-block, at most 3.
B_KIND, FORM, PACED, B_STRIDE, B_LEFT, QUANTISER, BLOCK = _take(7)

_SIDE = 34  # 32 coefficients, and two beyond that read as zero
#: Of a transform block's coefficients: what the first pass says, levels, whether they are not 0.
FIRST_PASS, LEVELS, FOUND = (2048 + n * _SIDE * _SIDE for n in range(3))
SUB_BLOCKS = 2048 + 3 * _SIDE * _SIDE  # whether they are coded, in rows of 10
LARGER = SUB_BLOCKS + 100  # places of coefficients that have a rest, 16 at most
#: Blocks of a coding tree that are still to come, the next one last, by `NODE` numbers. No side is
#: below 4: there are 10 splits one in another at most, that leave 4 blocks each.
NODE, STACK = 13, LARGER + 16
UNITS = STACK + NODE * 64  # where the maps may start
assert _next() <= 2048
