"""Generative face video: the standard's form of streams like ours, in any VVC stream.

    >>> from hdac import gfv
    >>> from fractions import Fraction
    >>> slices = bytes.fromhex("0000010041c402 0000010001940654")  # of two pictures
    >>> points = ((Fraction(1, 4), Fraction(-1, 8)), (Fraction(1, 2), Fraction(0)))
    >>> face = gfv.Coordinates(points, precision=6, predicted=True)
    >>> network = gfv.NamedNetwork("tag:example.org,2026:gfv", "urn:example:model-1")
    >>> base = gfv.GfvMessage(base_picture=True, network=network, coordinates=face)
    >>> stream = gfv.insert(slices, [base, gfv.GfvMessage(cnt=1, coordinates=face)])
    >>> [message.cnt for message in gfv.messages(stream)]
    [0, 1]
    >>> gfv.remove(stream) == slices
    True

(Rec. ITU-T H.274; docs/gfv.md.)
"""

from __future__ import annotations

from hdac.bitstream.vvc.gfv import (
    CarriedNetwork,
    ChromaKey,
    Coordinates,
    GfvMessage,
    Matrices,
    MatrixType,
    NamedNetwork,
)
from hdac.bitstream.vvc.sei import insert, messages, remove

__all__ = [
    "CarriedNetwork", "ChromaKey", "Coordinates", "GfvMessage", "Matrices", "MatrixType",
    "NamedNetwork", "insert", "messages", "remove",
]  # fmt: skip
