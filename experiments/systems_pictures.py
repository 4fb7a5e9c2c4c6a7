"""Pictures of docs/systems.md: what each system makes of carphone, below its source.

HDAC_MODELS=models python experiments/systems_pictures.py [NAME ...]
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from hdac.cli.demo import carphone
from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode
from hdac.video.colour import rgb_from_picture
from hdac.video.reader import VideoReader

FOLDER = Path(__file__).parents[1] / "docs" / "systems"
NAMES = (
    "hdac-face", "motion-spade-static", "motion-spade-dynamic", "motion-spade-map", "landmark-gan",
    "agarwal", "fv2v", "cfte", "dac-w4", "hdac-animation",
)  # fmt: skip
#: By name, where the network is called otherwise.
MODELS = {"hdac-animation": "hdac-s"}
#: Of the first picture on: those that are shown.
SHOWN = (12, 40, 64, 96)


def strip(name: str) -> tuple[Image.Image, float]:
    """Source above, decoded below, and the file's rate in kbps."""
    reader = VideoReader(carphone())
    source = list(islice(reader, SHOWN[-1] + 1))
    width, height = source[0].width, source[0].height
    config = EncoderConfig(
        "animation", qp_intra=36, base_codec="vvc", preset="slow", refresh="never",
        model=MODELS.get(name, name),
    )  # fmt: skip
    data = encode(source, width, height, reader.info.fps, config)
    made = [frame.picture for frame in decode(data)]
    rows = [
        np.hstack([rgb_from_picture(p[i], reader.info.matrix) for i in SHOWN])
        for p in (source, made)
    ]
    kbps = len(data) * 8 * float(reader.info.fps) / len(source) / 1000
    return Image.fromarray(np.vstack(rows)), kbps


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or NAMES:
        picture, kbps = strip(name)
        picture.save(FOLDER / f"{name}.jpg", quality=92)
        print(f"{name}: {kbps:.2f} kbps")
