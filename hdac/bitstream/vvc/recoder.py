"""Lossless recoding of VVC slice data: as `recoding` does it for HEVC."""

from __future__ import annotations

from hdac.bitstream.hevc.parameters import UnsupportedError
from hdac.bitstream.models import Priors
from hdac.bitstream.recoding import Recoder
from hdac.bitstream.vvc import parameters as vvc
from hdac.bitstream.vvc.header import Slice, read_slice
from hdac.bitstream.vvc.mixing import VvcMixer
from hdac.bitstream.vvc.parameters import Aps, Pps, Sps, read_aps
from hdac.bitstream.vvc.state import VvcState


class VvcSliceRecoder(Recoder[Sps, Pps, Slice]):
    """VVC's."""

    def __init__(self, width: int, height: int, priors: Priors | None = None) -> None:
        super().__init__(width, height, VvcState(), VvcMixer(priors))
        self._adaptation: dict[int, Aps] = {}

    def parameters(self, payload: bytes) -> None:
        kind = payload[1] >> 3
        try:
            if kind == vvc.SPS_UNIT:
                sps = Sps(payload)
                self._sps = sps if sps.fits(*self._size) else None
            elif kind == vvc.PPS_UNIT:
                self._pps = Pps(payload)
            elif kind in (vvc.PREFIX_APS_UNIT, vvc.SUFFIX_APS_UNIT):
                number, found = read_aps(payload)
                if found is not None:
                    self._adaptation[number] = found
        except UnsupportedError:
            self._sps = self._pps = None

    def _head(self, payload: bytes) -> Slice:
        return read_slice(payload, *self._sets(), self._adaptation)
