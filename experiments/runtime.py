"""How fast networks run in files: carphone at 256x256, encoders and decoders in turn, on an
otherwise idle machine. Writes results/runtime.json, and from it the tables of docs/runtime.md and
the line on speed in README.md.

HDAC_MODELS=models python experiments/runtime.py measure    # five minutes
HDAC_MODELS=models python experiments/runtime.py tables
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from hdac.bench.cells import filled, markdown
from hdac.bench.environment import environment
from hdac.bench.speed import decode_all, in_turn
from hdac.cli.demo import carphone
from hdac.codec.config import EncoderConfig
from hdac.codec.files import encode
from hdac.codec.synthesiser import CORES
from hdac.video.reader import VideoReader

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "runtime.json"
PAGE, README = ROOT / "docs" / "runtime.md", ROOT / "README.md"
MAKER = "experiments/runtime.py"
FRAMES, RUNS, SIDE = 100, 3, 256
_FACES = (
    "hdac-face", "hdac-s", "motion-spade-static", "motion-spade-dynamic", "motion-spade-map",
    "landmark-gan", "agarwal", "fv2v", "cfte", "dac-w4",
)  # fmt: skip
#: By name: settings of `EncoderConfig`.
ROWS: dict[str, dict[str, Any]] = {
    "base layer alone": {"mode": "base"},
    "hdac-s": {},
    "hdac-s, preset fast": {"preset": "fast"},
    "hdac-s, fp32": {"precision": "fp32"},
    "hdac-l": {"model": "hdac-l"},
    "hdac-s, perceptual": {"tune": "perceptual"},
    **{
        f"{name}, animation": {
            "mode": "animation", "model": name, "base_codec": "vvc", "qp_intra": 36,
            "refresh": "never",
        }
        for name in _FACES
    },
}  # fmt: skip


def measure() -> dict[str, Any]:
    """Pictures a second of each row, run by run: graphs are compiled beforehand."""
    reader = VideoReader(carphone(), size=(SIDE, SIDE))
    pictures = list(islice(reader, FRAMES))
    jobs: list[Callable[[], object]] = []
    for settings in ROWS.values():
        coding = partial(encode, pictures, SIDE, SIDE, reader.info.fps, EncoderConfig(**settings))
        data = coding()
        decode_all(data)
        jobs += coding, partial(decode_all, data)
    speeds = [[round(len(pictures) / s, 2) for s in times] for times in in_turn(jobs, RUNS)]
    pairs = zip(ROWS, speeds[::2], speeds[1::2], strict=True)
    rows = {name: {"encoder": coded, "decoder": decoded} for name, coded, decoded in pairs}
    return {"frames": len(pictures), "cores": CORES, "rows": rows, "environment": environment()}


def speed(found: dict[str, Any], name: str, side: str) -> float:
    """Pictures a second, median of the runs."""
    return median(found["rows"][name][side])


def load() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return found


def table(found: dict[str, Any]) -> str:
    def cell(values: list[float]) -> str:
        return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"

    rows = [[name, cell(r["encoder"]), cell(r["decoder"])] for name, r in found["rows"].items()]
    note = (
        f"carphone at {SIDE}x{SIDE}, {found['frames']} pictures, {RUNS} runs in turn on "
        f"{_machine(found)}, commit {found['environment']['commit']}; pictures a second, least and "
        "most:\n\n"
    )
    return note + markdown(["", "encoder", "decoder"], rows)


def _machine(found: dict[str, Any]) -> str:
    return f"{found['cores']} cores ({found['environment']['processor']})"


def line(found: dict[str, Any]) -> str:
    """Of README.md."""
    decoded, encoded, fast = (
        f"{speed(found, name, side):.0f}"
        for name, side in (
            ("hdac-s", "decoder"),
            ("hdac-s", "encoder"),
            ("hdac-s, preset fast", "encoder"),
        )
    )
    lines = [
        f"- **Speed.** 256x256 on {_machine(found)}: {decoded} frames a second decoded,",
        f"  {encoded} encoded, {fast} with `--preset fast` ([measured](docs/runtime.md)); half of",
        "  that on older cores.",
    ]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        RESULTS.write_text(json.dumps(measure(), indent=1) + "\n", "utf-8")
    for page, make in ((PAGE, table), (README, line)):
        page.write_text(filled(page.read_text("utf-8"), MAKER, make(load())), "utf-8")
