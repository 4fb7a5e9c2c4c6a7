"""Base codecs and presets against each other: what `VVC_TO`, the trial of `--base-codec auto` and
the presets' comments rest on.

    python experiments/base_codecs.py --data DIR mixed:slow mixed:slower vvc:medium vvc:slow

Files of mode base, one GOP, of clips of `val`: BD-rate in PSNR-Y against the first setting named.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from statistics import fmean

from hdac.bench.bd import Curve, bd_rate, curve
from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode, inspect
from hdac.metrics.psnr import mean_psnr_y
from hdac.video.reader import VideoReader


def points(path: Path, setting: str, qps: list[int], frames: int) -> Curve:
    """Rate and PSNR-Y of the first `frames` pictures at each `qp_base`, with a setting such as
    "mixed:slow"."""
    codec, preset = setting.split(":")
    reader = VideoReader(path)
    pictures, info = list(itertools.islice(reader, frames)), reader.info
    rates, qualities = [], []
    for qp in qps:
        config = EncoderConfig("base", qp, base_codec=codec, preset=preset, refresh="never")  # type: ignore[arg-type]
        data = encode(pictures, info.width, info.height, info.fps, config, frames=len(pictures))
        rates.append(inspect(data).kbps)
        qualities.append(mean_psnr_y(pictures, [frame.picture for frame in decode(data)]))
    return curve(rates, qualities)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="+", metavar="CODEC:PRESET")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", default="tv_id035_0,gr_id158_1,ct_id108_0,sv_id012_0")
    parser.add_argument("--frames", type=int, default=80)
    parser.add_argument("--qps", default="34,40,46,51")
    options = parser.parse_args()
    first, *others = options.settings
    qps, gains = [int(qp) for qp in options.qps.split(",")], dict[str, list[float]]()
    for name in options.clips.split(","):
        path = options.data / "val" / f"{name}.mp4"
        anchor = points(path, first, qps, options.frames)
        for setting in others:
            result = bd_rate(anchor, points(path, setting, qps, options.frames))
            if result.value is not None:
                gains.setdefault(setting, []).append(result.value)
            text = result.note if result.value is None else f"{result.value:+.1f} %"
            print(f"{name} {setting}: {text}", flush=True)
    for setting, values in gains.items():
        print(f"{setting} against {first}: {fmean(values):+.1f} % ({len(values)} clips of val)")


if __name__ == "__main__":
    main()
