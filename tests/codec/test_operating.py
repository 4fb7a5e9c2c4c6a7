import pytest

from hdac.codec.config import EncoderConfig
from hdac.codec.operating import (
    KVAZAAR_FINER,
    MIXED_FINER,
    PERCEPTUAL_FINER,
    TABLE,
    VVC_FINER,
    VVC_TO,
    default_qp_intra,
    point_for,
)
from hdac.codec.plan import choose_base

CLIP = 256 * 256 * 25.0


def test_table_is_monotone_and_met_at_its_points() -> None:
    assert [p.kbps for p in TABLE] == sorted(p.kbps for p in TABLE)
    assert [p.qp_base for p in TABLE] == sorted((p.qp_base for p in TABLE), reverse=True)
    for point in TABLE:
        assert point_for(point.kbps, CLIP)[1:] == point[1:]
        assert default_qp_intra(point.qp_base) == point.qp_intra


def qps(**settings: object) -> tuple[int, int]:
    choice = choose_base(EncoderConfig(**{"base_encoder": "x265", **settings}))  # type: ignore[arg-type]
    return choice.qp_intra, choice.qp_base


def test_perceptual_reference_is_finer() -> None:
    perceptual = qps(qp_base=44, tune="perceptual")
    assert qps(qp_base=44) == (38, 44)
    assert perceptual == (36 - PERCEPTUAL_FINER, 44), "the calm cascade's mean is lower"
    assert qps(qp_base=44, qp_intra=35, tune="perceptual") == (35, 44)
    assert qps(qp_base=44, base_codec="mixed") == (38, 44)
    mixed = qps(qp_base=44, tune="perceptual", base_codec="mixed")
    assert mixed[0] == perceptual[0] - MIXED_FINER
    vvc = [qps(qp_base=44, base_codec="vvc", tune=tune)[0] for tune in ("psnr", "perceptual")]
    assert vvc == [44 - VVC_FINER, 38 - PERCEPTUAL_FINER], "libvvenc's cascade is its own"
    assert qps(qp_base=3, tune="perceptual")[0] == 0
    kvazaar = [
        qps(qp_base=44, base_codec=codec, base_encoder="kvazaar") for codec in ("hevc", "mixed")
    ]
    assert kvazaar == [(44 - KVAZAAR_FINER, 44)] * 2


def test_auto_takes_what_needs_fewest_bits() -> None:
    auto = EncoderConfig(base_codec="auto")
    found = [choose_base(auto, qp).codec for qp in (VVC_TO, VVC_TO + 1, None)]
    assert found == ["vvc", "mixed", "mixed"]
    assert choose_base(EncoderConfig(base_codec="auto", qp_base=VVC_TO)).codec == "vvc"
    perceptual = EncoderConfig(base_codec="auto", qp_base=VVC_TO, tune="perceptual")
    mixed = EncoderConfig(base_codec="mixed", qp_base=VVC_TO, tune="perceptual")
    assert choose_base(perceptual)._replace(preset=None) == choose_base(mixed)
    still = EncoderConfig(base_codec="auto", mode="animation", tune="perceptual")
    assert choose_base(still).codec == "vvc"


def test_between_and_beyond() -> None:
    assert 42 <= point_for(9.0, CLIP).qp_base <= 45
    assert point_for(0.6, CLIP).qp_base == 51
    assert point_for(4000, CLIP).qp_base == TABLE[-1].qp_base
    # four times the pixels need more bits for the same QP
    assert point_for(21.5, 4 * CLIP).qp_base == pytest.approx(
        point_for(21.5 / 4, CLIP).qp_base, abs=1
    )
