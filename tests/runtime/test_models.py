"""Files of the user's that say too little of themselves."""

import hashlib
import json
from pathlib import Path

import pytest

from hdac.errors import UsageError
from hdac.motion.kinds import motion_for
from hdac.runtime.graphs import Graphs, write_graphs
from hdac.runtime.models import ModelFile, model_from_path


def weights(folder: Path, config: dict[str, object]) -> ModelFile:
    """A file of this configuration, and no tensors."""
    about = json.dumps({"__metadata__": {"config": json.dumps(config)}}).encode()
    data = len(about).to_bytes(8, "little") + about
    path = folder / f"odd-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    path.write_bytes(data)
    return model_from_path(path)


def test_int8_files_without_a_configuration(tmp_path: Path) -> None:
    write_graphs(tmp_path / "odd.int8", Graphs({"weights": "00000000"}, {}, b""))
    with pytest.raises(UsageError, match=r"odd\.int8: not the weights of an hdac network"):
        _ = model_from_path(tmp_path / "odd.int8").config


@pytest.mark.parametrize("coefficients", [None, 0, 65, "16", 2.5])
def test_faces_without_coefficients(tmp_path: Path, coefficients: object) -> None:
    config: dict[str, object] = {"system": "hdac-face", "number": 5}
    if coefficients is not None:
        config["coefficients"] = coefficients
    with pytest.raises(UsageError, match=r"coefficients .*; allowed are 1 to 64"):
        motion_for(weights(tmp_path, config), None)


@pytest.mark.parametrize("system", ["nobody's", ["hdac-face"], {"a": 1}])
def test_systems_that_are_none(tmp_path: Path, system: object) -> None:
    with pytest.raises(UsageError, match="known here are hdac-face"):
        motion_for(weights(tmp_path, {"system": system}), None)
