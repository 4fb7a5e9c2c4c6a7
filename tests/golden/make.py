"""Writes the golden files and their manifest: `python -m tests.golden.make`.

Only after a change of the format, with a new version number; the tests pin what is here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hdac.bitstream.container import VERSION, BaseCodec
from hdac.bitstream.stream import read_stream
from hdac.codec.config import EncoderConfig
from hdac.codec.files import base_units, encode, inspect
from hdac.layers.codecs import open_decoder
from hdac.video.picture import Picture
from hdac.video.sound import encode_audio
from tests.conftest import synthetic

HERE = Path(__file__).parent
MANIFEST = HERE / "golden.json"
FRAMES = 6
SIZE = (64, 48)
TIMES = (0, 40, 73, 140, 141, 300)

#: What each file is made of: settings of the encoder, and size, rate and times of the source.
CASES: dict[str, dict[str, Any]] = {
    "hybrid-hevc": {},
    "hybrid-vvc": {"base_codec": "vvc", "qp_base": 32},
    "hybrid-mixed": {"base_codec": "mixed"},
    "hybrid-auto": {"base_codec": "auto"},
    "hybrid-live": {"live": True},
    "hybrid-perceptual": {"tune": "perceptual", "cascade": [5, 0, -3]},
    "hybrid-bf16": {"precision": "bf16", "allow_loss": 100.0},
    "hybrid-int8": {"precision": "int8", "allow_loss": 100.0},
    "hybrid-half": {"base_scale": 2, "qp_base": 30},
    "hybrid-odd": {"size": [63, 47], "fps": "30000/1001", "preset": "fast"},
    "animation-hevc": {"mode": "animation", "model": "hdac-s", "qp_intra": 36},
    "animation-vvc": {"mode": "animation", "model": "hdac-s", "qp_intra": 36, "base_codec": "vvc"},
    "animation-live": {"mode": "animation", "model": "hdac-s", "qp_intra": 36, "live": True},
    "animation-times": {"mode": "animation", "model": "hdac-s", "qp_intra": 36, "times": TIMES},
    "animation-every": {"mode": "animation", "model": "hdac-s", "qp_intra": 36, "every": 2},
    "base-hevc": {"mode": "base"},
    "base-x265": {"mode": "base", "base_encoder": "x265"},
    "base-vvc": {"mode": "base", "base_codec": "vvc", "qp_base": 32},
    "base-mixed": {"mode": "base", "base_codec": "mixed"},
    "base-live": {"mode": "base", "live": True},
    "base-times": {"mode": "base", "times": TIMES},
    "base-live-times": {"mode": "base", "live": True, "times": TIMES},
    "base-audio": {"mode": "base", "times": TIMES, "audio": True},
    "base-quarter": {"mode": "base", "base_scale": 4, "qp_base": 24, "size": [128, 96]},
}


def settings(name: str) -> tuple[EncoderConfig, tuple[int, int], str, tuple[int, ...] | None]:
    """What a file is encoded with: configuration, size, frame rate and times."""
    given = {"refresh": 3, **CASES[name]}
    if given.get("mode") != "animation":
        given.setdefault("qp_base", 40)
    if "cascade" in given:
        given["cascade"] = tuple(given["cascade"])
    width, height = given.pop("size", SIZE)
    rate, times = given.pop("fps", "25"), given.pop("times", None)
    given.pop("audio", None)
    return EncoderConfig(**{"base_codec": "hevc", **given}), (width, height), rate, times


def made(name: str) -> bytes:
    """A file's bytes, as this machine's libraries make them."""
    config, (width, height), rate, times = settings(name)
    pictures = synthetic(FRAMES, width + width % 2, height + height % 2)
    samples = 0.3 * np.sin(np.arange(12_000) * 0.05) if CASES[name].get("audio") else []
    audio = encode_audio(np.array(samples, np.float32))
    return encode(pictures, width, height, rate, config, frames=FRAMES, times=times, audio=audio)


def sha256(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def base_pictures(data: bytes) -> list[Picture]:
    """The pictures of the base layer (mode `animation`: the references): no network is needed."""
    header, packets = read_stream(data)
    starts = {sum(p.frames for p in packets[:i] if p.type <= 2) for i, p in enumerate(packets)
              if p.gop_start and p.type <= 2}  # fmt: skip
    codec = "vvc" if header.base_codec is BaseCodec.VVC else "hevc"
    pictures: list[Picture] = []
    for number, unit in enumerate(base_units(data)):
        if number in starts:
            decoder = open_decoder(codec, *header.base_size)
        pictures += decoder.push(unit)
    return pictures


def record(name: str, data: bytes) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {
        "file": sha256([data]),
        "base": sha256(picture.tobytes() for picture in base_pictures(data)),
        "frames": inspect(data).frames,
        "settings": CASES[name],
    }


def main() -> None:
    manifest = {}
    for name in CASES:
        data = made(name)
        (HERE / f"{name}.hdac").write_bytes(data)
        manifest[name] = record(name, data)
        print(f"{name}: {len(data)} bytes")
    MANIFEST.write_text(json.dumps({"format": VERSION, "files": manifest}, indent=1) + "\n")


if __name__ == "__main__":
    main()
