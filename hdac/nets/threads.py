"""A pool of threads in which torch computes on one thread each.

The order of a convolution's sums changes with its number of threads, so that what must have the
same bits everywhere is computed on exactly one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from hdac.closing import check_process

T = TypeVar("T")
_LOCK = threading.Lock()


class _Pool(ThreadPoolExecutor):
    """Refuses work in a child process, where its threads are not."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._process = os.getpid()

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        check_process(self._process)
        return super().submit(function, *given, **named)


def one_thread_pool(workers: int, name: str) -> ThreadPoolExecutor:
    """`workers` threads called `name`; torch runs on one thread in each, and on as many as before
    in the threads of the host, those that it starts later too. In a process that was forked since,
    `submit` raises `UsageError`."""
    return _Pool(workers, name, _take_one_thread)


def on_one_thread(function: Callable[..., T], /, *given: Any) -> T:
    """The function's result, made in a thread of its own: had the caller's thread used OpenMP's
    team, torch would wait for that team for ever in a process that is forked later."""
    with one_thread_pool(1, "alone") as pool:
        return pool.submit(function, *given).result()


def _take_one_thread() -> None:
    """`torch.set_num_threads` sets OpenMP and MKL for the calling thread alone, and, for the whole
    process, what threads start with at their first use of torch: the latter is put back by a
    thread of its own."""
    with _LOCK:
        default = torch.get_num_threads()  # first: else this thread would start with it later
        torch.set_num_threads(1)
        back = threading.Thread(target=torch.set_num_threads, args=(default,))
        back.start()
        back.join()
