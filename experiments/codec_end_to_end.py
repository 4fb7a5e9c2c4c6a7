"""Measures the codec end to end on the test clips and prints the tables of the README.

    python experiments/codec_end_to_end.py --data DIR --work DIR --out results/codec

DIR holds test/*.mp4 (or --split). Every point is cached in --work, so that a killed run goes on
where it was. What is measured:

- thinning: bytes per P frame before and after, each base stream restored byte for byte; - fused
against base at equal bits (the same file, decoded at both levels); - BD-rate (bjontegaard, PCHIP on
log rate) of .hdac files against x265-tuned, PSNR-Y, and what each step of the base layer gives; -
animation mode at its default rate; container overhead; the split of the bits; - encoder and decoder
frames a second (process started, network loaded), and the share of the convolution rate measured
beside.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import bjontegaard
import numpy as np
import torch

from hdac.bench.x265 import x265_tuned
from hdac.bitstream.rangecoder import Reader, Writer
from hdac.bitstream.thinning import Thinner
from hdac.codec.config import EncoderConfig
from hdac.codec.files import decode, encode, inspect
from hdac.codec.operating import default_qp_intra
from hdac.layers.base import CASCADE, BaseConfig
from hdac.layers.hevc import HevcEncoder
from hdac.layers.vvc import VvcEncoder
from hdac.metrics.ms_ssim import ms_ssim_y
from hdac.metrics.psnr import mean_psnr_y
from hdac.nets.arithmetic import convolution_rate, fast_dtype
from hdac.nets.cost import decoder_gmac
from hdac.nets.zoo import find_model, load_model
from hdac.video.picture import Picture
from hdac.video.reader import VideoReader

SHOWN = (37, 44, 51)
QPS = (34, 37, 44, 51)
ANCHOR_QPS = (28, 32, 36, 40, 44, 48)
Row = dict[str, Any]


def read(path: Path) -> tuple[list[Picture], Fraction]:
    reader = VideoReader(path)
    return list(reader), reader.info.fps


def kbps(size: int, fps: Fraction, frames: int) -> float:
    return float(size * 8 * fps / frames / 1000)


def quality(x: list[Picture], y: list[Picture]) -> Row:
    return {"psnr": mean_psnr_y(x, y), "msssim": ms_ssim_y(x, y)}


def anchor_point(path: Path, qp: int) -> Row:
    pictures, fps = read(path)
    anchor = x265_tuned(pictures, fps, qp)
    return {"kbps": anchor.kbps(fps), **quality(pictures, anchor.pictures)}


def thinned(units: list[bytes], codec: str, period: int) -> Row:
    """Bytes per P frame before and after thinning, the whole size after, and whether every unit
    comes back."""
    writer, thinner, stored, marks = Writer(), Thinner(codec, period), [], []
    for unit in units:
        stored.append(thinner.write(writer, unit))
        marks.append(writer.spent)
    side = writer.finish()
    reader, back, rest, exact = (
        Reader(side),
        Thinner(codec, period),
        memoryview(b"".join(stored)),
        True,
    )
    for unit in units:
        restored, taken = back.read(reader, rest)
        exact &= restored == unit
        rest = rest[taken:]
    n = len(units) - 1
    after = (sum(map(len, stored[1:])) + (marks[-1] - marks[0]) / 8) / n
    return {
        "before": sum(map(len, units[1:])) / n, "after": after, "exact": exact, "thinned_bytes": sum(map(len, stored)) + len(side),
    }  # fmt: skip


def base_point(path: Path, qp: int, step: str) -> Row:
    """One rung of the ladder: our x265 settings at flat QP, then the low-QP first picture, then the
    cascade (also thinned)."""
    pictures, fps = read(path)
    cascade = (
        CASCADE if step == "cascade" else (round(np.mean([min(51, qp + o) for o in CASCADE])) - qp,)
    )
    # flat: x265's own default, the I picture 3 below the P pictures
    ref = max(0, min(51, qp + cascade[0]) - 3) if step == "flat" else default_qp_intra(qp)
    encoder = HevcEncoder(BaseConfig(256, 256, fps, ref, qp, cascade), len(pictures))
    coded = [c for p in pictures for c in encoder.push(p)]
    size, thin = (
        sum(len(c.data) for c in coded),
        thinned([c.data for c in coded], "hevc", len(cascade)),
    )
    row = {"kbps": kbps(size, fps, len(pictures)), **quality(pictures, [c.picture for c in coded])}
    return {**row, **thin, "thinned_kbps": kbps(thin["thinned_bytes"], fps, len(pictures))}


def vvc_point(path: Path, qp: int) -> Row:
    pictures, fps = read(path)
    encoder = VvcEncoder(BaseConfig(256, 256, fps, default_qp_intra(qp), qp, (0,)))
    for picture in pictures:
        encoder.push(picture)
    return thinned([c.data for c in encoder.flush()], "vvc", 8)


def hdac_point(path: Path, config: EncoderConfig, check: bool = True) -> Row:
    """One file; with `check` it is decoded too, else the pictures are what the encoder says the
    decoder shows."""
    pictures, fps = read(path)
    shown: list[Picture] = []

    def watch(encoder: Any) -> None:
        while encoder.shown:
            shown.append(encoder.shown.popleft().picture)

    start = time.perf_counter()
    data = encode(
        pictures,
        pictures[0].width,
        pictures[0].height,
        fps,
        config,
        frames=len(pictures),
        watch=watch,
    )
    middle = time.perf_counter()
    decoded = list(decode(data)) if check else []
    end = time.perf_counter()
    info = inspect(data)
    row = {
        "kbps": info.kbps, "bits": vars(info.bits), "refreshes": info.refreshes, "frames": len(shown),
        "encode_s": middle - start, **quality(pictures, shown),
    }  # fmt: skip
    if check:
        pairs = zip(shown, decoded, strict=True)
        row["decode_s"] = end - middle
        row["exact"] = all(
            np.array_equal(a, b) for s, f in pairs for a, b in zip(s, f.picture, strict=True)
        )
        row["fused_frames"] = sum(f.level == "fused" for f in decoded)
    if config.mode == "hybrid":
        row["base"] = quality(pictures, [f.picture for f in decode(data, "base")])
    return row


class Cache:
    """Points by what decides them."""

    def __init__(self, folder: Path, clips: list[Path]) -> None:
        self.folder, self.clips = folder, clips
        folder.mkdir(parents=True, exist_ok=True)

    def all(self, name: str, point: Callable[..., Row], *arguments: Any) -> list[Row]:
        """`point(clip, *arguments)` for every clip, from the cache where it is there."""
        rows = []
        for clip in self.clips:
            file = self.folder / f"{name}_{clip.stem}.json"
            if not file.exists():
                file.write_text(json.dumps(point(clip, *arguments)))
            rows.append(json.loads(file.read_text()))
        return rows


def bd_rate(anchor: list[list[Row]], test: list[list[Row]], key: str = "psnr") -> list[float]:
    """Per clip: BD-rate in percent; curves are lists of points, each a list over clips."""

    def curve(points: list[list[Row]], clip: int) -> tuple[list[float], list[float]]:
        rows = sorted((p[clip] for p in points), key=lambda r: r["kbps"])
        value = (lambda r: -10 * np.log10(1 - r[key])) if key == "msssim" else (lambda r: r[key])
        return [r["kbps"] for r in rows], [float(value(r)) for r in rows]

    out = []
    for clip in range(len(anchor[0])):
        (ra, qa), (rt, qt) = curve(anchor, clip), curve(test, clip)
        options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
        out.append(float(bjontegaard.bd_rate(ra, qa, rt, qt, **options)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--work", type=Path, required=True, help="folder of cached points")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="hdac-s")
    parser.add_argument("--anchors-only", action="store_true", help="only what needs no network")
    parser.add_argument(
        "--steps",
        nargs="+",
        default=["cascade", "flat", "first"],
        help="rungs of the base layer's ladder",
    )
    parser.add_argument("--no-vvc", action="store_true", help="leave the VVC thinning row out")
    options = parser.parse_args()
    clips = sorted((options.data / options.split).glob("*.mp4"))
    cache, config = Cache(options.work, clips), EncoderConfig(model=options.model)
    if not options.anchors_only:
        model = find_model(options.model)
        order = (*SHOWN, *(qp for qp in QPS if qp not in SHOWN))
        hybrid = {
            qp: cache.all(
                f"{model.digest}-hybrid_{qp}", hdac_point, replace(config, qp_base=qp), qp in SHOWN
            )
            for qp in order
        }
        animation = cache.all(
            f"{model.digest}-animation", hdac_point, replace(config, mode="animation"), False
        )
        five = cache.all(f"{model.digest}-5kbps", hdac_point, replace(config, kbps=5.0), False)
    anchor = [cache.all(f"x265-tuned_{qp}", anchor_point, qp) for qp in ANCHOR_QPS]
    ladder = {
        step: [cache.all(f"ladder-{step}_{qp}", base_point, qp, step) for qp in QPS]
        for step in options.steps
    }
    thin = {
        ("hevc", qp): rows for qp, rows in zip(QPS, ladder["cascade"], strict=True) if qp in SHOWN
    }
    if not options.no_vvc:
        thin["vvc", 44] = cache.all("vvc_44", vvc_point, 44)
    if options.anchors_only:
        return
    lines = report(clips, model.digest, options, anchor, thin, ladder, hybrid, animation, five)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "codec.md").write_text("\n".join(lines) + "\n")
    points = {f"hybrid_{qp}": rows for qp, rows in hybrid.items()} | {
        "animation": animation,
        "hybrid_5kbps": five,
    }
    points |= {f"x265-tuned_{qp}": rows for qp, rows in zip(ANCHOR_QPS, anchor, strict=True)}
    document = {
        "schema": "hdac-codec-check/1",
        "clips": [c.stem for c in clips],
        "model": model.digest,
        "points": points,
    }
    (options.out / "codec.json").write_text(json.dumps(document, indent=1) + "\n")
    print("\n".join(lines))


def report(
    clips: list[Path], digest: str, options: argparse.Namespace, anchor: list[list[Row]], thin: dict[tuple[str, int], list[Row]],
    ladder: dict[str, list[list[Row]]], hybrid: dict[int, list[Row]], animation: list[Row], five: list[Row],
) -> list[str]:  # fmt: skip
    """The tables, in markdown."""

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    lines = [
        f"{len(clips)} clips of the `{options.split}` split of talking_heads, 256x256, all frames; model {options.model} ({digest}).",
        "Anchor: x265-tuned (libx265 veryslow, tune psnr, low delay, one intra picture, fixed QP); rate: whole files.",
        "", "| thinning | bytes per P frame before | after | saved | saved at least | byte-exact |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (codec, qp), rows in thin.items():
        saved = [r["before"] - r["after"] for r in rows]
        numbers = f"{mean([r['before'] for r in rows]):.1f} | {mean([r['after'] for r in rows]):.1f} | {mean(saved):.1f} | {min(saved):.1f}"
        lines.append(
            f"| {codec}, qp_base {qp} | {numbers} | {sum(r['exact'] for r in rows)} of {len(rows)} |"
        )
    lines += [
        "", "| hybrid | kbps | PSNR-Y base | fused | gain (least) | MS-SSIM-Y base | fused | gain (least) | fused frames |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for qp in SHOWN:
        rows = hybrid[qp]
        gains = {k: [r[k] - r["base"][k] for r in rows] for k in ("psnr", "msssim")}
        cells = [f"qp_base {qp}", f"{mean([r['kbps'] for r in rows]):.1f}"]
        for key, digits in (("psnr", 2), ("msssim", 4)):
            base, fused = mean([r["base"][key] for r in rows]), mean([r[key] for r in rows])
            gain = f"{mean(gains[key]):+.{digits}f} ({min(gains[key]):+.{digits}f})"
            cells += [f"{base:.{digits}f}", f"{fused:.{digits}f}", gain]
        share = sum(r["fused_frames"] for r in rows) / sum(r["frames"] for r in rows)
        lines.append(f"| {' | '.join(cells)} | {100 * share:.0f} % |")
    lines += ["", "| BD-rate against x265-tuned | PSNR-Y | MS-SSIM-Y (dB) |", "|---|---|---|"]
    names = {
        "flat": "our x265 settings, flat QP", "first": "+ low-QP first picture", "cascade": "+ QP cascade", "thinned": "+ thinning",
    }  # fmt: skip
    ladder["thinned"] = [
        [{**r, "kbps": r["thinned_kbps"]} for r in rows] for rows in ladder["cascade"]
    ]
    if "first" not in ladder:
        names["cascade"] = "+ low-QP first picture and QP cascade"
    for step in (name for name in names if name in ladder):
        points = ladder[step]
        lines.append(
            f"| {names[step]} | {mean(bd_rate(anchor, points)):+.1f} % | {mean(bd_rate(anchor, points, 'msssim')):+.1f} % |"
        )
    files = [hybrid[qp] for qp in QPS]
    base = [[{**r, **r["base"]} for r in rows] for rows in files]
    for name, points in (
        ("whole .hdac file, level base", base),
        ("**whole .hdac file, fused**", files),
    ):
        lines.append(
            f"| {name} | {mean(bd_rate(anchor, points)):+.1f} % | {mean(bd_rate(anchor, points, 'msssim')):+.1f} % |"
        )
    per_clip = ", ".join(
        f"{clip.stem} {value:+.1f}"
        for clip, value in zip(clips, bd_rate(anchor, files), strict=True)
    )
    lines += ["", f"Per clip, fused, PSNR-Y: {per_clip}."]
    rates = [r["kbps"] for r in animation]
    lines += [
        "",
        f"Animation mode: {mean(rates):.2f} kbps (largest {max(rates):.2f}), PSNR-Y {mean([r['psnr'] for r in animation]):.2f} dB.",
    ]
    overhead = [100 * r["bits"]["header"] / sum(r["bits"].values()) for r in five]
    rates = [r["kbps"] for r in five]
    lines.append(
        f"Container overhead with `--bitrate 5k` ({min(rates):.1f} to {max(rates):.1f}, mean {mean(rates):.1f} kbps): "
        f"{mean(overhead):.2f} % (largest {max(overhead):.2f} %)."
    )
    split = {
        k: mean([100 * r["bits"][k] / sum(r["bits"].values()) for r in hybrid[44]])
        for k in hybrid[44][0]["bits"]
    }
    lines.append(
        f"Where the bits go at qp_base 44: {', '.join(f'{k} {v:.1f} %' for k, v in split.items())}."
    )
    everything = [r for qp in SHOWN for r in hybrid[qp]]
    exact = sum(r["exact"] for r in everything)
    lines.append(f"Decoded frames equal to the encoder's own: {exact} of {len(everything)} files.")
    net = load_model(find_model(options.model))
    gmac, rate = decoder_gmac(net, 256, 256), convolution_rate(fast_dtype("cpu"))
    frames = sum(r["frames"] for r in everything)
    encoded, decoded = (
        frames / sum(r[f"{side}_s"] for r in everything) for side in ("encode", "decode")
    )
    lines.append(
        f"Speed, {torch.get_num_threads()} threads: encoder {encoded:.1f}, decoder {decoded:.1f} frames a second (256x256, network loading "
        f"included); {gmac:.2f} GMAC per frame: the decoder does {2 * gmac * decoded:.0f} GFLOP/s, {200 * gmac * decoded / rate:.0f} % of "
        f"the {rate:.0f} GFLOP/s ({str(fast_dtype('cpu')).removeprefix('torch.')}) that a 3x3 convolution of 64 channels reaches here."
    )
    return lines


if __name__ == "__main__":
    main()
