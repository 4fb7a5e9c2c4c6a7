"""The coder of compact features."""

import numpy as np
import pytest

from hdac.bitstream.motions import Feature
from hdac.bitstream.rangecoder import Writer
from hdac.motion.feature import FeatureCoder


def coded(track: list[np.ndarray], motion: Feature) -> bytes:
    writer, coder = Writer(), FeatureCoder(motion)
    for parameters in track:
        coder.code(writer, parameters)
    return writer.finish()


def test_exact_bytes() -> None:
    """Two frames as they were written once: a change of these bytes is a change of the format."""
    first = np.arange(16).reshape(1, 4, 4) - 8
    second = first.copy()
    second[0, 1] += [1, -2, 0, 40]
    assert (
        coded([first, second, second], Feature(1, 64)).hex()
        == "7003ffffffe29f3bd3422f8daddf2c98fa6b81"
    )


def test_still_features_cost_next_to_nothing() -> None:
    still = [np.full((1, 4, 4), 7)] * 101
    assert len(coded(still, Feature(1))) < 13 + 20, "16 numbers of 65 values, then 100 frames"


@pytest.mark.parametrize("channels", [1, 3])
def test_what_moves_alone_costs_little(channels: int) -> None:
    """One number to and fro: less than a third of what all of them cost."""
    rng = np.random.default_rng(0)
    all_move = [rng.integers(-1, 2, (channels, 4, 4)) for _ in range(100)]
    alone = [parameters.copy() for parameters in all_move]
    for parameters in alone:
        parameters.reshape(-1)[1:] = 0
    sizes = [len(coded(track, Feature(channels))) for track in (alone, all_move)]
    assert sizes[0] < sizes[1] / 3
