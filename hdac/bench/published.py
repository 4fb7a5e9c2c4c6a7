"""Published figures that are printed beside ours, always marked as published: other clips, other
anchors' settings. Only beside sets of talking heads: of anything else they say nothing."""

from __future__ import annotations

from typing import NamedTuple

from hdac.bench.bd import MIN_OVERLAP, Bd
from hdac.bench.datasets import load_dataset, split_name
from hdac.bench.recipes import recipe_names


class Published(NamedTuple):
    """BD-rates in percent, as printed or as read off a plot; overlap where it is known."""

    system: str
    anchor: str
    psnr: Bd
    ms_ssim: Bd
    msvgg: Bd
    source: str

    def cells(self) -> list[str]:
        """As ours: no number of curves that hardly overlap."""
        rates = (self.psnr, self.ms_ssim, self.msvgg)
        return [self.system, self.anchor, *map(_cell, rates), self.source]


HEAD = ("system", "against", "PSNR", "MS-SSIM", "msVGG", "source")
TITLE = "Published, on other clips and with other anchor settings"
_PAGE = "H-DAC project page"
_PLOTS = (
    "digitised from the authors' later public benchmark plots; LPIPS -49 %, DISTS -45 %, VMAF -16 %"
)


_ROWS = (
    Published(
        "H-DAC", "HEVC (HM, low delay)", Bd(-33.36, None), Bd(-33.41, None), Bd(-48.84, None), _PAGE
    ),
    Published(
        "H-DAC", "VVC (VTM, low delay)", Bd(-30.7, None), Bd(-28.33, None), Bd(-41.64, None), _PAGE
    ),
    Published("H-DAC", "HEVC", Bd(145, 0.13), Bd(5, None), Bd(-23, None), _PLOTS),
)  # fmt: skip


def _cell(rate: Bd) -> str:
    if rate.overlap is not None and rate.overlap < MIN_OVERLAP:
        return f"n/a (overlap {100 * rate.overlap:.0f} %)"
    return f"{rate.value:+g} %"


def published_rows(name: str) -> list[list[str]]:
    """Rows beside results on a set (`NAME` or `NAME:SPLIT`); none if it is no set of this
    installation that has talking heads."""
    dataset = split_name(name)[0]
    if dataset not in recipe_names("datasets"):
        return []
    faces = load_dataset(dataset)[0].content == "talking heads"
    return [row.cells() for row in _ROWS] if faces else []
