"""Rates of face parameters as the standard codes them and as .hdac files do, and whether both show
the same: prints a line a clip and setting (docs/gfv.md has results).

    python experiments/gfv_rates.py --data DIR --clips tv_id025_0,sv_id011_0
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode
from hdac.codec.gfv.export import export_gfv
from hdac.codec.gfv.stream import GfvStream
from hdac.video.reader import VideoReader

SETTINGS = {
    "animation": EncoderConfig("animation", qp_intra=36, model="hdac-s", base_codec="vvc"),
    "hybrid": EncoderConfig(qp_base=42, base_codec="vvc", preset="fast"),
    "hybrid --scalable": EncoderConfig(qp_base=42, base_codec="vvc", preset="fast", scalable=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder of clips")
    parser.add_argument("--clips", default="tv_id025_0,sv_id011_0,ct_id106_0")
    parser.add_argument("--frames", type=int, default=50)
    options = parser.parse_args()
    print("clip", "setting", "messages", "GFV kbps", "of them payload", "hdac kbps", ".266 bytes",
          ".hdac bytes", "fused", "same pictures", sep="\t")  # fmt: skip
    for name, (setting, config) in itertools.product(options.clips.split(","), SETTINGS.items()):
        reader = VideoReader(options.data / f"{name}.mp4")
        pictures, info = list(itertools.islice(reader, options.frames)), reader.info
        data = encode(pictures, info.width, info.height, 25, config, frames=len(pictures))
        made = export_gfv(data)
        stream = GfvStream(made.stream)
        ours, theirs = list(decode(data)), list(stream.decode())
        same = [a.level for a in ours] == [b.level for b in theirs] and all(
            a.picture.same(b.picture) for a, b in zip(ours, theirs, strict=True)
        )
        fused = sum(frame.level == "fused" for frame in ours)
        rates = (made.gfv_bits, stream.summary.bits, made.hdac_bits)
        print(name, setting, made.messages, *(f"{made.kbps(bits):.2f}" for bits in rates),
              len(made.stream), len(data), fused, same, sep="\t", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
