"""What a graph file computes in int8."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from hdac.runtime.library import openvino


def quantised(path: Path) -> list[tuple[Any, str]]:
    """Of each quantiser of a file's graphs: the node that it rounds, and the type of one that takes
    what it makes."""
    with ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    constants = openvino.Tensor(np.frombuffer(members["constants.bin"], np.uint8))
    found = list[tuple[Any, str]]()
    for name, data in members.items():
        if name.endswith(".xml"):
            graph = openvino.Core().read_model(data, constants)
            found += [
                (op.input_value(0).get_node(), there.get_node().get_type_name())
                for op in graph.get_ops()
                if op.get_type_name() == "FakeQuantize"
                for there in op.output(0).get_target_inputs()
            ]
    return found
