"""First guesses of the models that recode VVC slices (`hdac/bitstream/vvc/mixing.py`), from streams
of libvvenc.

    python experiments/vvc_priors.py --streams runs/vvc --out hdac/bitstream/vvc/priors.npz

The streams are named CLIP-*.vvc, all of them of training clips. The table is that of
`hevc_priors.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hevc_priors import fit, halves, payloads, save, slices

from hdac.bitstream.models import ParsedSlice, Priors
from hdac.bitstream.vvc.bins import EVEN, MODELS
from hdac.bitstream.vvc.mixing import VvcMixer
from hdac.bitstream.vvc.parameters import SPS_UNIT, Sps
from hdac.bitstream.vvc.recoder import VvcSliceRecoder


def parse(stream: bytes) -> list[ParsedSlice]:
    """The slices of an Annex B stream that can be recoded."""
    units = payloads(stream)
    sps = next(Sps(unit) for unit in units if unit[1] >> 3 == SPS_UNIT)
    return slices(units, VvcSliceRecoder(sps.width, sps.height), "vvc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--least", type=int, default=24, help="bins that a guess counts for; others are left out"
    )
    options = parser.parse_args()
    paths = sorted(options.streams.glob("*.vvc"))
    both = halves(paths, lambda path: path.stem.split("-")[0], parse)
    models, weights = fit(both, MODELS, EVEN, VvcMixer)
    models = {key: guess for key, guess in models.items() if guess[1] >= options.least}
    save(Priors(models, weights), options.out)


if __name__ == "__main__":
    main()
