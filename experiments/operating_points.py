"""Prints the table of operating points in `hdac/codec/operating.py`, and what the refresh rule
does.

    python experiments/operating_points.py --data DIR

For each `qp_base` (with the `qp_intra` that goes with it): the median rate over the clips of `val` of
a whole .hdac file in mode `base`, plus what motion and switch flags cost in hybrid mode.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from hdac.codec.config import EncoderConfig
from hdac.codec.encoder import Encoder
from hdac.codec.files import encode, inspect
from hdac.codec.operating import ENHANCEMENT_KBPS, default_qp_intra
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader


def point(path: Path, config: EncoderConfig) -> tuple[float, float, int]:
    """kbps, PSNR-Y and refreshes of one clip."""
    reader = VideoReader(path)
    pictures, shown = list(reader), list[Picture]()

    def watch(encoder: Encoder) -> None:
        while encoder.shown:
            shown.append(encoder.shown.popleft().picture)

    info = reader.info
    data = encode(
        pictures, info.width, info.height, info.fps, config, frames=len(pictures), watch=watch
    )
    made = inspect(data)
    return made.kbps, mean_psnr_y(pictures, shown), made.refreshes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="only every Nth clip")
    options = parser.parse_args()
    clips = sorted((options.data / "val").glob("*.mp4"))[:: options.every]
    print(f"{len(clips)} clips of val; mode base; refresh never")
    for qp in (51, 48, 45, 42, 39, 36, 33, 30, 26):
        rows = [
            point(clip, EncoderConfig(mode="base", qp_base=qp, refresh="never")) for clip in clips
        ]
        rate, quality = (statistics.median(r[i] for r in rows) for i in (0, 1))
        print(
            f"    OperatingPoint({rate + ENHANCEMENT_KBPS:.1f}, {default_qp_intra(qp)}, {qp}),  # PSNR-Y {quality:.2f} dB",
            flush=True,
        )
    for refresh in ("never", "auto"):
        for qp in (48, 42, 36):
            rows = [
                point(clip, EncoderConfig(mode="base", qp_base=qp, refresh=refresh))
                for clip in clips
            ]  # type: ignore[arg-type]
            rate, quality, count = (statistics.mean(r[i] for r in rows) for i in range(3))
            print(
                f"refresh {refresh}, qp_base {qp}: {rate:.2f} kbps, {quality:.2f} dB, {count:.2f} refreshes a clip",
                flush=True,
            )


if __name__ == "__main__":
    main()
