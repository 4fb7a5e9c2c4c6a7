"""Pictures of PCM blocks: an HEVC picture whose samples are exactly given, for others to predict
from.

A sequence that has such pictures says so in its parameter set, and then every intra block that
could be PCM carries a flag: `allow_pcm` (`rewriting`) and `with_flags` make them of a sequence
without.

(Rec. ITU-T H.265, clauses 7.3.2.2.1, 7.3.8.5, 7.3.8.7 and 9.3.2.5.)
"""

from __future__ import annotations

import sys
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.bitstream.hevc.bins import CopiedBins, Wider
from hdac.bitstream.hevc.cabac import SPLIT_CU, CabacWriter, initial_states
from hdac.bitstream.hevc.parameters import Pps, Sps, UnsupportedError, read_slice
from hdac.bitstream.hevc.rewriting import MAX_PCM_BLOCK, to_bytes
from hdac.bitstream.hevc.tree import SliceParser

#: Luma `(H, W)` and two chroma planes `(H/2, W/2)`, uint8.
Planes: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

_IDR = bytes([19 << 1, 1])  # NAL header


class _FlaggedBins(CopiedBins):
    """`Bins` of a slice of a sequence without PCM blocks; writes it with a flag of 0 wherever one
    could be."""

    def pcm(self, x: int, y: int, size: int) -> bool:
        self.writer.terminate(0)
        return False


def with_flags(payload: bytes, sps: Sps, pps: Pps) -> bytes:
    """A slice's NAL unit of a sequence without PCM blocks -> the same slice under `sps`, the
    sequence with them.

    Raises `UnsupportedError`, or `DamagedError` where it ends too early.
    """
    head = read_slice(payload, sps, pps)
    bins = _FlaggedBins(payload[head.first :], head, sys.maxsize)
    SliceParser().parse(head, bins)
    return payload[: head.first] + bins.writer.finish()


class _Samples:
    """`Bins` that write a picture: blocks as large as PCM blocks may be, smaller ones at its
    edges."""

    def __init__(self, picture: Planes, sps: Sps, qp: int) -> None:
        luma, *chroma = picture
        down, across = sps.height - luma.shape[0], sps.width - luma.shape[1]
        self._luma = np.pad(luma, ((0, down), (0, across)), mode="edge")
        self._chroma = [
            np.pad(plane, ((0, down // 2), (0, across // 2)), mode="edge") for plane in chroma
        ]
        self._depth = sps.tree_block - sps.pcm[-1]
        self._states, self._done = initial_states(0, qp), bytearray()
        self._writer = CabacWriter(self._states)

    def bin(self, context: int, known: int = 0, wider: Wider = ()) -> int:
        splits = SPLIT_CU <= context < SPLIT_CU + 3
        value = int(known >> 2 < self._depth) if splits else 1  # else: no quarters
        self._writer.bin(context, value)
        return value

    def bypass(self, model: int, known: int = 0, wider: Wider = ()) -> int:
        raise AssertionError("a picture of PCM blocks has no such bins")

    def pcm(self, x: int, y: int, size: int) -> bool:
        self._writer.terminate(1)
        self._done += self._writer.finish()
        side, half = 1 << size, 1 << size - 1
        self._done += self._luma[y : y + side, x : x + side].tobytes()
        for plane in self._chroma:
            self._done += plane[y // 2 : y // 2 + half, x // 2 : x // 2 + half].tobytes()
        self._writer = CabacWriter(self._states)
        return True

    def terminate(self, last: bool) -> None:
        self._writer.terminate(int(last))

    def finish(self) -> bytes:
        return bytes(self._done) + self._writer.finish()


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
    bins = _Samples(picture, sps, head.qp)
    SliceParser().parse(head, bins)
    return unit + bins.finish()
