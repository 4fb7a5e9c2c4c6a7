"""What holds of every motion model: its coder, and its pictures on a network that does nothing."""

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdac.bitstream.cursor import Cursor
from hdac.bitstream.motions import (
    Face,
    Feature,
    Keypoints,
    Landmarks,
    LandmarkSets,
    MotionHeader,
    Pose,
    Regions,
    pack_motion,
    read_motion,
)
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.motion.keypoints import KeypointMotion
from hdac.motion.kinds import parameter_coder
from hdac.motion.protocol import Base, MotionModel, Parameters
from hdac.motion.vector import LIMIT
from hdac.runtime.planes import Array
from hdac.runtime.protocol import Reference
from hdac.video.picture import Picture
from tests.fuzz.kinds import streams

MOTIONS: list[MotionHeader] = [
    Keypoints(1, 1), Keypoints(10), Keypoints(64, 512),
    Landmarks(20), Landmarks(68, 512), Landmarks(478, 1), Face(5), Face(64, 64),
    Regions(), Regions(1), Regions(512),
    Feature(1), Feature(8, 512), Pose(1), Pose(64), LandmarkSets(20), LandmarkSets(478, 512),
]  # fmt: skip


def limit(motion: MotionHeader) -> int:
    """The largest level."""
    return LIMIT if isinstance(motion, Face | Pose) else motion.levels


def track(motion: MotionHeader, frames: int) -> list[Parameters]:
    rng, most = np.random.default_rng(1), limit(motion)
    found = [rng.integers(-most, most + 1, motion.shape) for _ in range(frames)]
    if isinstance(motion, Pose):  # a person's keypoints stay
        for parameters in found:
            parameters[-3 * motion.number :] = found[0][-3 * motion.number :]
    return found


@pytest.mark.parametrize("motion", MOTIONS)
def test_headers_say_them(motion: MotionHeader) -> None:
    cursor = Cursor(pack_motion(motion) + b"more")
    assert read_motion(cursor) == motion
    assert bytes(cursor.take(cursor.left, "rest")) == b"more"


@pytest.mark.parametrize("motion", MOTIONS)
def test_parameters_come_back_in_their_shape(motion: MotionHeader) -> None:
    sent = track(motion, 5)
    writer, coder = Writer(), parameter_coder(motion)
    for parameters in sent:
        coder.code(writer, parameters)
    reader, coder = Reader(writer.finish()), parameter_coder(motion)
    for parameters in sent:
        read = coder.code(reader, None)
        assert (read.dtype, read.shape) == (np.int64, motion.shape)
        assert np.array_equal(read, parameters)


@pytest.mark.parametrize("number", [20, 68, 162])
def test_each_gop_says_how_many_landmarks_it_has(number: int) -> None:
    motion = LandmarkSets(162)
    sent = track(Landmarks(number), 4)
    writer, coder = Writer(), parameter_coder(motion)
    for parameters in sent:
        coder.code(writer, parameters)
    reader, coder = Reader(writer.finish()), parameter_coder(motion)
    for parameters in sent:
        assert np.array_equal(coder.code(reader, None), parameters)
    alone, fixed = Writer(), parameter_coder(Landmarks(number))
    for parameters in sent:
        fixed.code(alone, parameters)
    assert writer.spent - alone.spent == pytest.approx(np.log2(3)), "one of three"


@pytest.mark.parametrize("motion", MOTIONS)
def test_any_bytes_are_parameters_within_their_range(motion: MotionHeader) -> None:
    for seed in range(20):
        reader = Reader(random.Random(seed).randbytes(60))
        coder = parameter_coder(motion)
        for _ in range(8):
            assert np.abs(coder.code(reader, None)).max() <= limit(motion)


class _Network:
    """A backend that finds keypoints at a picture's brightness, and shows what it is given."""

    parallel = True

    def enter(self) -> None:
        pass

    def detect(self, planes: Array) -> Array:
        return np.full((1, 40, 2), planes.mean(), np.float32)

    def fit(self, points: Array) -> Array:
        raise NotImplementedError

    def encode(self, planes: Array, qp: int) -> Any:
        return qp

    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        assert (reference.features, qp) == (30, 44)
        return np.full_like(planes, keypoints[0, 0, 0] + reference.keypoints[0, 0, 0])

    def animate(self, reference: Reference, keypoints: Array) -> Array:
        return np.full_like(reference.planes, keypoints[0, 0, 0] + reference.keypoints[0, 0, 0])


def grey(value: int) -> Picture:
    """24x20: smaller than what the network gets."""
    return Picture(*(np.full(size, value, np.uint8) for size in ((20, 24), (10, 12), (10, 12))))


@pytest.mark.parametrize("derives", [True, False])
def test_keypoints_of_a_base_picture_are_coded_or_derived(derives: bool) -> None:
    model: MotionModel = KeypointMotion(Keypoints(10, 32), _Network(), derives)
    found = model.analyse(grey(51))
    assert found.shape == (10, 2)
    assert np.allclose(found, 0.2)
    parameters = model.quantise(found, None, 0.5)
    assert parameters.tolist() == [[6, 6]] * 10, "0.2 * 32"
    assert model.quantise(found + 0.02, parameters, 2.0).tolist() == parameters.tolist()

    reference = model.refer(grey(51), 30, parameters * 0)
    animated = model.synthesise(reference, parameters, None)
    assert animated.y.shape == (20, 24)
    assert set(animated.y.flat) == {round(6 / 32 * 255)}, "coded ones, of both pictures"
    fused = model.synthesise(reference, parameters, Base(grey(102), 44))
    assert fused.u.shape == (10, 12)
    assert set(fused.y.flat) == {51 + 102 if derives else round(6 / 32 * 255)}


#: SHA-256 of a stream of each kind, as format 7 has it.
_FROZEN = {
    "animation-keypoints": "bb12b10b5f5e0276",
    "animation-landmarks": "67c496b7fcb3d9e1",
    "animation-landmark-sets": "9ed24c970e488718",
    "animation-regions": "50838a56fe4bae69",
    "animation-feature": "ab3758eca11d8555",
    "animation-pose": "8b3be6b1a907ba7c",
    "animation-face": "8804277dfc64f85b",
}


@pytest.mark.parametrize("name", _FROZEN)
def test_bytes_of_every_kind_are_those_of_the_format(name: str) -> None:
    """A change that writer and reader share would leave what is recorded unreadable."""
    golden = Path(__file__).parents[1] / "golden" / "animation-vvc.hdac"
    made = streams(golden.read_bytes())
    assert hashlib.sha256(made[name]).hexdigest()[:16] == _FROZEN[name]
    assert made.keys() == _FROZEN.keys()
