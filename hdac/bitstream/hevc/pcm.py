"""Pictures of PCM blocks: an HEVC picture whose samples are exactly given, for others to predict
from.

A sequence that has such pictures says so in its parameter set, and then every intra block that
could be PCM carries a flag: `allow_pcm` (`rewriting`) and `with_flags` make them of a sequence
without.

(Rec. ITU-T H.265, clauses 7.3.2.2.1, 7.3.8.5, 7.3.8.7 and 9.3.2.5.)
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.bitstream.arithmetic import close_encoder, open_encoder, put_terminate
from hdac.bitstream.hevc.cabac import (
    CONTEXTS,
    PART_MODE,
    SPLIT_CU,
    initial_states,
    learn,
    put_bin,
)
from hdac.bitstream.hevc.parameters import Pps, Sps, UnsupportedError, read_slice
from hdac.bitstream.hevc.rewriting import MAX_PCM_BLOCK, to_bytes
from hdac.bitstream.recoding import HevcState
from hdac.bitstream.registers import CONTEXT, OUT_END, OUT_NEXT, STATE

#: Luma `(H, W)` and two chroma planes `(H/2, W/2)`, uint8.
Planes: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

_IDR = bytes([19 << 1, 1])  # NAL header


def with_flags(payload: bytes, sps: Sps, pps: Pps) -> bytes:
    """A slice's NAL unit of a sequence without PCM blocks -> the same slice under `sps`, the
    sequence with them.

    Raises `UnsupportedError`, or `DamagedError` where it ends too early.
    """
    head = read_slice(payload, sps, pps)
    return payload[: head.first] + HevcState().flagged(payload[head.first :], head)


class _Samples:
    """Writes slice data of a picture: blocks as large as PCM blocks may be, smaller ones at its
    edges."""

    def __init__(self, picture: Planes, sps: Sps, qp: int) -> None:
        luma, *chroma = picture
        down, across = sps.height - luma.shape[0], sps.width - luma.shape[1]
        self._luma = np.pad(luma, ((0, down), (0, across)), mode="edge")
        self._chroma = [
            np.pad(plane, ((0, down // 2), (0, across // 2)), mode="edge") for plane in chroma
        ]
        self._sps, self._splits = sps, sps.tree_block - sps.pcm[-1]
        #: Depth of each smallest block; outside of the picture 0, at the last row and column.
        self._depths = np.zeros([1 + (n >> sps.min_block) for n in (sps.height, sps.width)], int)
        self._s, self._tape = [0] * STATE, bytearray(64)
        self._s[CONTEXT : CONTEXT + CONTEXTS] = initial_states(0, qp)
        self._done = bytearray()
        self._open()

    def _open(self) -> None:
        """CABAC's encoder starts; 64 bytes are more than what is between two blocks."""
        self._s[OUT_NEXT], self._s[OUT_END], self._tape[0] = 1, len(self._tape), 0
        open_encoder(self._s)

    def _close(self) -> None:
        put_terminate(self._s, self._tape, 1)
        close_encoder(self._s, self._tape)
        self._done += self._tape[1 : self._s[OUT_NEXT]]

    def _bin(self, context: int, value: int) -> None:
        put_bin(self._s, self._tape, context, value)
        learn(self._s, context, value)

    def write(self) -> bytes:
        sps = self._sps
        side = 1 << sps.tree_block
        for y in range(0, sps.height, side):
            for x in range(0, sps.width, side):
                self._tree(x, y, sps.tree_block, 0)
                if x + side < sps.width or y + side < sps.height:
                    put_terminate(self._s, self._tape, 0)
        self._close()
        return bytes(self._done)

    def _tree(self, x: int, y: int, size: int, depth: int) -> None:
        sps, side = self._sps, 1 << size
        column, row = x >> sps.min_block, y >> sps.min_block
        split = size > sps.min_block
        if split and x + side <= sps.width and y + side <= sps.height:
            depths, split = self._depths, depth < self._splits
            near = int(depths[row, column - 1] > depth) + int(depths[row - 1, column] > depth)
            self._bin(SPLIT_CU + near, int(split))
        if split:
            for y1 in range(y, min(y + side, sps.height), side >> 1):
                for x1 in range(x, min(x + side, sps.width), side >> 1):
                    self._tree(x1, y1, size - 1, depth + 1)
            return
        blocks = side >> sps.min_block
        self._depths[row : row + blocks, column : column + blocks] = depth
        if size == sps.min_block:
            self._bin(PART_MODE, 1)
        self._close()
        half = side >> 1
        self._done += self._luma[y : y + side, x : x + side].tobytes()
        for plane in self._chroma:
            self._done += plane[y // 2 : y // 2 + half, x // 2 : x // 2 + half].tobytes()
        self._open()


def pcm_picture(picture: Planes, sps: Sps, pps: Pps) -> bytes:
    """The NAL unit of an IDR picture that decodes to exactly `picture` under a sequence that allows
    PCM blocks of all sizes.

    `picture` is repeated at its edges up to the sequence's size, a multiple of the smallest block.
    Raises `UnsupportedError` if it is of another size.
    """
    height, width = picture[0].shape
    if not sps.fits(width, height):
        raise UnsupportedError(
            f"a sequence of {sps.width}x{sps.height} for a picture of {width}x{height}"
        )
    if sps.pcm != range(sps.min_block, min(sps.tree_block, MAX_PCM_BLOCK) + 1):
        raise UnsupportedError("a sequence that does not allow PCM blocks of all sizes")
    # the only slice, earlier pictures may be shown, parameter set 0; an I slice
    text = "101" + "0" * pps.extra_bits + "011"
    # no sample adaptive offset; the parameter set's QP
    text += "1" * pps.output_flag + "00" * sps.sao + "1"
    text += "11" * pps.chroma_offsets + "0" * pps.deblocking_override
    text += "0" * (pps.loop_across and not pps.deblocking_off) + "1" * pps.header_extension
    unit = _IDR + to_bytes(text)
    head = read_slice(unit, sps, pps)
    return unit + _Samples(picture, sps, head.qp).write()
