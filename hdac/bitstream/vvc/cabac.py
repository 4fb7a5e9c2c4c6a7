"""CABAC, the arithmetic coder of VVC: bins with a context; `arithmetic` has the others. Registers
are those of HEVC; probabilities are new: each is the mean of a fast and a slow one.

(Rec. ITU-T H.266, clause 9.3: initial values and rates, tables 51 to 126; ranges and states, clause
9.3.4.3.2.)
"""

from __future__ import annotations

from itertools import accumulate

from hdac.bitstream.arithmetic import SHIFT, fetch, narrow
from hdac.bitstream.registers import (
    CONTEXT,
    IN_HAVE,
    IN_OFFSET,
    IN_RANGE,
    OUT_LOW,
    OUT_RANGE,
    Ints,
)

_NONE = 35  # initial value where slices of a type have no such element
#: Of each syntax element: `initValue` of its contexts for `initType` 0 (I slices), 1 and 2, and
#: `shiftIdx`.
_TABLES = (
    # alf_ctb_flag, alf_use_aps_flag, alf_ctb_cc_cb_idc, alf_ctb_cc_cr_idc, alf_ctb_filter_alt_idx
    (
        (62, 39, 39, 54, 39, 39, 31, 39, 39), (13, 23, 46, 4, 61, 54, 19, 46, 54),
        (33, 52, 46, 25, 61, 54, 25, 61, 54), (0, 0, 0, 4, 0, 0, 1, 0, 0),
    ),
    ((46,), (46,), (46,), (0,)),
    ((18, 30, 31), (18, 21, 38), (25, 35, 38), (4, 1, 4)),
    ((18, 30, 31), (18, 21, 38), (25, 28, 38), (4, 1, 4)),
    ((11, 11), (20, 12), (11, 26), (0, 0)),
    # sao_merge_left_flag and sao_merge_up_flag, sao_type_idx
    ((60,), (60,), (2,), (0,)),
    ((13,), (5,), (2,), (4,)),
    # split_cu_flag, split_qt_flag, mtt_split_cu_vertical_flag, mtt_split_cu_binary_flag
    (
        (19, 28, 38, 27, 29, 38, 20, 30, 31), (11, 35, 53, 12, 6, 30, 13, 15, 31),
        (18, 27, 15, 18, 28, 45, 26, 7, 23), (12, 13, 8, 8, 13, 12, 5, 9, 9),
    ),
    (
        (27, 6, 15, 25, 19, 37), (20, 14, 23, 18, 19, 6), (26, 36, 38, 18, 34, 21),
        (0, 8, 8, 12, 12, 8),
    ),
    ((43, 42, 29, 27, 44), (43, 35, 37, 34, 52), (43, 42, 37, 42, 44), (9, 8, 9, 8, 5)),
    ((36, 45, 36, 45), (43, 37, 21, 22), (28, 29, 28, 29), (12, 13, 12, 13)),
    # non_inter_flag, cu_skip_flag, pred_mode_ibc_flag, pred_mode_flag
    ((_NONE, _NONE), (25, 12), (25, 20), (1, 0)),
    ((0, 26, 28), (57, 59, 45), (57, 60, 46), (5, 4, 8)),
    ((17, 42, 36), (0, 57, 44), (0, 43, 45), (1, 5, 8)),
    ((_NONE, _NONE), (40, 35), (40, 35), (5, 1)),
    # intra_bdpcm_luma_flag, intra_bdpcm_luma_dir_flag, intra_mip_flag, intra_luma_ref_idx
    ((19,), (40,), (19,), (1,)),
    ((35,), (36,), (21,), (4,)),
    ((33, 49, 50, 25), (41, 57, 58, 26), (56, 57, 50, 26), (9, 10, 9, 6)),
    ((25, 60), (25, 58), (25, 59), (5, 8)),
    # intra_subpartitions_mode_flag, intra_subpartitions_split_flag, intra_luma_mpm_flag,
    # intra_luma_not_planar_flag
    ((33,), (33,), (33,), (9,)),
    ((43,), (36,), (43,), (2,)),
    ((45,), (36,), (44,), (6,)),
    ((13, 28), (12, 20), (13, 6), (1, 5)),
    # intra_bdpcm_chroma_flag, intra_bdpcm_chroma_dir_flag, cclm_mode_flag, cclm_mode_idx,
    # intra_chroma_pred_mode
    ((1,), (0,), (0,), (1,)),
    ((27,), (13,), (28,), (0,)),
    ((59,), (34,), (26,), (4,)),
    ((27,), (27,), (27,), (9,)),
    ((34,), (25,), (25,), (5,)),
    # general_merge_flag, inter_pred_idc, inter_affine_flag, cu_affine_type_flag, sym_mvd_flag
    ((26,), (21,), (6,), (4,)),
    ((_NONE,) * 6, (7, 6, 5, 12, 4, 40), (14, 13, 5, 4, 3, 40), (0, 0, 1, 4, 4, 0)),
    ((_NONE,) * 3, (12, 13, 14), (19, 13, 6), (4, 0, 0)),
    ((_NONE,), (35,), (35,), (4,)),
    ((_NONE,), (28,), (28,), (5,)),
    # ref_idx_l0 and ref_idx_l1, mvp_l0_flag and mvp_l1_flag, amvr_flag, amvr_precision_idx, bcw_idx
    ((_NONE, _NONE), (20, 35), (5, 35), (0, 4)),
    ((42,), (34,), (34,), (12,)),
    ((_NONE, _NONE), (59, 58), (59, 50), (0, 0)),
    ((35, 34, 35), (60, 48, 60), (38, 26, 60), (4, 5, 0)),
    ((_NONE,), (4,), (5,), (1,)),
    # cu_coded_flag, cu_sbt_flag, cu_sbt_quad_flag, cu_sbt_horizontal_flag, cu_sbt_pos_flag
    ((6,), (5,), (12,), (4,)),
    ((_NONE, _NONE), (56, 57), (41, 57), (1, 5)),
    ((_NONE,), (42,), (42,), (10,)),
    ((_NONE,) * 3, (20, 43, 12), (35, 51, 27), (8, 4, 1)),
    ((_NONE,), (28,), (28,), (13,)),
    # lfnst_idx, mts_idx
    ((28, 52, 42), (37, 45, 27), (52, 37, 27), (9, 9, 10)),
    ((29, 0, 28, 0), (45, 40, 27, 0), (45, 25, 27, 0), (8, 0, 9, 0)),
    # regular_merge_flag, mmvd_merge_flag, mmvd_cand_flag, mmvd_distance_idx, ciip_flag
    ((_NONE, _NONE), (38, 7), (46, 15), (5, 5)),
    ((_NONE,), (26,), (25,), (4,)),
    ((_NONE,), (43,), (43,), (10,)),
    ((_NONE,), (60,), (59,), (0,)),
    ((_NONE,), (57,), (57,), (1,)),
    # merge_subblock_flag, merge_subblock_idx; merge_idx, merge_gpm_idx0 and merge_gpm_idx1
    ((_NONE,) * 3, (48, 57, 44), (25, 58, 45), (4, 4, 4)),
    ((_NONE,), (5,), (4,), (0,)),
    ((34,), (20,), (18,), (4,)),
    # abs_mvd_greater0_flag, abs_mvd_greater1_flag
    ((14,), (44,), (51,), (9,)),
    ((45,), (43,), (36,), (5,)),
    # tu_y_coded_flag, tu_cb_coded_flag, tu_cr_coded_flag, cu_qp_delta_abs, transform_skip_flag,
    # tu_joint_cbcr_residual_flag
    ((15, 12, 5, 7), (23, 5, 20, 7), (15, 6, 5, 14), (5, 1, 8, 9)),
    ((12, 21), (25, 28), (25, 37), (5, 0)),
    ((33, 28, 36), (25, 29, 45), (9, 36, 45), (2, 1, 0)),
    ((35, 35), (35, 35), (35, 35), (8, 8)),
    ((25, 9), (25, 9), (25, 17), (1, 1)),
    ((12, 21, 35), (27, 36, 45), (42, 43, 52), (1, 1, 0)),
    # last_sig_coeff_x_prefix
    (
        (
            13, 5, 4, 21, 14, 4, 6, 14, 21, 11, 14, 7, 14, 5, 11, 21, 30, 22, 13, 42, 12, 4, 3,
        ),
        (
            6, 13, 12, 6, 6, 12, 14, 14, 13, 12, 29, 7, 6, 13, 36, 28, 14, 13, 5, 26, 12, 4, 18,
        ),
        (
            6, 6, 12, 14, 6, 4, 14, 7, 6, 4, 29, 7, 6, 6, 12, 28, 7, 13, 13, 35, 19, 5, 4,
        ),
        (
            8, 5, 4, 5, 4, 4, 5, 4, 1, 0, 4, 1, 0, 0, 0, 0, 1, 0, 0, 0, 5, 4, 4,
        ),
    ),
    # last_sig_coeff_y_prefix
    (
        (
            13, 5, 4, 6, 13, 11, 14, 6, 5, 3, 14, 22, 6, 4, 3, 6, 22, 29, 20, 34, 12, 4, 3,
        ),
        (
            5, 5, 12, 6, 6, 4, 6, 14, 5, 12, 14, 7, 13, 5, 13, 21, 14, 20, 12, 34, 11, 4, 18,
        ),
        (
            5, 5, 20, 13, 13, 19, 21, 6, 12, 12, 14, 14, 5, 4, 12, 13, 7, 13, 12, 41, 11, 5, 27,
        ),
        (
            8, 5, 8, 5, 5, 4, 5, 5, 4, 0, 5, 4, 1, 0, 0, 1, 4, 0, 0, 0, 6, 5, 5,
        ),
    ),
    # sb_coded_flag
    (
        (18, 31, 25, 15, 18, 20, 38), (25, 30, 25, 45, 18, 12, 29), (25, 45, 25, 14, 18, 35, 45),
        (8, 5, 5, 8, 5, 8, 8),
    ),
    # sig_coeff_flag
    (
        (
            25, 19, 28, 14, 25, 20, 29, 30, 19, 37, 30, 38, 11, 38, 46, 54, 27, 39, 39, 39, 44, 39,
            39, 39, 18, 39, 39, 39, 27, 39, 39, 39, 0, 39, 39, 39, 25, 27, 28, 37, 34, 53, 53, 46,
            19, 46, 38, 39, 52, 39, 39, 39, 11, 39, 39, 39, 19, 39, 39, 39, 25, 28, 38,
        ),
        (
            17, 41, 42, 29, 25, 49, 43, 37, 33, 58, 51, 30, 19, 38, 38, 46, 34, 54, 54, 39, 6, 39,
            39, 39, 19, 39, 54, 39, 19, 39, 39, 39, 56, 39, 39, 39, 17, 34, 35, 21, 41, 59, 60, 38,
            35, 45, 53, 54, 44, 39, 39, 39, 34, 38, 62, 39, 26, 39, 39, 39, 40, 35, 44,
        ),
        (
            17, 41, 49, 36, 1, 49, 50, 37, 48, 51, 58, 45, 26, 45, 53, 46, 49, 54, 61, 39, 35, 39,
            39, 39, 19, 54, 39, 39, 50, 39, 39, 39, 0, 39, 39, 39, 9, 49, 50, 36, 48, 59, 59, 38,
            34, 45, 38, 31, 58, 39, 39, 39, 34, 38, 54, 39, 41, 39, 39, 39, 25, 50, 37,
        ),
        (
            12, 9, 9, 10, 9, 9, 9, 10, 8, 8, 8, 10, 9, 13, 8, 8, 8, 8, 8, 5, 8, 0, 0, 0, 8, 8, 8, 8,
            8, 0, 4, 4, 0, 0, 0, 0, 12, 12, 9, 13, 4, 5, 8, 9, 8, 12, 12, 8, 4, 0, 0, 0, 8, 8, 8, 8,
            4, 0, 0, 0, 13, 13, 8,
        ),
    ),
    # par_level_flag
    (
        (
            33, 25, 18, 26, 34, 27, 25, 26, 19, 42, 35, 33, 19, 27, 35, 35, 34, 42, 20, 43, 20, 33,
            25, 26, 42, 19, 27, 26, 50, 35, 20, 43, 11,
        ),
        (
            18, 17, 33, 18, 26, 42, 25, 33, 26, 42, 27, 25, 34, 42, 42, 35, 26, 27, 42, 20, 20, 25,
            25, 26, 11, 19, 27, 33, 42, 35, 35, 43, 3,
        ),
        (
            33, 40, 25, 41, 26, 42, 25, 33, 26, 34, 27, 25, 41, 42, 42, 35, 33, 27, 35, 42, 43, 33,
            25, 26, 34, 19, 27, 33, 42, 43, 35, 43, 11,
        ),
        (
            8, 9, 12, 13, 13, 13, 10, 13, 13, 13, 13, 13, 13, 13, 13, 13, 10, 13, 13, 13, 13, 8, 12,
            12, 12, 13, 13, 13, 13, 13, 13, 13, 6,
        ),
    ),
    # abs_level_gtx_flag
    (
        (
            25, 25, 11, 27, 20, 21, 33, 12, 28, 21, 22, 34, 28, 29, 29, 30, 36, 29, 45, 30, 23, 40,
            33, 27, 28, 21, 37, 36, 37, 45, 38, 46, 25, 1, 40, 25, 33, 11, 17, 25, 25, 18, 4, 17,
            33, 26, 19, 13, 33, 19, 20, 28, 22, 40, 9, 25, 18, 26, 35, 25, 26, 35, 28, 37, 11, 5, 5,
            14, 10, 3, 3, 3,
        ),
        (
            0, 17, 26, 19, 35, 21, 25, 34, 20, 28, 29, 33, 27, 28, 29, 22, 34, 28, 44, 37, 38, 0,
            25, 19, 20, 13, 14, 57, 44, 30, 30, 23, 17, 0, 1, 17, 25, 18, 0, 9, 25, 33, 34, 9, 25,
            18, 26, 20, 25, 18, 19, 27, 29, 17, 9, 25, 10, 18, 4, 17, 33, 19, 20, 29, 18, 11, 4, 28,
            2, 10, 3, 3,
        ),
        (
            0, 0, 33, 34, 35, 21, 25, 34, 35, 28, 29, 40, 42, 43, 29, 30, 49, 36, 37, 45, 38, 0, 40,
            34, 43, 36, 37, 57, 52, 45, 38, 46, 25, 0, 0, 17, 25, 26, 0, 9, 25, 33, 19, 0, 25, 33,
            26, 20, 25, 33, 27, 35, 22, 25, 1, 25, 33, 26, 12, 25, 33, 27, 28, 37, 19, 11, 4, 6, 3,
            4, 4, 5,
        ),
        (
            9, 5, 10, 13, 13, 10, 9, 10, 13, 13, 13, 9, 10, 10, 10, 13, 8, 9, 10, 10, 13, 8, 8, 9,
            12, 12, 10, 5, 9, 9, 9, 13, 1, 5, 9, 9, 9, 6, 5, 9, 10, 10, 9, 9, 9, 9, 9, 9, 6, 8, 9,
            9, 10, 1, 5, 8, 8, 9, 6, 6, 9, 8, 8, 9, 4, 2, 1, 6, 1, 1, 1, 1,
        ),
    ),
    # coeff_sign_flag of blocks without a transform
    (
        (12, 17, 46, 28, 25, 46), (5, 10, 53, 43, 25, 46), (35, 25, 46, 28, 33, 38),
        (1, 4, 4, 5, 8, 8),
    ),
)  # fmt: skip
assert all(len(values) == len(rows[0]) for rows in _TABLES for values in rows)

