"""Finding pretrained networks of metrics: folders are given by `HDAC_WEIGHTS`, files are known by
their SHA-256."""

from __future__ import annotations

import hashlib
import os
import socket
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from torch import Tensor

from hdac.metrics.contract import UnavailableError

VARIABLE = "HDAC_WEIGHTS"


class WeightsFile(NamedTuple):
    """A file that a metric needs: its place below `HDAC_WEIGHTS`, and the first digits of its
    SHA-256."""

    path: str
    digest: str


@cache
def _digest(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_weights(file: WeightsFile) -> Path:
    """The file, checked. Raises `UnavailableError`: not set, not there, or other bytes than the
    metric is defined with."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise UnavailableError(f"{VARIABLE} is not set: it names the folder that holds {file.path}")
    path = Path(folder) / file.path
    if not path.is_file():
        raise UnavailableError(f"{VARIABLE} has no {file.path}")
    found = _digest(path, path.stat().st_mtime_ns)
    if not found.startswith(file.digest):
        raise UnavailableError(
            f"{file.path} has SHA-256 {found[:12]}..., expected {file.digest[:12]}...: "
            "it is another version of these weights"
        )
    return path


def load_weights(file: WeightsFile) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as float32. Raises `UnavailableError`."""
    from safetensors.torch import load_file

    return {key: value.float() for key, value in load_file(find_weights(file)).items()}


def missing(*files: WeightsFile) -> str | None:
    """Why one of the files cannot be had; None if all are there."""
    try:
        for file in files:
            find_weights(file)
    except UnavailableError as error:
        return str(error)
    return None


def cached(url: str) -> Path:
    """Where torch keeps a file that it has downloaded."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def out_of_reach(*urls: str) -> str | None:
    """Why one of the files can be neither in torch's cache nor downloaded; None: no reason is
    known. Nothing is downloaded."""
    for url in urls:
        path, host = cached(url), str(urlsplit(url).hostname)
        try:
            if not path.is_file():
                socket.getaddrinfo(host, 443)
        except OSError as error:
            return f"{path.name} cannot be downloaded ({error.strerror or error})"
    return None
