"""How far `--bitrate` misses: prints a line a source and target, with the code that PYTHONPATH has.

python experiments/rate_misses.py    # needs HDAC_DATA; docs/measured/layers.md has results
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ffmpeg

from hdac.video.ffmpeg import run_ffmpeg

DATA = Path(os.environ["HDAC_DATA"])
SYNTHETIC = {
    "noise": "color=gray:s=128x128:d=2:r=25,noise=alls=60:allf=t",
    "test picture": "testsrc=s=256x256:d=12:r=25",
    "still, then noise": "color=gray:s=128x128:d=14:r=25,noise=alls=60:allf=t:enable='gt(t,12)'",
}


def cases(folder: Path) -> list[tuple[str, Path, str, list[str]]]:
    """Name, file, target and further options."""
    found = [
        (path.stem, path, "8k", [])
        for path in sorted((DATA / "talking_heads" / "val").glob("*.mp4"))[::2]
    ]
    content = DATA / "field" / "content"
    for name, target, options in (
        ("late", "8k", []), ("scenes", "8k", []), ("scenes", "4k", []),
        ("trim", "3k", ["--mode", "animation"]),
    ):  # fmt: skip
        found.append((name, content / f"{name}.mp4", target, options))
    for name, graph in SYNTHETIC.items():
        path = folder / f"{name}.mkv"
        source = ffmpeg.input(graph, f="lavfi")
        run_ffmpeg(source.output(str(path), pix_fmt="yuv420p", **{"c:v": "ffv1"}).get_args())
        for target in ("60k", "250k") if "noise" in name else ("8k", "20k"):
            found.append((name, path, target, []))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.hdac"
        for name, path, target, options in cases(Path(folder)):
            command = [sys.executable, "-m", "hdac", "encode", str(path), "-o", str(out), "-f",
                       "--bitrate", target, "--preset", "fast", "--json", *options]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            made = json.loads(done.stdout)["kbps"]
            wanted = float(target[:-1])
            print(name, target, made, f"{100 * (made / wanted - 1):+.1f} %", sep="\t", flush=True)


if __name__ == "__main__":
    main()
