"""Lossless thinning of NAL units (HEVC, VVC and any other Annex B stream).

Of the 30 bytes of a P frame at QP 49, 10.8 are start code, NAL header and an all but constant slice
header. Here NAL units lose their start codes and emulation prevention bytes; their first bytes are
range coded against what earlier NAL units of the same kind predict, position by position. The data
of HEVC slices is recoded (`recoding.py`) where that gives its exact bytes back; the rest is stored
as it is. What does not fit (trailing zeros, emulation bytes that cannot be re-made) is stored
verbatim. The exact bytes come back.

(Annex B and emulation prevention: Rec. ITU-T H.265, clauses B.1 and 7.4.2.)
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hdac.bitstream.rangecoder import Adaptive, Coder, Integer
from hdac.bitstream.recoding import Heard, Recoder
from hdac.errors import DamagedError

_START = re.compile(rb"\x00\x00\x01")
_EMULATED = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_PREVENTED = re.compile(rb"\x00\x00\x03")

SLICE_BYTES = 12  # predicted bytes of a NAL unit that carries a slice, the NAL header included
HEADER_BYTES = 128  # predicted bytes of any other NAL unit (parameter sets, SEI)
MAX_UNITS = 64
MAX_HEADER = 128  # bytes of the header of a recoded slice
RANKS = 3  # predictions tried before the byte is coded as it is
LAGS = (1, 2, 4, 8)

_VPS, _PPS = "40010c01ffff01600000009000000000003c968090", "4401c1718112"
_VVC_MEDIUM = (
    "0079000d022080008020201011a802fa6dd32348a4de709b2b1820413821a2e2222225f11112ea22225dc4444b9222225cb11112e68888973c44456fc9f97fcbfa97f7"
    "2fe497f2cbf9a5fcf2fe225f5112fb8897c9112f96225f3444be788bff4bb2ff3920000000200000032620"
)
_VVC_SLOW = (
    "0079000d022080008020201011a802fa23744234ca4c99c26cac608104e0868b88888897c4444ba888897711112e48888972c4444b9a22225cf11115bf27e5ff2fea5f"
    "dcbf925fcb2fe697f3cbf8897d444bee225f2444be58897cd112f9e22fffbbe4fce4800000008000000c9880"
)
_VVC_PPS = "008100001010080884207ec080"
#: First guesses for parameter sets, by codec: those that x265 and libvvenc write for the settings
#: of `layers` at 256x256 and 25 frames per second; the last of a kind is tried first.
TEMPLATES = {
    "hevc": (
        _VPS,
        "42010101600000009000000000003ca008080405965a924cae680800000008000000c840",
        _PPS,
    ),
    "vvc": (_VVC_SLOW, _VVC_MEDIUM, _VVC_PPS),
    "mixed": (
        _VPS,
        "42010101600000009000000000003ca008080405965a924cddef7340400000004000000642",
        _PPS,
        _VVC_MEDIUM,
        _VVC_SLOW,
        _VVC_PPS,
    ),
}


class Unit(NamedTuple):
    """One NAL unit without its emulation prevention bytes."""

    long_start: bool  # four-byte start code
    payload: bytes


def split(data: bytes, limit: int = MAX_UNITS) -> list[Unit] | None:
    """The NAL units of Annex B bytes, or None if they are more than `limit` or if `join` would not
    give exactly `data` back."""
    starts = [m.start() for m in _START.finditer(data)]
    if not starts or len(starts) > limit or starts[0] > 1:
        return None
    units = []
    for i, at in enumerate(starts):
        end = starts[i + 1] if i + 1 < len(starts) else len(data)
        if i + 1 < len(starts) and data[end - 1] == 0:
            end -= 1
        units.append(
            Unit(at > 0 and data[at - 1] == 0, _PREVENTED.sub(b"\0\0", data[at + 3 : end]))
        )
    if any(len(u.payload) < 2 or len(u.payload) >= 1 << Integer.BITS for u in units):
        return None
    return units if join(units) == data else None


def join(units: list[Unit]) -> bytes:
    """Annex B bytes of NAL units."""
    return b"".join(
        (b"\0\0\0\1" if u.long_start else b"\0\0\1") + _EMULATED.sub(b"\0\0\3", u.payload)
        for u in units
    )


def is_slice(first: int, second: int, codec: str) -> bool:
    """Whether a NAL header is that of coded picture data (H.265 table 7-1; H.266 table 5)."""
    return second >> 3 < 12 if is_vvc(first, codec) else (first >> 1 & 63) < 32


def is_vvc(first: int, codec: str) -> bool:
    """Whether a NAL unit is VVC's. In a "mixed" stream VVC's start with 0, and HEVC's, as x265
    writes them, do not."""
    return codec == "vvc" or (codec == "mixed" and first == 0)


def is_parameters(first: int) -> bool:
    """Whether a NAL unit of a "mixed" stream is one of HEVC's parameter sets."""
    return first >> 1 & 63 in (32, 33, 34)


