"""Motion model `pose`: keypoints in space that are a person's own, how the head is turned, where it
is, and how the expression moves the keypoints.

After Wang et al., "One-Shot Free-View Neural Talking-Head Synthesis for Video Conferencing" (CVPR
2021, face-vid2vid). The keypoints of a person are sent once a GOP.
"""

from __future__ import annotations

import math

import numpy as np

from hdac.bitstream.motions import Pose
from hdac.motion.animated import SizedReference, TrackedAnimation
from hdac.motion.protocol import Base, Found, Moving, Parameters, Turn
from hdac.motion.vector import LIMIT, VectorCoder, dequantise_steps, quantise_steps
from hdac.runtime.planes import Array, planes_from_picture
from hdac.runtime.protocol import Backend, Landmarker
from hdac.video.picture import Picture

#: Numbers of the pose: yaw, pitch, roll (radians), x, y, scale.
POSE = 6
#: A level of the parameters is this much: an angle, x and y, scale, a change of a keypoint's
#: coordinate, a coordinate.
STEPS = (math.radians(0.25), 1 / 256, 1 / 128, 1 / 128, 1 / 64)


def steps(number: int) -> Array:
    """The quantiser's, of each parameter; number: of keypoints."""
    return np.repeat(np.array(STEPS, np.float32), (3, 2, 1, 3 * number, 3 * number))


def pose_coder(motion: Pose) -> VectorCoder:
    """The coder of a GOP."""
    return VectorCoder(motion.shape[0], 3 * motion.number)


class PoseMotion(TrackedAnimation):
    """`MotionModel` of `fv2v`. Its heads are `turned`."""

    def __init__(
        self,
        motion: Pose,
        backend: Backend,
        find: Landmarker | None,
        fps: float,
        turned: Turn = (0, 0, 0),
    ) -> None:
        super().__init__(backend, find, fps)
        self._steps, self._constant = steps(motion.number), 3 * motion.number
        self._turned = np.zeros(motion.shape[0])
        self._turned[:3] = np.radians(turned) / STEPS[0]

    def analyse(self, picture: Picture) -> Found:
        pose = self._backend.fit(self._track(picture)[None])[0]
        keypoints = self._backend.detect(planes_from_picture(picture))[0]
        return np.concatenate([pose, keypoints])

    def quantise(self, found: Found, last: Parameters | None, hysteresis: float) -> Parameters:
        sent = quantise_steps(found, self._steps, last, hysteresis)
        if last is not None:
            sent[-self._constant :] = last[-self._constant :]
        return sent

    def synthesise(
        self, reference: SizedReference, parameters: Moving, base: Base | None
    ) -> Picture:
        turned = (parameters + self._turned).clip(-LIMIT, LIMIT)
        return super().synthesise(reference, turned, base)

    def _given(self, parameters: Moving) -> Array:
        return dequantise_steps(parameters, self._steps)
