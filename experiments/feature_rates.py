"""Rates of compact features: as published (differences in steps of 1/4, in Exp-Golomb codes) and as
.hdac files have them, with and without numbers that stay where they moved little. Prints a line a
clip.

    HDAC_MODELS=DIR python experiments/feature_rates.py cfte --data DIR --clips tv_id043_0
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from hdac.bitstream.hevc.rewriting import unsigned
from hdac.bitstream.rangecoder import Writer
from hdac.layers.resample import pad_to
from hdac.motion.keypoints import HYSTERESIS
from hdac.motion.kinds import motion_for, open_motion, parameter_coder
from hdac.motion.protocol import MotionModel, Parameters
from hdac.runtime.backends import open_backend
from hdac.runtime.models import resolve_model
from hdac.video.reader import VideoReader


def golomb_bits(differences: Parameters) -> int:
    """Bits of signed Exp-Golomb codes (H.265, clause 9.2.2)."""
    numbers = np.where(differences > 0, 2 * differences - 1, -2 * differences)
    return sum(len(unsigned(number)) for number in numbers.ravel().tolist())


def tracked(model: MotionModel, found: list[np.ndarray], hysteresis: float) -> list[Parameters]:
    """Parameters of pictures. hysteresis: 0 rounds."""
    out: list[Parameters] = []
    for numbers in found:
        out.append(model.quantise(numbers, out[-1] if out and hysteresis else None, hysteresis))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a network that finds features: its name, or a file")
    parser.add_argument("--data", type=Path, required=True, help="a folder of clips")
    parser.add_argument("--clips", required=True, help="their names, with commas between")
    parser.add_argument("--frames", type=int, default=250)
    options = parser.parse_args()
    network = resolve_model(options.model)
    motion = motion_for(network, None)
    model = open_motion(motion, network, open_backend(network, "cpu", 1), None)
    columns = (f"{how}, {code}" for how in ("rounded", "held") for code in ("Exp-Golomb", "ours"))
    print("clip", "fps", *(f"{column} kbps" for column in columns), sep="\t")
    for name in options.clips.split(","):
        reader = VideoReader(options.data / f"{name}.mp4")
        pictures = itertools.islice(reader, options.frames)
        found = [model.analyse(pad_to(picture, 2)) for picture in pictures]
        fps, rates = float(reader.info.fps), []
        for hysteresis in (0.0, HYSTERESIS):
            track = tracked(model, found, hysteresis)
            differences = np.diff(track, axis=0, prepend=0)
            writer, coder = Writer(), parameter_coder(motion)
            for parameters in track:
                coder.code(writer, parameters)
            rates += [golomb_bits(differences), 8 * len(writer.finish())]
        kbps = (f"{bits * fps / len(found) / 1000:.3f}" for bits in rates)
        print(name, f"{fps:.4g}", *kbps, sep="\t", flush=True)


if __name__ == "__main__":
    main()
