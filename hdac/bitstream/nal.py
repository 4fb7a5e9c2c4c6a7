"""Lossless compression of NAL units (HEVC, VVC and any other Annex B stream).

NAL units lose their start codes and emulation prevention bytes; their first bytes are range coded
against what earlier NAL units of the same kind predict. The data of slices is recoded
(`recoding.py`, `vvc/recoder.py`) where that gives its exact bytes back; the rest is stored as it
is. What does not fit (trailing zeros, emulation bytes that cannot be re-made) is stored verbatim.
The exact bytes come back.

(Annex B and emulation prevention: Rec. ITU-T H.265, clauses B.1 and 7.4.2.)
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple

from hdac.bitstream.hevc.parameters import MAX_HEADER
from hdac.bitstream.predictor import Predictor
from hdac.bitstream.rangecoder import Adaptive, Coder, Integer, Reader, Writer
from hdac.bitstream.recoding import SliceRecoder
from hdac.bitstream.vvc.recoder import VvcSliceRecoder
from hdac.errors import DamagedError

_START = re.compile(rb"\x00\x00\x01")
_EMULATED = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_PREVENTED = re.compile(rb"\x00\x00\x03")

MAX_UNITS = 32
_SLICE_BYTES = 12  # predicted bytes of a NAL unit that carries a slice, the NAL header included
_SET_BYTES = 128  # predicted bytes of any other NAL unit (parameter sets, SEI)
_PREDICTED = 256  # predicted bytes of an access unit, NAL headers not included
_MAX_KINDS = 32  # kinds of NAL units that have models of their own

_VPS, _PPS = "40010c01ffff01600000009000000000003c968090", "4401c1718112"
_VVC_MEDIUM = (
    "0079000d022080008020201011a802fa6dd32348a4de709b2b1820413821a2e2222225f11112ea22225dc4444b922"
    "2225cb11112e68888973c44456fc9f97fcbfa97f72fe497f2cbf9a5fcf2fe225f5112fb8897c9112f96225f3444be"
    "788bff4bb2ff3920000000200000032620"
)
_VVC_SLOW = (
    "0079000d022080008020201011a802fa23744234ca4c99c26cac608104e0868b88888897c4444ba888897711112e4"
    "8888972c4444b9a22225cf11115bf27e5ff2fea5fdcbf925fcb2fe697f3cbf8897d444bee225f2444be58897cd112"
    "f9e22fffbbe4fce4800000008000000c9880"
)
_VVC_PPS = "008100001010080884207ec080"
_KVAZAAR_VPS = "40010c02ffff0160000000800000000000ba0000130240"
#: Kvazaar's sequence and picture parameter sets by codec: first guesses behind its video parameter
#: set, instead of those below.
_KVAZAAR_SETS = {
    "hevc": (
        "4201020160000000800000000000ba0000a008080405c4e4929aa010000000100000018080",
        "4401c16216026480",
    ),
    "mixed": (
        "4201020160000000800000000000ba0000a008080405c4e4929ddef500800000008000000c04",
        "4401c16216026480",
    ),
}
#: First guesses for parameter sets, by codec: those that Kvazaar, x265 and libvvenc write for the
#: settings of `layers` at 256x256 and 25 frames per second; the last of a kind is tried first.
TEMPLATES = {
    "hevc": (
        _KVAZAAR_VPS,
        _VPS,
        "42010101600000009000000000003ca008080405965a924cae680800000008000000c840",
        _PPS,
    ),
    "vvc": (_VVC_SLOW, _VVC_MEDIUM, _VVC_PPS),
    "mixed": (
        _KVAZAAR_VPS,
        _VPS,
        "42010101600000009000000000003ca008080405965a924cddef7340400000004000000642",
        _PPS,
        _VVC_MEDIUM,
        _VVC_SLOW,
        _VVC_PPS,
    ),
}

#: The headers of the slices behind the first one as Kvazaar and libvvenc write them for the
#: settings of `layers`; the last `cycle` of them come again and again.
_KVAZAAR_SLICES = (
    "0201e25ff668", "0201e47ff49c54", "0201e67d7d2719", "0201e87dfd2711", "0201ea7c9f49cd",
    "0201ec27c9f6dc54", "0201ee27527db719", "0201f027727db711", "0201f227249f6dcd",
    "0201f427c9f6dc54", "0201f627527db719", "0201f827727db711", "0201fa27249f6dcd",
    "0201fc27c9f6dc54", "0201fe27527db719", "0201e027727db711", "0201e227249f6dcd",
    "0201e427c9f6dc54", "0201e627527db719", "0201e827727db711", "0201ea27249f6dcd",
)  # fmt: skip
_LIBVVENC_SLICES = (
    "00019405a35006de", "00019409a353c0d3c0", "0001940da355c0dbc0", "00019411a357c0d3c0",
    "00019415a359c0dbc0", "00019419a35bc0d3c0", "0001941da35dc0dbc0", "00019421a380bf812780",
    "00019425a361c0e3c0", "00019429a363c0dbc0", "0001942da365c0e3c0", "00019431a367c0dbc0",
    "00019435a369c0e3c0", "00019439a36bc0dbc0", "0001943da36dc0e3c0", "00019441a36fc093c0",
    "00019445a371c0e3c0", "00019449a343c0dbc0", "0001944da345c0e3c0", "00019451a347c0dbc0",
    "00019455a349c0e3c0", "00019459a34bc0dbc0", "0001945da34dc0e3c0", "00019461a34fc09bc0",
    "00019465a341c0e3c0",
)  # fmt: skip


def _sequence(texts: tuple[str, ...], cycle: int) -> tuple[bytes, Predictor]:
    """The NAL header of such slices, and what predicts them."""
    units = [bytes.fromhex(text) for text in texts]
    return units[0][:2], Predictor(True, units, cycle)


class Unit(NamedTuple):
    """One NAL unit without its emulation prevention bytes."""

    long_start: bool  # four-byte start code
    payload: bytes


class Span(NamedTuple):
    """Where a NAL unit is in Annex B bytes: its start code, its header, and what is behind it."""

    start: int
    first: int
    end: int


def spans(data: bytes) -> list[Span]:
    """The NAL units of Annex B bytes; what is before the first start code is left out."""
    codes = [m.start() for m in _START.finditer(data)]
    starts = [at - (at > 0 and data[at - 1] == 0) for at in codes]
    ends = [*starts[1:], len(data)]
    return [Span(start, at + 3, end) for start, at, end in zip(starts, codes, ends, strict=False)]


def unescape(data: bytes) -> bytes:
    """A NAL unit without its emulation prevention bytes."""
    return _PREVENTED.sub(b"\0\0", data)


def escape(payload: bytes) -> bytes:
    """A NAL unit with emulation prevention bytes."""
    return _EMULATED.sub(b"\0\0\3", payload)


def split(data: bytes, limit: int = MAX_UNITS) -> list[Unit] | None:
    """The NAL units of Annex B bytes, or None if they are more than `limit` or if `join` would not
    give exactly `data` back."""
    found = spans(data)
    if not found or len(found) > limit or found[0].start:
        return None
    units = [Unit(s.first - s.start == 4, unescape(data[s.first : s.end])) for s in found]
    if any(len(u.payload) < 2 or len(u.payload) >= 1 << Integer.BITS for u in units):
        return None
    return units if join(units) == data else None


def join(units: list[Unit]) -> bytes:
    """Annex B bytes of NAL units."""
    return b"".join((b"\0\0\0\1" if u.long_start else b"\0\0\1") + escape(u.payload) for u in units)


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


class NalCompressor:
    """The state of one GOP's NAL compression; each method codes one access unit.

    codec: "hevc", "vvc" or "mixed" (decides which NAL units carry slices; any other stream still
        round-trips).
    period: length of the QP cascade; sizes of pictures repeat with it.
    size: width and height of the base layer's pictures: slices of others are not recoded.
    """

    def __init__(self, codec: str, period: int, size: tuple[int, int]) -> None:
        self._codec, self._period = codec, max(1, period)
        self._verbatim, self._verbatim_size = Adaptive(2, (15, 1)), Integer()
        self._count = Integer()
        self._starts = [Adaptive(2), Adaptive(2)]
        self._headers: defaultdict[int, Predictor] = defaultdict(Predictor)
        self._bodies: defaultdict[bytes, Predictor] = defaultdict(Predictor)
        self._sizes: defaultdict[tuple[bytes, int], Integer] = defaultdict(Integer)
        self._recoder = SliceRecoder(*size)
        self._vvc_recoder = VvcSliceRecoder(*size)
        self._recoded = Adaptive(2, (1, 7))
        self._header_size = Integer()
        self._pictures = 0
        self._left = 0  # predicted bytes that the access unit may still have
        self._expect(TEMPLATES[codec])
        if codec == "vvc":
            self._bodies.update([_sequence(_LIBVVENC_SLICES, 8)])

    def _expect(self, templates: tuple[str, ...]) -> None:
        """Forgets units of these kinds, and takes these for the next ones."""
        units = [bytes.fromhex(text) for text in templates]
        self._bodies.update({unit[:2]: Predictor(confident=True) for unit in units})
        for unit in units:
            self._bodies[unit[:2]].remember(unit[:_SET_BYTES])

    def write(self, coder: Coder, slices: Writer, data: bytes) -> bytes:
        """Codes one access unit; returns the bytes to store beside the range-coded ones."""
        units, rest = split(data), [data]
        coder.symbol(self._verbatim, int(units is None))
        if units is None:
            self._verbatim_size.code(coder, len(data))
        else:
            self._count.code(coder, len(units))
            rest, self._left = [], _PREDICTED
            for index, unit in enumerate(units):
                _, stored = self._unit(coder, slices, index, unit, memoryview(b""))
                rest.append(unit.payload[len(unit.payload) - stored :])
        self._pictures += 1
        return b"".join(rest)

    def read(self, coder: Coder, slices: Reader, stored: memoryview) -> tuple[bytes, int]:
        """Decodes one access unit; returns it and how many bytes of `stored` it took.

        Raises `DamagedError`.
        """
        if coder.symbol(self._verbatim, None):
            at = self._verbatim_size.code(coder, None)
            data = bytes(_take(stored, at))
        else:
            count = self._count.code(coder, None)
            if not 1 <= count <= MAX_UNITS:
                raise DamagedError(
                    f"{count} NAL units in an access unit; allowed are 1 to {MAX_UNITS}: "
                    "the stream is damaged"
                )
            units, at, self._left = [], 0, _PREDICTED
            for index in range(count):
                unit, taken = self._unit(coder, slices, index, None, stored[at:])
                units.append(unit)
                at += taken
            data = join(units)
        self._pictures += 1
        return data, at

    def _unit(
        self,
        coder: Coder,
        slices: Writer | Reader,
        index: int,
        unit: Unit | None,
        stored: memoryview,
    ) -> tuple[Unit, int]:
        """Codes NAL unit `index` of an access unit (`unit` None: reads it, with what is in
        `stored`); returns it and how many of its bytes are stored."""
        payload = None if unit is None else unit.payload
        start = None if unit is None else int(unit.long_start)
        long_start = bool(coder.symbol(self._starts[index > 0], start))
        header, head = self._headers[index], bytearray()
        for at in range(2):
            head.append(header.code(coder, at, None if payload is None else payload[at]))
        header.remember(bytes(head))
        kind = bytes(head)
        if kind not in self._bodies and len(self._bodies) >= _MAX_KINDS:
            kind = b""
        body = self._bodies[kind]
        picture = is_slice(head[0], head[1], self._codec)
        vvc = is_vvc(head[0], self._codec)
        recoder = self._vvc_recoder if vvc else self._recoder
        if picture:
            parsed = None if payload is None else recoder.parse(payload)
            if parsed is not None and parsed.head.first - 2 > self._left:
                parsed = None
            if coder.symbol(self._recoded, None if payload is None else int(parsed is not None)):
                size = None if parsed is None else parsed.head.first - 2
                size = self._header_size.code(coder, size)
                if size > min(MAX_HEADER - 2, self._left):
                    raise DamagedError(f"a slice header of {size} bytes: the stream is damaged")
                self._predicted(coder, body, head, size, payload)
                if isinstance(slices, Reader):
                    payload = bytes(head) + recoder.read(slices, bytes(head))
                elif parsed is not None:
                    recoder.write(slices, parsed)
                return Unit(long_start, payload or b""), 0
            recoder.skip()
        phase = self._pictures % self._period if picture else 0
        size = self._sizes[kind, phase].code(coder, None if payload is None else len(payload) - 2)
        count = min(size, (_SLICE_BYTES if picture else _SET_BYTES) - 2, self._left)
        self._predicted(coder, body, head, count, payload)
        if payload is None:
            payload = bytes(head + _take(stored, size - count))
        if not picture:
            recoder.parameters(payload)
            if not vvc and payload == bytes.fromhex(_KVAZAAR_VPS):
                self._expect(_KVAZAAR_SETS[self._codec])
                self._bodies.update([_sequence(_KVAZAAR_SLICES, 16)])
        return Unit(long_start, payload), size - count

    def _predicted(
        self, coder: Coder, body: Predictor, head: bytearray, count: int, payload: bytes | None
    ) -> None:
        """Codes the next `count` bytes of a NAL unit, which `head` gets."""
        for at in range(2, 2 + count):
            head.append(body.code(coder, at, None if payload is None else payload[at]))
        body.remember(bytes(head))
        self._left -= count


def _take(stored: memoryview, size: int) -> memoryview:
    if size > len(stored):
        raise DamagedError(
            f"a NAL unit needs {size} bytes, had {len(stored)}; the stream is damaged"
        )
    return stored[:size]