_ends = list(accumulate(len(rows[0]) for rows in _TABLES))
#: First context of each syntax element, in the order of the tables.
ALF_CTB, ALF_APS, CC_CB, CC_CR, ALF_ALTERNATIVE, SAO_MERGE, SAO_TYPE = 0, *_ends[:6]
SPLIT_CU, SPLIT_QT, SPLIT_VERTICAL, SPLIT_BINARY, NON_INTER, SKIP, COPY, PRED_MODE = _ends[6:14]
BDPCM_LUMA, BDPCM_LUMA_DIRECTION, MIP, REFERENCE_LINE, ISP, ISP_SPLIT, MPM = _ends[14:21]
NOT_PLANAR, BDPCM_CHROMA, BDPCM_CHROMA_DIRECTION, CCLM, CCLM_INDEX, CHROMA_MODE = _ends[21:27]
MERGE_FLAG, INTER_PRED, AFFINE, AFFINE_TYPE, SYMMETRIC_MVD, REF_INDEX, MVP = _ends[27:34]
AMVR, AMVR_PRECISION, BCW, CU_CODED, SBT, SBT_QUAD, SBT_HORIZONTAL, SBT_POSITION = _ends[34:42]
LFNST, MTS, REGULAR_MERGE, MMVD, MMVD_CANDIDATE, MMVD_DISTANCE, CIIP = _ends[42:49]
SUBBLOCK_MERGE, SUBBLOCK_INDEX, MERGE_INDEX, MVD_GREATER0, MVD_GREATER1 = _ends[49:54]
CODED_Y, CODED_CB, CODED_CR, QP_DELTA, TRANSFORM_SKIP, JOINT_CBCR, LAST_X, LAST_Y = _ends[54:62]
SUB_BLOCK, SIGNIFICANT, PARITY, GREATER, SIGN_SKIPPED, CONTEXTS = _ends[62:]

