"""What every metric says of itself, and what it measures on."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from hdac.errors import HdacError, UsageError
from hdac.video.colour import rgb_from_picture
from hdac.video.fidelity import CAP as CAP  # of VMAF's scale too
from hdac.video.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

LUMA, RGB8, RGB1 = "Y', 8 bit", "R'G'B', 8 bit", "R'G'B' in [0, 1]"
MEAN = "mean over frames"
#: Five scales of MS-SSIM's window of 11 taps need 16 * (11 - 1) + 1 pixels on the shorter side; a
#: smaller window gives other numbers.
MS_SSIM_SIDE = 161


class UnavailableError(HdacError):
    """A metric cannot be had here, or not on this clip; the message says why."""


class NotOnThisClipError(UnavailableError):
    """A metric cannot be had on this clip, wherever it is measured."""


class Scores(NamedTuple):
    """One metric of one clip: `value` by the contract's averaging; `frames`: one value a frame
    (NaN: none), or None."""

    value: float
    frames: tuple[float, ...] | None = None

    @classmethod
    def mean(cls, frames: Sequence[float]) -> Scores:
        """The mean over the frames that have a value."""
        present = [v for v in frames if not math.isnan(v)]
        return cls(sum(present) / len(present), tuple(frames))


@dataclass(frozen=True)
class Contract:
    """key: name in files and on the command line; `space`: colour space and data range;
    `averaging`: from frames to `value`; `sampled`: a slow metric of single frames, which an
    experiment may measure on every Nth frame (and then says so); `cap`: what identical or nearly
    identical pictures get instead of a measurement."""

    key: str
    title: str
    unit: str
    higher_is_better: bool
    space: str
    averaging: str
    source: str
    sampled: bool = False
    cap: float | None = None


class Metric(ABC):
    """A full-reference metric of a whole clip. `least`: pixels a side that it needs, and why."""

    contract: Contract
    least: tuple[int, str] = (1, "")

    def unavailable(self) -> str | None:
        """Why it cannot be had on this machine; None if it can."""
        return None

    def measure(self, x: Clip, x_hat: Clip) -> Scores:
        """Raises `UsageError` for clips that do not match, `NotOnThisClipError` where this clip has
        nothing to measure (no face, too small), `UnavailableError` for what this machine lacks."""
        check_pair(x, x_hat)
        side, why = self.least
        if min(x.size) < side:
            width, height = x.size
            text = f"pictures of {width}x{height}; {why} {side} pixels a side"
            raise NotOnThisClipError(text)
        return self._measure(x, x_hat)

    @abstractmethod
    def _measure(self, x: Clip, x_hat: Clip) -> Scores: ...


@dataclass(frozen=True, eq=False)
class Clip:
    """Canonical pictures of one size with their frame rate and H.273 matrix; RGB is made once, by
    `rgb_from_picture`. A clip equals itself only, so that it can be a key."""

    pictures: Sequence[Picture]
    fps: Fraction = Fraction(25)
    matrix: int = 6

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pictures[0].width, self.pictures[0].height

    @cached_property
    def rgb(self) -> npt.NDArray[np.uint8]:
        """`(N, H, W, 3)`, R'G'B' full range."""
        return np.stack([rgb_from_picture(p, self.matrix) for p in self.pictures])

    def rgb_frames(self) -> Iterator[Tensor]:
        """`(1, 3, H, W)` in [0, 1], channels last, a frame at a time."""
        import torch

        for frame in self.rgb:
            yield torch.from_numpy(frame[None]).permute(0, 3, 1, 2).float() / 255


def check_pair(x: Clip, x_hat: Clip) -> None:
    """Raises `UsageError` unless both have the same size and number of frames."""
    if not x.pictures or not x_hat.pictures:
        raise UsageError("0 frames; at least 1 is needed in the source and in the decoded clip")
    sizes = ["{}x{}".format(*clip.size) for clip in (x_hat, x)]
    if x.size != x_hat.size:
        raise UsageError("the decoded clip is {}, its source {}; they must be equal".format(*sizes))
    if len(x.pictures) != len(x_hat.pictures):
        raise UsageError(
            f"the decoded clip has {len(x_hat.pictures)} frames, its source {len(x.pictures)}; "
            "they must be equal"
        )