class _Head(NamedTuple):
    """What is range coded of a NAL unit: all of a recoded slice, else the first bytes; `left` more
    are stored."""

    long_start: bool
    payload: bytes
    left: int


class _Position:
    """Models of one byte position of one kind of NAL unit."""

    def __init__(self, lags: int, sure: bool) -> None:
        self.hit = [Adaptive(2, (1, 15) if sure else (4, 4), step=16) for _ in range(RANKS)]
        self.score = [0.0] * lags


class Predictor:
    """Codes bytes at fixed positions of similar units; learns which earlier unit, or which trend,
    predicts each position.

    sure: the first units will be like those of `history`.
    """

    def __init__(self, sure: bool = False) -> None:
        self.history: list[bytes] = []
        self._sure = sure
        self._run: list[float] = []  # how well each predictor has done in the present unit
        self._positions: dict[int, _Position] = {}

    def _guesses(self, at: int) -> list[int]:
        """A guess for each predictor, -1 where it has none: the byte of the unit `lag` before, and
        linear trends over windows of 1 to 3 bytes (a counter such as the picture order count may
        straddle bytes)."""
        guesses, past = [], self.history
        for lag in LAGS:
            unit = past[-lag] if len(past) >= lag else b""
            guesses.append(unit[at] if at < len(unit) else -1)
        for lag in (1, 4):
            near, far = (past[-lag], past[-2 * lag]) if len(past) >= 2 * lag else (b"", b"")
            for window in (1, 2, 3):
                end = at + window
                if end > min(len(near), len(far)):
                    guesses.append(-1)
                    continue
                trend = 2 * int.from_bytes(near[at:end], "big") - int.from_bytes(far[at:end], "big")
                guesses.append(trend >> 8 * (window - 1) & 255)
        return guesses

    def code(self, coder: Coder, at: int, value: int | None) -> int:
        """Codes byte `at` of the present unit."""
        guesses = self._guesses(at)
        position = self._positions.setdefault(at, _Position(len(guesses), self._sure))
        run = self._run = self._run or [0.0] * len(guesses)
        order = sorted(range(len(guesses)), key=lambda i: (-run[i], -position.score[i], i))
        ranked = list(dict.fromkeys(guesses[i] for i in order if guesses[i] >= 0))[:RANKS]
        for rank, guess in enumerate(ranked):
            if coder.symbol(position.hit[rank], None if value is None else int(value == guess)):
                value = guess
                break
        else:
            value = coder.uniform(256, value)
        for i, guess in enumerate(guesses):
            position.score[i] = 0.8 * position.score[i] + (guess == value)
            run[i] = 0.8 * run[i] + (guess == value) if self._sure else 0.0
        return value

    def remember(self, unit: bytes) -> None:
        self.history, self._run = [*self.history[-2 * max(LAGS) :], unit], []


