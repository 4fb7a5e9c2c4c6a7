import contextlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdac.bitstream.container import Keypoints
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.errors import DamagedError
from hdac.motion.keypoints import (
    KEYPOINT_LEVELS,
    KeypointCoder,
    dequantise,
    quantise,
)
from hdac.motion.protocol import Parameters


def walk(frames: int, keypoints: int, jump: int, seed: int) -> list[Parameters]:
    rng, points = random.Random(seed), [[0, 0] for _ in range(keypoints)]
    out = []
    for _ in range(frames):
        points = [
            [max(-KEYPOINT_LEVELS, min(KEYPOINT_LEVELS, c + rng.randint(-jump, jump))) for c in p]
            for p in points
        ]
        out.append(np.array(points))
    return out


@given(
    st.integers(1, 12),
    st.sampled_from([1, 5, 10, 40]),
    st.sampled_from([0, 1, 3, 128]),
    st.integers(0, 1000),
)
def test_round_trip(frames: int, keypoints: int, jump: int, seed: int) -> None:
    track = walk(frames, keypoints, jump, seed)
    writer, coder = Writer(), KeypointCoder(Keypoints(keypoints))
    for integers in track:
        assert np.array_equal(coder.code(writer, integers), integers)
    reader, coder = Reader(writer.finish()), KeypointCoder(Keypoints(keypoints))
    for integers in track:
        assert np.array_equal(coder.code(reader, None), integers)


def test_still_keypoints_cost_next_to_nothing() -> None:
    writer, coder = Writer(), KeypointCoder(Keypoints(10))
    for _ in range(101):
        coder.code(writer, np.full((10, 2), 7))
    assert len(writer.finish()) < 18 + 20  # 20 coordinates of 129 levels, then 100 frames


def test_quantiser() -> None:
    points = np.array([[0.5, -1.2], [0.004, -0.004]], np.float32)
    assert quantise(points).tolist() == [[32, -64], [0, 0]]
    assert dequantise(quantise(points)).tolist() == [[0.5, -1.0], [0.0, 0.0]]
    # hysteresis: 0.7 steps away stays, 0.8 steps away moves
    last = np.array([[10, 10]])
    assert quantise(np.array([[10.7 / 64, 10.8 / 64]], np.float32), last).tolist() == [[10, 11]]


def test_a_coder_cannot_leave_the_range_on_damaged_data() -> None:
    for seed in range(50):
        reader, coder = Reader(random.Random(seed).randbytes(40)), KeypointCoder(Keypoints(10))
        with contextlib.suppress(DamagedError):
            for _ in range(10):
                assert np.abs(coder.code(reader, None)).max() <= KEYPOINT_LEVELS


def test_error_below_half_a_step_without_history() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    assert float(np.abs(dequantise(quantise(points)) - points).max()) == pytest.approx(
        0.5 / KEYPOINT_LEVELS, rel=0.05
    )
