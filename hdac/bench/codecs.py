"""What an experiment compares: anchors (`baselines/*.toml`) and hdac itself, behind one protocol.

A codec is two command lines: one makes a file of a raw 4:2:0 video, one, in a fresh process, makes
    a raw video of that file alone.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import hdac
from hdac.bench.recipes import check_schema, find_recipe, from_table, read_toml
from hdac.codec.operating import default_qp_intra
from hdac.errors import HdacError, UsageError
from hdac.layers.base import CASCADE, BaseConfig
from hdac.layers.hevc import x265_params
from hdac.nets.zoo import find_model, serving
from hdac.video.ffmpeg import encoders, find_ffmpeg

SCHEMA = "hdac-anchor/1"


@dataclass(frozen=True)
class Job:
    """One clip at one rate point; `value` is the codec's rate parameter."""

    source: Path
    stream: Path
    decoded: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    value: float


class Codec(Protocol):
    """Anything that turns a clip into a file and back. `decoded_format`: of the raw video that
    decoding writes."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    @property
    def parameter(self) -> str: ...

    @property
    def points(self) -> tuple[float, ...]: ...

    @property
    def decoded_format(self) -> str: ...

    @property
    def timeout(self) -> float:
        """Seconds a frame, for encoding and for decoding."""

    def decides(self) -> dict[str, Any]:
        """Everything that decides the bits apart from clip and rate point: what a cached result is
        good for."""

    def unavailable(self) -> str | None:
        """Why it does not run on this machine; None if it does."""

    def encode_command(self, job: Job) -> list[str]: ...

    def decode_command(self, job: Job) -> list[str]: ...


class _OfRecipe:
    """What anchors and hdac take from their recipes."""

    recipe: AnchorRecipe | HdacRecipe

    @property
    def title(self) -> str:
        return self.recipe.title

    @property
    def parameter(self) -> str:
        return self.recipe.parameter

    @property
    def points(self) -> tuple[float, ...]:
        return self.recipe.points

    @property
    def timeout(self) -> float:
        return self.recipe.timeout


# ---- anchors


@dataclass(frozen=True)
class AnchorRecipe:
    """One TOML file. In commands, `{input}` alone stands for FFmpeg's options that read the raw
    source; `{source}`, `{stream}`, `{decoded}`, `{width}`, `{height}`, `{fps}`, `{fps_round}`,
    `{frames}`, `{recipe}` (the folder of this file) and `{value}` (the rate parameter) for what
    they say. `{cascade}` stands for x265 parameters of hdac's low-QP first picture and QP cascade
    at `value`.
    """

    title: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    suffix: str
    points: tuple[float, ...]
    parameter: str = "qp"
    low: float = 0
    high: float = 51
    needs: tuple[str, ...] = ()  # programs on PATH
    encoder: str = ""  # FFmpeg's name of it, if FFmpeg runs it
    decoded_format: str = "yuv420p"
    timeout: float = 10.0  # seconds a frame before the encoder counts as hanging
    notes: str = ""


@dataclass(frozen=True)
class Anchor(_OfRecipe):
    """An anchor of a recipe."""

    name: str
    recipe: AnchorRecipe
    folder: Path

    @property
    def suffix(self) -> str:
        return self.recipe.suffix

    @property
    def decoded_format(self) -> str:
        return self.recipe.decoded_format

    def decides(self) -> dict[str, Any]:
        recipe = self.recipe
        return {
            "encode": recipe.encode,
            "decode": recipe.decode,
            "tool": self.version(),
            "files": self._files(),
        }

    def _files(self) -> dict[str, str]:
        """Hashes of configuration files that the commands name."""
        named = [
            w.replace("{recipe}/", "")
            for w in (*self.recipe.encode, *self.recipe.decode)
            if "{recipe}/" in w
        ]
        return {
            n: hashlib.sha256((self.folder / n).read_bytes()).hexdigest()
            for n in named
            if (self.folder / n).is_file()
        }

    def version(self) -> str:
        """The tool's own words."""
        if self.recipe.encoder:
            return tool_version(find_ffmpeg())
        return ", ".join(tool_version(shutil.which(n) or n) for n in self.recipe.needs)

    def unavailable(self) -> str | None:
        absent = [name for name in self.recipe.needs if shutil.which(name) is None]
        if absent:
            return f"not on PATH: {', '.join(absent)}"
        if self.recipe.encoder:
            try:
                ffmpeg = find_ffmpeg()
            except HdacError as error:
                return str(error)
            if self.recipe.encoder not in encoders(ffmpeg):
                return (
                    f"this FFmpeg has no {self.recipe.encoder}; set HDAC_FFMPEG to one that has it"
                )
        return None

    def encode_command(self, job: Job) -> list[str]:
        low, high = self.recipe.low, self.recipe.high
        if not low <= job.value <= high:
            raise UsageError(
                f"{self.name}: {self.parameter} {job.value:g}; allowed are {low:g} to {high:g}"
            )
        return self._filled(self.recipe.encode, job)

    def decode_command(self, job: Job) -> list[str]:
        return self._filled(self.recipe.decode, job)

    def _filled(self, template: tuple[str, ...], job: Job) -> list[str]:
        words = {
            "source": str(job.source), "stream": str(job.stream), "decoded": str(job.decoded), "width": str(job.width),
            "height": str(job.height), "fps": str(job.fps), "fps_round": str(round(job.fps)), "frames": str(job.frames),
            "recipe": str(self.folder), "value": f"{job.value:g}",
        }  # fmt: skip
        if any("{ffmpeg}" in part for part in template):
            words["ffmpeg"] = find_ffmpeg()
        if any("{cascade}" in part for part in template):
            words["cascade"] = _cascade(job)
        raw = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
            "-s",
            f"{job.width}x{job.height}",
            "-r",
            str(job.fps),
            "-i",
            str(job.source),
        ]
        out: list[str] = []
        for part in template:
            if part == "{input}":
                out += raw
                continue
            try:
                out.append(part.format(**words))
            except (KeyError, IndexError, ValueError) as error:
                raise UsageError(
                    f"anchor {self.name}: {part!r} has an unknown placeholder {error}; known are {', '.join(words)}"
                ) from error
        return out


