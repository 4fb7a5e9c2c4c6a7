"""Settings that suit the pictures."""

from fractions import Fraction

import pytest

from hdac.codec.config import EncoderConfig
from hdac.codec.files import encode, inspect
from hdac.codec.fitting import fit
from hdac.video.picture import Picture

FPS = Fraction(25)


def fitted(pictures: list[Picture], **settings: object) -> EncoderConfig:
    config = EncoderConfig(mode="base", **settings)  # type: ignore[arg-type]
    found, read = fit(config, iter(pictures), pictures[0].width, pictures[0].height, FPS, len(pictures))
    assert list(read) == pictures, "every picture is still there to be coded"
    return found


def test_first_picture_is_finer_where_it_stays(head: list[Picture]) -> None:
    """A still picture is worth more bits than one that moves away, however many pictures look at it."""
    usual = EncoderConfig(qp_base=45).qps()[0]
    still, moving = (fitted(p, qp_base=45, preset="slower").qps()[0] for p in ([head[0]] * 12, head[::2]))
    assert still < usual and still < moving


@pytest.mark.parametrize("settings", [{"preset": "slow"}, {"preset": "slower", "qp_ref": 30}, {"preset": "slower", "tune": "perceptual"}])
def test_nothing_is_read_ahead_where_nothing_is_to_be_found(settings: dict[str, object]) -> None:
    def none() -> Picture:
        raise AssertionError("a picture was asked for")

    config = EncoderConfig(qp_base=45, **settings)  # type: ignore[arg-type]
    assert fit(config, iter(none, None), 64, 48, FPS, None)[0] is config


def test_bit_rate_is_met_with_the_first_picture_that_pays(head: list[Picture]) -> None:
    config = EncoderConfig(mode="base", kbps=40.0, preset="slower")
    assert inspect(encode(iter(head), 176, 144, FPS, config)).kbps == pytest.approx(40, rel=0.15)
