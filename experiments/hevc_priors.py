"""First guesses of the models that recode HEVC slices (`hdac/bitstream/recoding.py`), from the base
layers of a training pack.

    python experiments/hevc_priors.py --pack runs/pack --out hdac/bitstream/hevc/priors.npz

Only the pack's training clips are looked at. `models`: a row a model, with its key, its
probability of 1 in units of 1 / 65536, and the number of bins that this guess counts for.
`weights`: a row a kind of bin, with its key and what its views weigh at first.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hdac.bitstream.hevc.bins import EVEN, MODELS
from hdac.bitstream.hevc.parameters import SPS_UNIT, read_sps
from hdac.bitstream.mixing import VIEWS, key_of
from hdac.bitstream.models import QP_STEP, Head, Mixer, ParsedSlice, Priors
from hdac.bitstream.nal import is_slice, split
from hdac.bitstream.rangecoder import Writer
from hdac.bitstream.recoding import HevcMixer, Recoder, SliceRecoder
from hdac.bitstream.registers import KINDS, TYPE

#: No guess counts for more bins than this, nor for more than half of those that were seen.
MOST = 24
ROUNDS = 2  # of learning the weights


def slices(units: list[bytes], recoder: Recoder[Any], codec: str) -> list[ParsedSlice]:
    """Those of a stream's NAL units that can be recoded."""
    found = []
    for unit in units:
        if is_slice(unit[0], unit[1], codec):
            found.append(recoder.parse(unit))
        else:
            recoder.parameters(unit)
    return [parsed for parsed in found if parsed is not None]


def payloads(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B stream."""
    return [unit.payload for unit in split(stream, limit=1 << 20) or []]


def parse(stream: bytes) -> list[ParsedSlice]:
    """The slices of an Annex B stream that can be recoded."""
    units = payloads(stream)
    sps = next(read_sps(unit) for unit in units if unit[0] >> 1 & 63 == SPS_UNIT)
    return slices(units, SliceRecoder(sps.width, sps.height), "hevc")


def halves(
    paths: list[Path], clip: Callable[[Path], str], parse: Callable[[bytes], list[ParsedSlice]]
) -> list[list[list[ParsedSlice]]]:
    """The slices of each stream, in two halves that share no clip."""
    clips = sorted({clip(path) for path in paths})
    random.Random(1).shuffle(clips)
    first = set(clips[: len(clips) // 2])
    found: list[list[list[ParsedSlice]]] = [[], []]
    for path in paths:
        found[clip(path) in first].append(parse(path.read_bytes()))
    print(f"{len(paths)} streams of {len(clips)} clips", flush=True)
    return found


def keys(head: Head, model: int, known: int, wider: tuple[int, ...], kinds: int) -> list[int]:
    """Of the models of a bin."""
    registers: Any = {KINDS: kinds, TYPE: head.type}
    views = (max(0, head.qp) // QP_STEP, known, *wider)
    return [key_of(registers, view, number, model) for number, view in enumerate(views)]


def count(
    streams: Iterable[list[ParsedSlice]], kinds: int = MODELS, even: int = EVEN
) -> dict[int, tuple[int, int]]:
    """Key of a model -> its probability (16 bits) and what it counts for. `kinds`, `even`: how many
    kinds of bins the codec has, and which of them nothing is known of.

    Each stream weighs as the root of its bins: large ones would drown small ones.
    """
    totals: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for stream in streams:
        weight = 100 / max(1, sum(len(parsed.bins) for parsed in stream)) ** 0.5
        for parsed in stream:
            for model, known, wider, value in parsed.bins:
                if model == even:
                    continue
                for key in keys(parsed.head, model, known, wider, kinds):
                    total = totals[key]
                    total[value] += weight
                    total[2] += 1
    found = {}
    for key, (zeros, ones, bins) in sorted(totals.items()):
        if bins > 1:
            p = (ones + 0.4) / (zeros + ones + 0.8)
            found[key] = min(65535, max(1, round(65536 * p))), min(MOST, int(bins) // 2)
    return found


def learn(
    streams: Iterable[list[ParsedSlice]],
    priors: Priors,
    make: Callable[[Priors], Mixer] = HevcMixer,
) -> dict[int, tuple[np.ndarray, float]]:
    """Key of a kind of bin -> the sum of what its views weighed in the end, and the number of such
    ends (by the root of the bins)."""
    ends: dict[int, tuple[np.ndarray, float]] = {}
    for stream in streams:
        mixer, writer, bins = make(priors), Writer(), defaultdict(int)  # type: ignore[var-annotated]
        for parsed in stream:
            mixer.write(writer, parsed)
            for model, _, _, _ in parsed.bins:
                bins[3 * model + parsed.head.type] += 1
        for key, weights in mixer.weights.items():
            share = bins[key] ** 0.5
            total, shares = ends.get(key, (0.0, 0.0))
            ends[key] = total + share * np.array(weights), shares + share
    return ends


def fit(
    halves: list[list[list[ParsedSlice]]],
    kinds: int = MODELS,
    even: int = EVEN,
    make: Callable[[Priors], Mixer] = HevcMixer,
) -> Priors:
    """First guesses from two halves of the streams, which share no clip, for the mixers that `make`
    makes."""
    models = count(halves[0] + halves[1], kinds, even)
    weights: dict[int, list[int]] = {}
    others = [count(half, kinds, even) for half in halves]
    for _ in range(ROUNDS):  # under the guesses from other clips: one's own would look too good
        a, b = (
            learn(half, Priors(other, weights), make)
            for half, other in zip(halves, others[::-1], strict=True)
        )
        sums = {key: [end[key] for end in (a, b) if key in end] for key in a | b}
        weights = {
            key: np.rint(sum(e[0] for e in found) / sum(e[1] for e in found)).astype(int).tolist()
            for key, found in sums.items()
        }
    return Priors(models, weights)


def save(priors: Priors, path: Path) -> None:
    most = max(VIEWS, *map(len, priors.weights.values()))
    rows = [
        (key, *values, *[0] * (most - len(values)))
        for key, values in sorted(priors.weights.items())
    ]
    table = np.array([(key, *row) for key, row in priors.models.items()], np.uint32)
    np.savez_compressed(path, models=table, weights=np.array(rows, np.int32))
    print(f"{len(priors.models)} models, {len(rows)} kinds of bins")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    paths = sorted((options.pack / "train").glob("*.hevc"))
    both = halves(paths, lambda path: path.stem.rsplit("_", 1)[0], parse)
    save(fit(both), options.out)


if __name__ == "__main__":
    main()
