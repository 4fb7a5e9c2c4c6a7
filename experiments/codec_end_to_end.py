"""What each part of the codec gives on the test clips: prints tables in markdown.

    python experiments/codec_end_to_end.py --data DIR --work DIR [--model NAME] [--split test]

DIR holds test/*.mp4 (or --split). Every point is cached in --work, so that a killed run goes on
where it was. Rates are of whole files; BD-rates are against x265-tuned:

- the base layer step by step: flat QP, the low-QP first picture, the QP cascade, a .hdac file at
  level base (its NAL units compressed), the same file fused;
- bytes per P picture of base layers before and after the compression of their NAL units;
- where the bits go, and whether decoded frames equal what the encoder says the decoder shows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from hdac.bench.bd import bd_rate, curve
from hdac.bench.x265 import x265_tuned
from hdac.codec.config import EncoderConfig
from hdac.codec.files import base_units, decode, encode, inspect
from hdac.codec.operating import default_qp_intra
from hdac.layers.base import CASCADE, BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.metrics.ms_ssim import ms_ssim_y
from hdac.metrics.psnr import mean_psnr_y
from hdac.runtime.models import resolve_model
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader

QPS = (34, 37, 44, 51)
ANCHOR_QPS = (28, 32, 36, 40, 44, 48)
Row = dict[str, Any]
#: The points of a curve, each with a row a clip.
Curve = list[list[Row]]


def quality(x: list[Picture], y: list[Picture]) -> Row:
    """PSNR-Y, and MS-SSIM-Y in dB."""
    return {"psnr": mean_psnr_y(x, y), "ms-ssim": -10 * np.log10(1 - ms_ssim_y(x, y))}


def anchor_point(path: Path, qp: int) -> Row:
    reader = VideoReader(path)
    pictures = list(reader)
    anchor = x265_tuned(pictures, reader.info.fps, qp)
    return {"kbps": anchor.kbps(reader.info.fps), **quality(pictures, anchor.pictures)}


def base_point(path: Path, qp: int, step: str) -> Row:
    """One step of the base layer alone: "flat", "first" or "cascade"."""
    reader = VideoReader(path)
    pictures, info = list(reader), reader.info
    mean = round(fmean(min(51, qp + offset) for offset in CASCADE)) - qp
    cascade = CASCADE if step == "cascade" else (mean,)
    # flat: x265's own default, the I picture 3 below the P pictures
    intra = max(0, min(51, qp + mean) - 3) if step == "flat" else default_qp_intra(qp)
    config = BaseConfig(info.width, info.height, info.fps, intra, qp, cascade)
    encoder = HevcEncoder(config, None, len(pictures))
    coded = [c for picture in pictures for c in encoder.push(picture)] + encoder.flush()
    kbps = float(sum(len(c.data) for c in coded) * 8 * info.fps / len(pictures) / 1000)
    return {"kbps": kbps, **quality(pictures, [c.picture for c in coded])}


def file_point(path: Path, qp: int, model: str) -> Row:
    """A whole file, decoded at both levels."""
    reader = VideoReader(path)
    pictures, info, shown = list(reader), reader.info, list[Picture | None]()
    data = encode(
        pictures, info.width, info.height, info.fps, EncoderConfig(qp_base=qp, model=model),
        frames=len(pictures), on_shown=lambda frame: shown.append(frame.picture),
    )  # fmt: skip
    decoded, base = list(decode(data)), list(decode(data, "base"))
    made, units = inspect(data), list(base_units(data))
    return {
        "kbps": made.kbps,
        **quality(pictures, [frame.picture for frame in decoded]),
        "base": quality(pictures, [frame.picture for frame in base]),
        "bits": vars(made.bits),
        "fused": sum(frame.level == "fused" for frame in decoded) / len(decoded),
        "before": sum(map(len, units[1:])) / (len(units) - 1),
        "after": made.bits.base / 8 / (len(units) - 1),
        "exact": all(
            a is None or all(np.array_equal(p, q) for p, q in zip(a, b.picture, strict=True))
            for a, b in zip(shown, decoded, strict=True)
        ),
    }


class Cache:
    """Points by what decides them."""

    def __init__(self, folder: Path, clips: list[Path]) -> None:
        self.folder, self.clips = folder, clips
        folder.mkdir(parents=True, exist_ok=True)

    def curve(
        self, name: str, point: Callable[..., Row], qps: tuple[int, ...], *more: str
    ) -> Curve:
        """`point(clip, qp, *more)` at every QP for every clip, from the cache where it is there."""
        points = []
        for qp in qps:
            rows = []
            for clip in self.clips:
                file = self.folder / f"{name}_{qp}_{clip.stem}.json"
                if not file.exists():
                    file.write_text(json.dumps(point(clip, qp, *more)))
                rows.append(json.loads(file.read_text()))
            points.append(rows)
        return points


def bd_rates(anchor: Curve, test: Curve, key: str) -> list[float]:
    """Per clip, in percent, where the curves overlap."""
    found = []
    for rows in zip(zip(*anchor, strict=True), zip(*test, strict=True), strict=True):
        curves = (curve([r["kbps"] for r in c], [r[key] for r in c]) for c in rows)
        value = bd_rate(*curves).value
        found += [] if value is None else [value]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--work", type=Path, required=True, help="folder of cached points")
    parser.add_argument("--model", default="hdac-s")
    options = parser.parse_args()
    clips = sorted((options.data / options.split).glob("*.mp4"))
    cache, model = Cache(options.work, clips), resolve_model(options.model)
    anchor = cache.curve("x265-tuned", anchor_point, ANCHOR_QPS)
    files = cache.curve(f"file-{model.digest}", file_point, QPS, options.model)
    steps = {
        "our x265 settings, flat QP": cache.curve("flat", base_point, QPS, "flat"),
        "+ low-QP first picture": cache.curve("first", base_point, QPS, "first"),
        "+ QP cascade": cache.curve("cascade", base_point, QPS, "cascade"),
        "whole .hdac file, level base": [[{**r, **r["base"]} for r in rows] for rows in files],
        "**whole .hdac file, fused**": files,
    }
    print(f"{len(clips)} clips of {options.split}, all frames; {model.name} ({model.digest}).\n")
    print("| BD-rate against x265-tuned | PSNR-Y | MS-SSIM-Y (dB) |\n|---|---|---|")
    for name, points in steps.items():
        psnr, ssim = (fmean(bd_rates(anchor, points, key)) for key in ("psnr", "ms-ssim"))
        print(f"| {name} | {psnr:+.1f} % | {ssim:+.1f} % |")
    print("\n| qp_base | kbps | bytes a P picture before | after | PSNR-Y base | fused | frames |")
    print("|---|---|---|---|---|---|---|")
    for qp, rows in zip(QPS, files, strict=True):
        kbps, before, after, fused, psnr = (
            fmean(r[key] for r in rows) for key in ("kbps", "before", "after", "fused", "psnr")
        )
        base = fmean(r["base"]["psnr"] for r in rows)
        cells = f"{kbps:.1f} | {before:.1f} | {after:.1f} | {base:.2f} | {psnr:.2f}"
        print(f"| {qp} | {cells} | {100 * fused:.0f} % |")
    everything = [row for rows in files for row in rows]
    total = sum(sum(row["bits"].values()) for row in everything)
    parts = ((k, sum(row["bits"][k] for row in everything)) for k in everything[0]["bits"])
    print("\nWhere the bits go:", ", ".join(f"{k} {100 * v / total:.1f} %" for k, v in parts))
    exact = sum(row["exact"] for row in everything)
    print(f"Decoded frames equal to the encoder's own: {exact} of {len(everything)} files.")


if __name__ == "__main__":
    main()
