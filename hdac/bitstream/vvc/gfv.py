"""Generative face video (GFV) messages: what one says, as records.

A coded picture carries face parameters; a receiver that has the network makes pictures of them.
Values are those that a decoder reconstructs, whether they were predicted or not; they are binary
fractions, and exact.

(Rec. ITU-T H.274, generative face video SEI message; element names are the standard's.)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

#: One point: x, y and, in space, z; usually in [-1, 1].
Point: TypeAlias = tuple[Fraction, ...]
#: Rows of a matrix.
Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]

MAX_UE = (1 << 32) - 2
#: `gfv_id` beyond these is reserved: such messages are ignored.
_IDS = (range(256), range(512, 1 << 31))
#: Bounds that the standard does not have: no message costs more than its bytes warrant.
MAX_POINTS = 1024
MAX_PRECISION = 32
MAX_TEXT = 2048  # bytes of a tag or URI
MAX_TYPES = 64
MAX_MATRICES = 1024  # of a type
MAX_SIDE = 256
MAX_ELEMENTS = 1 << 14  # of all matrices of a message

#: `gfv_matrix_type_idx`; from 7 on a type may have any number and size of matrices.
AFFINE, COVARIANCE, MOUTH, EYES, ROTATION, TRANSLATION, LOCATION, COMPACT = range(8)
PURPOSES = 3


@dataclass(frozen=True)
class NamedNetwork:
    """A network by name: a tag URI says what kind of name `uri` is. Neither is ever fetched."""

    tag: str
    uri: str


@dataclass(frozen=True)
class CarriedNetwork:
    """A network in the message (ISO/IEC 15938-17), as bytes; never run."""

    payload: bytes


@dataclass(frozen=True)
class ChromaKey:
    """Which colour of the coded picture is transparent.

    purpose: 0 to 2. values: of Y, Cb and Cr, 0 to 255 (None: not said). thresholds: the lower one,
    and how far the upper one is above it (1 to 256); None: not said.
    """

    purpose: int
    values: tuple[int | None, int | None, int | None]
    thresholds: tuple[int, int] | None = None


@dataclass(frozen=True)
class Coordinates:
    """Points of a face.

    precision: bits behind the binary point of what is coded, 1 to 32. z_max: largest absolute z,
    1 and more; None: points of a plane. predicted: whether differences are coded; where the message
    is no base picture's, precision, number and z_max are then the base picture's.
    """

    points: tuple[Point, ...]
    precision: int
    z_max: int | None = None
    predicted: bool = False

    @property
    def axes(self) -> int:
        return 2 if self.z_max is None else 3


@dataclass(frozen=True)
class MatrixType:
    """Matrices of one type, 0 to 63, all of one size."""

    type: int
    matrices: tuple[Matrix, ...]


@dataclass(frozen=True)
class Matrices:
    """precision: bits behind the binary point, 1 to 32. predicted: whether differences are coded;
    precision, types and sizes are then those of the message that is predicted from."""

    types: tuple[MatrixType, ...]
    precision: int
    predicted: bool = False


@dataclass(frozen=True)
class GfvMessage:
    """One GFV message.

    picture: number of the coded picture that carries it, in decoding order. cnt: which of the
    pictures that are made of it. base_picture: these are the coded picture's own parameters; it
    alone may have `network` and `chroma_key`. fusion: the coded picture goes into the generator.
    """

    id: int = 0
    cnt: int = 0
    base_picture: bool = False
    network: NamedNetwork | CarriedNetwork | None = None
    chroma_key: ChromaKey | None = None
    fusion: bool = False
    low_confidence: bool = False
    coordinates: Coordinates | None = None
    matrices: Matrices | None = None
    picture: int = 0


def is_reserved(gfv_id: int) -> bool:
    """Whether messages of this id are to be ignored."""
    return not any(gfv_id in ids for ids in _IDS)


class References:
    """What the next message may be predicted from, by `gfv_id`: the last base picture's message,
    and the last message of all."""

    def __init__(self) -> None:
        self._base: dict[int, GfvMessage] = {}
        self._last: dict[int, GfvMessage] = {}

    def base(self, gfv_id: int) -> GfvMessage | None:
        return self._base.get(gfv_id)

    def reference(self, gfv_id: int, cnt: int) -> GfvMessage | None:
        """What a message that is no base picture's is predicted from."""
        return (self._last if cnt else self._base).get(gfv_id)

    def remember(self, message: GfvMessage) -> None:
        self._last[message.id] = message
        if message.base_picture:
            self._base[message.id] = message

    def lose(self) -> None:
        """A message could not be read: nothing can be predicted until a base picture comes."""
        self._base.clear()
        self._last.clear()