def _cascade(job: Job) -> str:
    """x265's parameters of our own base layer's first picture and cascade (what `hevc.py` adds to
    its fixed ones)."""
    qp = int(job.value)
    settings = BaseConfig(job.width, job.height, job.fps, default_qp_intra(qp), qp, CASCADE)
    whole = x265_params(settings, job.frames)
    return whole[whole.index(":qp=") + 1 :]


@cache
def tool_version(program: str) -> str:
    """First line that a program prints about itself."""
    for flag in (["-version"], ["--version"], []):
        try:
            done = subprocess.run(
                [program, *flag],
                capture_output=True,
                text=True,
                timeout=30,
                stdin=subprocess.DEVNULL,
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if lines:
            return lines[0].split(" Copyright")[0][:120]
    return f"{Path(program).name}: not found"


# ---- hdac


@dataclass(frozen=True)
class HdacRecipe:
    """hdac as a codec of an experiment; the settings are those of `hdac encode` and `hdac
    decode`."""

    title: str
    points: tuple[float, ...]
    parameter: Literal["qp_base", "qp_intra", "bitrate"] = "qp_base"
    mode: Literal["hybrid", "animation", "base"] = "hybrid"
    level: Literal["fused", "base", "animation"] = "fused"
    model: str = "hdac-s"
    tune: Literal["psnr", "perceptual"] = "psnr"
    allow_loss: float | None = None
    base_codec: Literal["hevc", "vvc", "mixed", "auto"] = "hevc"
    base_scale: int = 1
    frame_step: int = 1
    keypoints: int | None = None
    preset: str | None = None
    refresh: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    qp_base: int | None = None
    qp_intra: int | None = None
    timeout: float = 20.0
    notes: str = ""

    @property
    def weights(self) -> str:
        """Name of the weights that serve `model` in this mode and tune."""
        return serving(self.model, self.mode, self.tune)


def code_version(*packages: str) -> str:
    """Hash of what the Python files of these packages do (comments, docstrings and layout left
    out)."""
    digest = hashlib.sha256()
    root = Path(hdac.__file__).parent
    for package in sorted(packages):
        for path in (
            sorted((root / package).rglob("*.py"))
            if (root / package).is_dir()
            else [root / f"{package}.py"]
        ):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                body = getattr(node, "body", None)
                if (
                    isinstance(body, list)
                    and body
                    and isinstance(body[0], ast.Expr)
                    and isinstance(body[0].value, ast.Constant)
                ):
                    body[0].value.value = ""
            digest.update(f"{path.relative_to(root)}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Hdac(_OfRecipe):
    """hdac in one of its modes, levels, models and base codecs."""

    name: str
    recipe: HdacRecipe
    suffix: str = ".hdac"
    decoded_format: str = "yuv420p"

    def decides(self) -> dict[str, Any]:
        recipe = {
            k: v
            for k, v in vars(self.recipe).items()
            if k not in ("title", "points", "notes", "timeout")
        }
        model = None if self.recipe.mode == "base" else find_model(self.recipe.weights).digest
        tools = {"tool": tool_version(find_ffmpeg())} if self.recipe.base_codec != "hevc" else {}
        code = code_version(
            "bitstream", "codec", "layers", "nets", "video/picture", "video/reader", "video/writer"
        )
        return {
            "recipe": recipe,
            "weights": model,
            "code": code,
            **tools,
        }

    def unavailable(self) -> str | None:
        try:
            if self.recipe.mode != "base":
                find_model(self.recipe.weights)
            if self.recipe.base_codec != "hevc" and "libvvenc" not in encoders(find_ffmpeg()):
                return f"{find_ffmpeg()} has no libvvenc"
        except HdacError as error:
            return str(error)
        return None

    def encode_command(self, job: Job) -> list[str]:
        recipe = self.recipe
        settings: dict[str, object] = {
            "mode": recipe.mode, "model": recipe.model, "tune": recipe.tune, "base-codec": recipe.base_codec,
            "base-scale": recipe.base_scale, "frame-step": recipe.frame_step, "refresh": recipe.refresh, "precision": recipe.precision,
            "qp-base": recipe.qp_base, "qp-intra": recipe.qp_intra, "keypoints": recipe.keypoints, "preset": recipe.preset,
            "allow-loss": recipe.allow_loss,
        }  # fmt: skip
        settings[recipe.parameter.replace("_", "-")] = (
            f"{job.value:g}k" if recipe.parameter == "bitrate" else f"{job.value:g}"
        )
        options = [
            word
            for key, value in settings.items()
            if value is not None
            for word in (f"--{key}", str(value))
        ]
        size, rate = f"{job.width}x{job.height}", str(job.fps)
        return [
            *_python(),
            "encode",
            str(job.source),
            "--size",
            size,
            "--fps",
            rate,
            "-o",
            str(job.stream),
            "--json",
            *options,
        ]

    def decode_command(self, job: Job) -> list[str]:
        return [
            *_python(),
            "decode",
            str(job.stream),
            "-o",
            str(job.decoded),
            "--level",
            self.recipe.level,
            "--json",
        ]


def _python() -> list[str]:
    return [sys.executable, "-m", "hdac.cli.main"]


# ---- finding


def codec_from_table(name: str, table: dict[str, Any], where: str, folder: Path) -> Codec:
    """A recipe's table; `kind = "hdac"` is hdac, everything else an anchor. Raises `UsageError`."""
    table = dict(table)
    if table.pop("kind", "anchor") == "hdac":
        return Hdac(name, from_table(HdacRecipe, table, where))
    recipe = from_table(AnchorRecipe, table, where)
    if not recipe.points:
        raise UsageError(f"{where}: points is empty; at least one rate point is needed")
    return Anchor(name, recipe, folder)


def load_codec(name: str) -> Codec:
    """A codec of `baselines/`, by name or path. Raises `UsageError`."""
    path = find_recipe("baselines", name)
    return codec_from_table(
        path.stem, check_schema(read_toml(path), SCHEMA, str(path)), str(path), path.parent
    )
