"""Graph files: what a network computes, as OpenVINO's intermediate representation.

A zip file of `about.json`, the graphs `detect.xml`, `encode.xml` and `fuse.xml` (sizes of pictures
open), or `points.xml`, `enlarge.xml` or `interpolate.xml` alone, and `constants.bin`, what they
need besides the weights file that `about.json` names; offsets of constants go through the weights
file, if any, and on through `constants.bin`.

`detect`: planes -> keypoints; `encode`: planes, qp -> features; `fuse`: planes, qp, the reference's
planes, features and keypoints, keypoints, mask -> planes (`protocol` says what these are).
`points`: thumbnail -> landmarks (`motion.facemesh`). `enlarge`: planes -> planes of twice the size.
`interpolate`: planes, planes of a later picture, share of the time between -> planes.
Networks of other systems' motion models have
`encode`: planes -> features; `animate`: the reference's planes, features and parameters, parameters
-> planes; `detect`, where they find parameters themselves; and `fit`, landmarks -> the
parameters that fit them, where these say how a face is turned.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from hdac.errors import UsageError

SCHEMA = "hdac-graphs/1"
#: Of a network that makes pictures, and of one that finds landmarks.
NAMES, LANDMARK_NAMES = ("detect", "encode", "fuse"), ("points",)
#: Of one that enlarges pictures.
ENLARGE_NAMES = ("enlarge",)
#: Of one that makes pictures between others.
INTERPOLATE_NAMES = ("interpolate",)
#: Of networks of other systems' motion models, which may have `detect` besides.
ANIMATION_NAMES = ("encode", "animate")
#: Bytes that a member may have, unpacked.
_MOST = {"about.json": 1 << 20, "constants.bin": 1 << 29}
_MOST_GRAPH = 1 << 24


class Graphs(NamedTuple):
    """`xml`: by name; `constants`: `constants.bin`."""

    about: dict[str, Any]
    xml: dict[str, bytes]
    constants: bytes


def _member(archive: ZipFile, name: str) -> bytes:
    size, most = archive.getinfo(name).file_size, _MOST.get(name, _MOST_GRAPH)
    if size > most:
        raise ValueError(f"{name} of {size} bytes; at most {most} are read")
    with archive.open(name) as file:
        return file.read(most)


def _about(archive: ZipFile) -> dict[str, Any]:
    about = json.loads(_member(archive, "about.json"))
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        raise ValueError(f"not of schema {SCHEMA}")
    return about


def _open(path: Path, names: tuple[str, ...]) -> Graphs:
    try:
        with ZipFile(path) as archive:
            about = _about(archive)
            xml = {name: _member(archive, f"{name}.xml") for name in names}
            return Graphs(about, xml, _member(archive, "constants.bin") if names else b"")
    except (BadZipFile, OSError, EOFError, KeyError, ValueError, NotImplementedError,
            RecursionError, zlib.error) as error:  # fmt: skip
        raise UsageError(
            f"{path}: not the graphs of an hdac network, or damaged ({error}); install hdac again"
        ) from error


def animation_names(detects: bool, fits: bool) -> tuple[str, ...]:
    """The graphs of another system's network; `detects`: it finds parameters itself; `fits`: it
    fits some of them to landmarks."""
    return (*("detect",) * detects, *("fit",) * fits, *ANIMATION_NAMES)


def read_graphs(path: Path, names: tuple[str, ...] = NAMES) -> Graphs:
    """All of a graph file with graphs of these names. Raises `UsageError`."""
    return _open(path, names)


def read_about(path: Path) -> dict[str, Any]:
    """What a graph file says of itself. Raises `UsageError`."""
    return _open(path, ()).about


def write_graphs(path: Path, graphs: Graphs) -> None:
    """The same content gives the same bytes."""
    members = {"about.json": json.dumps({"schema": SCHEMA, **graphs.about}, indent=1).encode()}
    members |= {f"{name}.xml": xml for name, xml in graphs.xml.items()}
    members["constants.bin"] = graphs.constants
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            info = ZipInfo(name)  # of 1980: no clock in it
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, data)
