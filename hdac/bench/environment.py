"""Where numbers came from: versions of programs, libraries and our own code."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av

import hdac
from hdac.bitstream.container import VERSION
from hdac.errors import HdacError
from hdac.runtime.backends import cores
from hdac.runtime.models import shipped
from hdac.video.ffmpeg import find_ffmpeg

PACKAGES = (
    "openvino", "torch", "av", "numpy", "pytorch-msssim", "bjontegaard", "dask", "distributed",
    "pandas", "imageio-ffmpeg", "ffmpeg-python", "kornia", "opencv-python-headless", "lpips",
)  # fmt: skip


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


def library_versions(*names: str) -> dict[str, str]:
    """Versions of `libavcodec` (PyAV's own) and of Python packages."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return {n: codec if n == "libavcodec" else _version(n) for n in names}


@cache
def x265_version() -> str:
    """What the x265 in PyAV writes of itself into a stream."""
    context = av.CodecContext.create("libx265", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 64, 64, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.options = {"preset": "ultrafast", "x265-params": "log-level=none:info=1"}
    frame = av.VideoFrame(64, 64, "yuv420p")
    data = b"".join(bytes(p) for f in (frame, None) for p in context.encode(f))
    found = re.search(rb"x265 \(build \d+\) - [^:]*", data)
    return found[0].decode(errors="replace") if found else "unknown"


def code_version(*packages: str) -> str:
    """Hash of what the Python files of these packages do (comments, docstrings and layout left
    out), as they were when this process first asked: what it runs is not what somebody edits while
    it runs."""
    return _code_version(Path(hdac.__file__).parent, packages)


def code_was_edited(*packages: str) -> bool:
    """Whether a file of these packages was written since `code_version` was first asked for them in
    this process."""
    root = Path(hdac.__file__).parent
    _code_version(root, packages)
    return _states(root, packages) != _SEEN[root, packages]


#: When files were last written that were hashed.
_SEEN: dict[tuple[Path, tuple[str, ...]], list[tuple[str, int]]] = {}


def _files(root: Path, packages: tuple[str, ...]) -> list[Path]:
    found = list[Path]()
    for package in sorted(packages):
        folder = root / package
        found += sorted(folder.rglob("*.py")) if folder.is_dir() else [root / f"{package}.py"]
    return found


def _states(root: Path, packages: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(str(path), path.stat().st_mtime_ns) for path in _files(root, packages)]


@cache
def _code_version(root: Path, packages: tuple[str, ...]) -> str:
    _SEEN[root, packages] = _states(root, packages)
    digest = hashlib.sha256()
    for path in _files(root, packages):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
                continue
            if isinstance(body[0].value, ast.Constant):
                body[0].value.value = ""
        digest.update(f"{path.relative_to(root)}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor()


@cache
def commit() -> str:
    """Of the checkout that runs; "+" where its files are not those of the commit."""
    root = Path(hdac.__file__).parents[1]
    git = ["git", "-C", str(root), "describe", "--always", "--exclude=*"]
    command = [*git, "--abbrev=12", "--dirty=+"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "not a checkout"


def made_here() -> dict[str, Any]:
    """What a point that is made now says of its maker: version, commit, version of the format of
    files, day (UTC)."""
    return {
        "hdac": hdac.__version__,
        "commit": commit(),
        "format": VERSION,
        "date": datetime.now(UTC).date().isoformat(),
    }


def environment() -> dict[str, Any]:
    """Versions, commit, processor, models."""
    try:
        ffmpeg = tool_version(find_ffmpeg())
    except HdacError as error:
        ffmpeg = str(error)
    return {
        "hdac": hdac.__version__,
        "commit": commit(),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "x265": x265_version(),
        "ffmpeg": ffmpeg,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores(),
        "models": {m.name: m.digest for m in shipped()},
    }
