"""Published figures that are printed beside ours, always marked as published: other clips, other
anchors' settings."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """BD-rates in percent."""

    system: str
    anchor: str
    psnr: str
    ms_ssim: str
    msvgg: str
    source: str


HEAD = ("system", "against", "PSNR", "MS-SSIM", "msVGG", "source")
_PAGE = "H-DAC project page"
ROWS = (
    Published("H-DAC", "HEVC (HM, low delay)", "-33.36 %", "-33.41 %", "-48.84 %", _PAGE),
    Published("H-DAC", "VVC (VTM, low delay)", "-30.7 %", "-28.33 %", "-41.64 %", _PAGE),
    Published(
        "H-DAC", "HEVC", "+145 % (overlap 13 %)", "+5 %", "-23 %",
        "digitised from the authors' later public benchmark plots; "
        "LPIPS -49 %, DISTS -45 %, VMAF -16 %",
    ),
)  # fmt: skip
