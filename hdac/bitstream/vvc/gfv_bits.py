"""The elements that GFV messages are made of, to and from bits: one interface for both directions.

A writer is given each value; a reader is given anything, and finds it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from hdac.bitstream.hevc.parameters import Bits, UnsupportedError
from hdac.bitstream.hevc.rewriting import to_bytes, unsigned
from hdac.bitstream.vvc.gfv import MAX_TEXT, MAX_UE
from hdac.errors import DamagedError, StreamError, TruncatedError, UsageError

_UE_ZEROS = 31  # of the longest Exp-Golomb code


class Elements(Protocol):
    """Elements of a message, in order; each method returns the value."""

    def wrong(self, what: str) -> StreamError | UsageError:
        """The error that says that a message is not as it must be."""

    def flag(self, name: str, value: bool) -> bool: ...

    def bits(self, name: str, count: int, value: int) -> int: ...

    def number(self, name: str, value: int, low: int = 0, high: int = MAX_UE) -> int:
        """An unsigned Exp-Golomb code."""

    def steps(self, name: str, value: Fraction, predictor: Fraction, precision: int) -> int:
        """How far a value is from what predicts it, in steps of 2^-precision."""

    def align(self, name: str) -> None:
        """Zero bits up to the next whole byte."""

    def text(self, name: str, value: str) -> str:
        """UTF-8 that a zero byte ends; starts at a whole byte."""

    def rest(self, value: bytes) -> bytes:
        """All that follows; starts at a whole byte."""


class ElementReader:
    """Raises `TruncatedError`, `DamagedError`."""

    def __init__(self, payload: bytes) -> None:
        self._bits, self._payload = Bits(payload, len(payload), 0), payload

    def wrong(self, what: str) -> StreamError:
        return DamagedError(f"{what}: the GFV message is damaged or of a kind that hdac lacks")

    def flag(self, name: str, value: bool) -> bool:
        return bool(self.bits(name, 1, value))

    def bits(self, name: str, count: int, value: int) -> int:
        try:
            return self._bits.take(count)
        except UnsupportedError as error:
            raise self._ended(name) from error

    def number(self, name: str, value: int, low: int = 0, high: int = MAX_UE) -> int:
        try:
            found = self._bits.ue(_UE_ZEROS)
        except UnsupportedError as error:
            if self._bits.left:
                raise self.wrong(f"{name} has over {_UE_ZEROS} leading zeros") from error
            raise self._ended(name) from error
        if not low <= found <= high:
            raise self.wrong(f"{name} is {found}; allowed are {low} to {high}")
        return found

    def steps(self, name: str, value: Fraction, predictor: Fraction, precision: int) -> int:
        return 0

    def align(self, name: str) -> None:
        if self.bits(name, -self._bits.at % 8, 0):
            raise self.wrong(f"{name} is 1")

    def text(self, name: str, value: str) -> str:
        start = self._bits.at // 8
        end = self._payload.find(0, start, start + MAX_TEXT + 1)
        if end < 0:
            raise self.wrong(f"{name} has no end within {MAX_TEXT} bytes")
        self._bits.take(8 * (end + 1 - start))
        try:
            return self._payload[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.wrong(f"{name} is not UTF-8") from error

    def rest(self, value: bytes) -> bytes:
        return self._payload[self._bits.at // 8 :]

    def _ended(self, name: str) -> TruncatedError:
        return TruncatedError(f"a GFV message of {len(self._payload)} bytes ends within {name}")


class ElementWriter:
    """`finish` gives the bytes. Raises `UsageError`."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._size = 0

    def wrong(self, what: str) -> UsageError:
        return UsageError(f"{what}: this GFV message cannot be written")

    def flag(self, name: str, value: bool) -> bool:
        return bool(self.bits(name, 1, int(value)))

    def bits(self, name: str, count: int, value: int) -> int:
        if not 0 <= value < 1 << count:
            raise self.wrong(f"{name} is {value}; allowed are 0 to {(1 << count) - 1}")
        self._append(f"{value:0{count}b}" if count else "")
        return value

    def number(self, name: str, value: int, low: int = 0, high: int = MAX_UE) -> int:
        if not low <= value <= high:
            raise self.wrong(f"{name} is {value}; allowed are {low} to {high}")
        self._append(unsigned(value))
        return value

    def steps(self, name: str, value: Fraction, predictor: Fraction, precision: int) -> int:
        steps = (value - predictor) * (1 << precision)
        if steps.denominator > 1:
            raise self.wrong(f"{name} is {value}, no multiple of 2^-{precision} from {predictor}")
        return steps.numerator

    def align(self, name: str) -> None:
        self._append("0" * (-self._size % 8))

    def text(self, name: str, value: str) -> str:
        try:
            data = value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise self.wrong(f"{name} is {value[:40]!a}, which is no text") from error
        if len(data) > MAX_TEXT or 0 in data:
            raise self.wrong(f"{name} has {len(data)} bytes; allowed are {MAX_TEXT}, none zero")
        self.rest(data + b"\0")
        return value

    def rest(self, value: bytes) -> bytes:
        for start in range(0, len(value), 64):
            self._append("".join(f"{byte:08b}" for byte in value[start : start + 64]))
        return value

    def finish(self) -> bytes:
        """The message's payload; a one and zeros fill its last byte (H.274, SEI payload syntax)."""
        text = "".join(self._texts)
        if len(text) % 8:
            return to_bytes(text)
        return int(text, 2).to_bytes(len(text) // 8, "big")

    def _append(self, text: str) -> None:
        self._texts.append(text)
        self._size += len(text)
