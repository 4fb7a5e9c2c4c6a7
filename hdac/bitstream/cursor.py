"""Reading and writing of the numbers and byte strings that a stream is made of."""

from __future__ import annotations

import struct
import zlib

from hdac.errors import DamagedError, TruncatedError

_CRC = struct.Struct(">I")


class Cursor:
    """Reads a byte string front to back; every shortfall is a `TruncatedError` that says what was
    missing."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data, self.at = memoryview(data), 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int, what: str) -> memoryview:
        if count > self.left:
            raise TruncatedError(
                f"{what}: needed {count} bytes, had {self.left}; the stream is cut short"
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def varint(self, what: str, low: int = 0, high: int = (1 << 32) - 1) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte(what)
            value |= (byte & 127) << shift
            if byte < 128:
                break
        else:
            raise DamagedError(
                f"{what}: a variable-length integer is longer than 5 bytes; the stream is damaged"
            )
        if not low <= value <= high:
            raise DamagedError(
                f"{what} is {value}; allowed are {low} to {high}: the stream is damaged"
            )
        return value

    def chunk(self, what: str, limit: int) -> memoryview:
        return self.take(self.varint(f"length of {what}", 0, limit), what)

    def checksum(self, start: int, what: str) -> None:
        """Reads the CRC-32 of everything from `start` on. Raises `DamagedError`."""
        actual = zlib.crc32(self.data[start : self.at])
        if _CRC.unpack(self.take(_CRC.size, f"checksum of {what}"))[0] != actual:
            raise DamagedError(f"the checksum of {what} does not match: the stream is damaged")


def varint(value: int) -> bytes:
    """LEB128 of 0 <= value < 2^35."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def chunk(data: bytes) -> bytes:
    return varint(len(data)) + data


def with_checksum(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))
