"""Lossless recoding of HEVC slice data.

CABAC starts every slice from fixed guesses and spends a good part of it on learning them again.
Here the same bins are coded under models that last for a GOP, know more of their surroundings (the
picture before, the slice's QP) and start from what other talking heads taught them (`priors.npz`,
made by `experiments/hevc_priors.py`). CABAC's own bytes are made again from the bins: the exact
slice comes back.

(Adaptive states and logistic mixing: Mahoney, "Adaptive weighing of context models for lossless
data compression", 2005.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from operator import mul
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np

from hdac.bitstream.hevc import parameters as hevc
from hdac.bitstream.hevc.bins import EVEN, MODELS, Bins, CopiedBins, Wider
from hdac.bitstream.hevc.cabac import CabacWriter, initial_states
from hdac.bitstream.hevc.parameters import Pps, Slice, Sps, UnsupportedError
from hdac.bitstream.hevc.tree import SliceParser
from hdac.bitstream.rangecoder import HALF, Coder, Reader
from hdac.errors import DamagedError, ToolError

VIEWS = 5  # of a bin, at most
PRIORS = Path(__file__).parent / "hevc" / "priors.npz"

_MAX_BINS = 80_000  # of a slice; larger ones gain least and take longest
_FREE_BINS, _PIXELS_A_BIN, _BINS_A_BYTE = 1024, 1024, 64  # of a packet

_QP_STEP = 4  # QPs that share a model
_LIMIT = 200  # bins after which a model adapts no more slowly
_RATE = [65536 * 2 // (2 * n + 3) for n in range(_LIMIT + 1)]
_LEARNING = 41  # of the mixing weights: 0.01 in units of 1 / 4096
_START = 72000  # of the mixing weights together, in units of 1 / 65536

#: Logistic function of x / 256, in units of 1 / 4096, at x = -2048, -1920 .. 2048; and between, by
#: straight lines in integers.
_NODES = (
    1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349,
    3608, 3785, 3902, 3976, 4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
)  # fmt: skip
_SQUASH = [
    (_NODES[i >> 7] * (128 - (i & 127)) + _NODES[(i >> 7) + 1] * (i & 127) + 64) >> 7
    for i in range(4096)
]


def _inverse() -> list[int]:
    """`_SQUASH` turned round: the middle of the x that give p."""
    where: list[list[int]] = [[] for _ in range(4096)]
    for x, p in enumerate(_SQUASH):
        where[p].append(x - 2048)
    out, last = [], -2047
    for places in where:
        last = places[len(places) // 2] if places else last
        out.append(last)
    return out


_STRETCH = _inverse()


def slice_limit(pixels: int) -> int:
    """Most bins of a recoded slice of a picture of so many luma samples."""
    return min(_MAX_BINS, 4 * pixels + 1024)


def bin_limit(frames: int, pixels: int, size: int) -> int:
    """Most bins in `size` bytes of slices, of a packet of `frames` pictures of `pixels` each."""
    return _FREE_BINS + frames * pixels // _PIXELS_A_BIN + _BINS_A_BYTE * size


def least_size(frames: int, pixels: int, bins: int) -> int:
    """Fewest bytes of slices that may hold so many bins; zeros at the end change nothing."""
    return max(0, -(-(bins - bin_limit(frames, pixels, 0)) // _BINS_A_BYTE))


class Head(Protocol):
    """What models look at in a slice's header."""

    @property
    def type(self) -> int:
        """B, P or I: 0 to 2."""

    @property
    def qp(self) -> int: ...

    @property
    def init(self) -> int:
        """`initType`."""

    @property
    def first(self) -> int:
        """The byte of the unit where its data starts."""


class Priors(NamedTuple):
    """What models and mixing weights start from.

    models: key -> probability of 1 (16 bits), the number of bins that this guess counts for.
    weights: 3 * model + slice type -> those of its views.
    """

    models: dict[int, tuple[int, int]]
    weights: dict[int, list[int]]