class Thinner:
    """The state of one GOP's thinning; `code` is the syntax of one access unit, the same for both
    directions.

    codec: "hevc", "vvc" or "mixed" (decides which NAL units carry slices; any other stream still
        round-trips).
    period: length of the QP cascade; frame sizes repeat with it.
    """

    def __init__(self, codec: str, period: int) -> None:
        self.codec, self.period = codec, max(1, period)
        self._verbatim = Adaptive(2, (15, 1))
        self._count = Integer()
        self._starts = [Adaptive(2), Adaptive(2)]
        self._headers: dict[int, Predictor] = {}
        self._bodies: dict[bytes, Predictor] = {}
        self._sizes: dict[tuple[bytes, int], Integer] = {}
        self._size = Integer()
        self._recoder = None if codec == "vvc" else Recoder()
        self._recoded = Adaptive(2, (1, 7))
        self._header_size = Integer()
        self._pictures = 0
        self._has_slice = False  # a recoded one, in this access unit
        for text in TEMPLATES[codec]:
            unit = bytes.fromhex(text)
            self._bodies.setdefault(unit[:2], Predictor(sure=True)).remember(unit[:HEADER_BYTES])

    def write(self, coder: Coder, data: bytes) -> bytes:
        """Codes one access unit; returns the bytes to store beside the range-coded ones."""
        units, self._has_slice = split(data), False
        coder.symbol(self._verbatim, int(units is None))
        if units is None:
            self._size.code(coder, len(data))
            self._pictures += 1
            return data
        self._count.code(coder, len(units))
        rest = []
        for index, unit in enumerate(units):
            head = self._head(coder, index, unit)
            rest.append(unit.payload[-head.left :] if head.left else b"")
            self._remember(unit.payload)
        self._pictures += 1
        return b"".join(rest)

    def read(self, coder: Coder, stored: memoryview) -> tuple[bytes, int]:
        """Decodes one access unit; returns it and how many bytes of `stored` it took. Raises
        `DamagedError`."""
        if coder.symbol(self._verbatim, None):
            size = self._size.code(coder, None)
            self._pictures += 1
            return bytes(_take(stored, 0, size)), size
        count = self._count.code(coder, None)
        if not 1 <= count <= MAX_UNITS:
            raise DamagedError(
                f"{count} NAL units in an access unit; at most {MAX_UNITS} are allowed: the stream is damaged"
            )
        units, at = [], 0
        self._has_slice = False
        for index in range(count):
            head = self._head(coder, index)
            units.append(Unit(head.long_start, head.payload + bytes(_take(stored, at, head.left))))
            self._remember(units[-1].payload)
            at += head.left
        self._pictures += 1
        return join(units), at

    def _remember(self, payload: bytes) -> None:
        if self._recoder is not None and not is_slice(payload[0], payload[1], self.codec):
            self._recoder.parameters(payload)

    def _head(self, coder: Coder, index: int, unit: Unit | None = None) -> _Head:
        """Start code, size and first bytes of a NAL unit, or all of a recoded slice; `unit` is
        given when writing."""
        payload = None if unit is None else unit.payload
        long_start = bool(
            coder.symbol(self._starts[index > 0], None if unit is None else int(unit.long_start))
        )
        header = self._headers.setdefault(index, Predictor())
        head = bytearray()
        for at in range(2):
            head.append(header.code(coder, at, None if payload is None else payload[at]))
        kind = bytes(head)
        header.remember(kind)
        body = self._bodies.setdefault(kind, Predictor())
        picture = is_slice(head[0], head[1], self.codec)
        if picture and self._recoder is not None and not is_vvc(head[0], self.codec):
            heard = None if payload is None or self._has_slice else self._recoder.hear(payload)
            if coder.symbol(self._recoded, None if payload is None else int(heard is not None)):
                if self._has_slice:  # a few bytes could ask for minutes
                    raise DamagedError(
                        "two recoded slices in an access unit: the stream is damaged"
                    )
                self._has_slice = True
                return _Head(
                    long_start, self._recode(coder, self._recoder, head, body, heard, payload), 0
                )
            self._recoder.skip()
        sizes = self._sizes.setdefault(
            (kind, self._pictures % self.period if picture else 0), Integer()
        )
        size = sizes.code(coder, None if payload is None else len(payload) - 2) + 2
        for at in range(2, min(size, SLICE_BYTES if picture else HEADER_BYTES)):
            head.append(body.code(coder, at, None if payload is None else payload[at]))
        body.remember(bytes(head))
        return _Head(long_start, bytes(head), size - len(head))

    def _recode(
        self,
        coder: Coder,
        recoder: Recoder,
        head: bytearray,
        body: Predictor,
        heard: Heard | None,
        payload: bytes | None,
    ) -> bytes:
        """A slice: its header by prediction, its data by recoding."""
        size = self._header_size.code(coder, None if heard is None else heard.head.first - 2) + 2
        if size > MAX_HEADER:
            raise DamagedError(
                f"a slice header of {size} bytes; at most {MAX_HEADER} are allowed: the stream is damaged"
            )
        for at in range(2, size):
            head.append(body.code(coder, at, None if payload is None else payload[at]))
        body.remember(bytes(head))
        if heard is None or payload is None:
            return bytes(head) + recoder.read(coder, bytes(head))
        recoder.write(coder, heard)
        return payload


def _take(stored: memoryview, at: int, size: int) -> memoryview:
    if at + size > len(stored):
        raise DamagedError(
            f"a NAL unit needs {size} bytes, had {len(stored) - at}; the stream is damaged"
        )
    return stored[at : at + size]
