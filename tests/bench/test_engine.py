"""Tasks on dask: what is compiled before them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from hdac.bench import engine
from hdac.bitstream import codecache


class _Compiler:
    """Stands for the process that compiles, which ends when it is looked at for the second time;
    `makes`: it leaves a cache."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.looks, self.makes = 0, True

    def __call__(self, folder: Path) -> _Compiler:
        self.folders.append(folder)
        return self

    def poll(self) -> int | None:
        self.looks += 1
        if self.looks < 2:
            return None
        if self.makes:
            fill(self.folders[-1])
        return 0


def fill(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"made{codecache.SUFFIX}").write_bytes(b"code")
    codecache.finish(folder)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Compiler:
    monkeypatch.setenv("HDAC_CACHE", str(tmp_path))
    for name in ("HDAC_JIT", "NUMBA_DISABLE_JIT"):
        monkeypatch.delenv(name, raising=False)
    made = _Compiler()
    monkeypatch.setattr("hdac.bitstream.compiled.fill_in_background", made)
    monkeypatch.setattr(engine, "POLL_SECONDS", 0)
    return made


def wait() -> None:
    asyncio.run(engine.compile_slices())


def test_compiled_code_is_waited_for_and_made_once(compiler: _Compiler) -> None:
    wait()
    assert compiler.folders == [codecache.folder()]
    assert codecache.complete(codecache.folder())
    wait()
    assert (len(compiler.folders), compiler.looks) == (1, 2)


def test_nothing_is_waited_for_that_does_not_come(
    compiler: _Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler.makes = False
    wait()
    assert (len(compiler.folders), compiler.looks) == (1, 2), "it ended, and left nothing"
    (codecache.folder() / codecache.FAILED).write_text("no LLVM")
    wait()
    (codecache.folder() / codecache.FAILED).unlink()
    monkeypatch.setenv("HDAC_JIT", "0")
    wait()
    assert len(compiler.folders) == 1


def test_another_process_that_compiles_is_waited_for(
    compiler: _Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, slept = codecache.folder(), list[float]()
    folder.mkdir(parents=True)
    assert codecache.lock(folder)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            fill(folder)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    wait()
    assert (len(slept), compiler.folders) == (3, [])
    (folder / codecache.COMPLETE).unlink()
    monkeypatch.setattr(engine, "COMPILE_SECONDS", 0)
    wait()
    assert len(slept) == 3, "not for ever"


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