#: `initValue` by `initType`, and `shiftIdx`, of all contexts.
_INITIAL = [[value for rows in _TABLES for value in rows[kind]] for kind in range(4)]


def initial_states(kind: int, qp: int) -> list[int]:
    """At the start of a slice, of every context: its two probabilities (of 10 and 14 bits) and
    their rates; `kind` is `initType`, `qp` the slice's luma QP (clause 9.3.2.2)."""
    states: list[int] = []
    qp = min(63, max(0, qp))
    for value, rate in zip(_INITIAL[kind], _INITIAL[3], strict=True):
        slope, offset = (value >> 3) - 4, 18 * (value & 7) + 1
        before = min(127, max(1, (slope * (qp - 16) >> 1) + offset))
        fast = 2 + (rate >> 2)
        states += (before << 3, before << 7, fast, fast + 3 + (rate & 3))
    return states


def probability(s: Ints, context: int) -> int:
    """Of 1, in 15 bits."""
    at = CONTEXT + 4 * context
    return (s[at] << 4) + s[at + 1]


def read_bin(s: Ints, tape: Ints, context: int) -> int:
    """A bin by CABAC's decoder (clause 9.3.4.3.2); the context stays as it is."""
    less, width, have = probability(s, context), s[IN_RANGE], s[IN_HAVE]
    value = less >> 14
    if value:
        less = 32767 - less
    less = ((width >> 5) * (less >> 9) >> 1) + 4
    width -= less
    rest = s[IN_OFFSET] - (width << have)
    if rest >= 0:
        s[IN_OFFSET] = rest
        value, width = 1 - value, less
    elif width >= 256:
        s[IN_RANGE] = width
        return value
    shift = SHIFT[width]
    s[IN_RANGE] = width << shift
    have -= shift
    s[IN_HAVE] = have
    if have < 8:
        fetch(s, tape)
    return value


def put_bin(s: Ints, tape: Ints, context: int, value: int) -> None:
    """A bin by CABAC's encoder (clause 9.3.4.4); the context stays as it is."""
    less, width = probability(s, context), s[OUT_RANGE]
    likely = less >> 14
    if likely:
        less = 32767 - less
    less = ((width >> 5) * (less >> 9) >> 1) + 4
    width -= less
    if value != likely:
        s[OUT_LOW] += width
        width = less
    if width < 256:
        narrow(s, tape, width)
    else:
        s[OUT_RANGE] = width


def learn(s: Ints, context: int, value: int) -> None:
    """A context after a bin (clause 9.3.4.3.2.3)."""
    at = CONTEXT + 4 * context
    fast, slow, a, b = s[at], s[at + 1], s[at + 2], s[at + 3]
    s[at] = fast - (fast >> a) + (1023 * value >> a)
    s[at + 1] = slow - (slow >> b) + (16383 * value >> b)
