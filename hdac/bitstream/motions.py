"""Motion models as headers say them: `kind u8 | chunk(its parameters)`, one record a kind.

keypoints (kind 0) := varint K | varint levels per half side
landmarks (kind 1) := varint K (of a set of `motion.facemesh`) | varint levels per half side
regions (kind 2)   := varint levels per half side, of the points of `motion.regions`
feature (kind 3)   := varint C | varint levels on either side of 0
pose (kind 4)      := varint keypoints
face (kind 5)      := varint keypoints | varint coefficients of its shape
landmark sets (6)  := varint K, at most, of a GOP | varint levels per half side
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from hdac.bitstream.cursor import Cursor, chunk, varint
from hdac.errors import DamagedError, StreamError

MAX_KEYPOINTS = 64
#: Sizes of the sets of landmarks.
LANDMARKS = (20, 68, 162, 478)
#: Points of the outlines of regions.
OUTLINE_POINTS = 58
MAX_COEFFICIENTS = 64
#: Side of a compact feature, and its channels at most.
FEATURE_SIDE, MAX_CHANNELS = 4, 8
#: Bytes that the parameters of a motion model may have.
_ROOM = 255


class Keypoints(NamedTuple):
    """Keypoints of a frame, and quantiser levels per half side."""

    number: int
    levels: int = 64

    def __str__(self) -> str:
        return f"{self.number} keypoints"

    @property
    def shape(self) -> tuple[int, int]:
        """Of a frame's parameters."""
        return self.number, 2


class Landmarks(NamedTuple):
    """Landmarks of a frame, one of `LANDMARKS`, and quantiser levels per half side."""

    number: int
    levels: int = 128

    def __str__(self) -> str:
        return f"{self.number} landmarks"

    @property
    def shape(self) -> tuple[int, int]:
        """Of a frame's parameters."""
        return self.number, 2


class LandmarkSets(NamedTuple):
    """Landmarks of a frame, as many as its GOP says: one of `LANDMARKS`, `number` at most; and
    quantiser levels per half side."""

    number: int
    levels: int = 128

    def __str__(self) -> str:
        return f"up to {self.number} landmarks"

    @property
    def shape(self) -> tuple[int, int]:
        """Of a frame's parameters, at most."""
        return self.number, 2

    @property
    def numbers(self) -> tuple[int, ...]:
        """What a GOP may have."""
        return tuple(number for number in LANDMARKS if number <= self.number)


class Regions(NamedTuple):
    """A map of regions, and quantiser levels per half side of the outlines that it is drawn of."""

    levels: int = 48

    def __str__(self) -> str:
        return f"regions of {self.number} outline points"

    @property
    def number(self) -> int:
        """Points of a frame."""
        return OUTLINE_POINTS

    @property
    def shape(self) -> tuple[int, int]:
        """Of a frame's parameters."""
        return self.number, 2


class Feature(NamedTuple):
    """Channels of a frame's compact feature, and quantiser levels on either side of 0."""

    number: int
    levels: int = 32

    def __str__(self) -> str:
        return f"a feature of {self.number}x{FEATURE_SIDE}x{FEATURE_SIDE}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a frame's parameters."""
        return self.number, FEATURE_SIDE, FEATURE_SIDE


class Pose(NamedTuple):
    """Keypoints in space."""

    number: int

    @property
    def shape(self) -> tuple[int]:
        """Of a frame's parameters: pose, how each keypoint's coordinates change, what they are."""
        return (6 + 6 * self.number,)

    def __str__(self) -> str:
        return f"a head pose and {self.number} keypoints in space"


class Face(NamedTuple):
    """Free keypoints, and coefficients of the face's shape."""

    number: int
    coefficients: int = 16

    @property
    def shape(self) -> tuple[int]:
        """Of a frame's parameters: pose, coefficients, keypoints."""
        return (4 + self.coefficients + 2 * self.number,)

    def __str__(self) -> str:
        return f"a face of {self.coefficients} coefficients and {self.number} keypoints"


#: What a header says of its motion model.
MotionHeader: TypeAlias = Keypoints | Landmarks | Regions | Feature | Pose | Face | LandmarkSets


_LANDMARKS = ("landmarks", 1, max(LANDMARKS)), ("landmark levels", 1, 512)


class _Kind(NamedTuple):
    name: str
    record: type[MotionHeader]
    #: Of each number of the record: what it is, its least and its largest value.
    numbers: tuple[tuple[str, int, int], ...]


_KINDS = {
    0: _Kind(
        "keypoints", Keypoints, (("keypoints", 1, MAX_KEYPOINTS), ("keypoint levels", 1, 512))
    ),
    1: _Kind("landmarks", Landmarks, _LANDMARKS),
    2: _Kind("regions", Regions, (("region levels", 1, 512),)),
    3: _Kind(
        "feature", Feature, (("feature channels", 1, MAX_CHANNELS), ("feature levels", 1, 512))
    ),
    4: _Kind("pose", Pose, (("keypoints", 1, MAX_KEYPOINTS),)),
    5: _Kind(
        "face", Face, (("keypoints", 1, MAX_KEYPOINTS), ("coefficients", 1, MAX_COEFFICIENTS))
    ),
    6: _Kind("landmark sets", LandmarkSets, _LANDMARKS),
}
_NUMBERS = {kind.record: number for number, kind in _KINDS.items()}


def pack_motion(motion: MotionHeader) -> bytes:
    """The inverse of `read_motion`."""
    return bytes([_NUMBERS[type(motion)]]) + chunk(b"".join(map(varint, motion)))


def read_motion(cursor: Cursor) -> MotionHeader:
    """The motion model of a header; numbers that a later version may add are passed over. Raises
    `StreamError` (a kind that is unknown here), `TruncatedError`, `DamagedError`."""
    number = cursor.byte("motion model")
    parameters = Cursor(cursor.chunk("parameters of the motion model", _ROOM))
    if number not in _KINDS:
        known = ", ".join(f"{n} ({kind.name})" for n, kind in _KINDS.items())
        raise StreamError(
            f"motion model is {number}; known here: {known}; the stream was made by a newer "
            "hdac, or is damaged; install a newer hdac"
        )
    kind = _KINDS[number]
    record = kind.record(*(parameters.varint(*field) for field in kind.numbers))
    if isinstance(record, Landmarks | LandmarkSets) and record.number not in LANDMARKS:
        known = ", ".join(map(str, LANDMARKS))
        raise DamagedError(f"{record.number} landmarks; allowed are {known}: the stream is damaged")
    return record
