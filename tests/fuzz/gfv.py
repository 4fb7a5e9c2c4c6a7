"""Random GFV messages of every kind, streams of them, and mutants: what others may write."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

from hdac.bitstream.vvc import gfv
from hdac.bitstream.vvc.gfv import (
    CarriedNetwork,
    ChromaKey,
    Coordinates,
    GfvMessage,
    Matrices,
    MatrixType,
    NamedNetwork,
    References,
)
from hdac.bitstream.vvc.gfv_bits import ElementWriter
from hdac.bitstream.vvc.pictures import is_slice, picture_units
from hdac.bitstream.vvc.sei import GFV, Payload, insert, messages, read_sei, remove, write_sei
from hdac.codec.gfv.export import export_gfv

#: Slices of one picture each, as far as anybody looks who does not decode them.
SLICES = bytes.fromhex("00000001004100ff55b612ae"), bytes.fromhex("0000000100010654a80de0ab47c8")
_IDS = (0, 1, 7, 255, 512, 1 << 20, (1 << 31) - 1)
_TEXTS = ("", "tag:example.org,2026:gfv", "urn:example:model-1", "urn:example:ä€𝄞")


def random_messages(rng: random.Random, count: int = 6, pictures: int = 2) -> list[GfvMessage]:
    """Messages that can be written in this order, of growing pictures."""
    references, made = References(), list[GfvMessage]()
    for picture in sorted(rng.choices(range(pictures), k=count)):
        message = _message(rng, picture, references)
        references.remember(message)
        made.append(message)
    return made


def stream(messages: list[GfvMessage], pictures: int = 2) -> bytes:
    """A stream of so many pictures with these messages."""
    return insert(SLICES[0] + SLICES[1] * (pictures - 1), messages)


def _message(rng: random.Random, picture: int, references: References) -> GfvMessage:
    gfv_id = rng.choice(_IDS[:2] if rng.random() < 0.8 else _IDS)
    cnt = rng.choice((0, 0, 1, 2, rng.randrange(1 << 32) & ~1))
    base = cnt == 0 and rng.random() < 0.6
    own = None if base else references.base(gfv_id)
    before = None if base else references.reference(gfv_id, cnt)
    coordinates = _coordinates(rng, base, own, before) if rng.random() < 0.8 else None
    matrices = None
    if coordinates is None or rng.random() < 0.6:
        matrices = _matrices(rng, base, coordinates, before)
    network: NamedNetwork | CarriedNetwork | None = rng.choice(
        (
            None,
            NamedNetwork(rng.choice(_TEXTS), rng.choice(_TEXTS)),
            CarriedNetwork(rng.randbytes(rng.choice((0, 1, 5, 300)))),
        )
    )
    values = [rng.choice((None, rng.randrange(256))) for _ in range(3)]
    thresholds = rng.choice((None, (rng.randrange(256), rng.randint(1, 256))))
    key = ChromaKey(rng.randrange(3), (values[0], values[1], values[2]), thresholds)
    return GfvMessage(
        gfv_id, cnt, base, network if base else None, key if base and rng.random() < 0.3 else None,
        not base and cnt == 0 and rng.random() < 0.5, rng.random() < 0.2, coordinates, matrices,
        picture,
    )  # fmt: skip


def _steps(rng: random.Random, precision: int) -> Fraction:
    """A number of that precision: zero, small, in [-1, 1] or huge."""
    one = 1 << precision
    most = rng.choice((0, 3, one, 20 * one))
    return Fraction(rng.randint(-most, most) % ((1 << 32) - 1), one) * rng.choice((1, -1))


def _coordinates(
    rng: random.Random, base: bool, own: GfvMessage | None, before: GfvMessage | None
) -> Coordinates:
    old = None if own is None else own.coordinates
    reference = None if before is None else before.coordinates
    fits = old and reference and len(old.points) == len(reference.points)
    if fits and old.axes == reference.axes and rng.random() < 0.7:
        points = (
            tuple(value + _steps(rng, old.precision) for value in point)
            for point in reference.points
        )
        return Coordinates(tuple(points), old.precision, old.z_max, True)
    precision, axes = rng.choice((1, 6, 9, 32)), rng.choice((2, 3))
    predicted = base and rng.random() < 0.5
    last, made = (Fraction(0),) * axes, []
    for _ in range(rng.choice((1, 2, 5, 10))):
        point = tuple(_steps(rng, precision) for _ in range(axes))
        last = tuple(a + b for a, b in zip(last, point, strict=True)) if predicted else point
        made.append(last)
    z_max = rng.choice((1, 2, 100)) if axes == 3 else None
    return Coordinates(tuple(made), precision, z_max, predicted)


def _matrices(
    rng: random.Random, base: bool, coordinates: Coordinates | None, before: GfvMessage | None
) -> Matrices:
    reference = None if before is None else before.matrices
    if reference is not None and not base and rng.random() < 0.7:
        types = (
            MatrixType(
                of.type,
                tuple(
                    tuple(tuple(v + _steps(rng, reference.precision) for v in row) for row in m)
                    for m in of.matrices
                ),
            )
            for of in reference.types
        )
        return Matrices(tuple(types), reference.precision, True)
    precision = rng.choice((1, 8, 32))
    kinds = rng.choices((*range(9), 31, 63), k=rng.choice((1, 1, 2, 4)))
    types = (
        MatrixType(kind, tuple(_matrix(rng, precision, *size) for size in sizes))
        for kind in kinds
        if (sizes := list(_sizes(rng, kind, coordinates)))
    )
    return Matrices(tuple(types), precision)


def _sizes(
    rng: random.Random, kind: int, coordinates: Coordinates | None
) -> Iterator[tuple[int, int]]:
    """Height and width of each matrix of a type."""
    points = 0 if coordinates is None else len(coordinates.points)
    axes = 2 if coordinates is None else coordinates.axes
    if kind <= gfv.COVARIANCE:
        number = rng.choice((points, max(2, points - 1), points + 1, points + 3))
        yield from [(axes, axes)] * max(number, 1 if points else 2)
    elif gfv.ROTATION <= kind <= gfv.LOCATION:
        axes = axes if coordinates is not None else rng.choice((2, 3))
        yield axes, axes if kind == gfv.ROTATION else 1
    else:
        size = rng.randint(1, 4), rng.randint(1, 4)
        yield from [size] * (rng.randint(1, 3) if kind >= gfv.COMPACT else 1)


def _matrix(rng: random.Random, precision: int, height: int, width: int) -> gfv.Matrix:
    return tuple(tuple(_steps(rng, precision) for _ in range(width)) for _ in range(height))


# ---- mutants

_HUGE = (1 << 31, (1 << 32) - 2, 1 << 16, 1024, 1023, 256, 63, 64, 31, 32)
_GOLDEN = Path(__file__).parents[1] / "golden"


@cache
def seeds() -> tuple[bytes, ...]:
    """Streams whose pictures decode: two of ours."""
    files = (_GOLDEN / f"{name}.hdac" for name in ("animation-vvc", "hybrid-vvc"))
    return tuple(export_gfv(path.read_bytes()).stream for path in files)


def mutant(rng: random.Random) -> tuple[bytes, int]:
    """A stream with damaged or hostile messages, and its number of coded pictures, which all
    decode."""
    seed = rng.choice(seeds())
    bare = remove(seed)
    units = [u for u in picture_units(bare) if any(is_slice(bare, span) for span in u)]
    data = seed
    if rng.random() < 0.3:
        found = random_messages(rng, rng.randint(1, 8), len(units))
        if rng.random() < 0.8:  # with a network that is here
            named = next(messages(seed)).network
            found = [replace(m, network=named) if m.base_picture else m for m in found]
        data = insert(bare, found)
    out = list[bytes]()
    for unit in picture_units(data):
        for span in unit:
            whole = data[span.start : span.end]
            if data[span.first + 1] >> 3 == 24 and rng.random() < 0.35:
                whole = b"\0\0\1" + _altered(whole[span.first - span.start :], rng)
            out.append(whole)
    return b"".join(out), len(units)


def _altered(unit: bytes, rng: random.Random) -> bytes:
    """An SEI NAL unit: its message altered, another one, or its bytes."""
    kind = rng.randrange(8)
    if kind == 0:
        return _bytes_altered(unit, rng)
    payload = read_sei(unit)[0].data
    if kind <= 2:
        payload = _hostile(rng)
    elif kind == 3:
        payload = payload[: rng.randrange(len(payload) + 1)]
    elif kind == 4:
        payload += rng.randbytes(rng.randint(1, 300))
    elif kind == 5:
        payload = b"a" * rng.choice((100, 5000, 15000))
    else:
        payload = _bytes_altered(payload, rng)
    return write_sei([Payload(GFV, payload)] * rng.choice((1, 1, 1, 2, 20)))


def _bytes_altered(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(2, len(out)) if len(out) > 2 else 0
        if rng.random() < 0.7 and out:
            out[at] ^= 1 << rng.randrange(8)
        else:
            out[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(1, 4))
    # start codes would make other NAL units of it
    return bytes(out).replace(b"\0\0\0", b"\0\0\3").replace(b"\0\0\1", b"\0\0\3")


def _hostile(rng: random.Random) -> bytes:
    """A payload that begins as messages do and has numbers that are too large, or long rests."""
    c = ElementWriter()
    c.number("gfv_id", rng.choice((0, 0, 0, 1, 256, 1 << 31)))
    c.number("gfv_cnt", rng.choice((0, 0, 1, 2)))
    for _ in range(rng.randint(1, 30)):
        if rng.random() < 0.6:
            c.bits("", 1, rng.randrange(2))
        else:
            c.number("", rng.choice((0, 1, 7, 9, rng.choice(_HUGE))))
    if rng.random() < 0.3:
        c.align("")
        c.rest(rng.choice((b"\xff" * 4000, b"\xaa" * 4000, bytes(4000), rng.randbytes(4000))))
    return c.finish()
