"""Base codecs and presets against each other: what `VVC_TO`, the trial of `--base-codec auto` and
the presets' comments rest on.

    python experiments/base_codecs.py --data DIR mixed:slow mixed:slower vvc:medium vvc:slow

Base layers alone, thinned, one GOP, of clips of `val`: BD-rate in PSNR-Y against the first setting
named, and, with `--at-qp`, what each needs at equal QPs for the same PSNR-Y (as the encoder's trial
has it).
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from statistics import fmean

from hdac.bench.bd import bd_rate, curve
from hdac.codec.config import EncoderConfig
from hdac.codec.fitting import Ahead, BaseSize
from hdac.video.reader import VideoReader


def ahead(path: Path, frames: int) -> Ahead:
    """The first pictures of a clip."""
    reader = VideoReader(path)
    pictures, info = list(itertools.islice(reader, frames)), reader.info
    return Ahead(pictures, len(pictures), info.width, info.height, info.fps)


def sizes(clip: Ahead, setting: str, qps: list[int]) -> list[BaseSize]:
    """What the base layer takes at each `qp_base` with a setting such as "mixed:slow"."""
    codec, preset = setting.split(":")
    configs = [
        EncoderConfig(mode="base", base_codec=codec, preset=preset, qp_base=qp) for qp in qps
    ]  # type: ignore[arg-type]
    return [clip.code_base(config, *config.qps()) for config in configs]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="+", metavar="CODEC:PRESET")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", default="tv_id035_0,gr_id158_1,ct_id108_0,sv_id012_0")
    parser.add_argument("--frames", type=int, default=80)
    parser.add_argument("--qps", default="34,40,46,51")
    parser.add_argument("--at-qp", action="store_true")
    options = parser.parse_args()
    qps, gains = [int(qp) for qp in options.qps.split(",")], dict[str, list[float]]()
    for name in options.clips.split(","):
        clip = ahead(options.data / "val" / f"{name}.mp4", options.frames)
        found = {setting: sizes(clip, setting, qps) for setting in options.settings}
        first = found[options.settings[0]]
        for setting in options.settings[1:]:
            anchor, test = (
                curve([s.first + s.rest for s in them], [s.psnr for s in them])
                for them in (first, found[setting])
            )
            result = bd_rate(anchor, test)
            gains.setdefault(setting, []).extend([] if result.value is None else [result.value])
            text = f"{name} {setting}: " + (
                f"{result.value:+.1f} %" if result.value is not None else result.note
            )
            if options.at_qp:
                needs = (
                    100 * math.expm1(t.log_rate() - a.log_rate())
                    for a, t in zip(first, found[setting], strict=True)
                )
                text += "; at " + ", ".join(
                    f"qp_base {qp} {need:+.1f} %" for qp, need in zip(qps, needs, strict=True)
                )
            print(text, flush=True)
    for setting, values in gains.items():
        print(
            f"{setting} against {options.settings[0]}: {fmean(values):+.1f} % ({len(values)} clips of val)"
            if values
            else setting
        )


if __name__ == "__main__":
    main()
