"""Motion model `keypoints`, ours: points that a network has learned to find, as integers, predicted
from the last coded ones and range coded.

Encoder and decoder hold the same integers on every machine; floats appear only after
dequantisation.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from hdac.bitstream.motions import Feature, Keypoints
from hdac.bitstream.rangecoder import Adaptive, Coder, Signed
from hdac.motion.animated import Animated
from hdac.motion.protocol import Base, Found, Moving, Parameters
from hdac.runtime.planes import Array, picture_from_planes, planes_from_picture
from hdac.runtime.protocol import Backend, Reference
from hdac.video.picture import Picture

#: Keypoints `(K, 2)`, (x, y) in [-1, 1], float32; as parameters, integers in -levels .. levels.
Points: TypeAlias = npt.NDArray[np.float32]

#: Quantiser levels per half side: a step is 1/128 of the frame's side (2 pixels of 256).
KEYPOINT_LEVELS = 64
STEP = 1 / KEYPOINT_LEVELS
#: A coordinate keeps its last level until it is this many steps away (0.5 would be plain rounding).
HYSTERESIS = 0.75
#: The same where fused pictures take the coded keypoints (published networks): these need fewer.
HYBRID_HYSTERESIS = 4.0
#: The same where what is coded serves level `animation` alone.
ANIMATION_HYSTERESIS = 16.0


def quantise(
    points: Points,
    last: Parameters | None = None,
    levels: int = KEYPOINT_LEVELS,
    hysteresis: float = HYSTERESIS,
) -> Parameters:
    """Keypoints -> integers.

    `last`: those of the frame before; coordinates that moved by at most `hysteresis` steps keep
    theirs, so that the detector's jitter costs no bits.
    """
    scaled = points.astype(np.float32).clip(-1, 1) * np.float32(levels)
    rounded: Parameters = np.rint(scaled).astype(np.int64)
    if last is None:
        return rounded
    near = np.abs(scaled - last.astype(np.float32)) <= np.float32(hysteresis)
    return np.where(near, last, rounded)


def dequantise(parameters: Moving, levels: int = KEYPOINT_LEVELS) -> Points:
    """Integers, or what is between them -> keypoints."""
    return parameters.astype(np.float32) / np.float32(levels)


class KeypointCoder:
    """The state of one GOP's motion layer; `code` is the syntax of one frame, the same for both
    directions.

    A residual's model depends on its axis and on whether this coordinate moved in the frame before.
    """

    def __init__(self, motion: Keypoints) -> None:
        self.motion = motion
        self.last: Parameters | None = None
        self._moved = [[False, False] for _ in range(motion.number)]
        span = 2 * motion.levels
        self._models = [[Signed(span=span), Signed(span=span)] for _ in range(2)]
        self._still = Adaptive(2, (8, 8))

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes integers `(K, 2)` (None: reads them) and returns them. Reading clamps to the
        range."""
        given = None if parameters is None else parameters.tolist()
        rows = self._first(coder, given) if self.last is None else self._next(coder, given)
        self.last = np.array(rows, np.int64)
        return self.last

    def _first(self, coder: Coder, given: list[list[int]] | None) -> list[list[int]]:
        levels = self.motion.levels

        def value(k: int, axis: int) -> int:
            index = None if given is None else given[k][axis] + levels
            return coder.uniform(2 * levels + 1, index) - levels

        return [[value(k, axis) for axis in range(2)] for k in range(self.motion.number)]

    def _next(self, coder: Coder, given: list[list[int]] | None) -> list[list[int]]:
        assert self.last is not None
        before, levels = self.last.tolist(), self.motion.levels
        if coder.symbol(self._still, None if given is None else int(given == before)):
            self._moved = [[False, False] for _ in before]
            return before
        rows = []
        for k, (old, moved) in enumerate(zip(before, self._moved, strict=True)):
            row = []
            for axis in range(2):
                model = self._models[axis][moved[axis]]
                delta = model.code(coder, None if given is None else given[k][axis] - old[axis])
                moved[axis] = delta != 0
                row.append(max(-levels, min(levels, old[axis] + delta)))
            rows.append(row)
        return rows


class KeypointReference(NamedTuple):
    """`animated` with coded keypoints, `fused` with those that the network wants; `size`: height
    and width."""

    animated: Reference
    fused: Reference
    size: tuple[int, int]


class DetectedAnimation(Animated):
    """`MotionModel` of other systems' networks that find their parameters themselves."""

    def __init__(self, motion: Keypoints | Feature, backend: Backend) -> None:
        super().__init__(backend)
        self._motion = motion

    def analyse(self, picture: Picture) -> Found:
        found: Found = self._backend.detect(planes_from_picture(picture))[0]
        return found

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        return quantise(found, last, self._motion.levels, hysteresis)

    def _given(self, parameters: Moving) -> Array:
        return dequantise(parameters, self._motion.levels)[None]


class KeypointMotion:
    """`MotionModel` of the fusion networks. derives: with a base picture it takes the keypoints
    that it finds in that, not coded ones."""

    def __init__(self, motion: Keypoints, backend: Backend, derives: bool) -> None:
        self._motion, self._backend, self._derives = motion, backend, derives

    @property
    def missed(self) -> int:
        return 0

    def analyse(self, picture: Picture) -> Found:
        found: Found = self._detect(planes_from_picture(picture))[0]
        return found

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        return quantise(found, last, self._motion.levels, hysteresis)

    def refer(self, picture: Picture, qp: int, parameters: Moving) -> KeypointReference:
        planes = planes_from_picture(picture)
        features = self._backend.encode(planes, qp)
        animated = fused = Reference(planes, features, self._coded(parameters))
        if self._derives:
            fused = animated._replace(keypoints=self._detect(planes))
        return KeypointReference(animated, fused, (picture.height, picture.width))

    def synthesise(
        self, reference: KeypointReference, parameters: Moving, base: Base | None
    ) -> Picture:
        if base is None:
            made = self._backend.animate(reference.animated, self._coded(parameters))
            return picture_from_planes(made, *reference.size)
        planes = planes_from_picture(base.picture)
        keypoints = self._detect(planes) if self._derives else self._coded(parameters)
        made = self._backend.fuse(planes, base.qp, reference.fused, keypoints)
        return picture_from_planes(made, *reference.size)

    def _detect(self, planes: Array) -> Array:
        """Keypoints `(1, k, 2)` of a picture, as many as are coded."""
        return self._backend.detect(planes)[:, : self._motion.number]

    def _coded(self, parameters: Moving) -> Array:
        return dequantise(parameters, self._motion.levels)[None]
