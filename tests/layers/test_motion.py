import contextlib
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hdac.bitstream.rangecoder import Reader, Writer
from hdac.errors import DamagedError
from hdac.layers.motion import KeypointCoder
from hdac.layers.quantiser import LEVELS, dequantise, quantise


def walk(frames: int, keypoints: int, jump: int, seed: int) -> list[torch.Tensor]:
    rng, points = random.Random(seed), [[0, 0] for _ in range(keypoints)]
    out = []
    for _ in range(frames):
        points = [
            [max(-LEVELS, min(LEVELS, c + rng.randint(-jump, jump))) for c in p] for p in points
        ]
        out.append(torch.tensor(points))
    return out


@given(
    st.integers(1, 12),
    st.sampled_from([1, 5, 10, 40]),
    st.sampled_from([0, 1, 3, 128]),
    st.integers(0, 1000),
)
def test_round_trip(frames: int, keypoints: int, jump: int, seed: int) -> None:
    track = walk(frames, keypoints, jump, seed)
    writer, coder = Writer(), KeypointCoder(keypoints)
    for integers in track:
        assert torch.equal(coder.code(writer, integers), integers)
    reader, coder = Reader(writer.finish()), KeypointCoder(keypoints)
    for integers in track:
        assert torch.equal(coder.code(reader, None), integers)


def test_still_keypoints_cost_next_to_nothing() -> None:
    writer, coder = Writer(), KeypointCoder(10)
    for _ in range(101):
        coder.code(writer, torch.full((10, 2), 7))
    assert len(writer.finish()) < 18 + 20  # 20 coordinates of 129 levels, then 100 frames


def test_quantiser() -> None:
    points = torch.tensor([[0.5, -1.2], [0.004, -0.004]])
    assert quantise(points).tolist() == [[32, -64], [0, 0]]
    assert dequantise(quantise(points)).tolist() == [[0.5, -1.0], [0.0, 0.0]]
    # hysteresis: 0.7 steps away stays, 0.8 steps away moves
    last = torch.tensor([[10, 10]])
    assert quantise(torch.tensor([[10.7 / 64, 10.8 / 64]]), last).tolist() == [[10, 11]]


def test_a_coder_cannot_leave_the_range_on_damaged_data() -> None:
    for seed in range(50):
        reader, coder = Reader(random.Random(seed).randbytes(40)), KeypointCoder(10)
        with contextlib.suppress(DamagedError):
            for _ in range(10):
                assert coder.code(reader, None).abs().max() <= LEVELS


def test_error_below_half_a_step_without_history() -> None:
    points = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float((dequantise(quantise(points)) - points).abs().max()) == pytest.approx(
        0.5 / LEVELS, rel=0.05
    )
