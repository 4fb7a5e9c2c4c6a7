"""Settings that suit the pictures."""

from fractions import Fraction

import pytest

from hdac.codec.config import EncoderConfig
from hdac.codec.files import encode, inspect
from hdac.codec.fitting import SURELY_VVC, Ahead, BaseSize, fit
from hdac.video.picture import Picture

FPS = Fraction(25)


def fitted(pictures: list[Picture], **settings: object) -> EncoderConfig:
    config = EncoderConfig(mode="base", **settings)  # type: ignore[arg-type]
    found, read = fit(config, iter(pictures), pictures[0].width, pictures[0].height, FPS, len(pictures))
    assert list(read) == pictures, "every picture is still there to be coded"
    return found


@pytest.mark.parametrize("cheaper", ["vvc", "mixed"])
def test_auto_takes_the_codec_that_needs_less(head: list[Picture], cheaper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def base(self: Ahead, config: EncoderConfig, qp_ref: int, qp_base: int) -> BaseSize:
        return BaseSize(100, 500 if config.codec_for(qp_base) == cheaper else 550, 30.0)

    monkeypatch.setattr(Ahead, "base", base)
    settings = {"base_codec": "auto", "preset": "slower"}
    assert fitted(head, qp_base=SURELY_VVC, **settings).codec == "vvc"
    assert fitted(head, qp_base=SURELY_VVC + 1, **settings).codec == cheaper
    assert fitted(head, qp_base=40, qp_ref=30, **settings).qps() == (30, 40)


@pytest.mark.parametrize(
    "settings", [{"preset": "slower"}, {"base_codec": "auto"}, {"base_codec": "auto", "preset": "slower", "tune": "perceptual"}]
)
def test_nothing_is_read_ahead_where_nothing_is_to_be_found(settings: dict[str, object]) -> None:
    def none() -> Picture:
        raise AssertionError("a picture was asked for")

    config = EncoderConfig(qp_base=45, **settings)  # type: ignore[arg-type]
    assert fit(config, iter(none, None), 64, 48, FPS, None)[0] is config


def test_bit_rate_is_met(head: list[Picture]) -> None:
    config = EncoderConfig(mode="base", kbps=40.0, preset="slower")
    assert inspect(encode(iter(head), 176, 144, FPS, config)).kbps == pytest.approx(40, rel=0.15)
