"""First guesses of the models that recode HEVC slices (`hdac/bitstream/recoding.py`), from the base layers of a training pack.

    python experiments/hevc_priors.py --pack runs/pack --out hdac/bitstream/hevc/priors.npy

Only the pack's training clips are looked at. Each row is a model's key, its probability of 1 in units of 1 / 65536, and the number of
bins that this guess counts for.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from hdac.bitstream.hevc.slices import EVEN
from hdac.bitstream.recoding import Recoder, near_key, qp_key
from hdac.bitstream.thinning import is_slice, split

#: No guess counts for more bins than this, nor for more than half of those that were seen.
MOST = 24


def count(stream: bytes, totals: dict[int, list[float]]) -> None:
    """Adds the bins of an Annex B stream. Each stream weighs as the root of its bins: large ones would drown small ones."""
    recoder, seen = Recoder(), defaultdict(lambda: [0, 0])
    for unit in split(stream, limit=1 << 20) or []:
        if not is_slice(unit.payload[0], unit.payload[1], "hevc"):
            recoder.parameters(unit.payload)
            continue
        heard = recoder.hear(unit.payload)
        for model, known, value in heard.bins if heard else []:
            if model != EVEN:
                seen[near_key(heard.head.intra, model, known)][value] += 1
                seen[qp_key(heard.head.intra, model, heard.head.qp)][value] += 1
    weight = 100 / max(1, sum(map(sum, seen.values()))) ** 0.5
    for key, (zeros, ones) in seen.items():
        total = totals[key]
        total[0] += weight * zeros
        total[1] += weight * ones
        total[2] += zeros + ones


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    streams = sorted((options.pack / "train").glob("*.hevc"))
    random.Random(1).shuffle(streams)
    totals: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    start = time.monotonic()
    used = 0
    for path in streams:
        if time.monotonic() - start > 60 * options.minutes:
            break
        count(path.read_bytes(), totals)
        used += 1
    rows = []
    for key, (zeros, ones, bins) in sorted(totals.items()):
        p = (ones + 0.4) / (zeros + ones + 0.8)
        rows.append((key, min(65535, max(1, round(65536 * p))), min(MOST, int(bins) // 2)))
    np.save(options.out, np.array([row for row in rows if row[2]], np.uint32))
    print(f"{used} streams, {len(rows)} models")


if __name__ == "__main__":
    main()
