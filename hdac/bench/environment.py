"""`environment.json`: where numbers came from."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import hdac
from hdac.bench.codecs import tool_version
from hdac.errors import HdacError
from hdac.nets.zoo import shipped
from hdac.video.ffmpeg import find_ffmpeg

PACKAGES = ("torch", "av", "numpy", "constriction", "pytorch-msssim", "bjontegaard", "dask", "distributed", "pandas", "imageio-ffmpeg",
            "opencv-python-headless", "lpips")  # fmt: skip


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def _commit() -> str:
    root = Path(hdac.__file__).parents[1]
    done = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else "not a checkout"


def environment() -> dict[str, Any]:
    """Versions, commit, processor, models."""
    try:
        ffmpeg = tool_version(find_ffmpeg())
    except HdacError as error:
        ffmpeg = str(error)
    return {
        "hdac": hdac.__version__,
        "commit": _commit(),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "ffmpeg": ffmpeg,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": torch.get_num_threads(),
        "models": {m.name: m.digest for m in shipped()},
    }
