"""Motion model `face`, ours: where the face is, the coefficients of its shape, and free keypoints
for what is not face (hair, shoulders).

A shape is a mean and a few directions in which the landmarks of faces move together (point
distribution model: Cootes et al., "Active Shape Models", 1995), so that a dozen numbers say where
162 points are. Network and encoder have mean and directions in the network's weights.
"""

from __future__ import annotations

import numpy as np

from hdac.bitstream.motions import Face
from hdac.motion.animated import TrackedAnimation
from hdac.motion.protocol import Found, Moving, Parameters
from hdac.motion.vector import dequantise_steps, quantise_steps
from hdac.runtime.planes import Array, planes_from_picture
from hdac.runtime.protocol import Backend, Landmarker
from hdac.video.picture import Picture

#: Numbers of the pose: the similarity that takes the mean shape to the frame (a, b, x, y).
POSE = 4
#: A level of the parameters is this much: of a and b, of x and y, of a coefficient, of a keypoint.
STEPS = (1 / 128, 1 / 256, 1 / 32, 1 / 64)


def steps(coefficients: int, number: int) -> Array:
    """The quantiser's, of each parameter; number: of keypoints."""
    return np.repeat(np.array(STEPS, np.float32), (2, 2, coefficients, 2 * number))


class FaceMotion(TrackedAnimation):
    """`MotionModel` of `hdac-face`."""

    def __init__(self, motion: Face, backend: Backend, find: Landmarker | None, fps: float) -> None:
        super().__init__(backend, find, fps)
        self._steps = steps(motion.coefficients, motion.number)

    def analyse(self, picture: Picture) -> Found:
        shape = self._backend.fit(self._track(picture)[None])[0]
        keypoints = self._backend.detect(planes_from_picture(picture))[0]
        return np.concatenate([shape, keypoints.ravel()])

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        return quantise_steps(found, self._steps, last, hysteresis)

    def _given(self, parameters: Moving) -> Array:
        return dequantise_steps(parameters, self._steps)
