"""What a backend is: one network on one device, NumPy arrays in and out."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from hdac.runtime.planes import Array

#: Where keypoints lie that are not there (pictures end at 1): their heat maps are zero.
FAR = 1e3
#: Side of the thumbnail that landmarks are found in, whatever the frame's size.
THUMBNAIL = 128


class Reference(NamedTuple):
    """A reference picture with everything that is computed once per refresh: planes `(1, 6, H/2,
    W/2)` in [0, 1], what the backend's `encode` returned, and keypoints `(1, k, 2)`."""

    planes: Array
    features: Any
    keypoints: Array


class Backend(Protocol):
    """Runs a network; its methods may be called in several threads at once, if `parallel`.

    planes: `(1, 6, H/2, W/2)` in [0, 1], H and W multiples of 16; keypoints `(1, k, 2)`, (x, y) in
    [-1, 1]; qp: 0 to 51 (HEVC scale).
    """

    parallel: bool

    def enter(self) -> None:
        """To be called once in every thread that calls the others."""

    def detect(self, planes: Array) -> Array:
        """Keypoints, as many as the network has, or what else it finds: features `(1, C, 4, 4)`."""

    def fit(self, points: Array) -> Array:
        """Landmarks `(1, 478, 2)` -> what fits them: of motion model `face` pose and coefficients
        `(1, 4 + C)`, of `pose` the pose `(1, 6)` (others have none)."""

    def encode(self, planes: Array, qp: int) -> Any:
        """Features of a picture that was coded at `qp`."""

    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        """Base picture, coded at `qp`, and reference -> planes before clipping."""

    def animate(self, reference: Reference, keypoints: Array) -> Array:
        """Reference and keypoints -> planes before clipping."""


class Landmarker(Protocol):
    """Finds landmarks."""

    def __call__(self, thumbnail: Array) -> Array:
        """Thumbnail `(1, 3, 128, 128)` (Y, U, V in [0, 1]) -> points `(1, P, 2)`, (x, y) in [-1, 1]
        (-1 and 1 are its borders)."""


class Interpolator(Protocol):
    """Makes pictures between two; it may be called in as many threads at once as a backend."""

    def enter(self) -> None:
        """To be called once in every thread that calls it."""

    def __call__(self, before: Array, after: Array, share: float) -> Array:
        """Planes `(1, 6, H/2, W/2)` in [0, 1], H and W multiples of 16, and how far from one to the
        other, in (0, 1) -> planes before clipping."""


class Enlarger(Protocol):
    """Doubles pictures; `reach`: samples to each side that a sample depends on."""

    reach: int

    def __call__(self, planes: Array) -> Array:
        """Planes `(1, 6, h, w)` in [0, 1] -> planes `(1, 6, 2h, 2w)` before clipping."""
