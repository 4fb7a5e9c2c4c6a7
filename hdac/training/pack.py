"""Training packs: every clip and its base layers, coded as the codec codes them (at a preset that
may be faster), as small video files.

A pack is a folder for each split with `pack.json`, one HEVC elementary stream for each coded
version of each clip and one mp4 for each original. It is all that a training machine needs (the
whole training set in under 50 MB); where the clips themselves are at hand, those are the targets,
else the pack's copies (x265, CRF 20).
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hdac.codec.operating import default_qp_intra
from hdac.errors import UsageError
from hdac.layers.base import CASCADE, HEVC_ENCODERS, BaseConfig, kvazaar_cascade
from hdac.training.pools import processes

if TYPE_CHECKING:
    from hdac.video.picture import Picture

SCHEMA = "hdac-pack/2"
CRF = 20
#: What validation measures: the first pictures of each clip, our base layer and the anchor
#: x265-tuned at these QPs.
VAL_PICTURES = 100
VVC_PICTURES = 64
VAL_QPS = (30, 37, 44, 51)
ANCHOR_QPS = (31, 37, 43, 49)


@dataclass(frozen=True)
class Version:
    """One coded version of a clip: the GOP starts at picture `start`. kbps: of the compressed base
    layer in a validation split, else 0 (compressing takes as long as coding fast); base_codec: hevc
    or vvc; encoder: of HEVC; scale: the stream's pictures are so much smaller than the clip's, and
    `first` is the first picture at full size (VVC)."""

    clip: str
    start: int
    qp_intra: int
    qp_base: int
    stream: str
    kbps: float
    base_codec: str = "hevc"
    encoder: str = "x265"
    scale: int = 1
    first: str = ""

    def qp(self, index: int) -> int:
        """What the codec tells the network about picture `index`."""
        if self.base_codec == "vvc":
            return self.qp_base if index else self.qp_intra
        cascade = kvazaar_cascade(self.qp_base) if self.encoder == "kvazaar" else CASCADE
        return BaseConfig(0, 0, Fraction(25), self.qp_intra, self.qp_base, cascade).qp(index)


@dataclass(frozen=True)
class AnchorPoint:
    """x265-tuned on the first pictures of a clip: rate, and PSNR-Y of each picture."""

    clip: str
    qp: int
    kbps: float
    psnr_y: tuple[float, ...]


class Index(NamedTuple):
    """What `pack.json` lists; `originals`: file of each clip."""

    originals: dict[str, str]
    versions: list[Version]
    anchors: list[AnchorPoint]


class _Job(NamedTuple):
    path: Path
    out: Path
    version: int
    start: int
    qp_intra: int
    qp_base: int
    pictures: int | None
    base_codec: str = "hevc"
    preset: str | None = None
    measured: bool = False  # its rate, as the codec compresses it
    encoder: str = "x265"
    scale: int = 1


def _read(job: _Job) -> tuple[list[Picture], Fraction]:
    """The pictures that a version is of, and their rate."""
    from hdac.video.reader import VideoReader

    reader = VideoReader(job.path)
    return list(reader)[job.start :][: job.pictures], reader.info.fps


def _code(job: _Job) -> Version:
    """Codes one version of one clip."""
    return _code_small(job) if job.scale > 1 else _code_whole(job)


def _code_small(job: _Job) -> Version:
    """The same with a base layer at 1/`scale` of the frame."""
    from hdac.bitstream.nal import is_parameters, join, split
    from hdac.layers.codecs import open_base
    from hdac.layers.mixed import PlainHevc
    from hdac.layers.resample import downsample

    (first, *others), fps = _read(job)
    size = first.width // job.scale, first.height // job.scale
    config = BaseConfig(
        *size, fps, job.qp_intra, job.qp_base, preset=job.preset, encoder=job.encoder,
        first_scale=job.scale,
    )  # fmt: skip
    encoder, plain = open_base("mixed", config, None, 1 + len(others)), PlainHevc(*size, job.scale)
    coded = encoder.push(first)
    coded += [c for picture in others for c in encoder.push(downsample(picture, job.scale))]
    units = [c.data for c in coded + encoder.flush()]
    encoder.close()
    name = f"{job.path.stem}_{job.version}"
    still = join([u for u in split(units[0]) or [] if not is_parameters(u.payload[0])])
    (job.out / f"{name}.vvc").write_bytes(still)
    (job.out / f"{name}.hevc").write_bytes(b"".join(map(plain.convert, units)))
    return Version(
        job.path.stem, job.start, job.qp_intra, job.qp_base, f"{name}.hevc", 0.0, "mixed",
        job.encoder, job.scale, f"{name}.vvc",
    )  # fmt: skip


def _code_whole(job: _Job) -> Version:
    from hdac.codec.config import EncoderConfig
    from hdac.codec.files import base_units, encode, inspect
    from hdac.layers.codecs import open_base

    pictures, fps = _read(job)
    width, height = pictures[0].width, pictures[0].height
    kbps = 0.0
    if job.measured:
        about: dict[str, Any] = {"base_encoder": job.encoder, "refresh": "never"}
        alone = EncoderConfig("base", job.qp_base, job.qp_intra, **about)
        data = encode(pictures, width, height, fps, alone, frames=len(pictures))
        units, kbps = list(base_units(data)), round(inspect(data).kbps, 4)
    else:
        config = BaseConfig(
            width, height, fps, job.qp_intra, job.qp_base, preset=job.preset, encoder=job.encoder
        )
        encoder = open_base(job.base_codec, config, None, len(pictures))
        units = [coded.data for picture in pictures for coded in encoder.push(picture)]
        units += [coded.data for coded in encoder.flush()]
        encoder.close()
    name = f"{job.path.stem}_{job.version}.{job.base_codec}"
    (job.out / name).write_bytes(b"".join(units))
    return Version(
        job.path.stem, job.start, job.qp_intra, job.qp_base, name, kbps, job.base_codec,
        job.encoder,
    )  # fmt: skip


def _copy(path: Path, out: Path) -> str:
    """The pack's copy of an original."""
    import ffmpeg

    from hdac.video.ffmpeg import run_ffmpeg

    coding = {"c:v": "libx265", "preset": "fast", "crf": CRF, "x265-params": "log-level=none"}
    copy = ffmpeg.input(str(path)).output(
        str(out / path.name), an=None, pix_fmt="yuv420p", **coding
    )
    run_ffmpeg(copy.overwrite_output().get_args())
    return path.name


