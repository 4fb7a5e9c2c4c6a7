"""The base layer: a conventional codec behind one small interface, HEVC (x265 in process) being the
default.

Low delay, one picture in, one access unit and its decoded picture out. The first picture of a GOP
is coded at `qp_intra` (it is the reference of the animation layer too), the others around `qp_base`
in a cascade.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hdac.errors import UsageError

if TYPE_CHECKING:
    from hdac.video.picture import Picture

QP_MAX = 51
#: Offsets that the P pictures of a GOP add to `qp_base` in turn (period 4; chosen on `val`).
CASCADE = (8, 6, 8, 0)
#: The same with tune "perceptual": detail that comes and goes with every fourth picture is seen.
CALM_CASCADE = (4, 3, 4, 0)
#: A GOP is closed after this many pictures at the latest (x265's per-picture QPs are listed ahead).
GOP_MAX = 2048
#: Pixels of a base picture's side that all encoders take.
MIN_SIDE = 16
#: Effort of the base encoder, fewest bits last.
PRESETS = ("fast", "medium", "slow", "slower")
#: Encoders of HEVC pictures.
HEVC_ENCODERS = ("x265", "kvazaar")


#: Kvazaar's QP is this much below `qp_base`: then rates are about x265's.
_KVAZAAR_BELOW = 2


def kvazaar_qp(qp_base: int) -> int:
    """The QP that Kvazaar is given."""
    return max(0, qp_base - _KVAZAAR_BELOW)


def kvazaar_cascade(qp_base: int) -> tuple[int, ...]:
    """What the pictures of Kvazaar's low-delay GOP of four add to `qp_base` (`gop=lp-g4d3t1`: the
    higher the QP, the more)."""
    qp = kvazaar_qp(qp_base)
    inner = sum(qp >= step for step in (25, 29, 34))
    last = sum(qp >= step for step in (27, 31, 36))
    return tuple(qp + added - qp_base for added in (3, 2 + inner, 3 + inner, 1 + last))


def check_base_size(width: int, height: int, scale: int) -> None:
    """Raises `UsageError` for base pictures that are too small, at 1/`scale` of the frame."""
    if min(width, height) < MIN_SIDE:
        raise UsageError(
            f"--base-scale {scale}: a base layer of {width}x{height}; at least "
            f"{MIN_SIDE}x{MIN_SIDE} is needed: use a smaller --base-scale, or a larger --size"
        )


class CodedPicture(NamedTuple):
    """One access unit (Annex B bytes) and the picture that any conforming decoder makes of it."""

    data: bytes
    picture: Picture


@dataclass(frozen=True)
class BaseConfig:
    """Settings of a base layer. QPs on HEVC's scale, 0 (best) to 51."""

    width: int
    height: int
    fps: Fraction
    qp_intra: int
    qp_base: int
    cascade: tuple[int, ...] = CASCADE
    preset: str | None = None  # of `PRESETS`; None: the codec's own default
    adaptive: bool = False  # single pictures after the first may be coded at another QP
    encoder: str = "x265"  # of HEVC pictures, of `HEVC_ENCODERS`
    first_scale: int = 1  # a mixed base layer's first picture has so many times width and height

    def size(self, index: int) -> tuple[int, int]:
        """Width and height of picture `index` of a GOP."""
        scale = 1 if index else self.first_scale
        return scale * self.width, scale * self.height

    def qp(self, index: int) -> int:
        """QP of picture `index` of a GOP (0 is the intra picture)."""
        if index == 0:
            return self.qp_intra
        qp = self.qp_base + self.cascade[(index - 1) % len(self.cascade)]
        return min(QP_MAX, max(0, qp))


class BaseEncoder(Protocol):
    """Codes one GOP: the first pushed picture is intra, the others predict from earlier ones.
    `push` returns what is ready, the same pictures in every run, `flush` the rest.
    offset: to the picture's QP, -25 to 25, where the configuration is adaptive."""

    def push(self, picture: Picture, offset: int = 0) -> list[CodedPicture]: ...

    def flush(self) -> list[CodedPicture]: ...

    def close(self) -> None:
        """No more pictures come, and none are asked for."""


class HevcCoder(Protocol):
    """What makes access units of HEVC, without their pictures."""

    def code(self, picture: Picture, offset: int = 0) -> list[bytes]: ...

    def finish(self) -> list[bytes]: ...

    def close(self) -> None: ...


class BaseDecoder(Protocol):
    """Decodes access units of one or more GOPs in order."""

    def push(self, data: bytes) -> list[Picture]: ...
