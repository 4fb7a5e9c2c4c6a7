"""What a motion model is: it finds what is sent in place of pixels, codes it, and makes pictures of
it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.bitstream.rangecoder import Coder
from hdac.video.picture import Picture

#: What is coded of a frame: int64, of the `shape` that the header's record says.
Parameters: TypeAlias = npt.NDArray[np.int64]
#: The same of a frame that is shown: between frames that are sent not of integers.
Moving: TypeAlias = npt.NDArray[np.int64 | np.float64]
#: Yaw, pitch and roll in degrees by which heads are turned further than they were: to the viewer's
#: right, up, and clockwise.
Turn: TypeAlias = tuple[float, float, float]
#: What analysis finds in a picture, before it is quantised: float32, of the same shape.
Found: TypeAlias = npt.NDArray[np.float32]


class Base(NamedTuple):
    """A base picture, and the QP that it was coded at (HEVC scale)."""

    picture: Picture
    qp: int


class Analysis(NamedTuple):
    """Of a source picture. `face`: one was found, or the model looks for none."""

    found: Found
    face: bool


class ParameterCoder(Protocol):
    """The syntax of parameters, and the state of one GOP's models: integers only, so that it is
    exact on every machine."""

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes a frame's parameters (None: reads them) and returns them. Whatever is read is
        within their range."""


class MotionModel(Protocol):
    """A motion model on its network. Its methods may be called in several threads at once where the
    network's backend is `parallel`. Pictures have even sides."""

    @property
    def missed(self) -> int:
        """Pictures so far in which `analyse` found no face; 0 of a model that looks for none."""

    def analyse(self, picture: Picture) -> Found:
        """The encoder's side: what a source picture says."""

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        """What is sent of it. `last`: the parameters of the frame before in the GOP, which stay
        where `found` is within `hysteresis` quantiser steps of them."""

    def refer(self, picture: Picture, qp: int, parameters: Moving) -> Any:
        """The reference of a GOP, for `synthesise`: a decoded picture (coded at `qp`) and its
        parameters."""

    def synthesise(self, reference: Any, parameters: Moving, base: Base | None) -> Picture:
        """The picture that the reference and parameters make: fused with a base picture, or (None)
        animated. It has the reference's size."""