@cache
def _priors(path: Path | None = None) -> Priors:
    path = path or PRIORS
    try:
        with np.load(path, allow_pickle=False) as tables:
            models, weights = tables["models"].tolist(), tables["weights"].tolist()
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ToolError(
            f"{path.name} is missing from hdac/bitstream/{path.parent.name}, or damaged ({error}): "
            "install hdac again"
        ) from error
    return Priors(
        {key: (p, count) for key, p, count in models}, {key: start for key, *start in weights}
    )


def keys(head: Head, model: int, known: int, wider: Wider, models: int = MODELS) -> list[int]:
    """The models of a bin: in slices of about this QP, in its surroundings, and in each wider view
    of them. `models`: how many there are of each, for another codec than HEVC."""
    views = (max(0, head.qp) // _QP_STEP, known, *wider)
    return [((view * VIEWS + i) * models + model) * 3 + head.type for i, view in enumerate(views)]


class ParsedSlice(NamedTuple):
    """A slice that can be recoded: its header, and the bins of the rest (model, known, wider,
    value)."""

    head: Head
    bins: list[tuple[int, int, Wider, int]]


class Mixer:
    """The models of one GOP: several for each bin, mixed.

    models, even: how many kinds of bins the codec has, and which of them nothing is known of.
    """

    path: Path | None = None  # of first guesses, if not HEVC's

    def __init__(
        self, priors: Priors | None = None, models: int = MODELS, even: int = EVEN
    ) -> None:
        self._given, self._kinds, self._even = priors, models, even
        self._models: dict[int, list[int]] = {}
        self.weights: dict[int, list[int]] = {}
        #: Of the present slice's bins: models, their weights.
        self._present: dict[tuple[int, int, Wider], tuple[list[list[int]], list[int]]] = {}

    def start(self, head: Head) -> None:
        self._head, self._present = head, {}

    @property
    def _priors(self) -> Priors:
        return self._given or _priors(self.path)

    def _model(self, key: int) -> list[int]:
        found = self._models.get(key)
        if found is None:
            p, count = self._priors.models.get(key, (1 << 15, 0))
            found = self._models[key] = [p << 6, count]
        return found

    def _views(self, model: int, known: int, wider: Wider) -> list[list[int]]:
        return [self._model(key) for key in keys(self._head, model, known, wider, self._kinds)]

    def _find(self, model: int, known: int, wider: Wider) -> tuple[list[list[int]], list[int]]:
        models = self._views(model, known, wider)
        kind = 3 * model + self._head.type
        weights = self.weights.get(kind)
        if weights is None:
            start = self._priors.weights.get(kind, [_START // len(models)] * VIEWS)
            weights = self.weights[kind] = start[: len(models)]
        return models, weights

    def code(self, coder: Coder, model: int, known: int, wider: Wider, value: int | None) -> int:
        """Codes one bin (`value` None: reads it) and learns from it."""
        if model == self._even:
            return coder.bit(HALF, value)
        key = (model, known, wider)
        found = self._present.get(key)
        if found is None:
            found = self._present[key] = self._find(model, known, wider)
        models, weights = found
        stretched = [_STRETCH[p >> 10] for p, _ in models]
        x = sum(map(mul, weights, stretched)) >> 16
        mixed = _SQUASH[x + 2048 if -2048 < x < 2048 else 1 if x < 0 else 4095]
        value = coder.bit(mixed, value)
        error = ((value << 12) - mixed) * _LEARNING
        goal = value << 22
        for i, state in enumerate(models):
            weights[i] += error * stretched[i] + 32768 >> 16
            p, seen = state
            state[0] = p + ((goal - p) * _RATE[seen] >> 16)
            if seen < _LIMIT:
                state[1] = seen + 1
        return value

    def write(self, coder: Coder, parsed: ParsedSlice) -> None:
        self.start(parsed.head)
        for model, known, wider, value in parsed.bins:
            self.code(coder, model, known, wider, value)


class CodedBins:
    """`Bins` of a recoded slice: reads them and writes CABAC's bytes."""

    def __init__(self, coder: Coder, mixer: Mixer, writer: CabacWriter) -> None:
        self._coder, self._mixer, self.writer = coder, mixer, writer

    def bin(self, context: int, known: int = 0, wider: Wider = ()) -> int:
        value = self._mixer.code(self._coder, context, known, wider, None)
        self.writer.bin(context, value)
        return value

    def bypass(self, model: int, known: int = 0, wider: Wider = ()) -> int:
        value = self._mixer.code(self._coder, model, known, wider, None)
        self.writer.bypass(value)
        return value

    def pcm(self, x: int, y: int, size: int) -> bool:
        self.writer.terminate(0)
        return False

    def terminate(self, last: bool) -> None:
        self.writer.terminate(last)


S = TypeVar("S")
P = TypeVar("P")
H = TypeVar("H", bound=Head)


class Recoder(ABC, Generic[S, P, H]):
    """The state of one GOP's recoding. Every NAL unit passes through `parameters`, or `parse` and
    `write` (writing), or `read` (reading), or `skip`.

    width, height: of the pictures. A sequence whose coded size is not this, rounded up to whole
        smallest blocks, is not recoded.
    """

    def __init__(self, width: int, height: int, mixer: Mixer) -> None:
        self._size, self._limit = (width, height), slice_limit(width * height)
        self._mixer = mixer
        self._sps: S | None = None
        self._pps: P | None = None
        self.skip()

    @abstractmethod
    def parameters(self, payload: bytes) -> None:
        """A NAL unit that is no slice: parameter sets are remembered."""

    @abstractmethod
    def skip(self) -> None:
        """A slice is stored as it is: what was known of its surroundings is out of date."""

    def _sets(self) -> tuple[S, P]:
        """The parameter sets. Raises `UnsupportedError` where one is not there."""
        if self._sps is None or self._pps is None:
            raise UnsupportedError("no parameter sets")
        return self._sps, self._pps

    @abstractmethod
    def _head(self, payload: bytes) -> H:
        """A slice's header. Raises `UnsupportedError`."""

    @abstractmethod
    def _walk(self, head: H, bins: Bins) -> None:
        """Parses a slice's data."""

    @abstractmethod
    def _copied(self, data: bytes, head: H) -> CopiedBins:
        """The bins of a slice's data as it is."""

    @abstractmethod
    def _writer(self, head: H) -> CabacWriter:
        """What writes a slice's data."""

    def parse(self, payload: bytes) -> ParsedSlice | None:
        """A slice's NAL unit, taken apart; None if its exact bytes would not come back."""
        try:
            head = self._head(payload)
            bins = self._copied(payload[head.first :], head)
            self._walk(head, bins)
            if bins.writer.finish() == payload[head.first :]:
                return ParsedSlice(head, bins.bins)
        except (UnsupportedError, DamagedError):
            pass
        self.skip()
        return None

    def _restored(self, slices: Reader, header: bytes) -> bytes:
        head = self._head(header)
        if head.first != len(header):
            raise UnsupportedError("a header of another length")
        self._mixer.start(head)
        writer = self._writer(head)
        self._walk(head, CodedBins(slices, self._mixer, writer))
        return writer.finish()

    def write(self, slices: Coder, parsed: ParsedSlice) -> None:
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
        before = slices.bits_left
        slices.bits_left = allowed = min(before, self._limit)
        try:
            data = self._restored(slices, header)
        except UnsupportedError as error:
            raise DamagedError(f"a recoded slice has {error}: the stream is damaged") from error
        slices.bits_left += before - allowed
        return data


class SliceRecoder(Recoder[Sps, Pps, Slice]):
    """HEVC's."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height, Mixer())

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

    def skip(self) -> None:
        self._parser = SliceParser()

    def _head(self, payload: bytes) -> Slice:
        return hevc.read_slice(payload, *self._sets())

    def _walk(self, head: Slice, bins: Bins) -> None:
        self._parser.parse(head, bins)

    def _copied(self, data: bytes, head: Slice) -> CopiedBins:
        return CopiedBins(data, head, self._limit)

    def _writer(self, head: Slice) -> CabacWriter:
        return CabacWriter(initial_states(head.init, head.qp))
