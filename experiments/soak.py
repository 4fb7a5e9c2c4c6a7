"""A call in real time, for long: `hdac live serve` and `join` as two processes on loopback, sound
beside pictures, datagrams lost in both directions. What it says: memory, queues, and whether sound
drifts from pictures.

    python experiments/soak.py --minutes 60 --loss 0.03

The source is a clip of `test` of HDAC_DATA/talking_heads, 256x256, to and fro, with a white square
in a corner for 0.12 s at the start of each second, and a beep with it. The viewer shows pictures in
time, as a window does, and notes when squares are shown and when beeps are due. The table goes to
stdout (docs/measured/live.md keeps it).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Frame
from hdac.live import join as joining
from hdac.live import meter as metering
from hdac.live import outputs
from hdac.live.join import JoinOptions, join
from hdac.live.microphone import Recorded, beeps
from hdac.live.peer import Channel
from hdac.live.serve import ServeOptions, serve
from hdac.live.sources import Paced
from hdac.video.info import VideoInfo
from hdac.video.opus import OpusPacket
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader
from hdac.video.sound import OpusDecoder

CLIP, FPS = "audiodrive_id173_0", Fraction(25)
#: Pictures of a second with the square, its side, and the luma above which it is seen.
MARKED, SIDE, SEEN = 3, 40, 190


def marked(clip: str, frames: int) -> Iterator[Picture]:
    path = Path(os.environ["HDAC_DATA"]) / "talking_heads" / "test" / f"{clip}.mp4"
    there = list(VideoReader(path))
    for n, picture in zip(range(frames), cycle([*there, *there[-2:0:-1]]), strict=False):
        y, u, v = (plane.copy() for plane in picture)
        if n % int(FPS) < MARKED:
            y[:SIDE, :SIDE], u[: SIDE // 2, : SIDE // 2], v[: SIDE // 2, : SIDE // 2] = (
                235,
                128,
                128,
            )
        else:
            y[:SIDE, :SIDE] = np.minimum(y[:SIDE, :SIDE], 120)
        yield Picture(y, u, v)


def prepare(share: float, seed: int) -> None:
    """From now on this process's datagrams are lost, and its meter forgets nothing."""
    rng, send = random.Random(seed), Channel.send
    metering.KEPT = 1_000_000

    def sometimes(self: Channel, data: bytes) -> None:
        if rng.random() >= share:
            send(self, data)

    Channel.send = sometimes  # type: ignore[method-assign]


def memory(stop: threading.Event, into: list[tuple[float, float]]) -> None:
    """Seconds and MiB, each 5 s."""
    start = time.monotonic()
    while not stop.wait(5):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        into.append((time.monotonic() - start, pages * resource.getpagesize() / 2**20))


def watched(work: Any) -> dict[str, Any]:
    """What `work` gives, and the memory meanwhile."""
    stop, seen = threading.Event(), list[tuple[float, float]]()
    threading.Thread(target=memory, args=(stop, seen), daemon=True).start()
    done = work()
    stop.set()
    return done | {"memory": seen}


def server(options: argparse.Namespace, told: Any) -> None:
    prepare(options.loss, 1)
    frames = round(60 * options.minutes * FPS)
    info = VideoInfo(Path("soak"), 256, 256, FPS, frames)
    source = Paced(info, marked(CLIP, frames), Recorded(beeps(60 * options.minutes, 8)))
    config = EncoderConfig(mode=options.mode, preset="fast", kbps=8, live=True)
    with redirect_stdout(Path(os.devnull).open("w")):
        told.put(
            watched(
                lambda: {
                    "rows": list(serve(source, config, ServeOptions(as_json=True), told.put).rows)
                }
            )
        )


class Noted(outputs.Output):
    """When squares are shown, and beeps due: seconds of the call, by the second of the source."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.squares, self.beeps = dict[int, float](), dict[int, float]()
        self._start, self._decoder = start, OpusDecoder()

    def show(self, frame: Frame) -> None:
        second = int(frame.time)
        if second not in self.squares and frame.picture.y[4 : SIDE - 4, 4 : SIDE - 4].mean() > SEEN:
            # the first picture of the second may have been lost: where in the second this one is
            self.squares[second] = time.monotonic() - self._start - float(frame.time - second)

    def play(self, opus: OpusPacket, due: float) -> None:
        loud = np.flatnonzero(np.abs(self._decoder.push(opus)) > 0.1)
        second = round(opus.time / 400 + (loud[0] if len(loud) else 0) / 48000)
        if len(loud) and second not in self.beeps:
            self.beeps[second] = due + loud[0] / 48000


def viewer(options: argparse.Namespace, url: str, told: Any) -> None:
    prepare(options.loss, 2)
    noted = Noted(time.monotonic())
    joining._open = lambda *_: noted  # type: ignore[assignment]
    with redirect_stdout(Path(os.devnull).open("w")):

        def work() -> dict[str, Any]:
            meter, receiver = join(url, JoinOptions("window", as_json=True), lambda _: None)
            late = {s: noted.beeps[s] - noted.squares[s] for s in noted.beeps if s in noted.squares}
            return {"rows": list(meter.rows), "late": late, "given_up": receiver.given_up}

        told.put(watched(work))


def tenths(pairs: list[tuple[float, float]], whole: float) -> list[list[float]]:
    """Values by tenths of the time."""
    parts: list[list[float]] = [[] for _ in range(10)]
    for at, value in pairs:
        parts[min(9, int(10 * at / whole))].append(value)
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--loss", type=float, default=0.03)
    parser.add_argument("--mode", default="hybrid")
    parser.add_argument("--json", type=Path, help="all that was noted")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    served, seen = spawn.Queue(), spawn.Queue()
    one = spawn.Process(target=server, args=(options, served))
    one.start()
    two = spawn.Process(target=viewer, args=(options, served.get(timeout=60), seen))
    two.start()
    there, here = served.get(), seen.get()
    one.join()
    two.join()
    if options.json is not None:
        options.json.write_text(json.dumps({"serve": there, "join": here}))
    whole = 60 * options.minutes

    def counted(rows: list[dict[str, Any]], key: str) -> list[list[float]]:
        return tenths([(row["seconds"], row.get(key, 0)) for row in rows], whole)

    late = tenths([(at, 1000 * value) for at, value in here["late"].items()], whole)
    columns = zip(
        counted(there["rows"], "frames"), counted(here["rows"], "shown"),
        counted(here["rows"], "concealed"), counted(here["rows"], "errors"),
        tenths(there["memory"], whole), tenths(here["memory"], whole),
        counted(here["rows"], "waiting"), late, strict=True,
    )  # fmt: skip
    print(
        "| minutes | coded a second | shown a second | concealed | errors | memory, serve (MiB) | "
        "memory, join | packets that wait, most | sound after its picture (ms): median, 95 % |"
    )
    print("|" + " --- |" * 9)
    for n, (coded, shown, concealed, errors, *memories, waiting, sound) in enumerate(columns):
        cells = [
            f"{n * options.minutes / 10:g} to {(n + 1) * options.minutes / 10:g}",
            *(f"{fmean(values or [0]):.1f}" for values in (coded, shown)),
            *(f"{sum(values)}" for values in (concealed, errors)),
            *(f"{fmean(values or [0]):.0f}" for values in memories),
            f"{max(waiting, default=0)}",
            f"{median(sound):.0f}, {np.percentile(sound, 95):.0f}" if sound else "-",
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
