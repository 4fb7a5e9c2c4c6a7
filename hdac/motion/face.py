"""Motion model `face`, ours: where the face is, the coefficients of its shape, and free keypoints
for what is not face (hair, shoulders).

A shape is a mean and a few directions in which the landmarks of faces move together (point
distribution model: Cootes et al., "Active Shape Models", 1995), so that a dozen numbers say where
162 points are. Network and encoder have mean and directions in the network's weights.
"""

from __future__ import annotations

import numpy as np

from hdac.bitstream.motions import Face
from hdac.bitstream.rangecoder import Adaptive, Coder, Signed
from hdac.motion.animated import TrackedAnimation
from hdac.motion.protocol import Found, Moving, Parameters
from hdac.runtime.planes import Array, planes_from_picture
from hdac.runtime.protocol import Backend, Landmarker
from hdac.video.picture import Picture

#: Numbers of the pose: the similarity that takes the mean shape to the frame (a, b, x, y).
POSE = 4
#: A level of the parameters is this much: of a and b, of x and y, of a coefficient, of a keypoint.
STEPS = (1 / 128, 1 / 256, 1 / 32, 1 / 64)
#: Largest level.
LIMIT = 1023


def steps(motion: Face) -> Array:
    """Of each parameter."""
    turn, move, shape, point = STEPS
    counts = (2, 2, motion.coefficients, 2 * motion.number)
    return np.repeat(np.array([turn, move, shape, point], np.float32), counts)


class FaceCoder:
    """The state of one GOP's motion layer; `code` is the syntax of one frame, the same for both
    directions. A change's model depends on the parameter and on the sign of its last change."""

    def __init__(self, motion: Face) -> None:
        self.last: Parameters | None = None
        self._count = motion.shape[0]
        self._still = Adaptive(2, (8, 8))
        self._first = Signed(12, 2 * LIMIT)
        self._models = [[Signed(span=2 * LIMIT) for _ in range(3)] for _ in range(self._count)]
        self._signs = [0] * self._count

    def code(self, coder: Coder, parameters: Parameters | None) -> Parameters:
        """Codes integers `(P,)` (None: reads them) and returns them. Reading clamps to the
        range."""
        given = None if parameters is None else parameters.tolist()
        if self.last is None:
            values = [
                self._first.code(coder, None if given is None else given[i])
                for i in range(self._count)
            ]
        else:
            values = self._next(coder, given, self.last.tolist())
        self.last = np.array(values, np.int64).clip(-LIMIT, LIMIT)
        return self.last

    def _next(self, coder: Coder, given: list[int] | None, last: list[int]) -> list[int]:
        if coder.symbol(self._still, None if given is None else int(given == last)):
            self._signs = [0] * self._count
            return last
        values = []
        for i, before in enumerate(last):
            model = self._models[i][self._signs[i] + 1]
            change = model.code(coder, None if given is None else given[i] - before)
            self._signs[i] = (change > 0) - (change < 0)
            values.append(before + change)
        return values


class FaceMotion(TrackedAnimation):
    """`MotionModel` of `hdac-face`."""

    def __init__(self, motion: Face, backend: Backend, find: Landmarker | None, fps: float) -> None:
        super().__init__(backend, find, fps)
        self._steps = steps(motion)

    def analyse(self, picture: Picture) -> Found:
        shape = self._backend.fit(self._track(picture)[None])[0]
        keypoints = self._backend.detect(planes_from_picture(picture))[0]
        return np.concatenate([shape, keypoints.ravel()])

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        scaled = (found / self._steps).clip(-LIMIT, LIMIT)
        rounded: Parameters = np.rint(scaled).astype(np.int64)
        if last is None:
            return rounded
        return np.where(np.abs(scaled - last) <= hysteresis, last, rounded)

    def _given(self, parameters: Moving) -> Array:
        given: Array = (parameters.astype(np.float32) * self._steps)[None]
        return given
