"""All motion models, by what the header says of them. A new one is a record in `bitstream.motions`,
a file here, and a line in each function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdac.bitstream.motions import MotionHeader
from hdac.motion.keypoints import KeypointCoder, KeypointMotion, misfit
from hdac.motion.protocol import MotionModel, ParameterCoder

if TYPE_CHECKING:
    from hdac.runtime.models import ModelFile
    from hdac.runtime.protocol import Backend


def parameter_coder(motion: MotionHeader) -> ParameterCoder:
    """The coder of a GOP that starts."""
    return KeypointCoder(motion)


def network_misfit(motion: MotionHeader, network: ModelFile) -> str | None:
    """Why a network cannot serve a motion model; None if it can."""
    return misfit(motion, network)


def open_motion(motion: MotionHeader, network: ModelFile, backend: Backend) -> MotionModel:
    """A motion model on its network, which `backend` runs."""
    return KeypointMotion(motion, backend, network.derives_keypoints)
