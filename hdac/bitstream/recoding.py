"""Lossless recoding of HEVC slice data.

CABAC starts every slice from fixed guesses and spends a good part of it on learning them again.
Here the same bins are coded under models that last for a GOP, know more of their surroundings (the
picture before, the slice's QP) and start from what other talking heads taught them (`priors.npz`,
made by `experiments/hevc_priors.py`). CABAC's own bytes are made again from the bins: the exact
slice comes back.

What works on bins are plain functions over arrays of integers (`registers`), interpreted or
compiled (`compiled`), with the same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

from hdac.bitstream import compiled
from hdac.bitstream.hevc import maps
from hdac.bitstream.hevc import parameters as hevc
from hdac.bitstream.hevc.bins import EVEN, MODELS
from hdac.bitstream.hevc.cabac import CONTEXTS, initial_states
from hdac.bitstream.hevc.maps import Maps
from hdac.bitstream.hevc.parameters import Pps, Slice, Sps, UnsupportedError
from hdac.bitstream.models import Head, Mixer, ParsedSlice, Priors
from hdac.bitstream.noting import STRIDE, Bins
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.bitstream.registers import (
    BINS,
    CONTEXT,
    FLAG,
    IN_END,
    IN_NEXT,
    MODE,
    MOST,
    OUT_END,
    OUT_NEXT,
    PARSE,
    READ,
)
from hdac.errors import DamagedError

PRIORS = Path(__file__).parent / "hevc" / "priors.npz"

_MAX_BINS = 80_000  # of a slice; larger ones gain least and take longest
_FREE_BINS, _PIXELS_A_BIN, _BINS_A_BYTE = 1024, 1024, 64  # of a packet


def slice_limit(pixels: int) -> int:
    """Most bins of a recoded slice of a picture of so many luma samples."""
    return min(_MAX_BINS, 4 * pixels + 1024)


def bin_limit(frames: int, pixels: int, size: int) -> int:
    """Most bins in `size` bytes of slices, of a packet of `frames` pictures of `pixels` each."""
    return _FREE_BINS + frames * pixels // _PIXELS_A_BIN + _BINS_A_BYTE * size


def least_size(frames: int, pixels: int, bins: int) -> int:
    """Fewest bytes of slices that may hold so many bins; zeros at the end change nothing."""
    return max(0, -(-(bins - bin_limit(frames, pixels, 0)) // _BINS_A_BYTE))


H = TypeVar("H", bound=Head)


class SliceState(ABC, Generic[H]):
    """The state of a codec's slices (`registers`), of one GOP."""

    syntax: str  # the codec's name

    def __init__(self) -> None:
        self._code = compiled.INTERPRETED[self.syntax]
        self._s: Any = []
        self._notes: Any = []

    @abstractmethod
    def forget(self) -> None:
        """What was known of pictures before is out of date."""

    @abstractmethod
    def _begin(self, head: H) -> None:
        """Sets the state as the slice's header says."""

    @abstractmethod
    def _most_flags(self) -> int:
        """Terminating bins of a slice, at most."""

    def _start(self, head: H, mode: int) -> Any:
        code = compiled.code(self.syntax)
        if code is not self._code:
            self._code, self._s, self._notes = code, code.numbers(self._s), []
        self._begin(head)
        self._s[MODE] = mode
        return self._s

    def parse(self, data: bytes, head: H, limit: int) -> Bins | None:
        """A slice's bins; None if its data would not come back from them.

        Raises `UnsupportedError` or `DamagedError`.
        """
        s, code = self._start(head, PARSE), self._code
        if len(self._notes) < STRIDE * limit:
            self._notes = code.zeros(STRIDE * limit)
        s[IN_NEXT], s[IN_END] = 0, len(data)
        s[BINS], s[MOST] = 0, limit
        exact = code.walk(s, self._notes, code.tape(bytearray(data)))
        compiled.count(int(s[BINS]))
        return Bins(self._notes[: STRIDE * s[BINS]].copy()) if exact else None

    def read(self, coder: Reader, mixer: Mixer, head: H, limit: int) -> bytes:
        """A slice's data, from recoded bins, at most `limit`. Raises `DamagedError`."""
        s, code = self._start(head, READ), self._code
        mixer.start(s, head)
        limit = max(0, min(limit, coder.bits_left))
        tape, before = coder.lend(s, limit), coder.bits_left
        data = self._written(tape, limit)
        try:
            code.walk(s, mixer.memory(code, limit), code.tape(tape))
        finally:
            coder.take(s, limit)
        compiled.count(before - coder.bits_left)
        return bytes(tape[data : s[OUT_NEXT]])

    def _written(self, tape: bytearray, bins: int) -> int:
        """Makes room on a tape for what CABAC writes; returns where that will be. A bin takes a
        byte at most, a terminating one a bit."""
        first = len(tape) + 1  # behind a 0
        tape += bytes(1 + bins + self._most_flags() // 8 + 16)
        self._s[OUT_NEXT], self._s[OUT_END] = first, len(tape)
        return first


class HevcState(SliceState[Slice]):
    syntax = "hevc"

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        self._maps: Maps | None = None
        self._qp = 0

    def _begin(self, head: Slice) -> None:
        laid = Maps(head.sps)
        if laid != self._maps:
            self._maps, self._qp, self._s = laid, 0, self._code.zeros(laid.end)
        laid.begin(self._s)
        maps.begin(self._s, head, self._qp)
        self._s[CONTEXT : CONTEXT + CONTEXTS] = initial_states(head.init, head.qp)
        self._qp = maps.clipped(head)

    def _most_flags(self) -> int:
        assert self._maps is not None
        return 2 * self._maps.blocks

    def flagged(self, data: bytes, head: Slice) -> bytes:
        """The data of a slice without PCM blocks, with a flag of 0 for each block that may be one.

        Raises `UnsupportedError` or `DamagedError`.
        """
        s, code, tape = self._start(head, FLAG), self._code, bytearray(data)
        s[IN_NEXT], s[IN_END] = 0, len(data)
        first = self._written(tape, 2 * len(data))
        code.walk(s, code.zeros(0), code.tape(tape))
        return bytes(tape[first : s[OUT_NEXT]])


S = TypeVar("S")
P = TypeVar("P")


class Recoder(ABC, Generic[S, P, H]):
    """The state of one GOP's recoding. Every NAL unit passes through `parameters`, or `parse` and
    `write` (writing), or `read` (reading), or `skip`.

    width, height: of the pictures. A sequence whose coded size is not this, rounded up to whole
        smallest blocks, is not recoded.
    """

    def __init__(self, width: int, height: int, state: SliceState[H], mixer: Mixer) -> None:
        self._size, self._limit = (width, height), slice_limit(width * height)
        self._state, self._mixer = state, mixer
        self._sps: S | None = None
        self._pps: P | None = None

    @abstractmethod
    def parameters(self, payload: bytes) -> None:
        """A NAL unit that is no slice: parameter sets are remembered."""

    @abstractmethod
    def _head(self, payload: bytes) -> H:
        """A slice's header. Raises `UnsupportedError`."""

    def _sets(self) -> tuple[S, P]:
        """The parameter sets. Raises `UnsupportedError` where one is not there."""
        if self._sps is None or self._pps is None:
            raise UnsupportedError("no parameter sets")
        return self._sps, self._pps

    def skip(self) -> None:
        """A slice is stored as it is: what was known of its surroundings is out of date."""
        self._state.forget()

    def parse(self, payload: bytes) -> ParsedSlice | None:
        """A slice's NAL unit, taken apart; None if its exact bytes would not come back."""
        try:
            head = self._head(payload)
            bins = self._state.parse(payload[head.first :], head, self._limit)
            if bins is not None:
                return ParsedSlice(head, bins)
        except (UnsupportedError, DamagedError):
            pass
        self.skip()
        return None

    def write(self, slices: Writer, parsed: ParsedSlice) -> None:
        self._mixer.write(slices, parsed)

    def read(self, slices: Reader, header: bytes) -> bytes:
        """The rest of a recoded slice, from its header (NAL header included).

        Raises `DamagedError`, at the latest after the bins that a slice may have.
        """
        if self._sps is None or self._pps is None:
            raise DamagedError(
                "a recoded slice without parameter sets for pictures of "
                f"{self._size[0]}x{self._size[1]}: the stream is damaged"
            )
        try:
            head = self._head(header)
            if head.first != len(header):
                raise UnsupportedError("a header of another length")
            return self._state.read(slices, self._mixer, head, self._limit)
        except UnsupportedError as error:
            raise DamagedError(f"a recoded slice has {error}: the stream is damaged") from error


class HevcMixer(Mixer):
    """The models of one GOP of HEVC. Without `priors`, they start from those of talking heads."""

    def __init__(self, priors: Priors | None = None) -> None:
        super().__init__("hevc", PRIORS, MODELS, EVEN, priors)


class SliceRecoder(Recoder[Sps, Pps, Slice]):
    """HEVC's."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height, HevcState(), HevcMixer())

    def parameters(self, payload: bytes) -> None:
        kind = payload[0] >> 1 & 63
        try:
            if kind == hevc.SPS_UNIT:
                sps = hevc.read_sps(payload)
                self._sps = sps if sps.fits(*self._size) else None
            elif kind == hevc.PPS_UNIT:
                self._pps = hevc.read_pps(payload)
        except UnsupportedError:
            self._sps = self._pps = None

    def _head(self, payload: bytes) -> Slice:
        return hevc.read_slice(payload, *self._sets())
