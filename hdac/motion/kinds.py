"""All motion models, by what the header says of them. A new one is a record in `bitstream.motions`,
a file here, and a line in each function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdac.bitstream.container import Mode
from hdac.bitstream.motions import (
    Face,
    Feature,
    Keypoints,
    Landmarks,
    LandmarkSets,
    MotionHeader,
    Pose,
    Regions,
)
from hdac.errors import UsageError
from hdac.motion.face import FaceMotion
from hdac.motion.facemesh import LANDMARK_LEVELS
from hdac.motion.feature import FEATURE_LEVELS, FeatureCoder
from hdac.motion.keypoints import KEYPOINT_LEVELS, DetectedAnimation, KeypointCoder, KeypointMotion
from hdac.motion.landmarks import LandmarkCoder, LandmarkMotion, LandmarkSetCoder, order
from hdac.motion.pose import PoseMotion, pose_coder
from hdac.motion.protocol import MotionModel, ParameterCoder, Turn
from hdac.motion.regions import ORDER, REGION_LEVELS, RegionMotion
from hdac.motion.vector import VectorCoder
from hdac.runtime.backends import open_landmarks
from hdac.runtime.models import ModelFile, resolve_model

if TYPE_CHECKING:
    from hdac.runtime.protocol import Backend


#: What a header says of what a network takes, where that is not keypoints.
_RECORDS: dict[str, tuple[type[MotionHeader], ...]] = {
    "landmarks": (Landmarks, LandmarkSets),
    "regions": (Regions,),
    "feature": (Feature,),
    "pose": (Pose,),
    "face": (Face,),
}


def parameter_coder(motion: MotionHeader) -> ParameterCoder:
    """The coder of a GOP that starts."""
    if isinstance(motion, Face):
        return VectorCoder(motion.shape[0])
    if isinstance(motion, Pose):
        return pose_coder(motion)
    if isinstance(motion, Feature):
        return FeatureCoder(motion)
    if isinstance(motion, LandmarkSets):
        return LandmarkSetCoder(motion)
    if isinstance(motion, Landmarks):
        return LandmarkCoder(motion, order(motion.number))
    return LandmarkCoder(motion, ORDER) if isinstance(motion, Regions) else KeypointCoder(motion)


def motion_for(network: ModelFile, number: int | None, follows: bool = False) -> MotionHeader:
    """What is sent for a network; `number`: of keypoints or landmarks (None: what is usual);
    `follows`: each GOP says how many landmarks it has, that number or another. Raises `UsageError`
    for what it does not take."""
    if network.parameters == "feature":
        if number is not None:
            raise UsageError(
                f"--keypoints {number}; network {network.name} sends a feature: leave it out"
            )
        return Feature(network.most, FEATURE_LEVELS)
    count = network.usual if number is None else number
    if not network.takes(count):
        raise UsageError(f"--keypoints {count}; network {network.name} takes {network.counts}")
    if follows and len(network.landmark_counts) < 2:
        raise UsageError(
            f"motion_kbps with network {network.name}, which takes no other number than {count}"
        )
    if network.parameters == "landmarks":
        if follows:
            return LandmarkSets(max(network.landmark_counts), LANDMARK_LEVELS)
        return Landmarks(count, LANDMARK_LEVELS)
    if network.parameters == "regions":
        return Regions(REGION_LEVELS)
    if network.parameters == "pose":
        return Pose(count)
    if (coefficients := network.coefficients) is not None:
        return Face(count, coefficients)
    return Keypoints(count, KEYPOINT_LEVELS)


def network_misfit(motion: MotionHeader, network: ModelFile, mode: Mode) -> str | None:
    """Why a network cannot serve a motion model in a mode; None if it can."""
    if network.system and mode is not Mode.ANIMATION:
        return f"mode {mode.name.lower()} and {network.name}, which takes no base pictures"
    several = len(network.landmark_counts) > 1 or not isinstance(motion, LandmarkSets)
    fits = _RECORDS.get(network.parameters, (Keypoints,))
    coefficients = getattr(motion, "coefficients", None)
    if (
        isinstance(motion, fits)
        and network.takes(motion.number)
        and several
        and coefficients == network.coefficients
    ):
        return None
    return f"{motion}, which {network.name} does not take"


def open_motion(
    motion: MotionHeader,
    network: ModelFile,
    backend: Backend,
    fps: float | None,
    turned: Turn = (0, 0, 0),
) -> MotionModel:
    """A motion model on its network, which `backend` runs. fps: of the pictures to analyse; None:
    there are none; turned: yaw, pitch and roll in degrees by which heads are turned further, where
    the model knows how they are turned."""
    if isinstance(motion, Landmarks | LandmarkSets | Regions | Face | Pose):
        # in int8 their points are a third farther off, for a millisecond
        find = None if fps is None else open_landmarks(resolve_model("landmarks", "fp32"))
        if isinstance(motion, Face):
            return FaceMotion(motion, backend, find, fps or 1)
        if isinstance(motion, Pose):
            return PoseMotion(motion, backend, find, fps or 1, turned)
        if isinstance(motion, Regions):
            return RegionMotion(motion, backend, find, fps or 1)
        return LandmarkMotion(motion, network.most, backend, find, fps or 1)
    if network.system or isinstance(motion, Feature):
        return DetectedAnimation(motion, backend)
    return KeypointMotion(motion, backend, network.derives_keypoints)
