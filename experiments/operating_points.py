"""Prints the table of operating points in `hdac/codec/operating.py`, and what the refresh rule
does.

    python experiments/operating_points.py --data DIR

For each `qp_base` (with the `qp_intra` that goes with it): the median rate over the clips of `val`
of a whole .hdac file in mode `base` (HEVC by x265), plus what motion and switch flags cost in
hybrid mode.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean, median
from typing import Any

from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode, inspect
from hdac.codec.operating import ENHANCEMENT_KBPS, TABLE, default_qp_intra
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.reader import VideoReader

#: Whose first pictures the table's `qp_intra` are.
BASE: dict[str, Any] = {"base_codec": "hevc", "base_encoder": "x265"}


def point(path: Path, config: EncoderConfig) -> tuple[float, float, int]:
    """kbps, PSNR-Y and refreshes of one clip."""
    reader = VideoReader(path)
    pictures, info = list(reader), reader.info
    data = encode(pictures, info.width, info.height, info.fps, config, frames=len(pictures))
    made = inspect(data)
    return made.kbps, mean_psnr_y(pictures, [f.picture for f in decode(data)]), made.refreshes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="only every Nth clip")
    options = parser.parse_args()
    clips = sorted((options.data / "val").glob("*.mp4"))[:: options.every]
    print(f"{len(clips)} clips of val; mode base; refresh never")
    for qp in (entry.qp_base for entry in TABLE):
        config = EncoderConfig(mode="base", qp_base=qp, refresh="never", **BASE)
        rates, qualities, _ = zip(*(point(clip, config) for clip in clips), strict=True)
        rate, quality = median(rates) + ENHANCEMENT_KBPS, median(qualities)
        text = f"    OperatingPoint({rate:.1f}, {default_qp_intra(qp)}, {qp}),"
        print(f"{text}  # PSNR-Y {quality:.2f} dB", flush=True)
    for refresh in ("never", "auto"):
        for qp in (48, 42, 36):
            config = EncoderConfig(mode="base", qp_base=qp, refresh=refresh, **BASE)
            rows = zip(*(point(clip, config) for clip in clips), strict=True)
            rate, quality, count = map(fmean, rows)
            text = f"refresh {refresh}, qp_base {qp}: {rate:.2f} kbps, {quality:.2f} dB"
            print(f"{text}, {count:.2f} refreshes a clip", flush=True)


if __name__ == "__main__":
    main()
