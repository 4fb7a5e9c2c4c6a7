"""Live streams over simulated lines, in virtual time: what is seen at each frame time, what loss
costs, how soon the rate follows the line; and, in real time, delay. (An hour of a call: soak.py.)

    python experiments/live.py loss      # 0 to 20 %, independent and in bursts, round trip 100 ms
    python experiments/live.py rates     # 20, 5 and 20 kbps: asked for, and of the line
    python experiments/live.py delay     # from capture to show, without a network

Clips: three of `test` of HDAC_DATA/talking_heads, 256x256, forwards and backwards. Figures of
`loss` and `rates` do not depend on the machine; those of `delay` do. Tables go to stdout
(docs/measured/live.md keeps them).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean

from hdac.codec.config import EncoderConfig
from hdac.codec.decoder import Decoder
from hdac.codec.encoder import Encoder
from hdac.codec.files import CLOCK, encode, inspect
from hdac.live.line import Line, LineConfig
from hdac.live.simulation import Call, Outcome
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader

CLIPS = ("audiodrive_id173_0", "tv_id025_0", "sv_id011_0")
FPS = Fraction(25)
#: Share of lost fragments, and how many are lost in a row.
LINES = ((0.0, 1.0), (0.01, 1.0), (0.05, 1.0), (0.1, 1.0), (0.2, 1.0), (0.05, 5.0))
#: Bytes that IPv4, UDP, DTLS and SCTP add to a datagram.
OVERHEAD = 20 + 8 + 29 + 28


def pictures(clip: str, frames: int) -> list[Picture]:
    """`frames` pictures of a clip, to and fro without a jump."""
    path = Path(os.environ["HDAC_DATA"]) / "talking_heads" / "test" / f"{clip}.mp4"
    there = list(VideoReader(path))
    return list(islice(cycle([*there, *there[-2:0:-1]]), frames))


def settings(options: argparse.Namespace, kbps: float) -> EncoderConfig:
    return EncoderConfig(mode=options.mode, preset="fast", kbps=kbps, live=True)


def table(head: str, rows: list[list[str]]) -> None:
    names = head.split(" | ")
    print("| " + head + " |\n|" + " --- |" * len(names))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def kbps(bits: float, frames: int) -> float:
    return bits * float(FPS) / frames / 1000


def loss(options: argparse.Namespace) -> None:
    """Each line over all clips."""
    count, rows = options.frames, []
    sources = {clip: pictures(clip, count) for clip in CLIPS}
    files = [
        inspect(encode(p, 256, 256, FPS, settings(options, 8.0))).kbps for p in sources.values()
    ]
    for share, burst in LINES:
        calls, outcomes = list[Call](), list[Outcome]()
        for seed, source in enumerate(sources.values()):
            config = LineConfig(loss=share, burst=burst, delay=0.05, jitter=0.003)
            call = Call(settings(options, 8.0), source, Line(config, seed), Line(config, 50 + seed))
            calls.append(call)
            outcomes.append(call.run())
        new = fmean(x for o in outcomes for x in o.new)
        errors = sum(len(o.errors) for o in outcomes)
        payload = fmean(kbps(sum(o.bits), count) for o in outcomes)
        line = fmean(kbps(8 * c.forward.sent_bytes, count) for c in calls)
        datagrams = fmean(o.datagrams for o in outcomes) * float(FPS) / count
        whole = line + datagrams * OVERHEAD * 8 / 1000
        lines = f"{100 * share:.0f} %" + (f" in bursts of {burst:.0f}" if burst > 1 else "")
        rows.append([
            lines, f"{100 * new:.1f} %",
            f"{100 * sum(o.concealed for o in outcomes) / count / len(CLIPS):.1f} %",
            f"{40 * max(o.freeze for o in outcomes)} ms",
            f"{errors} / {sum(o.wrong for o in outcomes)}",
            f"{fmean(x for o in outcomes for x in o.psnr):.2f}",
            f"{fmean(o.starts for o in outcomes):.1f}", f"{payload:.2f}", f"{line:.1f}",
            f"{whole:.1f} ({datagrams:.1f}/s)",
        ])  # fmt: skip
        print(rows[-1], file=sys.stderr)
    print(f"\n{len(CLIPS)} clips of {count} frames, 8 kbps; as files: {fmean(files):.2f} kbps\n")
    table(
        "loss | new right pictures | concealed | longest freeze | errors / wrong pictures | "
        "PSNR-Y (dB) | GOPs a clip | packets (kbps) | with copies and heads (kbps) | "
        "with UDP, DTLS, SCTP (kbps)",
        rows,
    )


def rates(options: argparse.Namespace) -> None:
    """20 kbps, 5, and 20 again, a third of the time each: asked for on a wide line, or given by a
    narrow one."""
    count, rows = options.frames, []
    third = count // 3
    heads = 10 * 8 * float(FPS)  # what datagrams add to packets
    for kind in ("asked for", "line"):
        for clip in CLIPS:
            if kind == "line":
                steps = {
                    third: lambda c: c.forward.set_rate(5000 + heads),
                    2 * third: lambda c: c.forward.set_rate(20_000 + heads),
                }
                config = LineConfig(delay=0.05, rate=20_000 + heads)
            else:
                steps = {
                    third: lambda c: c.sender.limit(5000.0),
                    2 * third: lambda c: c.sender.limit(20_000.0),
                }
                config = LineConfig(delay=0.05)
            back = Line(LineConfig(delay=0.05))
            asked = settings(options, 16.0 if kind == "line" else 20.0)
            call = Call(asked, pictures(clip, count), Line(config), back, steps=steps)
            outcome = call.run()
            down = until(outcome, third, 5.0, most=True)
            up = until(outcome, 2 * third, 12.0 if kind == "line" else 15.0, most=False)
            freezes = [
                40 * Outcome(new=outcome.new[n : n + third]).freeze for n in (0, third, 2 * third)
            ]
            rows.append([
                kind, clip, f"{down:.1f}", f"{up:.1f}",
                ", ".join(map(str, freezes)), str(outcome.left_out),
                f"{len(outcome.errors)} / {outcome.wrong}", str(call.forward.lost),
            ])  # fmt: skip
            print(rows[-1], file=sys.stderr)
    table(
        "rate | clip | s to 5 kbps | s to 20 kbps | longest freeze (ms) at 20, 5, 20 kbps | "
        "pictures left out | errors / wrong pictures | datagrams lost",
        rows,
    )


def until(outcome: Outcome, start: int, kbps: float, most: bool) -> float:
    """Seconds from frame `start` to the first second whose rate is met, by the bits on the line."""
    for n in range(start, len(outcome.sent) - 25):
        rate = sum(outcome.sent[n : n + 25]) / 1000 - 80 * 25 / 1000
        if (rate <= 1.1 * kbps) if most else (rate >= kbps):
            return (n - start) / 25
    return float("nan")


def delay(options: argparse.Namespace) -> None:
    """A picture each 40 ms, coded and decoded in this process; without what a line, a camera and a
    screen add. Where the machine is too slow the newest picture is coded, as `hdac live` does."""
    source, times, coded = pictures(CLIPS[0], options.frames), list[float](), 0
    captured = dict[Fraction, float]()
    with (
        Encoder(256, 256, FPS, settings(options, 8.0), clock=CLOCK) as encoder,
        Decoder(encoder.header) as decoder,
    ):
        warm = [p for n in range(25) for p in encoder.push(source[n], 40 * n)]
        for packet in warm:
            decoder.push(packet)
        start = time.perf_counter()
        for n, picture in enumerate(source[25:], 25):
            due = start + (n - 25) / 25
            wait = due - time.perf_counter()
            if wait < -0.04:  # a newer one is there
                continue
            time.sleep(max(0.0, wait))
            coded += 1
            captured[Fraction(40 * n, CLOCK)] = due
            for packet in encoder.push(picture, 40 * n):
                for frame in decoder.push(packet):
                    if frame.time in captured:
                        times.append(1000 * (time.perf_counter() - captured.pop(frame.time)))
        took = time.perf_counter() - start
    times.sort()
    row = [f"{times[int(q * (len(times) - 1))]:.0f}" for q in (0.5, 0.95, 0.99, 1)]
    table(
        "frames | median (ms) | 95 % | 99 % | most | coded a second (25 come)",
        [[str(len(times)), *row, f"{coded / took:.1f}"]],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("loss", "rates", "delay"))
    parser.add_argument("--frames", type=int, default=240, help="of a clip (default 240)")
    parser.add_argument("--mode", default="hybrid", help="hybrid or base (default hybrid)")
    options = parser.parse_args()
    {"loss": loss, "rates": rates, "delay": delay}[options.what](options)


if __name__ == "__main__":
    main()
