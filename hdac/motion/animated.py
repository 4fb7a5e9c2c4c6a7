"""What the motion models of other systems share: a reference that their network moves by
parameters, without a base picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from hdac.motion.facemesh import FaceTracker, in_padded
from hdac.motion.protocol import Base, Found, Moving, Parameters
from hdac.runtime.planes import Array, picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Backend, Landmarker, Reference
from hdac.video.picture import Picture


class SizedReference(NamedTuple):
    """`size`: height and width."""

    reference: Reference
    size: tuple[int, int]


class Animated(ABC):
    """A `MotionModel` for mode `animation` alone."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def missed(self) -> int:
        return 0

    @abstractmethod
    def analyse(self, picture: Picture) -> Found: ...

    @abstractmethod
    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters: ...

    @abstractmethod
    def _given(self, parameters: Moving) -> Array:
        """Parameters as the network takes them, `(1, ...)`."""

    def refer(self, picture: Picture, qp: int, parameters: Moving) -> SizedReference:
        planes = planes_from_picture(picture)
        features = self._backend.encode(planes, qp)
        reference = Reference(planes, features, self._given(parameters))
        return SizedReference(reference, (picture.height, picture.width))

    def synthesise(
        self, reference: SizedReference, parameters: Moving, base: Base | None
    ) -> Picture:
        assert base is None, "networks of other systems take no base picture"
        made = self._backend.animate(reference.reference, self._given(parameters))
        return picture_from_planes(made, *reference.size)


class TrackedAnimation(Animated):
    """What a face's landmarks say; pictures come to `analyse` in order. find: None where nothing is
    analysed."""

    def __init__(self, backend: Backend, find: Landmarker | None, fps: float) -> None:
        super().__init__(backend)
        self._tracker = None if find is None else FaceTracker(find, fps)

    @property
    def missed(self) -> int:
        return 0 if self._tracker is None else self._tracker.missed

    def _track(self, picture: Picture) -> Array:
        """Landmarks `(478, 2)` of the next picture, in the frame as networks see it."""
        assert self._tracker is not None
        return in_padded(self._tracker(picture), picture.width, picture.height)
