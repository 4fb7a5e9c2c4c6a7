"""First guesses of the models that recode VVC slices (`hdac/bitstream/vvc/mixing.py`), from streams
of libvvenc.

    python experiments/vvc_priors.py --streams runs/vvc --out hdac/bitstream/vvc/priors.npz

The streams are named CLIP-*.vvc, all of them of training clips. The table is that of
`hevc_priors.py`.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from experiments.hevc_priors import fit, save
from hdac.bitstream.nal import is_slice, split
from hdac.bitstream.recoding import ParsedSlice, Priors
from hdac.bitstream.vvc.bins import EVEN, MODELS
from hdac.bitstream.vvc.mixing import VvcMixer
from hdac.bitstream.vvc.parameters import SPS_UNIT, Sps
from hdac.bitstream.vvc.recoder import VvcSliceRecoder


def parse(stream: bytes) -> list[ParsedSlice]:
    """The slices of an Annex B stream that can be recoded."""
    units = [unit.payload for unit in split(stream, limit=1 << 20) or []]
    sps = next(Sps(unit) for unit in units if unit[1] >> 3 == SPS_UNIT)
    recoder, slices = VvcSliceRecoder(sps.width, sps.height), []
    for unit in units:
        if is_slice(unit[0], unit[1], "vvc"):
            slices.append(recoder.parse(unit))
        else:
            recoder.parameters(unit)
    return [parsed for parsed in slices if parsed is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--least", type=int, default=24, help="bins that a guess counts for; others are left out"
    )
    options = parser.parse_args()
    paths = sorted(options.streams.glob("*.vvc"))
    clips = sorted({path.stem.split("-")[0] for path in paths})
    random.Random(1).shuffle(clips)
    first = set(clips[: len(clips) // 2])
    halves: list[list[list[ParsedSlice]]] = [[], []]
    for path in paths:
        halves[path.stem.split("-")[0] in first].append(parse(path.read_bytes()))
    print(f"{len(paths)} streams of {len(clips)} clips", flush=True)
    models, weights = fit(halves, MODELS, EVEN, VvcMixer)
    models = {key: guess for key, guess in models.items() if guess[1] >= options.least}
    save(Priors(models, weights), options.out)


if __name__ == "__main__":
    main()
