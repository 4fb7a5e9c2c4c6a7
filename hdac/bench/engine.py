"""Tasks on dask.distributed: a local cluster of single-threaded processes, or any scheduler by its
address."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hdac.bench.commands import kill_running
from hdac.bitstream import codecache, compiled
from hdac.errors import UsageError

#: How long a scheduler may take to answer.
CONNECT_SECONDS = 20

#: Files up to this size travel to nodes that may not have them.
SEND_BYTES = 1 << 26

#: From this many tasks, what codes slices is compiled before the first of them.
COMPILE_TASKS = 20
#: How long they wait for that, and how often they look.
COMPILE_SECONDS, POLL_SECONDS = 600, 0.5

T = TypeVar("T")
R = TypeVar("R")
#: Called with the number of tasks that are done, of all, and what to say of the last.
Progress = Callable[[int, int, str], None]


@contextmanager
def cluster(jobs: int, scheduler: str | None) -> Iterator[Any]:
    """A dask client. Raises `UsageError` if nothing answers at `scheduler`."""
    import dask
    from distributed import Client, LocalCluster

    variables = dict(dask.config.get("distributed.nanny.pre-spawn-environ"))
    # with a threshold of its own glibc maps each tensor anew: metrics take twice as long
    variables.pop("MALLOC_TRIM_THRESHOLD_", None)
    dask.config.set(
        {
            "distributed.worker.daemon": False,
            "distributed.comm.timeouts.connect": "20s",
            "distributed.nanny.pre-spawn-environ": variables,
        }
    )
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--scheduler {scheduler}: no dask scheduler answers there ({error}); "
                "give tcp://HOST:PORT"
            ) from error
        with client:
            yield client
        return
    local = LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )
    with local, Client(local) as client:
        try:
            yield client
        except BaseException:
            client.run(kill_running, on_error="ignore")
            raise


def sendable(path: Path) -> bytes | None:
    """What a task carries of a file for nodes without this disk; None for folders and large
    files."""
    return path.read_bytes() if path.is_file() and path.stat().st_size <= SEND_BYTES else None


def check_jobs(jobs: int) -> int:
    """Raises `UsageError` below 1."""
    if not 1 <= jobs <= 1024:
        raise UsageError(f"-j {jobs}; allowed are 1 to 1024 (one core each)")
    return jobs


async def compile_slices() -> None:
    """Waits until there is compiled code of slices (`hdac.bitstream.compiled`), made here or by
    another process: beside tasks on all cores it would hardly get time, and every task be
    interpreted. Where it cannot be had, or not in `COMPILE_SECONDS`, tasks run without."""
    if not compiled.possible():
        return
    folder, filling, started = codecache.folder(), None, time.monotonic()
    while not codecache.complete(folder) and time.monotonic() - started < COMPILE_SECONDS:
        if not codecache.locked(folder):
            if codecache.hopeless(folder) or (filling and filling.poll() is not None):
                return
            if not filling:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                filling = compiled.fill_in_background(folder)
        await asyncio.sleep(POLL_SECONDS)


def run_tasks(
    client: Any,
    function: Callable[[T], R],
    tasks: Sequence[T],
    failed: Callable[[T, str], R],
    done: Callable[[R], None],
) -> None:
    """Runs all; `done` gets each result as it comes, in any order. A task over which workers died
    gives `failed(task, why)`."""
    from distributed import as_completed

    if len(tasks) >= COMPILE_TASKS:
        client.run(compile_slices, on_error="ignore")  # without it the tasks run as well
    futures = {client.submit(function, task, pure=False): task for task in tasks}
    for future in as_completed(list(futures)):
        task, error = futures.pop(future), future.exception()
        why = f"the worker died or could not take the task ({type(error).__name__}: {error})"
        done(failed(task, why) if error else future.result())
        future.release()


def progress_lines() -> Progress:
    """One line a point on stderr, with an estimate of the time left."""
    started = time.monotonic()

    def progress(done: int, of: int, text: str) -> None:
        seconds = (time.monotonic() - started) / max(done, 1) * (of - done)
        time_left = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
        left = f", about {time_left} left" if done else ""
        print(f"[{done}/{of}{left}] {text}", file=sys.stderr, flush=True)

    return progress
