"""The motion model of keypoints in space: its coder, what is sent, heads that are turned."""

from typing import Any

import numpy as np
import pytest

from hdac.bitstream.motions import Pose
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.motion.pose import POSE, PoseMotion, pose_coder, steps
from hdac.motion.vector import LIMIT
from hdac.runtime.planes import Array
from hdac.runtime.protocol import Reference
from hdac.video.picture import Picture

MOTION = Pose(2)
FIRST = np.arange(18) * 7 - 60


def coded(track: list[np.ndarray], motion: Pose = MOTION) -> bytes:
    writer, coder = Writer(), pose_coder(motion)
    for parameters in track:
        coder.code(writer, parameters)
    return writer.finish()


class Shown:
    """A backend that keeps what it is given."""

    parallel = True
    given: Array

    def enter(self) -> None:
        pass

    def detect(self, planes: Array) -> Array:
        return np.full((1, MOTION.shape[0] - POSE), planes.mean(), np.float32)

    def fit(self, points: Array) -> Array:
        return points[:, :3].reshape(1, -1)

    def encode(self, planes: Array, qp: int) -> Any:
        return []

    def fuse(self, planes: Array, qp: int, reference: Reference, keypoints: Array) -> Array:
        raise NotImplementedError

    def animate(self, reference: Reference, keypoints: Array) -> Array:
        self.given = keypoints
        return reference.planes


def test_exact_bytes() -> None:
    """Three frames as they were written once: a change of these bytes is a change of the format."""
    second = FIRST.copy()
    second[:12] += [1, -2, 0, 40, 0, 0, 0, 0, -3, 0, 0, 0]
    third = second.copy()
    third[0] += 5
    assert (
        coded([FIRST, second, second, third]).hex()
        == "fef239fbb8be2bfb7f12bb3a9073f88cb2ad6ae81dbd492abca5213e89b11253b9cdfe27"
    )


def test_a_persons_keypoints_are_sent_once() -> None:
    """Whatever a frame after the first says of them."""
    second = FIRST + 1
    data = coded([FIRST, second])
    reader, coder = Reader(data), pose_coder(MOTION)
    assert coder.code(reader, None).tolist() == FIRST.tolist()
    assert coder.code(reader, None).tolist() == [*second[:-6], *FIRST[-6:]]
    assert data == coded([FIRST, np.array([*second[:-6], *FIRST[-6:]])])


def test_still_heads_cost_next_to_nothing() -> None:
    still = [np.full(66, 7)] * 101
    assert len(coded(still, Pose(10))) < len(coded(still[:1], Pose(10))) + 12


def test_what_is_sent_of_what_is_found() -> None:
    model = PoseMotion(MOTION, Shown(), None, 25)
    found = FIRST * steps(MOTION.number)
    first = model.quantise(found, None, 0.5)
    assert first.tolist() == FIRST.tolist()
    moved = found + 0.9 * steps(MOTION.number)
    assert model.quantise(moved, first, 1.0).tolist() == FIRST.tolist(), "within the hysteresis"
    moved = found + 3 * steps(MOTION.number)
    assert model.quantise(moved, first, 1.0).tolist() == [*FIRST[:-6] + 3, *FIRST[-6:]]
    assert np.abs(model.quantise(found * 1e6, None, 0.5)).max() == LIMIT


def test_steps_are_those_of_the_format() -> None:
    quarter = np.pi / 180 / 4
    assert steps(1).tolist() == pytest.approx(
        [quarter] * 3 + [1 / 256] * 2 + [1 / 128] + [1 / 128] * 3 + [1 / 64] * 3
    )


def test_heads_are_turned_by_degrees_and_nothing_else_is() -> None:
    grey = Picture(*(np.full(size, 80, np.uint8) for size in ((20, 24), (10, 12), (10, 12))))
    backend, still = Shown(), Shown()
    turned = PoseMotion(MOTION, backend, None, 25, (20.0, -10.0, 0.1))
    plain = PoseMotion(MOTION, still, None, 25)
    for model in (turned, plain):
        reference = model.refer(grey, 30, FIRST)
        assert np.allclose(reference.reference.keypoints, FIRST * steps(MOTION.number)), (
            "as it was sent"
        )
        model.synthesise(reference, FIRST, None)
    difference = (backend.given - still.given)[0]
    assert np.degrees(difference[:3]) == pytest.approx([20, -10, 0.1], abs=1e-3)
    assert not difference[3:].any()
    most = np.full(18, LIMIT)
    turned.synthesise(reference, most, None)
    assert backend.given[0, 0] == pytest.approx(LIMIT * steps(MOTION.number)[0])
    assert backend.given.shape == (1, POSE + 12)
