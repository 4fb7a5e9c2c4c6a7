"""What is the same for networks of all kinds: runs that go on, and the commands from recipe to
network."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pytest

from hdac.training.loop import Trainer
from tests.conftest import Run


def check_resumed(trainer: Callable[[str, bool], Trainer]) -> list[dict[str, float]]:
    """`trainer`: of a folder's name, and whether it resumes. Returns the steps' terms."""
    whole = trainer("whole", False)
    wanted = [whole.train_step() for _ in range(3)]
    first = trainer("parts", False)
    found = [first.train_step()]
    first.save()
    second = trainer("parts", True)
    assert found + [second.train_step() for _ in range(2)] == wanted
    return wanted


def interrupt_saving(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    """Arrays of that shape are half written, then Ctrl-C comes."""
    save = np.save

    def half(file: Path | BinaryIO, array: npt.NDArray[Any]) -> None:
        if array.shape != shape:
            save(file, array)
            return
        save(whole := io.BytesIO(), array)
        data = whole.getvalue()[: whole.tell() // 2]
        file.write_bytes(data) if isinstance(file, Path) else file.write(data)
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", half)


def train_and_export(
    network: str, pack: Path, out: Path, monkeypatch: pytest.MonkeyPatch, hdac: Run
) -> tuple[str, str]:
    """A network of a recipe is trained, exported in all forms, in int8 too, and judged before and
    after: what was said."""
    monkeypatch.setattr("hdac.cli.train._SAMPLES", 2)
    monkeypatch.setattr("hdac.cli.train._CALIBRATING", 64)
    recipe, run = out / "recipe.toml", out / "run"
    recipe.write_text(
        'schema = "hdac-train/1"\ntitle = "small"\nname = "small"\n'
        f"[network]\n{network}\n[training]\nbatch = 1\n"
    )
    code, _, err = hdac("train", "run", recipe, "--pack", pack, "--out", run, "--minutes", 0.01)
    assert code == 0, err
    code, before, _ = hdac("train", "eval", run, "--pack", pack)
    assert code == 0
    code, made, err = hdac(
        "train", "export", run, "--note", "not trained", "--folder", out, "--pack", pack
    )
    assert code == 0, err
    paths = [Path(line) for line in made.split()]
    assert [path.suffix for path in paths] == [".safetensors", ".fp32", ".int8"]
    code, after, _ = hdac("train", "eval", paths[0], "--pack", pack)
    assert code == 0
    return before, after
