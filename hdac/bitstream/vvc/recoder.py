"""Lossless recoding of VVC slice data: as `recoding` does it for HEVC."""

from __future__ import annotations

from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.rangecoder import Reader
from hdac.bitstream.recoding import CodedBins, Head, Priors, SliceRecoder
from hdac.bitstream.vvc import parameters as vvc
from hdac.bitstream.vvc.bins import CopiedBins
from hdac.bitstream.vvc.cabac import CabacWriter, initial_states
from hdac.bitstream.vvc.header import Slice, read_slice
from hdac.bitstream.vvc.mixing import VvcMixer
from hdac.bitstream.vvc.parameters import Aps, Pps, Sps, read_aps
from hdac.bitstream.vvc.tree import SliceParser


class VvcSliceRecoder(SliceRecoder):
    """The state of one GOP's recoding."""

    def __init__(self, width: int, height: int, priors: Priors | None = None) -> None:
        super().__init__(width, height)
        self._mixer = VvcMixer(priors)
        self._sequence: Sps | None = None
        self._picture: Pps | None = None
        self._adaptation: dict[int, Aps] = {}
        self._slices = SliceParser()

    def parameters(self, payload: bytes) -> None:
        """A NAL unit that is no slice: parameter sets are remembered."""
        kind = payload[1] >> 3
        try:
            if kind == vvc.SPS_UNIT:
                sps = Sps(payload)
                self._sequence = sps if sps.fits(*self._size) else None
            elif kind == vvc.PPS_UNIT:
                self._picture = Pps(payload)
            elif kind in (vvc.PREFIX_APS_UNIT, vvc.SUFFIX_APS_UNIT):
                number, found = read_aps(payload)
                if found is not None:
                    self._adaptation[number] = found
        except UnsupportedError:
            self._sequence = self._picture = None

    def skip(self) -> None:
        """A slice is stored as it is: what was known of its surroundings is out of date."""
        self._slices = SliceParser()

    @property
    def _ready(self) -> bool:
        return self._sequence is not None and self._picture is not None

    def _head(self, payload: bytes) -> Slice:
        if self._sequence is None or self._picture is None:
            raise UnsupportedError("no parameter sets")
        return read_slice(payload, self._sequence, self._picture, self._adaptation)

    def _parsed(self, payload: bytes) -> tuple[Head, CopiedBins]:
        head = self._head(payload)
        bins = CopiedBins(payload[head.first :], head, self._limit)
        self._slices.parse(head, bins)
        return head, bins

    def _restored(self, slices: Reader, header: bytes) -> bytes:
        head = self._head(header)
        if head.first != len(header):
            raise UnsupportedError("a header of another length")
        self._mixer.start(head)
        writer = CabacWriter(initial_states(head.init, head.qp))
        self._slices.parse(head, CodedBins(slices, self._mixer, writer))
        return writer.finish()
