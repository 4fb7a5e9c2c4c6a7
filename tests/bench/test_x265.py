from fractions import Fraction

import pytest

from hdac.bench.x265 import x265_at_rate, x265_tuned
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.picture import Picture


def test_anchor_is_one_gop_and_follows_its_qp(head: list[Picture]) -> None:
    fine, coarse = (x265_tuned(head[:8], Fraction(30), qp) for qp in (28, 44))
    assert len(fine.pictures) == len(coarse.pictures) == 8
    assert len(fine.data) > 3 * len(coarse.data)
    assert mean_psnr_y(head[:8], fine.pictures) > 35 > 30 > mean_psnr_y(head[:8], coarse.pictures)
    assert fine.kbps(Fraction(30)) == pytest.approx(len(fine.data) * 8 * 30 / 8 / 1000)


def test_rate_is_met_from_below(head: list[Picture]) -> None:
    qp, anchor = x265_at_rate(head[:8], Fraction(30), 60)
    assert (
        anchor.kbps(Fraction(30))
        <= 60
        < x265_tuned(head[:8], Fraction(30), qp - 1).kbps(Fraction(30))
    )
