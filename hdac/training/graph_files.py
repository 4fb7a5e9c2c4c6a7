"""Files of graphs that share their constants with the weights file: what is in it is not stored
again."""

from __future__ import annotations

import hashlib
import json
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from torch import nn

from hdac.runtime.graphs import Graphs, write_graphs
from hdac.runtime.library import openvino
from hdac.runtime.models import ModelFile

#: Constants of fewer bytes are not looked for in the weights file.
_SMALL = 64


def write_model(
    model: ModelFile, net: nn.Module, gmac: float, graphs: dict[str, Any], int8: bool, folder: Path
) -> Path:
    """Writes the graphs of a weights file: fp32 beside it, int8 into `folder`, under the hash of
    its content; returns its path. gmac: what a picture of 256x256 takes."""
    about = {
        "name": model.name,
        "weights": model.digest,
        "number_format": "int8" if int8 else "fp32",
        **{key: model.about[key] for key in ("config", "licence", "note")},
        "parameters": sum(p.numel() for p in net.parameters()),
        "gmac_256": round(gmac, 3),
    }
    with tempfile.TemporaryDirectory() as work:
        weights = b"" if int8 else model.read()
        packed = Graphs(about, *_packed(graphs, weights, Path(work)))
    folder.mkdir(parents=True, exist_ok=True)
    if not int8:
        path = folder / f"{model.path.stem}.fp32"
        write_graphs(path, packed)
        return path
    path = folder / f"{model.name}.int8"
    write_graphs(path, packed)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    return path.replace(path.with_name(f"{model.name}-{digest}.int8"))


def _tensors(weights: bytes) -> dict[bytes, int]:
    """Where in a safetensors file each of its tensors lies, by its bytes."""

    size = int.from_bytes(weights[:8], "little")
    header, start = json.loads(weights[8 : 8 + size]), 8 + size
    spans = [
        (start + entry["data_offsets"][0], start + entry["data_offsets"][1])
        for name, entry in header.items()
        if name != "__metadata__"
    ]
    return {weights[a:b]: a for a, b in spans if b - a >= _SMALL}


def _packed(graphs: dict[str, Any], weights: bytes, folder: Path) -> tuple[dict[str, bytes], bytes]:
    """Graphs whose constants lie in the weights file or, once each, behind it."""
    places, constants = _tensors(weights) if weights else {}, bytearray()
    xml = {}
    for name, graph in graphs.items():
        path = folder / f"{name}.xml"
        openvino.save_model(graph, path, compress_to_fp16=True)
        data, tree = path.with_suffix(".bin").read_bytes(), ElementTree.parse(path)
        for node in tree.iter("data"):
            if "offset" not in node.attrib:
                continue
            offset, size = (int(node.attrib[key]) for key in ("offset", "size"))
            constant = data[offset : offset + size]
            if constant not in places:
                constants += bytes(-len(constants) % 64)
                places[constant] = len(weights) + len(constants)
                constants += constant
            node.attrib["offset"] = str(places[constant])
        tree.getroot().attrib["name"] = name
        for layer in tree.iter("layer"):  # their names count what was converted before
            layer.attrib["name"] = f"{layer.attrib['type']} {layer.attrib['id']}"
        for port in tree.iter("port"):
            port.attrib.pop("names", None)
        for info in tree.getroot().findall("rt_info"):
            tree.getroot().remove(info)  # versions, and how it was converted
        xml[name] = ElementTree.tostring(tree.getroot(), "utf-8")
    return xml, bytes(constants)
