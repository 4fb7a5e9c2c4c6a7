"""A stream of each motion model: the golden one of keypoints, with other parameters; and one of
large pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdac.bitstream.container import Mode, PacketType
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
from hdac.codec.syntax import BaseReader, BaseWriter, EnhancementWriter
from tests.fuzz.mutate import rebuilt, taken

#: One of each kind, by the name of its stream.
MOTIONS: dict[str, MotionHeader] = {
    "animation-keypoints": Keypoints(40),
    "animation-landmarks": Landmarks(68),
    "animation-landmark-sets": LandmarkSets(68),
    "animation-regions": Regions(),
    "animation-feature": Feature(2),
    "animation-pose": Pose(10),
    "animation-face": Face(5),
}
_FRAMES = 12


def streams(golden: bytes) -> dict[str, bytes]:
    """By name. golden: a stream of mode animation that is not live."""
    return {name: _with_motion(golden, motion) for name, motion in MOTIONS.items()}


def large_animation(base: bytes) -> bytes:
    """A stream of mode animation. base: one of mode base, whose first picture it has."""
    header, packets = taken(base)
    read = BaseReader(header).read(packets[0])
    header = replace(header, mode=Mode.ANIMATION, model="stand-in", motion=Keypoints(10))
    pictures, parameters = BaseWriter(header, PacketType.REFERENCE), EnhancementWriter(header)
    pictures.start(read.qp_intra, read.qp_base)
    pictures.add(read.units[0])
    made = pictures.take()
    for shift in ((0, 1), (0,)):  # a packet each
        for step in shift:
            parameters.add(np.full((10, 2), step), True)
        made += parameters.take()
    return rebuilt(header, made)


def _with_motion(golden: bytes, motion: MotionHeader) -> bytes:
    """Parameters that walk at random, and stand still at the end."""
    header, packets = taken(golden)
    header = replace(header, motion=motion)
    rng, writer = np.random.default_rng(len(str(motion))), EnhancementWriter(header)
    values = np.zeros(motion.shape, np.int64)
    for frame in range(_FRAMES):
        values = values + rng.integers(-2, 3, motion.shape) * (frame < _FRAMES - 2)
        writer.add(values.clip(-20, 20), frame % 5 != 4)
    others = [p for p in packets if p.type is not PacketType.ENHANCEMENT]
    return rebuilt(header, others + writer.take())
