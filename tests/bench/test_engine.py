"""Tasks on dask: what is compiled before them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hdac.bench import engine
from hdac.bitstream import codecache


class _Compiler:
    """Stands for the process that compiles."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.waited = 0

    def __call__(self, folder: Path) -> _Compiler:
        self.folders.append(folder)
        return self

    def wait(self) -> int:
        self.waited += 1
        return 0


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Compiler:
    monkeypatch.setenv("HDAC_CACHE", str(tmp_path))
    monkeypatch.delenv("HDAC_JIT", raising=False)
    made = _Compiler()
    monkeypatch.setattr("hdac.bitstream.compiled.fill_in_background", made)
    return made


def test_compiled_code_is_waited_for_and_made_once(compiler: _Compiler) -> None:
    engine.compile_slices()
    (folder,) = compiler.folders
    assert compiler.waited == 1
    (folder / f"made{codecache.SUFFIX}").write_bytes(b"code")
    codecache.finish(folder)
    engine.compile_slices()
    assert compiler.folders == [folder]


def test_nothing_is_compiled_where_that_cannot_be(
    compiler: _Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    codecache.folder().mkdir(parents=True)
    assert codecache.lock(codecache.folder())  # another process is at it
    engine.compile_slices()
    codecache.unlock(codecache.folder())
    (codecache.folder() / codecache.FAILED).write_text("no LLVM")
    engine.compile_slices()
    monkeypatch.setenv("HDAC_JIT", "0")
    engine.compile_slices()
    assert compiler.folders == []


@pytest.mark.parametrize("tasks", [1, engine.COMPILE_TASKS - 1, engine.COMPILE_TASKS])
def test_workers_compile_before_many_tasks(tasks: int) -> None:
    calls: list[Any] = []

    class Client:
        def run(self, function: object, on_error: str) -> None:
            calls.append((function, on_error))

        def submit(self, *_: object, **__: object) -> None:
            calls.append("task")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run_tasks(Client(), str, [0] * tasks, lambda *_: "", lambda _: None)
    first = (engine.compile_slices, "ignore")
    assert calls == ([first, "task"] if tasks >= engine.COMPILE_TASKS else ["task"])


def _allocator() -> str | None:
    return os.environ.get("MALLOC_TRIM_THRESHOLD_")


def test_workers_allocate_as_processes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask would have them give memory back at once: page faults in every convolution."""
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with engine.cluster(1, None) as client:
        assert list(client.run(_allocator).values()) == [None]