def _anchor(path: Path, qp: int) -> AnchorPoint:
    from hdac.bench.x265 import x265_tuned
    from hdac.metrics.psnr import psnr_y
    from hdac.video.reader import VideoReader

    reader = VideoReader(path)
    pictures = list(islice(reader, VAL_PICTURES))
    fps = reader.info.fps
    coded = x265_tuned(pictures, fps, qp)
    psnr = (round(psnr_y(a, b), 4) for a, b in zip(pictures, coded.pictures, strict=True))
    return AnchorPoint(path.stem, qp, round(coded.kbps(fps), 4), tuple(psnr))


def build(
    clips: list[Path],
    out: Path,
    versions: int = 2,
    vvc: int = 0,
    preset: str | None = None,
    seed: int = 0,
    workers: int = 2,
    scale: int = 1,
) -> Path:
    """A training split: `versions` HEVC versions of each clip at random operating points; returns
    the path of `pack.json`.

    Every second version is x265's and Kvazaar's, x265's all with presets that Kvazaar has not. The
    first version starts at the clip's first picture, the others in its first third, so that
    references differ. `vvc` more versions are `VVC_PICTURES` pictures from anywhere, coded by
    libvvenc (which takes five times as long). preset: effort of both encoders, of `PRESETS` (None:
    their defaults). scale: of all base layers, coarser first pictures and finer others at 2 or 4.
    """
    import av

    rng, jobs = random.Random(seed), []
    both = [name for name in HEVC_ENCODERS if name == "x265" or preset not in ("fast", "medium")]
    for number, path in enumerate(clips):
        with av.open(str(path)) as container:
            frames = container.streams.video[0].frames
        for version in range(versions):
            start = 0 if version == 0 else rng.randrange(max(1, frames // 3))
            qp_base = rng.choice(range(30, 52))
            encoder = both[(number + version) % len(both)]
            usual = default_qp_intra(qp_base, encoder=encoder)
            qp_intra = min(max(usual + rng.randint(-7, 4), 16), 44)
            if scale > 1:
                qp_base, qp_intra = _small_qps(rng)
            job = _Job(path, out, version, start, qp_intra, qp_base, None, "hevc", preset)
            jobs.append(job._replace(encoder=encoder, scale=scale))
        for version in range(versions, versions + vvc):
            qp_base = rng.choice(range(28, 52))
            qp_intra = qp_base - rng.randint(3, 10)
            start = rng.randrange(max(1, frames - VVC_PICTURES))
            jobs.append(
                _Job(path, out, version, start, qp_intra, qp_base, VVC_PICTURES, "vvc", preset)
            )
    return _build(clips, out, jobs, [], workers)


def _small_qps(rng: random.Random) -> tuple[int, int]:
    """QPs of a base layer that is smaller than the frame, and of its first picture that is not."""
    qp_base = rng.choice(range(28, 50))
    return qp_base, min(max(qp_base + rng.randint(-7, 4), 28), 46)


def build_validation(clips: list[Path], out: Path, workers: int = 2, scale: int = 1) -> Path:
    """A validation split: the first pictures of each clip at `VAL_QPS` by the default encoder, and
    the anchor's curve. Smaller base layers are not measured, nor compared with an anchor."""
    from hdac.codec.config import EncoderConfig
    from hdac.codec.plan import hevc_encoder

    encoder = hevc_encoder(EncoderConfig("base"))
    jobs = [
        _Job(
            path, out, i, 0, default_qp_intra(qp, encoder=encoder), qp, VAL_PICTURES,
            measured=True, encoder=encoder,
        )
        for path in clips
        for i, qp in enumerate(VAL_QPS)
    ]  # fmt: skip
    if scale > 1:
        jobs = [
            job._replace(qp_intra=max(job.qp_base - 4, 34), measured=False, scale=scale)
            for job in jobs
        ]
        return _build(clips, out, jobs, [], workers)
    return _build(clips, out, jobs, [(path, qp) for path in clips for qp in ANCHOR_QPS], workers)


def _build(
    clips: list[Path], out: Path, jobs: list[_Job], anchors: list[tuple[Path, int]], workers: int
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    with processes(workers) as pool:
        originals = pool.map(_copy, clips, [out] * len(clips))
        coded = pool.map(_code, jobs)
        curves = pool.map(_anchor, *zip(*anchors, strict=True)) if anchors else iter(())
        whole = {
            "schema": SCHEMA,
            "originals": {path.stem: name for path, name in zip(clips, originals, strict=True)},
            "versions": [asdict(version) for version in coded],
            "anchors": [asdict(point) for point in curves],
        }
    index = out / "pack.json"
    index.write_text(json.dumps(whole))
    return index


def load_index(pack: Path) -> Index:
    """What a pack holds. Raises `UsageError` if there is none, or one of another version."""
    try:
        data = json.loads((pack / "pack.json").read_text())
    except FileNotFoundError:
        raise UsageError(
            f"{pack}: no pack.json; build the pack with `hdac train pack --pack DIR`"
        ) from None
    if data.get("schema") != SCHEMA:
        raise UsageError(
            f"{pack}: schema {data.get('schema')!r}; expected {SCHEMA!r}. Build it again with "
            "`hdac train pack`"
        )
    anchors = [AnchorPoint(**{**a, "psnr_y": tuple(a["psnr_y"])}) for a in data["anchors"]]
    former = {"qp_ref": "qp_intra"}  # names in packs of format 5
    versions = [{former.get(k, k): value for k, value in v.items()} for v in data["versions"]]
    return Index(data["originals"], [Version(**v) for v in versions], anchors)
