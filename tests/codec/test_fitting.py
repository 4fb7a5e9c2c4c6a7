"""Settings that suit the pictures."""

from fractions import Fraction
from typing import Any, Literal

import pytest

from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode, inspect
from hdac.codec.fitting import SURELY_VVC, BaseSize, Source, base_alone, fit
from hdac.codec.operating import VVC_TO
from hdac.codec.plan import BaseChoice, choose_base
from hdac.video.ffmpeg import has_encoder
from hdac.video.picture import Picture
from tests.conftest import synthetic

FPS = Fraction(25)


def fitted(pictures: list[Picture], **settings: object) -> EncoderConfig:
    config = EncoderConfig(mode="base", **settings)  # type: ignore[arg-type]
    found, read = fit(config, iter(pictures), pictures[0].width, pictures[0].height, FPS)
    assert [p.tobytes() for p in read] == [p.tobytes() for p in pictures], "all are to be coded"
    return found


@pytest.mark.parametrize(
    ("vvc", "mixed", "frames", "taken"),
    [
        (BaseSize(100, 500, 30.0), BaseSize(100, 550, 30.0), 24, "vvc"),
        (BaseSize(100, 550, 30.0), BaseSize(100, 500, 30.0), 24, "mixed"),
        (
            BaseSize(100, 550, 30.6),
            BaseSize(100, 500, 30.0),
            24,
            "vvc",
        ),  # 8 % more bytes, and 15 % worth of quality
        (BaseSize(300, 400, 30.0), BaseSize(100, 550, 30.0), 24, "mixed"),
        (
            BaseSize(300, 400, 30.0),
            BaseSize(100, 550, 30.0),
            240,
            "vvc",
        ),  # the first picture's bytes matter little in a long clip
    ],
)
def test_auto_takes_the_codec_that_needs_less(
    vvc: BaseSize,
    mixed: BaseSize,
    frames: int,
    taken: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def code(self: Source, config: EncoderConfig, choice: BaseChoice) -> BaseSize:
        return vvc if choice.codec == "vvc" else mixed

    monkeypatch.setattr(Source, "code_base", code)
    usual = EncoderConfig(mode="base", base_codec="auto", preset="slower", qp_base=VVC_TO + 1)
    assert fit(usual, synthetic(frames), 64, 48, FPS)[0].base_codec == taken


@pytest.mark.parametrize(
    ("side", "kbps", "half", "taken"),
    [
        (48, 3.0, BaseSize(100, 500, 31.0), 2),
        (48, 3.0, BaseSize(100, 500, 29.0), None),
        (49, 3.0, BaseSize(100, 500, 31.0), None),  # a small picture
        (48, 60.0, BaseSize(100, 500, 31.0), None),  # a high rate
    ],
)
def test_auto_takes_the_size_that_needs_less(
    side: int, kbps: float, half: BaseSize, taken: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_encoder("libvvenc"):
        pytest.skip("this FFmpeg has no libvvenc")

    def code(self: Source, config: EncoderConfig, choice: BaseChoice) -> BaseSize:
        return half if choice.first_scale == 2 else BaseSize(100, 500, 30.0)

    def rate(self: Source, config: EncoderConfig, choice: BaseChoice) -> float:
        return 40 * 0.88 ** (choice.qp_base - 26)

    monkeypatch.setattr(Source, "code_base", code)
    if taken is None:  # one search with real encoders is enough
        monkeypatch.setattr(Source, "kbps", rate)
    monkeypatch.setattr("hdac.codec.fitting.HALF_SIDE", side)
    asked: dict[str, Any] = {"base_codec": "mixed", "preset": "fast", "kbps": kbps}
    found = fitted(synthetic(6), **asked)
    assert found.base_scale == taken
    assert found.qp_base is not None
    for scale in (1, 2):
        assert fitted(synthetic(6), **asked, base_scale=scale).base_scale == scale
    unlike = fitted(synthetic(6), **{**asked, "base_codec": "hevc"})
    assert unlike.base_scale is None, "first pictures of the frame's size are VVC's"


def test_auto_meets_its_bit_rate_with_the_codec_that_needs_less(
    head: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """VVC takes half the bytes at any QP, so that its QP is finer."""

    def code(self: Source, config: EncoderConfig, choice: BaseChoice) -> BaseSize:
        share, qp_base = 0.5 if choice.codec == "vvc" else 1.0, choice.qp_base
        return BaseSize(0, round(share * 40_000 * 0.88**qp_base), 50 - qp_base / 2)

    def kbps(self: Source, config: EncoderConfig, choice: BaseChoice) -> float:
        return self.rate(code(self, config, choice).rest)

    monkeypatch.setattr(Source, "code_base", code)
    monkeypatch.setattr(Source, "kbps", kbps)
    found = {
        codec: fitted(head, kbps=2.0, base_codec=codec, preset="slower")
        for codec in ("auto", "mixed", "vvc")
    }
    assert found["auto"] == found["vvc"]
    assert found["auto"].qp_base < found["mixed"].qp_base


@pytest.mark.parametrize(
    "settings",
    [
        {"qp_base": 45, "preset": "slower"},
        {"qp_base": 45, "base_codec": "auto"},
        {"qp_base": 45, "base_codec": "auto", "preset": "slower", "tune": "perceptual"},
        {"qp_base": SURELY_VVC, "base_codec": "auto", "preset": "slower"},
    ],
)
def test_nothing_is_read_ahead_where_nothing_is_to_be_found(settings: dict[str, object]) -> None:
    def none() -> Picture:
        raise AssertionError("a picture was asked for")

    config = EncoderConfig(**settings)  # type: ignore[arg-type]
    assert fit(config, iter(none, None), 64, 48, FPS)[0] is config


@pytest.mark.parametrize(("kbps", "preset"), [(4.0, None), (8.0, None), (8.0, "slower")])
def test_bit_rate_is_met(face: list[Picture], kbps: float, preset: str | None) -> None:
    config = EncoderConfig(kbps=kbps, refresh="never", preset=preset)  # type: ignore[arg-type]
    assert inspect(encode(face, 96, 80, FPS, config)).kbps == pytest.approx(kbps, rel=0.15)


def test_frames_that_are_not_sent_and_a_bit_rate(head: list[Picture]) -> None:
    config = EncoderConfig("animation", kbps=6.0, every=2, keypoints=5)
    data = encode(head, 176, 144, FPS, config)
    assert inspect(data).kbps == pytest.approx(6.0, rel=0.3)
    assert len(list(decode(data))) == len(head)


@pytest.mark.parametrize("codec", ["hevc", "mixed"])
@pytest.mark.parametrize("mode", ["animation", "hybrid"])
def test_base_layers_are_tried_with_the_encoders_that_code_them(
    mode: Literal["animation", "hybrid"], codec: Literal["hevc", "mixed"]
) -> None:
    config = EncoderConfig(mode, kbps=5.0, every=1 + (mode == "animation"), base_codec=codec)
    choice = choose_base(config, 44)
    alone = base_alone(config, choice)
    assert choose_base(alone, 44)[:2] == choice[:2]
    assert (alone.mode, alone.every, alone.kbps) == ("base", 1, None)
